//! Finds email addresses in a text that may be percent-encoded.

use percent_encoding::percent_decode;
use std::borrow::Cow;

/// How often a text is percent-decoded in search of an address: a URL inside a query parameter of a URL.
pub(super) const DECODINGS: usize = 2;

/// Whether the text, as it is or percent-decoded once or twice, holds something like an email address.
///
/// An address is an `@` with a character before it that a local part ends in, and after it a domain with a dot in it, or
/// a bracketed address (`jane@[192.0.2.1]`). The fullwidth `＠` and IDNA's other dots (`。．｡`) count as what they stand
/// for; bytes beyond ASCII count as letters, valid UTF-8 or not. Where a rule cannot tell, privacy wins:
/// `shoe@2x.png` and `react@18.2` are addresses. These are none, because nobody's mailbox looks like them:
///
/// * `@name`, `/@first.last`, `?u=@first.last`: handles. So no local part ends in one of `/ = ? & #`, which also keeps
///   an address from spreading over two parts of a URL.
/// * `2 @ 9.99`: nothing but white space before the `@`.
/// * `jane@intranet`: no dot. The public Internet has no such domain (RFC 7085, ICANN's ban on dotless domains).
///
/// `+` needs no decoding to a space: a local part may end in either form's last character.
///
/// Takes linear time whatever the text, and allocates only where an escape may hide an address.
pub fn email_in(text: &[u8]) -> bool {
    if !can_hold_one(text) {
        return false;
    }
    let mut text = Cow::Borrowed(text);
    for _ in 0..DECODINGS {
        if holds_address(&text) {
            return true;
        }
        match Cow::<[u8]>::from(percent_decode(&text)) {
            Cow::Borrowed(_) => return false,
            Cow::Owned(decoded) => text = Cow::Owned(decoded),
        }
    }
    holds_address(&text)
}

/// The fast path: false if the text has no `@`, no first byte of a fullwidth form and no escape that either may hide in:
/// `%40`, `%EF`, `%25` and what is no escape at all but may become one when its neighbours are decoded.
pub(super) fn can_hold_one(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr3(b'@', b'%', 0xEF, rest) {
        let Some([b'%', high, low, after @ ..]) = rest.get(at..) else { return true };
        let escaped = [high.to_ascii_lowercase(), low.to_ascii_lowercase()];
        if !escaped.iter().all(u8::is_ascii_hexdigit) || matches!(&escaped, b"40" | b"ef" | b"25") {
            return true;
        }
        rest = after;
    }
    false
}

/// Where a scan stands, by what it has just seen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// A character that a local part ends in.
    Local,
    /// `local@`
    At,
    /// `local@label`
    Label,
    /// `local@label.`
    Dot,
}

fn holds_address(text: &[u8]) -> bool {
    let mut seen = Seen::Nothing;
    let mut rest = text;
    while let Some((byte, after)) = next_folded(rest) {
        rest = after;
        seen = match (seen, byte) {
            (Seen::Dot, byte) if is_letter_or_digit(byte) => return true,
            (Seen::At, b'[') => return true,
            (Seen::At | Seen::Label | Seen::Dot, b'.') => Seen::Dot,
            (Seen::At | Seen::Label | Seen::Dot, byte) if is_label(byte) => Seen::Label,
            (Seen::Local | Seen::Label | Seen::Dot, b'@') => Seen::At,
            (_, byte) if ends_local_part(byte) => Seen::Local,
            _ => Seen::Nothing,
        };
    }
    false
}

/// The next byte, with the other forms of `@` and of the dot replaced by the plain ones.
fn next_folded(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        // U+FF20 fullwidth, U+FE6B small commercial at
        [0xEF, 0xBC, 0xA0, rest @ ..] | [0xEF, 0xB9, 0xAB, rest @ ..] => Some((b'@', rest)),
        // U+3002, U+FF0E, U+FF61: the label separators of IDNA (RFC 3490, section 3.1)
        [0xE3, 0x80, 0x82, rest @ ..] | [0xEF, 0xBC, 0x8E, rest @ ..] | [0xEF, 0xBD, 0xA1, rest @ ..] => {
            Some((b'.', rest))
        }
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

fn is_letter_or_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

fn is_label(byte: u8) -> bool {
    is_letter_or_digit(byte) || matches!(byte, b'-' | b'_')
}

/// RFC 5322's `atext` without `/ = ? & #` (see [`email_in`]), a dot, the end of a quoted local part or of a comment.
fn ends_local_part(byte: u8) -> bool {
    is_letter_or_digit(byte) || b"!$%'*+-^_`{|}~.\")".contains(&byte)
}
