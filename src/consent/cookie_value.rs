//! Helpers for sources of consent that read a cookie: the limit on its length, decoding and splitting.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Browsers keep no longer cookies (RFC 6265 section 6.1), so no consent tool sets one, and sources never see one.
pub const MAX_COOKIE_BYTES: usize = 4096;

/// Decodes percent-encoding (`%3A`), once. What is not properly encoded stays as it is.
pub fn percent_decoded(value: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(value).into()
}

/// Splits at the first separator. If there is none, the first part is the whole value and the second is empty.
pub fn split_once(value: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut parts = value.splitn(2, |byte| *byte == separator);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_decoded_once_and_what_is_no_encoding_stays() {
        for (value, decoded) in
            [("C0001%3a1", "C0001:1"), ("%253A", "%3A"), ("100%", "100%"), ("%zz+", "%zz+")]
        {
            assert_eq!(*percent_decoded(value.as_bytes()), *decoded.as_bytes(), "{value}");
        }
    }

    #[test]
    fn a_value_is_split_at_the_first_separator() {
        assert_eq!(split_once(b"a=b=c", b'='), (&b"a"[..], &b"b=c"[..]));
        assert_eq!(split_once(b"a", b'='), (&b"a"[..], &b""[..]));
        assert_eq!(split_once(b"", b'='), (&b""[..], &b""[..]));
    }
}
