//! Reads a serialized `google.protobuf.Struct`, which is how Envoy hands a YAML configuration over.
//!
//! A page of wire format instead of `prost` and `prost-types`, most of whose code, for messages that never come, is of no
//! use here; in the tests prost writes what this reads. Field numbers and wire types are those of
//! <https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/struct.proto> and
//! <https://protobuf.dev/programming-guides/encoding/>.

use super::tree::{DEEPEST, Tree, put};

/// The object that `message` holds; `None` if it is no Struct.
pub(super) fn object(message: &[u8]) -> Option<Tree> {
    read_struct(message, DEEPEST)
}

fn read_struct(message: &[u8], depth: usize) -> Option<Tree> {
    let mut members = Vec::new();
    each_field(message, &mut |number, field| {
        let (1, Field::Bytes(entry)) = (number, field) else { return Some(()) };
        let (mut key, mut value) = (String::new(), Tree::Null);
        each_field(entry, &mut |number, field| {
            match (number, field) {
                (1, Field::Bytes(bytes)) => key = text(bytes)?,
                (2, Field::Bytes(bytes)) => value = read_value(bytes, depth)?,
                _ => {}
            }
            Some(())
        })?;
        put(&mut members, key, value);
        Some(())
    })?;
    Some(Tree::Object(members))
}

fn read_value(message: &[u8], depth: usize) -> Option<Tree> {
    let depth = depth.checked_sub(1)?;
    let mut value = Tree::Null;
    each_field(message, &mut |number, field| {
        value = match (number, field) {
            (1, Field::Number(_)) => Tree::Null,
            (2, Field::Double(double)) => written(double).map_or(Tree::Null, Tree::Number),
            (3, Field::Bytes(bytes)) => Tree::Text(text(bytes)?),
            (4, Field::Number(number)) => Tree::Bool(number != 0),
            (5, Field::Bytes(bytes)) => read_struct(bytes, depth)?,
            (6, Field::Bytes(bytes)) => read_list(bytes, depth)?,
            _ => return Some(()),
        };
        Some(())
    })?;
    Some(value)
}

fn read_list(message: &[u8], depth: usize) -> Option<Tree> {
    let mut items = Vec::new();
    each_field(message, &mut |number, field| {
        if let (1, Field::Bytes(bytes)) = (number, field) {
            items.push(read_value(bytes, depth)?);
        }
        Some(())
    })?;
    Some(Tree::List(items))
}

/// The decimal that somebody wrote and that became this double: of those that would, one with the fewest places. A Struct
/// knows doubles only, so 5 comes as 5.0 and is 5 again.
///
/// Exact arithmetic instead of the standard library's for any double at all, which is kilobytes of the module: None for what no
/// configuration means, above 2^64 or with more than 22 places.
fn written(double: f64) -> Option<String> {
    let sign = if double < 0.0 { "-" } else { "" };
    let double = double.abs();
    if double.fract() == 0.0 {
        return (double < u64::MAX as f64).then(|| format!("{sign}{}", double as u64));
    }
    // The double is mantissa x 2^-shift.
    let (mantissa, exponent) = (double.to_bits() & ((1 << 52) - 1) | 1 << 52, double.to_bits() >> 52);
    let shift = 1075_u32.checked_sub(exponent as u32).filter(|shift| (1..128).contains(shift))?;
    let (mut power, mut divisor) = (1_u128, 1.0);
    for places in 0..=22 {
        let digits = ((u128::from(mantissa) * power + (1 << (shift - 1))) >> shift) as u64;
        // Up to 2^53 and 10^22 both are exact, so the quotient is the double that is read from these digits; and 17 digits
        // are enough for every double.
        let same = digits < 1 << 53 && digits as f64 / divisor == double;
        if same || digits >= 10_000_000_000_000_000 {
            let digits = format!("{digits:0>width$}", width = places + 1);
            let (whole, fraction) = digits.split_at_checked(digits.len() - places)?;
            return Some(format!("{sign}{whole}.{}", fraction.trim_end_matches('0')));
        }
        power *= 10;
        divisor *= 10.0;
    }
    None
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// What a field holds, by its wire type.
enum Field<'m> {
    Number(u64),
    Double(f64),
    Bytes(&'m [u8]),
}

/// Calls `take` with the number and content of every field. `None` if the message is malformed or `take` gives up.
fn each_field<'m>(mut message: &'m [u8], take: &mut dyn FnMut(u64, Field<'m>) -> Option<()>) -> Option<()> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut message)?),
            1 => {
                let (double, rest) = message.split_first_chunk()?;
                message = rest;
                Field::Double(f64::from_le_bytes(*double))
            }
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                Field::Bytes(bytes)
            }
            _ => return None,
        };
        let number = key >> 3;
        if number == 0 {
            return None;
        }
        take(number, field)?;
    }
    Some(())
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_written_as_somebody_wrote_it() {
        for text in [
            "0",
            "5",
            "-5",
            "0.1",
            "1.5",
            "-129.99",
            "0.0005",
            "1234567",
            "9007199254740991",
            "3.141592653589793",
            "0.30000000000000004",
            "0.000000000000000000001",
            "9223372036854775808",
        ] {
            assert_eq!(written(text.parse().unwrap()).as_deref(), Some(text));
        }
        assert_eq!(written(-0.0).as_deref(), Some("0"));
        for double in [f64::NAN, f64::INFINITY, 1e300, 5e-324, f64::MIN_POSITIVE] {
            assert_eq!(written(double), None, "{double}");
        }
    }

    proptest! {
        #[test]
        fn a_number_that_is_written_is_read_back(digits in -99_999_999_999_999_999_i64..=99_999_999_999_999_999, places in 0..=22) {
            let double: f64 = format!("{digits}e-{places}").parse().unwrap();
            if let Some(text) = written(double) {
                prop_assert_eq!(text.parse::<f64>().unwrap(), double, "{}", text);
                if digits.abs() < 1 << 53 {
                    prop_assert_eq!(text, double.to_string());
                }
            } else {
                prop_assert!(double.abs() < 1e-5, "{}", double);
            }
        }

        #[test]
        fn any_double_is_written_or_not_without_a_panic(bits: u64) {
            let double = f64::from_bits(bits);
            if let Some(text) = written(double) {
                prop_assert_eq!(text.parse::<f64>().unwrap(), double);
            }
        }
    }
}
