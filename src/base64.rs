//! Base64 (RFC 4648), as clients write it and as a cookie holds it.

/// Decodes a text in either alphabet, padded or not, whatever is in the last digit's unused bits. `None` for any other
/// character, and for a digit that is no byte.
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0_u32, 0);
    for digit in digits {
        let plain = || match digit {
            b'+' => Some(62),
            b'/' => Some(63),
            _ => None,
        };
        bits = bits << 6 | u32::from(sextet(*digit).or_else(plain)?);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    (held < 6).then_some(bytes)
}

/// Encodes in the URL's alphabet, without padding.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digits = [18, 12, 6, 0].into_iter().take(three.len() + 1);
        text.extend(
            digits
                .filter_map(|shift| DIGITS.get((bits >> shift & 63) as usize))
                .map(|digit| char::from(*digit)),
        );
    }
    text
}

/// The six bits of a digit of the URL's alphabet.
pub const fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ::base64::Engine;
    use ::base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["a", "aaaaa", "e30=e30=", "e3 0", "é", "=", "===", "e30==="] {
            assert_eq!(decode(text.as_bytes()).filter(|bytes| !bytes.is_empty()), None, "{text}");
        }
        assert_eq!(decode(b"e31").as_deref(), Some(&b"{}"[..]), "unused bits");
    }

    proptest! {
        #[test]
        fn every_form_of_any_bytes_is_read(bytes: Vec<u8>) {
            for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                prop_assert_eq!(decode(engine.encode(&bytes).as_bytes()), Some(bytes.clone()));
            }
            prop_assert_eq!(encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes));
        }
    }
}
