//! Text encodings of bytes: hexadecimal and base64, one codec of each for the whole filter.
//!
//! The exception is the cookie of `remember_email`, which the filter itself writes: its base64url is read in one spelling only.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The standard alphabet. Padding may be there or not, and the unused bits of the last character may be anything: encoders
/// differ in both. So several texts give the same bytes; only the bytes may be compared.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes base64 in the standard alphabet, padded or not; `None` for anything else.
pub fn decode_base64(text: impl AsRef<[u8]>) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// Decodes base64 in the standard or the URL-safe alphabet, padded or not; `None` for anything else.
pub fn decode_any_base64(text: &[u8]) -> Option<Vec<u8>> {
    let standard = |byte: &u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => *other,
    };
    decode_base64(text.iter().map(standard).collect::<Vec<u8>>())
}

/// Writes bytes as lowercase hexadecimal.
pub fn encode_hex(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// Writes the 32 bytes of a SHA-256 as 64 lowercase hex digits.
pub fn encode_digest(digest: &[u8; 32]) -> [u8; 64] {
    let mut digits = [b'0'; 64];
    let written = base16ct::lower::encode(digest, &mut digits);
    debug_assert!(written.is_ok(), "64 digits hold 32 bytes");
    digits
}

/// Reads the 32 bytes of a SHA-256 from 64 hex digits of either case; `None` for anything else.
pub fn decode_digest(digits: &[u8]) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    base16ct::mixed::decode(digits, &mut digest).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    /// The vectors of RFC 4648, section 10.
    #[test]
    fn base64_is_read_with_and_without_padding() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zg", "f"),
            ("Zm8=", "fo"),
            ("Zm8", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmE", "fooba"),
        ] {
            assert_eq!(decode_base64(text).as_deref(), Some(bytes.as_bytes()), "{text}");
        }
    }

    #[test]
    fn unused_bits_of_the_last_character_do_not_count() {
        assert_eq!(decode_base64("Zh").as_deref(), Some(&b"f"[..]));
    }

    #[test]
    fn either_alphabet_is_read_where_clients_use_both() {
        for text in ["+/+/", "-_-_", "+_-/"] {
            assert_eq!(
                decode_any_base64(text.as_bytes()).as_deref(),
                Some(&[0xfb, 0xff, 0xbf][..]),
                "{text}"
            );
        }
        assert_eq!(decode_any_base64(b"a b"), None);
        assert_eq!(decode_base64("-_-_"), None);
    }

    #[test]
    fn what_is_not_base64_is_none() {
        for text in ["Z", "Zm8=Zm8=", "Zm9 v", "Zm9v\n", "Zm_-"] {
            assert_eq!(decode_base64(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_digest_is_64_hex_digits_of_either_case_and_nothing_else() {
        assert_eq!(decode_digest("aB".repeat(32).as_bytes()), Some([0xab; 32]));
        for digits in ["".to_owned(), "ab".repeat(31), "ab".repeat(33), "a".repeat(63), "g0".repeat(32)] {
            assert_eq!(decode_digest(digits.as_bytes()), None, "{digits:?}");
        }
        assert_eq!(decode_digest("é".repeat(32).as_bytes()), None);
    }

    proptest! {
        #[test]
        fn any_bytes_survive_base64(bytes: Vec<u8>) {
            prop_assert_eq!(decode_base64(STANDARD.encode(&bytes)), Some(bytes.clone()));
            prop_assert_eq!(decode_base64(STANDARD_NO_PAD.encode(&bytes)), Some(bytes));
        }

        #[test]
        fn hex_is_what_the_formatter_of_the_standard_library_writes(digest: [u8; 32], bytes: Vec<u8>) {
            let expected = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            prop_assert_eq!(encode_hex(&bytes), expected(&bytes));
            let digits = encode_digest(&digest);
            prop_assert_eq!(std::str::from_utf8(&digits).unwrap(), expected(&digest));
            prop_assert_eq!(decode_digest(&digits), Some(digest));
        }
    }
}
