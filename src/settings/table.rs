//! Objects whose keys come from a table in the code rather than from the fields of a struct.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};

use super::problem::unknown_key;

/// Reads an object and calls `take` with each key and value. A key that is not `known` is refused with those there are, as
/// an unknown field of a struct is.
pub fn members_of_table<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
    known: &[&'static str],
    take: impl FnMut(&'static str, T),
) -> Result<(), D::Error> {
    deserializer.deserialize_map(TableVisitor { known, take, value: PhantomData })
}

struct TableVisitor<'k, F, T> {
    known: &'k [&'static str],
    take: F,
    value: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(&'static str, T)> Visitor<'de> for TableVisitor<'_, F, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(key) = members.next_key_seed(Key { known: self.known })? {
            (self.take)(key, members.next_value()?);
        }
        Ok(())
    }
}

/// Refuses an unknown key while it is read, so that the error stands at the key.
#[derive(Clone, Copy)]
struct Key<'k> {
    known: &'k [&'static str],
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = &'static str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'static str, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = &'static str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<&'static str, E> {
        let found = self.known.iter().find(|known| **known == key);
        found.copied().ok_or_else(|| unknown_key(self.known))
    }
}
