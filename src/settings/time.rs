//! Durations as the configuration writes them: a whole number and a unit.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

// In milliseconds, for the bounds of a `Time`.
/// A millisecond.
pub const MILLISECOND: u64 = 1;
/// A second, in milliseconds.
pub const SECOND: u64 = 1_000 * MILLISECOND;
/// A minute, in milliseconds.
pub const MINUTE: u64 = 60 * SECOND;
/// An hour, in milliseconds.
pub const HOUR: u64 = 60 * MINUTE;
/// A day of 24 hours, in milliseconds.
pub const DAY: u64 = 24 * HOUR;
/// A leap year.
pub const YEAR: u64 = 366 * DAY;

/// The units, the largest first.
const UNITS: [(&str, u64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", MILLISECOND)];

/// A duration from `MIN` to `MAX` milliseconds, both included: `500ms`, `5s`, `10m`, `1h`, `400d`.
///
/// Parsed here, because the JSON Schema can express this grammar in one pattern: the crates for human-readable durations also
/// accept `1h 30m`, `5 min` or `1.5s`, which a schema can't describe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time<const MIN: u64, const MAX: u64>(Duration);

impl<const MIN: u64, const MAX: u64> Time<MIN, MAX> {
    /// Returns `N` milliseconds, which the compiler refuses if they are out of range: for defaults.
    pub const fn literal<const N: u64>() -> Self {
        const { assert!(MIN <= N && N <= MAX) }
        Self(Duration::from_millis(N))
    }

    /// Returns the duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Time<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let millis = parse(&text).ok_or_else(|| {
            D::Error::custom(format_args!(
                "expected a duration like 500ms, 5s, 10m, 1h or 400d, got {text:?}"
            ))
        })?;
        if (MIN..=MAX).contains(&millis) {
            return Ok(Self(Duration::from_millis(millis)));
        }
        let (least, most, got) = (Written(MIN), Written(MAX), Written(millis));
        Err(D::Error::custom(format_args!("expected {least} to {most}, got {got}")))
    }
}

/// Writes the duration as it would be configured.
impl<const MIN: u64, const MAX: u64> fmt::Display for Time<MIN, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Written(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)).fmt(f)
    }
}

/// Milliseconds, displayed in the largest unit in which they are a whole number.
pub(super) struct Written(pub u64);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = |(_, unit): &&(&str, u64)| self.0.is_multiple_of(*unit);
        match UNITS.iter().find(whole).filter(|_| self.0 > 0) {
            Some((name, unit)) => write!(f, "{}{name}", self.0.checked_div(*unit).unwrap_or_default()),
            None => f.write_str("0s"),
        }
    }
}

/// Returns the milliseconds; `None` for a text that is no duration, or longer than any clock counts.
fn parse(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.bytes().take_while(u8::is_ascii_digit).count())?;
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("5s", 5_000),
            ("10m", 600_000),
            ("1h", 3_600_000),
            ("400d", 400 * 86_400_000),
        ] {
            assert_eq!(parse(text), Some(millis), "{text}");
            assert_eq!(Written(millis).to_string(), text);
        }
        for text in ["", "5", "s", "5 s", " 5s", "-5s", "+5s", "1.5s", "5S", "5min", "1h 30m", "5sé", "٥s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("213503982334d"), Some(213_503_982_334 * 86_400_000));
        for text in ["213503982335d", "18446744073709551616ms", "99999999999999999999999d"] {
            assert_eq!(parse(text), None, "{text}: too long");
        }
    }

    #[test]
    fn a_duration_is_written_in_the_largest_unit_that_fits() {
        for (millis, text) in [(1_500, "1500ms"), (90_000, "90s"), (5_400_000, "90m"), (129_600_000, "36h")] {
            assert_eq!(Written(millis).to_string(), text);
        }
    }

    proptest! {
        #[test]
        fn a_duration_that_is_written_is_read_back(millis: u64) {
            prop_assert_eq!(parse(&Written(millis).to_string()), Some(millis));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[0-9]{0,25}.{0,3}") {
            _ = parse(&text);
        }
    }
}
