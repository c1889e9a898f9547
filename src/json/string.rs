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
    let mut rest = text;
    let special = |byte: u8| matches!(byte, 0..0x20 | b'"' | b'\\');
    while let Some(at) = rest.bytes().position(special)
        && let Some((plain, behind)) = rest.split_at_checked(at)
        && let Some(character) = behind.chars().next()
    {
        into.push_str(plain);
        into.push_str(match character {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\0'..'\u{10}' => "\\u000",
            _ => "\\u001",
        });
        if !matches!(character, '"' | '\\' | '\u{8}' | '\u{c}' | '\n' | '\r' | '\t') {
            into.extend(char::from_digit(character as u32 & 0xF, 16));
        }
        rest = behind.get(1..).unwrap_or_default();
    }
    into.push_str(rest);
    into.push('"');
}

/// A text as a JSON string.
pub fn written(text: &str) -> String {
    let mut string = String::with_capacity(text.len().saturating_add(2));
    write_string(&mut string, text);
    string
}
