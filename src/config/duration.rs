//! Durations as the configuration writes them: a whole number and a unit.

use std::time::Duration;

/// The units, the largest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// `500ms`, `5s`, `10m`, `1h`, `400d`. `None` for what is none, or longer than any clock counts.
pub fn parse(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.bytes().take_while(u8::is_ascii_digit).count())?;
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*millis).map(Duration::from_millis)
}

/// A duration of whole milliseconds in the largest unit in which it is a whole number.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
pub fn write(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let whole = |(_, unit): &&(&str, u64)| millis.is_multiple_of(*unit);
    match UNITS.iter().find(whole).filter(|_| millis > 0) {
        Some((name, unit)) => format!("{}{name}", millis.checked_div(*unit).unwrap_or_default()),
        None => "0s".to_owned(),
    }
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
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(write(Duration::from_millis(millis)), text);
        }
        for text in ["", "5", "s", "5 s", " 5s", "-5s", "+5s", "1.5s", "5S", "5min", "1h 30m", "5sé", "٥s"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse("213503982334d"), Some(Duration::from_millis(213_503_982_334 * 86_400_000)));
        for text in ["213503982335d", "18446744073709551616ms", "99999999999999999999999d"] {
            assert_eq!(parse(text), None, "{text}: too long");
        }
    }

    #[test]
    fn a_duration_is_written_in_the_largest_unit_that_fits() {
        for (millis, text) in [(1_500, "1500ms"), (90_000, "90s"), (5_400_000, "90m"), (129_600_000, "36h")] {
            assert_eq!(write(Duration::from_millis(millis)), text);
        }
    }

    proptest! {
        #[test]
        fn a_duration_that_is_written_is_read_back(millis: u64) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse(&write(duration)), Some(duration));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[0-9]{0,25}.{0,3}") {
            _ = parse(&text);
        }
    }
}
