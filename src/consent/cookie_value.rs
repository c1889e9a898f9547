//! Helpers for sources of consent that read a cookie: the limit on its length, decoding and splitting.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// Browsers keep no longer cookies (RFC 6265 section 6.1), so no consent tool sets one, and sources never see one.
pub const MAX_COOKIE_BYTES: usize = 4096;

/// Decodes percent-encoding (`%3A`), once. What is not properly encoded stays as it is.
pub fn percent_decoded(value: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(value).into()
}

/// Decodes percent-encoding until there is none, at most twice: frameworks encode a cookie's value as they write it, some of them
/// one that is encoded already. White space and one pair of double quotes around it are removed before and after.
pub fn plain(value: &[u8]) -> Cow<'_, [u8]> {
    let mut plain = Cow::Borrowed(unquoted(value));
    for _ in 0..2 {
        if !plain.contains(&b'%') {
            break;
        }
        plain = Cow::Owned(unquoted(&percent_decoded(&plain)).to_owned());
    }
    plain
}

/// Removes white space, and one pair of double quotes, which are part of the syntax of cookies (RFC 6265 section 4.1.1).
pub fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let inner = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    inner.map_or(value, <[u8]>::trim_ascii)
}

/// Removes what a blank may have become at both ends: white space, and the `+` of a form's encoding.
pub fn trim_blanks(mut text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'+';
    while let [first, rest @ ..] = text
        && is_blank(first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_blank(last)
    {
        text = rest;
    }
    text
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
    fn a_value_is_plain_however_often_it_was_encoded_and_with_or_without_quotes() {
        for value in ["a:1,b", "a%3A1%2Cb", "a%253A1%252Cb", "\"a:1,b\"", "%22a%3A1%2Cb%22", " a:1,b "] {
            assert_eq!(*plain(value.as_bytes()), *b"a:1,b", "{value}");
        }
        assert_eq!(*plain(b"%25253A"), *b"%3A");
        for (value, expected) in [("\"", "\""), ("\"a", "\"a"), ("\"\"", ""), ("", "")] {
            assert_eq!(*plain(value.as_bytes()), *expected.as_bytes(), "{value}");
        }
    }

    #[test]
    fn blanks_are_removed_in_either_writing() {
        for value in ["a b", " a b ", "+a b+", "+ a b +"] {
            assert_eq!(trim_blanks(value.as_bytes()), b"a b", "{value}");
        }
        assert_eq!(trim_blanks(b"+"), b"");
    }

    #[test]
    fn a_value_is_split_at_the_first_separator() {
        assert_eq!(split_once(b"a=b=c", b'='), (&b"a"[..], &b"b=c"[..]));
        assert_eq!(split_once(b"a", b'='), (&b"a"[..], &b""[..]));
        assert_eq!(split_once(b"", b'='), (&b""[..], &b""[..]));
    }
}
