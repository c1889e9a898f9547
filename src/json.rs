//! JSON as a client sent it: borrowed from the body, decoded only where it is needed.
//!
//! serde_json reads and writes it. A [`Json`] is what serde_json calls a raw value: the text of a value that it has found to
//! be well-formed. Numbers keep their digits, and nothing is copied unless a string has escapes. No tree of values is built
//! from a client's input, so its nesting needs no limit and causes no recursion.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

mod tokens;

pub use tokens::{Token, Tokens};

/// One well-formed JSON value, as its text.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(&'a str);

/// What kind of value a [`Json`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number of any size and precision.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// The error for a text that is not valid JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON")]
pub struct NotJson;

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Json(raw.get()))
    }
}

impl<'a> Json<'a> {
    /// Reads `text` as one JSON value with nothing but white space around it.
    pub fn parse(text: &'a str) -> Result<Self, NotJson> {
        serde_json::from_str(text).map_err(|_| NotJson)
    }

    /// Wraps a text that [`Json::parse`] or serde_json has already found to be one JSON value, without parsing it again. For a
    /// text that is not, the value has no members, items or text; nothing worse happens.
    pub fn known(text: &'a str) -> Self {
        Json(text)
    }

    /// The JSON text itself.
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Returns what kind of value it is, as its first byte says.
    pub fn kind(self) -> Kind {
        match self.as_str().as_bytes().first() {
            Some(b'"') => Kind::String,
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// The text of a string, its escapes decoded; `None` for every other kind. A lone surrogate (half of an emoji that
    /// a client cut off) becomes U+FFFD rather than an error, as in a browser.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.as_bytes().contains(&b'\\') {
            self.decoded().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// The text of a string, or a number as it is written; `None` for every other kind. For ids, which some clients send as
    /// numbers.
    pub fn text_or_number(self) -> Option<Cow<'a, str>> {
        match self.kind() {
            Kind::Number => Some(Cow::Borrowed(self.0)),
            _ => self.text(),
        }
    }

    /// The text of a string that holds escapes.
    #[inline(never)] // rare, and so not in the way of what isn't
    fn decoded(self) -> Option<String> {
        let bytes = serde_json::Deserializer::from_str(self.0).deserialize_bytes(Bytes).ok()?;
        String::from_utf8(bytes.into_owned()).ok()
    }

    /// Returns `true` for the values with which clients mean "nothing": null and the empty string.
    pub fn is_absent(self) -> bool {
        matches!(self.as_str(), "null" | "\"\"")
    }

    /// The members of an object in their order; empty for every other kind. A key that occurs twice is there twice.
    pub fn members(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        let mut members = Vec::new();
        for_each_member(self.as_str(), &mut |key, value| members.push((key, value)));
        members
    }

    /// The items of an array in their order; empty for every other kind.
    pub fn items(self) -> Vec<Json<'a>> {
        let mut items = Vec::new();
        for_each_item(self.as_str(), &mut |item| items.push(item));
        items
    }

    /// The member of an object by its key; of several with that key the last, as in JavaScript.
    pub fn get(self, key: &str) -> Option<Json<'a>> {
        let mut found = None;
        for_each_member(self.as_str(), &mut |name, value| {
            if name == key {
                found = Some(value);
            }
        });
        found
    }

    /// The nth item of an array.
    pub fn nth(self, n: usize) -> Option<Json<'a>> {
        let (mut at, mut found) = (0_usize, None);
        for_each_item(self.as_str(), &mut |item| {
            if at == n {
                found = Some(item);
            }
            at = at.saturating_add(1);
        });
        found
    }
}

/// What may stand around a value. A form feed may not, though it is white space elsewhere.
pub const WHITE_SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Returns the range of a part that was borrowed from `whole`.
pub fn place(whole: &str, part: impl AsRef<[u8]>) -> Range<usize> {
    let part = part.as_ref();
    let start = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    start..start.saturating_add(part.len())
}

/// Calls `member` with each key, its escapes decoded, and its value. Returns `false` if `object` is not one well-formed object;
/// `member` has then been called for the members before the error.
///
/// The closures are `dyn`, so that the parser is compiled once and not for each of them.
pub fn for_each_member<'a>(object: &'a str, member: &mut dyn FnMut(Cow<'a, str>, Json<'a>)) -> bool {
    let mut reader = serde_json::Deserializer::from_str(object);
    reader.deserialize_map(Members(member)).and_then(|()| reader.end()).is_ok()
}

/// Calls `item` with each item of an array. Returns `false` if `array` is not one well-formed array; `item` has then been called
/// for the items before the error.
pub fn for_each_item<'a>(array: &'a str, item: &mut dyn FnMut(Json<'a>)) -> bool {
    let mut reader = serde_json::Deserializer::from_str(array);
    reader.deserialize_seq(Items(item)).and_then(|()| reader.end()).is_ok()
}

struct Members<'f, 'a>(&'f mut dyn FnMut(Cow<'a, str>, Json<'a>));

impl<'de> Visitor<'de> for Members<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some((key, value)) = members.next_entry::<Json<'de>, Json<'de>>()? {
            (self.0)(key.text().unwrap_or_default(), value);
        }
        Ok(())
    }
}

struct Items<'f, 'a>(&'f mut dyn FnMut(Json<'a>));

impl<'de> Visitor<'de> for Items<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

/// A key, its escapes decoded. It is cheaper to read than a [`Json`], but serde_json does not check it for the control characters
/// that JSON forbids: for an object that is known to be well-formed, or see [`Key::is_plain`].
pub struct Key<'a>(pub Cow<'a, [u8]>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Bytes).map(Key)
    }
}

impl Key<'_> {
    /// Whether the key is certain to be valid JSON: it was written without escapes and has no control characters.
    pub fn is_plain(&self) -> bool {
        matches!(self.0, Cow::Borrowed(key) if key.iter().all(|byte| *byte >= b' '))
    }

    /// Whether the key's value is an object, decided by the text after the key. A serde visitor can only find out by requesting
    /// an object, which fails for any other value. Returns `false` for a key with escapes, whose position is not known.
    pub fn is_before_object(&self, text: &str) -> bool {
        let Cow::Borrowed(key) = self.0 else { return false };
        let behind = text.get(place(text, key).end..).and_then(|behind| behind.strip_prefix('"'));
        let value = behind.and_then(|behind| behind.trim_ascii_start().strip_prefix(':'));
        value.is_some_and(|value| value.trim_ascii_start().starts_with('{'))
    }
}

/// The bytes that serde_json decodes a string to. They are UTF-8 except for lone surrogates, each encoded in three bytes as if
/// it were a character (WTF-8); reading the string as text would fail for those.
struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Cow<'de, [u8]>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(without_surrogates(bytes).into_bytes()))
    }
}

/// A string's bytes as text, with U+FFFD for each lone surrogate.
fn without_surrogates(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // Each of a surrogate's three bytes is a chunk's invalid part. The first of them is always this one.
        if chunk.invalid() == [0xED] {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// Appends a text as a JSON string.
pub fn write_string(into: &mut String, text: &str) {
    // Most texts need no escape. Looking at all bytes alike, without a way out, is done many at a time.
    let needs_escape = |byte| matches!(byte, 0..0x20 | b'"' | b'\\');
    if text.bytes().fold(false, |found, byte| found | needs_escape(byte)) {
        return into.push_str(&written(text));
    }
    into.push('"');
    into.push_str(text);
    into.push('"');
}

/// A text as a JSON string.
pub fn written(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default() // no text fails
}

#[cfg(test)]
mod tests;
