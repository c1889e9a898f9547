//! Whole numbers with a range.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// A whole number from `MIN` to `MAX`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// Returns `N`, which the compiler refuses if it is out of range: for defaults.
    pub const fn literal<const N: u64>() -> Self {
        const { assert!(MIN <= N && N <= MAX) }
        Self(N)
    }

    /// Returns the number. None of a configuration is larger than 2^32.
    pub fn get(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_u64(WholeVisitor)?;
        if (MIN..=MAX).contains(&number) {
            return Ok(Self(number));
        }
        Err(D::Error::custom(format_args!("expected {MIN} to {MAX}, got {number}")))
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<u64, E> {
        u64::try_from(number).map_err(|_| E::custom(format_args!("expected a whole number, got {number}")))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        Err(E::invalid_type(Unexpected::Float(number), &self))
    }
}
