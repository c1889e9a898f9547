//! Text encodings of bytes: the one hexadecimal codec of the filter.

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
    use proptest::prelude::*;

    use super::*;

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
        fn hex_is_what_the_formatter_of_the_standard_library_writes(digest: [u8; 32], bytes: Vec<u8>) {
            let expected = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            prop_assert_eq!(encode_hex(&bytes), expected(&bytes));
            let digits = encode_digest(&digest);
            prop_assert_eq!(&digits[..], expected(&digest).as_bytes());
            prop_assert_eq!(decode_digest(&digits), Some(digest));
        }
    }
}
