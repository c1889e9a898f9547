//! Points in time as clients write them.
//!
//! The calendar is that of the `time` crate, the grammar is ours: docs/decisions/0017-timestamps.md.

use time::{Date, Month, Time, UtcDateTime};

/// The longest text that is read: a date, a time with nanoseconds, an offset.
const LONGEST: usize = 40;

/// Milliseconds since 1970, UTC, of an RFC 3339 timestamp with or without an offset (without: UTC), a date alone, or Unix
/// time in seconds or milliseconds, with or without a fraction. `None` for what is none of these, or before 1970.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !whole.is_empty() && digits(whole) && digits(fraction) {
        return unix(whole.parse().ok()?, fraction);
    }
    let text = text.to_ascii_uppercase();
    let (local, offset) = match text.get(LENGTH_OF_DATE..) {
        Some("") => (format!("{text}T00:00:00"), 0),
        Some(_) => split_offset(&text)?,
        None => return None,
    };
    let utc = parse_local(local.as_bytes())?.checked_sub(offset)?;
    (utc >= 0).then_some(utc)
}

/// The milliseconds of Unix time, of which `fraction` are the digits behind the point.
///
/// Unix time of 10^11 and more is in milliseconds: as seconds it would be the year 5138.
fn unix(number: i64, fraction: &str) -> Option<i64> {
    if number >= 100_000_000_000 {
        return Some(number);
    }
    let digit = |at| fraction.as_bytes().get(at).copied().unwrap_or(b'0');
    let millis = self::number::<u16>(&[digit(0), digit(1), digit(2)])?;
    number.checked_mul(1000)?.checked_add(millis.into())
}

/// RFC 3339 in UTC, without a fraction where there is none; `None` for a year before 1970 or after 9999.
pub fn rfc3339(millis: i64) -> Option<String> {
    if millis < 0 {
        return None;
    }
    let at = UtcDateTime::from_unix_timestamp(millis / 1000).ok()?;
    let ((year, month, day), (hour, minute, second)) = (at.to_calendar_date(), at.as_hms());
    let fraction = match millis % 1000 {
        0 => String::new(),
        fraction => format!(".{fraction:03}"),
    };
    Some(format!("{year:04}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z", u8::from(month)))
}

/// The date in UTC, `2024-02-29`, within the range of [`rfc3339`].
pub fn date(millis: i64) -> Option<String> {
    let mut text = rfc3339(millis)?;
    text.truncate(LENGTH_OF_DATE);
    Some(text)
}

const LENGTH_OF_DATE: usize = "2024-02-29".len();

/// `2024-02-29T12:34:56`, with or without a fraction and a `Z`, as if in UTC. A leap second is the one before it.
fn parse_local(text: &[u8]) -> Option<i64> {
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    let (date, time) = text.split_at_checked(LENGTH_OF_DATE)?;
    let [y0, y1, y2, y3, b'-', m0, m1, b'-', d0, d1] = *date else { return None };
    let [b'T' | b' ', h0, h1, b':', n0, n1, b':', s0, s1, ref fraction @ ..] = *time else { return None };
    let month = Month::try_from(number::<u8>(&[m0, m1])?).ok()?;
    let year = number::<u16>(&[y0, y1, y2, y3])?;
    let date = Date::from_calendar_date(i32::from(year), month, number(&[d0, d1])?).ok()?;
    let (hour, minute, second) = (number(&[h0, h1])?, number(&[n0, n1])?, number::<u8>(&[s0, s1])?);
    let fraction = match fraction {
        [] => 0,
        [b'.', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            let digit = |at| digits.get(at).copied().unwrap_or(b'0');
            number(&[digit(0), digit(1), digit(2)])?
        }
        _ => return None,
    };
    let second = if second == 60 { 59 } else { second };
    let time = Time::from_hms_milli(hour, minute, second, fraction).ok()?;
    let utc = UtcDateTime::new(date, time);
    let millis = utc.unix_timestamp().checked_mul(1000)?.checked_add(i64::from(utc.millisecond()))?;
    (millis >= 0).then_some(millis)
}

/// Up to four digits as a number of a type that has room for it.
fn number<N: TryFrom<u16>>(digits: &[u8]) -> Option<N> {
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let number =
        digits.iter().try_fold(0, |number: u16, byte| number.checked_mul(10)?.checked_add(digit(byte)?));
    N::try_from(number?).ok()
}

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
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;

    const DAY: u64 = 86_400_000;
    const END_OF_9999: u64 = 253_402_300_800_000;

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
            "2024-02-29T12:34:56.",
            "2024-02-29T14:34:56+02:00",
            "2024-02-29T14:34:56.000+0200",
            "2024-02-29T11:34:56-01",
            "2024-02-29T07:04:56-05:30",
            " 1709210096 ",
            "1709210096000",
            "1709210096.0",
            "1709210096000.75",
        ] {
            assert_eq!(parse_timestamp(text), Some(LEAP_DAY), "{text}");
        }
        assert_eq!(parse_timestamp("2024-02-29T12:34:56.789123Z"), Some(LEAP_DAY + 789));
        assert_eq!(parse_timestamp("1709210096.7891"), Some(LEAP_DAY + 789));
        assert_eq!(parse_timestamp("1709210096.5"), Some(LEAP_DAY + 500));
        assert_eq!(parse_timestamp("1970-01-02"), Some(86_400_000));
    }

    #[test]
    fn what_is_no_point_in_time_since_1970_is_none() {
        for text in [
            "",
            "now",
            "2023-02-29T00:00:00Z",
            "2024-13-01",
            "2024-00-01",
            "2024-01-00",
            "2024-04-31",
            "2100-02-29",
            "2024-2-29T00:00:00Z",
            "2024-02-29T12:34:61Z",
            "2024-02-29T12:60:00Z",
            "2024-02-29T12:34",
            "2024-02-29T12:34:56.1x",
            "2024-02-29T12:34:56,1",
            "2024/02/29T12:34:56",
            "2024-02-29T25:00:00Z",
            "2024-02-29T12:34:56+1",
            "2024-02-29T12:34:56+aa:bb",
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:59-01:00",
            "1970-01-01T00:00:00+01:00",
            "-5",
            ".5",
            "5.5.5",
            "1.7e9",
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
        assert_eq!(rfc3339(END_OF_9999 as i64), None);
    }

    /// httpdate has a calendar of its own.
    #[test]
    fn the_calendar_is_that_of_httpdate() {
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        for day in 0..END_OF_9999 / DAY {
            let time = SystemTime::UNIX_EPOCH + Duration::from_millis(day * DAY);
            let written = httpdate::fmt_http_date(time); // Sun, 06 Nov 1994 08:49:37 GMT
            let ours = date((day * DAY) as i64).unwrap();
            assert_eq!((&ours[8..], &ours[..4]), (&written[5..7], &written[12..16]), "{written}");
            let month = months.iter().position(|name| written[8..11] == **name).unwrap() + 1;
            assert_eq!(ours[5..7], format!("{month:02}"), "{written}");
            assert_eq!(parse_timestamp(&ours), Some((day * DAY) as i64));
        }
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
