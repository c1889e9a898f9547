//! JSON as a client sent it: borrowed from the body, nothing decoded before somebody asks.
//!
//! A [`Json`] is a slice of the body that serde_json has found to be well-formed. Numbers keep the digits they came
//! with, and nothing is copied unless a string holds escapes.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// One well-formed JSON value, as its text.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(&'a str);

/// What kind of value a [`Json`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Null,
    Bool(bool),
    Number,
    String,
    Array,
    Object,
}

impl<'a> Json<'a> {
    /// Reads `text` as one JSON value with nothing but white space around it.
    pub fn parse(text: &'a str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// A text that [`Json::parse`] or a reader of this module has found to be one JSON value before: reading it again
    /// would be a pass over all of it. A text that is none has no members, items or text, and does no other harm.
    pub fn known(text: &'a str) -> Self {
        Json(text)
    }

    /// The JSON text itself.
    pub fn as_str(self) -> &'a str {
        self.0
    }

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
    /// a client cut off) becomes U+FFFD rather than an error.
    pub fn text(self) -> Option<Cow<'a, str>> {
        if self.kind() != Kind::String {
            return None;
        }
        let inner = self.as_str().get(1..self.as_str().len().saturating_sub(1))?;
        if !inner.as_bytes().contains(&b'\\') {
            return Some(Cow::Borrowed(inner));
        }
        bytes_of(self.as_str()).map(lossy)
    }

    /// True for what a client means as "nothing": null and the empty string.
    pub fn is_absent(self) -> bool {
        matches!(self.as_str(), "null" | "\"\"")
    }

    /// The members of an object in their order; empty for every other kind. A key that occurs twice is there twice.
    pub fn members(self) -> Vec<(Cow<'a, str>, Json<'a>)> {
        let mut members = Vec::new();
        for_each_member(self.as_str(), &mut |key, value| members.push((lossy(key), value)));
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
            if *name == *key.as_bytes() {
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

impl<'de: 'a, 'a> serde::Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&'a RawValue>::deserialize(deserializer).map(|raw| Json(raw.get()))
    }
}

/// Calls `member` with each key, its escapes decoded, and its value. False where `object` is not one well-formed object;
/// what came before the fault was seen by then.
///
/// A key is bytes, so that a lone surrogate in it fails nothing. The closure is `dyn` because all that serde compiles
/// for a visitor would be there once for each.
pub fn for_each_member<'a>(object: &'a str, member: &mut dyn FnMut(Cow<'a, [u8]>, Json<'a>)) -> bool {
    let mut json = serde_json::Deserializer::from_str(object);
    json.deserialize_map(Members(member)).is_ok() && json.end().is_ok()
}

/// Calls `item` with each item of an array. False where `array` is not one well-formed array; what came before the fault
/// was seen by then.
pub fn for_each_item<'a>(array: &'a str, item: &mut dyn FnMut(Json<'a>)) -> bool {
    let mut json = serde_json::Deserializer::from_str(array);
    json.deserialize_seq(Items(item)).is_ok() && json.end().is_ok()
}

/// Calls `string` with each string of an array, its escapes decoded, and passes over what is no string. False as
/// [`for_each_item`].
pub fn for_each_string<'a>(array: &'a str, string: &mut dyn FnMut(Cow<'a, [u8]>)) -> bool {
    for_each_item(array, &mut |item| {
        if let Some(bytes) = bytes_of(item.as_str()) {
            string(bytes);
        }
    })
}

/// The bytes of a JSON string, its escapes decoded; `None` for every other kind.
fn bytes_of(string: &str) -> Option<Cow<'_, [u8]>> {
    serde_json::Deserializer::from_str(string).deserialize_bytes(Text).ok()
}

struct Members<'f, 'a>(&'f mut dyn FnMut(Cow<'a, [u8]>, Json<'a>));

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Text)? {
            (self.0)(key, map.next_value()?);
        }
        Ok(())
    }
}

struct Items<'f, 'a>(&'f mut dyn FnMut(Json<'a>));

impl<'a> Visitor<'a> for Items<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

/// A JSON string as bytes: borrowed unless it holds an escape.
struct Text;

impl<'a> DeserializeSeed<'a> for Text {
    type Value = Cow<'a, [u8]>;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'a> Visitor<'a> for Text {
    type Value = Cow<'a, [u8]>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'a [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}

/// UTF-8 with U+FFFD for what isn't. serde_json hands out a lone surrogate as the three bytes that UTF-8 would give it
/// if it allowed surrogates; those three become one U+FFFD, as in a browser.
fn lossy(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    let bytes = match bytes {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => return Cow::Borrowed(text),
            Err(_) => Cow::Borrowed(bytes),
        },
        Cow::Owned(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Cow::Owned(text),
            Err(error) => Cow::Owned(error.into_bytes()),
        },
    };
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // The lead byte of a surrogate stands for all three; its two continuation bytes are chunks of their own.
        let continuation = chunk.invalid().first().is_some_and(|byte| (0x80..0xC0).contains(byte));
        if !chunk.invalid().is_empty() && !continuation {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    Cow::Owned(text)
}

/// Reads a key and says which of its answers it is, without keeping the key.
pub(crate) struct KeySeed<F, T>(F, PhantomData<T>);

impl<F: FnOnce(&[u8]) -> T, T> KeySeed<F, T> {
    pub(crate) fn new(look_up: F) -> Self {
        KeySeed(look_up, PhantomData)
    }
}

impl<'de, F: FnOnce(&[u8]) -> T, T> DeserializeSeed<'de> for KeySeed<F, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de, F: FnOnce(&[u8]) -> T, T> Visitor<'de> for KeySeed<F, T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<T, E> {
        Ok((self.0)(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_keeps_the_digits_it_came_with() {
        assert_eq!(Json::parse(" 129.990 ").unwrap().as_str(), "129.990");
    }

    #[test]
    fn a_lone_surrogate_becomes_one_replacement_character_in_values_and_keys() {
        assert_eq!(Json::parse(r#""a\ud83db""#).unwrap().text().unwrap(), "a\u{FFFD}b");
        let object = Json::parse(r#"{"k\udc00":1,"k\u00e9":"\ud83d\ude00"}"#).unwrap();
        let members = object.members();
        assert_eq!(members[0].0, "k\u{FFFD}");
        assert_eq!(members[1].1.text().unwrap(), "😀");
    }

    #[test]
    fn of_two_members_with_one_key_the_last_counts_as_in_javascript() {
        let object = Json::parse(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(object.get("a").unwrap().as_str(), "3");
        assert!(object.get("c").is_none());
    }

    #[test]
    fn deep_nesting_is_no_recursion() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(Json::parse(&deep).unwrap().kind(), Kind::Array);
    }

    proptest! {
        #[test]
        fn any_string_that_json_can_write_is_read_back(text in ".*") {
            let written = serde_json::to_string(&text).unwrap();
            let json = Json::parse(&written).unwrap();
            prop_assert_eq!(json.text().unwrap(), text);
        }

        #[test]
        fn any_text_at_all_is_read_or_refused_without_a_panic(text in ".{0,200}") {
            if let Ok(json) = Json::parse(&text) {
                let _ = (json.kind(), json.text(), json.members(), json.items(), json.get("a"), json.nth(3));
            }
        }
    }
}
