//! Finds email addresses that a URL holds in base64.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use percent_encoding::percent_decode;

use super::address::{DECODINGS, email_in};
use crate::codec;

/// How long a piece of base64 may be to be decoded, in bytes. The shortest address, `a@b.cd`, takes 8; the longest, of 320 bytes,
/// takes 427, and there is room for the JSON that some sites put around it.
const LENGTHS: RangeInclusive<usize> = 8..=1400;

/// Where base64 ends in a part of a URL. `=` is its padding too, which means nothing. The dots are those of a JSON Web Token.
const DELIMITERS: &[u8] = b"=&;?.,:#";

/// Whether a part of a URL (a path segment, a query parameter or a fragment) is base64 of a text with an email address in it, or has
/// such a value.
///
/// The part is percent-decoded first, once or twice. Base64 may be in the standard or the URL-safe alphabet, padded or not; a
/// piece of it stands alone, or between any of `= & ; ? . , : # /`. So it is also found in a URL that is a parameter's value.
///
/// What it decodes to has to be a text, UTF-8 or Latin-1, without control characters. In random bytes, such as a session's id,
/// something like an address would occur by chance.
///
/// Takes linear time whatever the part, and allocates only where an escape or an at sign is found.
pub(super) fn hides_address(part: &[u8]) -> bool {
    let mut part = Cow::Borrowed(part);
    for _ in 0..DECODINGS {
        match Cow::<[u8]>::from(percent_decode(&part)) {
            Cow::Borrowed(_) => break,
            Cow::Owned(decoded) => part = Cow::Owned(decoded),
        }
        if has_encoded_address(&part) {
            return true;
        }
    }
    has_encoded_address(&part)
}

/// A slash is a character of base64, and a delimiter of URLs. So it is taken for the one, and then for the other.
fn has_encoded_address(part: &[u8]) -> bool {
    if part.len() < *LENGTHS.start() {
        return false;
    }
    let is_delimiter = |byte: &u8| DELIMITERS.contains(byte);
    part.split(is_delimiter).any(is_encoded_address)
        || (part.contains(&b'/')
            && part.split(|byte| *byte == b'/' || is_delimiter(byte)).any(is_encoded_address))
}

fn is_encoded_address(piece: &[u8]) -> bool {
    LENGTHS.contains(&piece.len())
        && can_hold_one(piece)
        && codec::decode_any_base64(piece).is_some_and(|bytes| is_text(&bytes) && email_in(&bytes))
}

/// The fast path, which decodes without storing anything. False if the piece is not base64, or if it holds no `@`, no first byte
/// of a fullwidth form and no `%` of an escape.
fn can_hold_one(piece: &[u8]) -> bool {
    let (mut bits, mut count, mut found) = (0_u32, 0_u8, false);
    for byte in piece {
        let Some(sextet) = sextet(*byte) else { return false };
        bits = (bits << 6) | u32::from(sextet);
        count = count.wrapping_add(6);
        if count >= 8 {
            count = count.wrapping_sub(8);
            found |= matches!((bits >> count) as u8, b'@' | b'%' | 0xEF);
        }
    }
    found
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

fn is_text(bytes: &[u8]) -> bool {
    let is_control = |character: char| character.is_control() && !character.is_ascii_whitespace();
    match std::str::from_utf8(bytes) {
        Ok(text) => !text.contains(is_control),
        Err(_) => !bytes.iter().any(|byte| is_control(char::from(*byte))), // these characters are Latin-1's
    }
}
