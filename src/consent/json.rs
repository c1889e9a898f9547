//! Raw JSON text, member by member: nothing is cloned, and no escape in a string fails the rest.
//!
//! A truncated emoji (`"\ud83d"`) is no string for Rust, so keys are read as bytes and values stay text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Calls `member` with each key (unescaped) and the text of its value. False where `object` is not one well-formed
/// object; what came before the fault was seen by then.
pub(super) fn for_each_member<'j>(object: &'j str, member: impl FnMut(Cow<'j, [u8]>, &'j str)) -> bool {
    let mut json = serde_json::Deserializer::from_str(object);
    json.deserialize_map(Members(member)).is_ok() && json.end().is_ok()
}

/// Calls `element` with each string (unescaped) of an array and passes over what is no string. False where `array` is
/// not one well-formed array; what came before the fault was seen by then.
pub(super) fn for_each_string<'j>(array: &'j str, element: impl FnMut(Cow<'j, [u8]>)) -> bool {
    let mut json = serde_json::Deserializer::from_str(array);
    json.deserialize_seq(Strings(element)).is_ok() && json.end().is_ok()
}

struct Members<F>(F);

impl<'j, F: FnMut(Cow<'j, [u8]>, &'j str)> Visitor<'j> for Members<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Text)? {
            (self.0)(key, map.next_value::<&RawValue>()?.get());
        }
        Ok(())
    }
}

struct Strings<F>(F);

impl<'j, F: FnMut(Cow<'j, [u8]>)> Visitor<'j> for Strings<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'j>>(mut self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<&RawValue>()? {
            if let Ok(text) = Text.deserialize(&mut serde_json::Deserializer::from_str(element.get())) {
                (self.0)(text);
            }
        }
        Ok(())
    }
}

/// A JSON string as bytes: borrowed unless it holds an escape.
struct Text;

impl<'j> DeserializeSeed<'j> for Text {
    type Value = Cow<'j, [u8]>;

    fn deserialize<D: serde::Deserializer<'j>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'j> Visitor<'j> for Text {
    type Value = Cow<'j, [u8]>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'j [u8]) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(bytes.to_vec()))
    }
}
