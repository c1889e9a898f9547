//! Points in time as clients write them.

use std::time::{Duration, SystemTime};

/// The longest text that is read: a date, a time with nanoseconds, an offset.
const LONGEST: usize = 40;

/// Milliseconds since 1970, UTC, of an RFC 3339 timestamp with or without an offset (without: UTC), a date alone, or Unix
/// time in seconds or milliseconds. `None` for what is none of these, or before 1970.
///
/// Unix time of 10^11 and more is in milliseconds: as seconds it would be the year 5138.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number: i64 = text.parse().ok()?;
        return if number < 100_000_000_000 { number.checked_mul(1000) } else { Some(number) };
    }
    let text = text.to_ascii_uppercase();
    let (local, offset) = match text.get(LENGTH_OF_DATE..) {
        Some("") => (format!("{text}T00:00:00"), 0),
        Some(_) => split_offset(&text)?,
        None => return None,
    };
    let local = humantime::parse_rfc3339_weak(&local).ok()?;
    let local = local.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let utc = i64::try_from(local.as_millis()).ok()?.checked_sub(offset)?;
    (utc >= 0).then_some(utc)
}

/// RFC 3339 in UTC, without a fraction where there is none; `None` for a year before 1970 or after 9999.
pub fn rfc3339(millis: i64) -> Option<String> {
    let millis = u64::try_from(millis).ok().filter(|millis| *millis < END_OF_9999)?;
    let time = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))?;
    Some(match millis.checked_rem(1000)? {
        0 => humantime::format_rfc3339_seconds(time).to_string(),
        _ => humantime::format_rfc3339_millis(time).to_string(),
    })
}

/// The date in UTC, `2024-02-29`, within the range of [`rfc3339`].
pub fn date(millis: i64) -> Option<String> {
    let mut text = rfc3339(millis)?;
    text.truncate(LENGTH_OF_DATE);
    Some(text)
}

const LENGTH_OF_DATE: usize = "2024-02-29".len();
const END_OF_9999: u64 = 253_402_300_800_000;

/// A timestamp without its offset, and the offset in milliseconds. `+01:00`, `-0530` and `+01` are offsets; so is `Z`.
fn split_offset(text: &str) -> Option<(String, i64)> {
    let time = text.get(LENGTH_OF_DATE..)?;
    let Some(sign) = time.rfind(['+', '-']) else {
        return Some((text.to_owned(), 0));
    };
    let (local, offset) = text.split_at_checked(LENGTH_OF_DATE.checked_add(sign)?)?;
    let digits: String = offset.get(1..)?.split(':').collect();
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |part: Option<&str>| part.unwrap_or_default().parse::<i64>().unwrap_or_default();
    let (hours, minutes) = (number(digits.get(..2)), number(digits.get(2..)));
    let minutes = hours.checked_mul(60)?.checked_add(minutes)?;
    let millis = minutes.checked_mul(60_000)?;
    Some((local.to_owned(), if offset.starts_with('-') { millis.checked_neg()? } else { millis }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // `date -u -d @1709210096` is 2024-02-29 12:34:56.
    const LEAP_DAY: i64 = 1_709_210_096_000;

    #[test]
    fn a_timestamp_is_read_with_and_without_an_offset() {
        for text in [
            "2024-02-29T12:34:56Z",
            "2024-02-29T12:34:56.000Z",
            "2024-02-29t12:34:56z",
            "2024-02-29T12:34:56",
            "2024-02-29 12:34:56",
            "2024-02-29T12:34:56+00:00",
            "2024-02-29T14:34:56+02:00",
            "2024-02-29T14:34:56.000+0200",
            "2024-02-29T11:34:56-01",
            "2024-02-29T07:04:56-05:30",
            " 1709210096 ",
            "1709210096000",
        ] {
            assert_eq!(parse_timestamp(text), Some(LEAP_DAY), "{text}");
        }
        assert_eq!(parse_timestamp("2024-02-29T12:34:56.789123Z"), Some(LEAP_DAY + 789));
        assert_eq!(parse_timestamp("1970-01-02"), Some(86_400_000));
    }

    #[test]
    fn what_is_no_point_in_time_since_1970_is_none() {
        for text in [
            "",
            "now",
            "2023-02-29T00:00:00Z",
            "2024-13-01",
            "2024-02-29T25:00:00Z",
            "2024-02-29T12:34:56+1",
            "2024-02-29T12:34:56+aa:bb",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "-5",
            "2024-02-29T",
            "２０２４-02-29",
            "9999999999999999999999",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
        assert_eq!(parse_timestamp(&"1".repeat(100_000)), None);
    }

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(rfc3339(LEAP_DAY).as_deref(), Some("2024-02-29T12:34:56Z"));
        assert_eq!(rfc3339(LEAP_DAY + 7).as_deref(), Some("2024-02-29T12:34:56.007Z"));
        assert_eq!(date(LEAP_DAY).as_deref(), Some("2024-02-29"));
        assert_eq!((rfc3339(-1), rfc3339(i64::MAX)), (None, None));
    }

    proptest! {
        #[test]
        fn a_time_that_is_written_is_read_back(millis in 0i64..253_402_300_800_000) {
            prop_assert_eq!(parse_timestamp(&rfc3339(millis).unwrap()), Some(millis));
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "[0-9TZ:. +-]{0,40}|.{0,40}") {
            if let Some(millis) = parse_timestamp(&text) {
                prop_assert!(millis >= 0);
            }
        }
    }
}
