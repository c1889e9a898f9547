//! JSON as a client sent it: borrowed from the body, nothing decoded before somebody asks.
//!
//! A [`Json`] is a slice of the body that a [`Reader`] has found to be well-formed. Numbers keep the digits they came
//! with, and nothing is copied unless a string holds escapes. This is all the JSON that the module has: a reader that
//! knew types, as serde_json's does, is a large part of what Envoy compiles at every start.

mod reader;
mod string;

use std::borrow::Cow;

pub use reader::Reader;
pub use string::{write_string, written};

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

/// A text that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON")]
pub struct NotJson;

impl<'a> Json<'a> {
    /// Reads `text` as one JSON value with nothing but white space around it.
    pub fn parse(text: &'a str) -> Result<Self, NotJson> {
        let mut reader = Reader::new(text);
        let json = reader.value().ok_or(NotJson)?;
        reader.end().map(|()| json).ok_or(NotJson)
    }

    /// A text that [`Json::parse`] or a [`Reader`] has found to be one JSON value before: reading it again would be a pass
    /// over all of it. A text that is none has no members, items or text, and does no other harm.
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
    /// a client cut off) becomes U+FFFD rather than an error, as in a browser.
    pub fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(string::decode(inner))
    }

    /// True for what a client means as "nothing": null and the empty string.
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

/// Calls `member` with each key, its escapes decoded, and its value. False where `object` is not one well-formed object;
/// what came before the fault was seen by then.
///
/// The closures are `dyn`, so that the reader is compiled once and not for each of them.
pub fn for_each_member<'a>(object: &'a str, member: &mut dyn FnMut(Cow<'a, str>, Json<'a>)) -> bool {
    let mut reader = Reader::new(object);
    let read = reader.object(&mut |reader, key| {
        member(key, reader.value()?);
        Some(())
    });
    read.and_then(|()| reader.end()).is_some()
}

/// Calls `item` with each item of an array. False where `array` is not one well-formed array; what came before the fault
/// was seen by then.
pub fn for_each_item<'a>(array: &'a str, item: &mut dyn FnMut(Json<'a>)) -> bool {
    let mut reader = Reader::new(array);
    let read = reader.array(&mut |reader| {
        item(reader.value()?);
        Some(())
    });
    read.and_then(|()| reader.end()).is_some()
}

/// Calls `string` with each string of an array, its escapes decoded, and passes over what is no string. False as
/// [`for_each_item`].
pub fn for_each_string<'a>(array: &'a str, string: &mut dyn FnMut(Cow<'a, str>)) -> bool {
    for_each_item(array, &mut |item| {
        if let Some(text) = item.text() {
            string(text);
        }
    })
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
        for (halves, decoded) in [
            (r"\ud83d\ud83d\ude00", "\u{FFFD}😀"),
            (r"\ud83d\u0041", "\u{FFFD}A"),
            (r"\ud83d\n", "\u{FFFD}\n"),
            (r"\ude00\ud83d", "\u{FFFD}\u{FFFD}"),
        ] {
            assert_eq!(Json::parse(&format!("\"{halves}\"")).unwrap().text().unwrap(), decoded, "{halves}");
        }
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

        /// What is JSON and what is not: serde_json is the oracle, at everything that looks like JSON.
        #[test]
        fn what_serde_json_takes_is_taken_and_nothing_else(
            text in "[\\[\\]{}\",:0-2.eE+\\- \\n]{0,12}|([\\[\\]{},:]|\"(\\\\[a-z\"/\\\\]|\\\\u[dD][8-9c-fC-F][0-9a-f]{1,2}|[a\u{1}\u{7f}é\"]){0,9}\"|true|fals|null|-?[0-9.eE+-]{1,5}| ){0,9}"
        ) {
            let oracle = serde_json::from_str::<&serde_json::value::RawValue>(&text);
            prop_assert_eq!(Json::parse(&text).ok().map(Json::as_str), oracle.ok().map(|raw| raw.get()));
        }

        #[test]
        fn a_string_means_what_it_means_to_serde_json(
            inner in "([a-zé😀]{0,9}|\\\\[bfnrt\"/\\\\]|\\\\u00[0-9a-f][0-9A-F]|\\\\ud83[c-d]\\\\ude[0-9]{2}){0,6}"
        ) {
            let text = format!("\"{inner}\"");
            let oracle: String = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(Json::parse(&text).unwrap().text().unwrap(), oracle);
        }

        #[test]
        fn a_string_is_written_as_serde_json_writes_it(text in "[\u{0}-\u{ff}😀]{0,20}") {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn any_text_at_all_is_read_or_refused_without_a_panic(text in ".{0,200}") {
            if let Ok(json) = Json::parse(&text) {
                let _ = (json.kind(), json.text(), json.members(), json.items(), json.get("a"), json.nth(3));
            }
        }
    }
}
