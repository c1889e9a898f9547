//! Numbers that keep their digits.

use std::borrow::Cow;

use crate::left_out::Reason;

/// The most significant digits that are kept. A double needs no more to be told from its neighbours.
const MAX_SIGNIFICANT_DIGITS: usize = 17;
/// Values must be below 10^15.
const MAX_INTEGER_DIGITS: i32 = 15;
/// The most zeros between the point and the first significant digit.
const MOST_ZEROS: i32 = 64;
/// The longest text that is read, in bytes. Written out to its last digit, a double of less than 10^15 has at most 1,076.
const LONGEST: usize = 1100;
/// The longest number that is kept as it came, in bytes: 17 digits, and generous room for zeros.
const LONGEST_KEPT: usize = 64;

/// A JSON number as plain decimal digits: `129.99` stays `129.99`, `129.90` stays `129.90`, `1e2` becomes `100`.
///
/// A number of more than 17 significant digits is a double whose binary fraction was written out, as PHP does:
/// `0.1000000000000000055511151231257827`. It becomes the shortest decimal that means the same double, `0.1`.
///
/// `None` for what is not a finite, non-negative number below 10^15 in JSON's grammar: `1,299.00`, `$5`, `-1`, `.5`, `NaN`.
pub fn plain(text: &str) -> Option<Cow<'_, str>> {
    read(text).ok()
}

/// The same as [`plain`], with the reason for what it refuses.
pub fn read(text: &str) -> Result<Cow<'_, str>, Reason> {
    let Parts { whole, fraction, exponent } = Parts::of(text).ok_or_else(|| refusal(text))?;
    let first_zeros = |part: &str| part.bytes().take_while(|byte| *byte == b'0').count();
    let last_zeros = |part: &str| part.bytes().rev().take_while(|byte| *byte == b'0').count();
    let length = whole.len().saturating_add(fraction.len());
    // `whole` begins with a zero only where it is nothing else.
    let leading = if whole == "0" { first_zeros(fraction).saturating_add(1) } else { 0 };
    if leading == length {
        let is_kept = exponent.is_none() && text.len() <= LONGEST_KEPT;
        return Ok(if is_kept { Cow::Borrowed(text) } else { Cow::Borrowed("0") });
    }
    let trailing = match last_zeros(fraction) {
        all if all == fraction.len() => all.saturating_add(last_zeros(whole)),
        some => some,
    };
    let significant = length.saturating_sub(leading).saturating_sub(trailing);
    // The number is 0.DIGITS x 10^point, its first significant digit standing `leading` places behind the point.
    let point = (whole.len() as i32).saturating_add(exponent.unwrap_or(0));
    match point.saturating_sub(leading as i32) {
        magnitude if magnitude > MAX_INTEGER_DIGITS => Err(Reason::TooLarge),
        magnitude if magnitude < -MOST_ZEROS => Err(Reason::TooManyDigits),
        _ if significant > MAX_SIGNIFICANT_DIGITS || text.len() > LONGEST_KEPT => {
            shortest(text).map(Cow::Owned)
        }
        _ if exponent.is_none() => Ok(Cow::Borrowed(text)),
        _ => Ok(Cow::Owned(shift(&format!("{whole}{fraction}"), point))),
    }
}

/// Returns the shortest decimal of the double that a number means.
#[cold]
#[inline(never)]
fn shortest(number: &str) -> Result<String, Reason> {
    let double: f64 = number.parse().map_err(|_| Reason::NotANumber)?;
    // Rounding can lead there: 999999999999999.99999.
    if double < 1e15 { Ok(double.to_string()) } else { Err(Reason::TooLarge) }
}

/// A number in JSON's grammar, but for its sign.
struct Parts<'a> {
    whole: &'a str,
    fraction: &'a str,
    exponent: Option<i32>,
}

impl<'a> Parts<'a> {
    #[inline(always)] // every amount is read by it
    fn of(text: &'a str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (whole, rest) = text.split_at_checked(digits(text))?;
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at_checked(digits(rest)).filter(|(fraction, _)| !fraction.is_empty())?,
            None => ("", rest),
        };
        let exponent = match rest.as_bytes().first() {
            None => None,
            Some(b'e' | b'E') => Some(rest.get(1..)?.parse::<i32>().ok()?),
            Some(_) => return None,
        };
        let is_number = !whole.is_empty() && (whole.len() == 1 || !whole.starts_with('0'));
        is_number.then_some(Self { whole, fraction, exponent })
    }
}

/// Why a text that is not made of [`Parts`] is refused.
#[cold]
#[inline(never)]
fn refusal(text: &str) -> Reason {
    let mut bare = text.strip_prefix(['-', '+']).unwrap_or(text);
    while let Some(shorter) = bare.strip_prefix('0').filter(|rest| digits(rest) > 0) {
        bare = shorter;
    }
    match Parts::of(bare) {
        None => Reason::NotANumber,
        Some(_) if !text.starts_with('-') => Reason::Prefixed,
        Some(Parts { whole: "0", fraction, .. }) if fraction.bytes().all(|digit| digit == b'0') => {
            Reason::MinusZero
        }
        Some(_) => Reason::BelowZero,
    }
}

/// A JSON number for targets without a kind: [`plain`] if possible, else unchanged. A negative number of too many digits becomes
/// shorter, as a positive one does. The error is the reason where the number is not finite, or longer than 64 bytes.
pub fn finite(json: &str) -> Result<Cow<'_, str>, Reason> {
    if let Some(plain) = plain(json) {
        return Ok(plain);
    }
    match json.strip_prefix('-').map(read) {
        Some(Ok(Cow::Owned(shorter))) => Ok(Cow::Owned(format!("-{shorter}"))),
        _ if json.len() > LONGEST_KEPT => Err(Reason::TooManyDigits),
        _ if !is_finite(json) => Err(Reason::TooLarge),
        _ => Ok(Cow::Borrowed(json)),
    }
}

/// The same without zeros that mean nothing: 3.0 is written 3. For constants, of which a Struct does not keep the digits.
pub fn short(json: &str) -> Option<String> {
    let (sign, number) = json.strip_prefix('-').map_or(("", json), |number| ("-", number));
    match plain(number) {
        Some(plain) if plain.contains('.') => {
            Some(format!("{sign}{}", plain.trim_end_matches('0').trim_end_matches('.')))
        }
        Some(plain) => Some(format!("{sign}{plain}")),
        None => finite(json).ok().map(Cow::into_owned),
    }
}

/// From 2^1024 - 2^970 on, which begins with these digits and has 309, no double is near.
const INFINITE: &str = "17976931348623158079372897140530341507993413271003782693617377898";

/// Whether there is a double for a JSON number.
fn is_finite(json: &str) -> bool {
    let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let exponent = exponent.parse().unwrap_or(if exponent.starts_with('-') { i32::MIN } else { i32::MAX });
    let mantissa = mantissa.trim_start_matches('-');
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    // The number is 0.DIGITS x 10^point.
    let leading = all.len().saturating_sub(digits.len());
    let point = exponent.saturating_add_unsigned(whole.len() as u32).saturating_sub_unsigned(leading as u32);
    digits.is_empty() || point < 309 || (point == 309 && digits < INFINITE)
}

/// How many digits a text begins with.
fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Writes 0.DIGITS x 10^point without an exponent.
fn shift(digits: &str, point: i32) -> String {
    let Ok(point) = usize::try_from(point) else {
        let zeros = "0".repeat(point.unsigned_abs() as usize);
        return format!("0.{zeros}{digits}").trim_end_matches('0').to_owned();
    };
    let (whole, fraction) = match digits.split_at_checked(point) {
        Some((whole, fraction)) => (whole.to_owned(), fraction),
        None => (format!("{digits:0<point$}"), ""),
    };
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }
}

/// The part before the point, for targets that count things.
pub fn integer(plain: &str) -> &str {
    plain.split_once('.').map_or(plain, |(whole, _)| whole)
}

/// The exact decimal sum of plain numbers, written as [`plain`] writes numbers; `None` once it leaves their range.
pub fn sum<'a>(numbers: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    /// Of a fraction. More are no amount of anything.
    const MOST_PLACES: usize = 20;
    let parts = numbers.map(|number| number.split_once('.').unwrap_or((number, "")));
    let places = parts.clone().map(|(_, fraction)| fraction.len()).max().unwrap_or_default();
    if places > MOST_PLACES {
        return None;
    }
    // In units of the last place: of at most 15 digits before the point and 20 behind it, there is room for thousands.
    let power = |exponent: usize| 10_u128.checked_pow(u32::try_from(exponent).ok()?);
    let unit = power(places)?;
    let mut total = 0_u128;
    for (whole, fraction) in parts {
        let fraction = match fraction {
            "" => 0,
            digits => digits.parse::<u128>().ok()?.checked_mul(power(places.checked_sub(digits.len())?)?)?,
        };
        let whole = u128::from(whole.parse::<u64>().ok()?).checked_mul(unit)?;
        total = total.checked_add(whole)?.checked_add(fraction)?;
    }
    let whole = u64::try_from(total.checked_div(unit)?).ok()?;
    let mut text = itoa::Buffer::new().format(whole).to_owned();
    if places > 0 {
        let fraction = total.checked_rem(unit)?;
        text += &format!(".{fraction:0places$}");
    }
    plain(&text).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_the_digits_they_came_with() {
        for number in ["129.99", "129.90", "0", "0.00", "0.05", "999999999999999", "1", "12345678901234.567"]
        {
            assert_eq!(plain(number).as_deref(), Some(number));
        }
    }

    #[test]
    fn a_double_written_to_its_last_digit_becomes_the_shortest_decimal_that_means_it() {
        for (number, written) in [
            // PHP's json_encode with serialize_precision 17 and 100, and Python's Decimal of a float.
            ("27964.0000000000036379788070917129516601562", "27964.000000000004"),
            ("0.1000000000000000055511151231257827", "0.1"),
            ("0.1000000000000000055511151231257827021181583404541015625", "0.1"),
            ("0.001000000000000000020816681711721685132943093776702880859375", "0.001"),
            ("1.29990000000000009094947017729282379150390625E2", "129.99"),
            ("49.899999999999998578914528479799628257751464843750", "49.9"),
            ("0.123456789012345678", "0.12345678901234568"),
            (&format!("129.90{}", "0".repeat(100)), "129.9"),
            (&format!("0.{}", "0".repeat(100)), "0"),
        ] {
            assert_eq!(plain(number).as_deref(), Some(written), "{number}");
        }
    }

    #[test]
    fn up_to_17_digits_stay_as_they_came() {
        for number in
            ["27964.000000000004", "0.10000000000000001", "129.99000000000001", "49.899999999999999"]
        {
            assert_eq!(plain(number).as_deref(), Some(number));
        }
    }

    #[test]
    fn an_exponent_is_written_out() {
        for (number, written) in [
            ("1.2345678E7", "12345678"), // Java's Double.toString
            ("1.0E10", "10000000000"),
            ("1e2", "100"),
            ("1.5E-3", "0.0015"),
            ("12.50e1", "125"),
            ("1.25e1", "12.5"),
            ("0e9", "0"),
            ("0.1e1", "1"),
        ] {
            assert_eq!(plain(number).as_deref(), Some(written), "{number}");
        }
    }

    #[test]
    fn a_number_that_is_refused_has_a_reason() {
        for (text, reason) in [
            ("1,299.00", Reason::NotANumber),
            ("NaN", Reason::NotANumber),
            (".5", Reason::NotANumber),
            ("", Reason::NotANumber),
            ("--1", Reason::NotANumber),
            ("-1", Reason::BelowZero),
            ("-00.50", Reason::BelowZero),
            ("-0.0", Reason::MinusZero),
            ("+3", Reason::Prefixed),
            ("00012.50", Reason::Prefixed),
            ("00", Reason::Prefixed),
            ("1000000000000000", Reason::TooLarge),
            ("1e400", Reason::TooLarge),
            ("12345678901234567.8", Reason::TooLarge),
            ("999999999999999.99999999", Reason::TooLarge),
            ("49,90", Reason::NotANumber),
            ("4,245.42", Reason::NotANumber),
            ("49.90 EUR", Reason::NotANumber),
            ("1.2345678E17", Reason::TooLarge),
            ("1e-99", Reason::TooManyDigits),
        ] {
            assert_eq!(read(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_left_out() {
        for text in [
            "-1",
            "-0",
            "",
            " ",
            "1,299.00",
            "$5",
            ".5",
            "5.",
            "007",
            "NaN",
            "Infinity",
            "1e15",
            "1000000000000000",
            "1e999999999999",
            "1e-999999999",
            "123456789012345678",
            "49,90",
            "49.90 EUR",
            "1e",
            "0x10",
            "1_000",
            "１",
        ] {
            assert_eq!(plain(text), None, "{text}");
        }
        assert_eq!(plain(&"9".repeat(100_000)), None);
    }

    #[test]
    fn a_number_that_is_no_amount_can_still_be_a_value_if_it_is_finite() {
        for (number, kept) in [
            ("1e2", Ok("100")),
            ("-5.50", Ok("-5.50")),
            ("-0.1000000000000000055511151231257827", Ok("-0.1")),
            ("1e20", Ok("1e20")),
            ("12345678901234567890", Ok("12345678901234567890")), // as an order number
            ("1e999", Err(Reason::TooLarge)),
            ("-1e999", Err(Reason::TooLarge)),
        ] {
            assert_eq!(finite(number).as_deref(), kept.as_ref().copied(), "{number}");
        }
        for (number, short_) in [
            ("3.0", "3"),
            ("-1.50", "-1.5"),
            ("1e2", "100"),
            ("1.50e20", "1.50e20"),
            ("100", "100"),
            ("0.0", "0"),
        ] {
            assert_eq!(short(number).as_deref(), Some(short_), "{number}");
        }
        assert_eq!(finite(&"9".repeat(100_000)), Err(Reason::TooManyDigits));
    }

    #[test]
    fn a_sum_is_exact() {
        assert_eq!(sum(["0.1", "0.2"].into_iter()).as_deref(), Some("0.3"));
        assert_eq!(sum(["2", "1"].into_iter()).as_deref(), Some("3"));
        // Like any number of more than 17 digits.
        assert_eq!(sum(["0.99999999999999999", "0.00000000000000000001"].into_iter()).as_deref(), Some("1"));
        assert_eq!(sum(["1.9999999999", "0.0000000001", "0.5"].into_iter()).as_deref(), Some("2.5000000000"));
        assert_eq!(sum(["0.000000000009", "0.000000000001"].into_iter()).as_deref(), Some("0.000000000010"));
        assert_eq!(sum(["999999999999999", "1"].into_iter()), None);
    }

    proptest! {
        #[test]
        fn a_number_means_the_same_after_as_before(mantissa in 0u64..10_000_000_000, places in 0usize..6, exponent in -6i32..5) {
            let digits = format!("{mantissa:0>7}");
            let (whole, fraction) = digits.split_at(digits.len() - places);
            let whole = whole.trim_start_matches('0');
            let point = if places > 0 { "." } else { "" };
            let text = format!("{}{point}{fraction}e{exponent}", if whole.is_empty() { "0" } else { whole });
            if let Some(written) = plain(&text) {
                let (before, after): (f64, f64) = (text.parse().unwrap(), written.parse().unwrap());
                prop_assert!((before - after).abs() <= before.abs() * 1e-12, "{} {}", text, written);
                prop_assert!(!written.contains(['e', 'E']));
            }
        }

        #[test]
        fn a_number_is_finite_where_it_has_a_double(text in "-?(0|[1-9][0-9]{0,9})([.][0-9]{1,9})?(e[+-]?(30[0-9]|3[0-9]{2}|[0-9]{1,14}))?|-?1[.]797693134862315[0-9]{1,4}e308") {
            prop_assert_eq!(finite(&text).is_ok(), text.parse::<f64>().unwrap().is_finite(), "{}", text);
        }

        #[test]
        fn a_double_written_to_its_last_digit_is_read_as_the_same_double(double in 1e-30_f64..1e15, digits in 17_usize..100) {
            let text = format!("{double:.digits$}");
            let read: f64 = plain(&text).unwrap().parse().unwrap();
            prop_assert_eq!(read, text.parse::<f64>().unwrap(), "{}", text);
        }

        #[test]
        fn any_text_is_a_json_number_or_none(text in "[0-9eE+.-]{0,24}|.{0,12}") {
            if let Some(written) = plain(&text) {
                let value: f64 = serde_json::from_str(&written).unwrap();
                prop_assert!((0.0..1e15).contains(&value));
            }
        }
    }
}
