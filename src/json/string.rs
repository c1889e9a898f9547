//! JSON strings: their escapes decoded and written.

use std::borrow::Cow;

/// What a string that a reader has checked means, from what stands between its quotes. A lone surrogate becomes U+FFFD.
pub(super) fn decode(inner: &str) -> Cow<'_, str> {
    if !inner.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut characters = escape.chars();
        let (character, behind) = match characters.next() {
            Some('u') => of_units(characters.as_str()),
            Some('b') => ('\u{8}', characters.as_str()),
            Some('f') => ('\u{c}', characters.as_str()),
            Some('n') => ('\n', characters.as_str()),
            Some('r') => ('\r', characters.as_str()),
            Some('t') => ('\t', characters.as_str()),
            itself => (itself.unwrap_or(char::REPLACEMENT_CHARACTER), characters.as_str()),
        };
        text.push(character);
        rest = behind;
    }
    text.push_str(rest);
    Cow::Owned(text)
}

/// The character of a `\u` escape, or of two that are a pair of surrogates, and what comes behind.
fn of_units(hex: &str) -> (char, &str) {
    let (first, behind) = unit(hex);
    if let Some((second, behind)) = behind.strip_prefix("\\u").map(unit)
        && (0xD800..0xDC00).contains(&first)
        && (0xDC00..0xE000).contains(&second)
    {
        let pair = 0x1_0000 + ((first & 0x3FF) << 10 | second & 0x3FF);
        return (char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER), behind);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), behind)
}

fn unit(hex: &str) -> (u32, &str) {
    let (digits, behind) = hex.split_at_checked(4).unwrap_or_default();
    (u32::from_str_radix(digits, 16).unwrap_or_default(), behind)
}

/// Appends a text as a JSON string.
pub fn write_string(into: &mut String, text: &str) {
    into.push('"');
    let mut from = 0;
    loop {
        let at = behind_plain(text.as_bytes(), from);
        into.push_str(text.get(from..at).unwrap_or_default());
        let Some(special) = text.as_bytes().get(at) else { break };
        write_escape(into, *special);
        from = at.saturating_add(1);
    }
    into.push('"');
}

/// Writes what stands for a character that no string may hold as it is.
fn write_escape(into: &mut String, special: u8) {
    let short = match special {
        b'"' => "\\\"",
        b'\\' => "\\\\",
        0x8 => "\\b",
        0xC => "\\f",
        b'\n' => "\\n",
        b'\r' => "\\r",
        b'\t' => "\\t",
        _ => {
            into.push_str(if special < 0x10 { "\\u000" } else { "\\u001" });
            return into.extend(char::from_digit(u32::from(special) & 0xF, 16));
        }
    };
    into.push_str(short);
}

/// The place, from `at` on, of the first byte that is not simply a part of a string: a quote, a backslash, a control
/// character; or the end. Sixteen at a step: most of what a client sends is inside strings.
#[inline]
pub(super) fn behind_plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(sixteen) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let plain = count_plain(sixteen);
        at = at.saturating_add(plain);
        if plain < sixteen.len() {
            return at;
        }
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')) {
        at = at.saturating_add(1);
    }
    at
}

/// How many of the bytes come before the first that is special.
#[cfg(target_feature = "simd128")]
#[inline]
fn count_plain(bytes: &[u8; 16]) -> usize {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, u64x2, v128_or};
    let [low, high] = halves(bytes);
    let bytes = u64x2(low, high); // the two become one load
    let is = |byte| u8x16_eq(bytes, u8x16_splat(byte));
    let control = u8x16_lt(bytes, u8x16_splat(0x20));
    let special = u8x16_bitmask(v128_or(control, v128_or(is(b'"'), is(b'\\'))));
    (u32::from(special) | 1 << 16).trailing_zeros() as usize
}

#[cfg(not(target_feature = "simd128"))]
#[inline]
fn count_plain(bytes: &[u8; 16]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // The high bit of the first byte that is below so much. That of bytes behind it may be wrong.
    let below = |eight: u64, limit: u64| eight.wrapping_sub(ONES.wrapping_mul(limit));
    let is = |eight: u64, byte: u8| below(eight ^ ONES.wrapping_mul(byte.into()), 1);
    let special =
        |eight: u64| (below(eight, 0x20) | is(eight, b'"') | is(eight, b'\\')) & !eight & (ONES << 7);
    match halves(bytes).map(special) {
        [0, 0] => 16,
        [0, high] => 8_usize.saturating_add(high.trailing_zeros() as usize / 8),
        [low, _] => low.trailing_zeros() as usize / 8,
    }
}

#[inline]
fn halves(bytes: &[u8; 16]) -> [u64; 2] {
    let half = |half: Option<&[u8; 8]>| half.map_or(0, |half| u64::from_le_bytes(*half));
    [half(bytes.first_chunk()), half(bytes.last_chunk())]
}

/// A text as a JSON string.
pub fn written(text: &str) -> String {
    let mut string = String::with_capacity(text.len().saturating_add(2));
    write_string(&mut string, text);
    string
}
