//! The place of a value in a configuration: its path, in which the items of lists are named instead of counted.
//!
//! A sealed value is bound to its place. So it stays valid when a list is reordered or another item is added, and can't be moved to
//! another key or another integration. What a place looks like is therefore part of the format of sealed values.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::{Deserializer, Value};

/// What every sealed value begins with.
pub const SEALED: &str = "sealed:v1:";

/// The keys that name an item of a list, in the order of preference.
const NAMING_KEYS: [&str; 2] = ["id", "name"];

/// What an item of a list is known by: a key of [`NAMING_KEYS`] and its value, as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Label<'l> {
    key: &'static str,
    value: Cow<'l, str>,
}

impl<'l> Label<'l> {
    /// Returns the label of an item. `None` if it has neither an id nor a name as text in clear.
    pub fn of(item: &'l Value) -> Option<Self> {
        NAMING_KEYS.into_iter().find_map(|key| {
            let value = item.get(key)?.as_str()?;
            let names = !value.is_empty() && !value.starts_with(SEALED);
            names.then_some(Self { key, value: value.into() })
        })
    }

    /// Returns the label for as long as it is needed, whatever becomes of the item.
    pub fn into_owned(self) -> Label<'static> {
        Label { key: self.key, value: self.value.into_owned().into() }
    }
}

/// Returns the place of the value at a path of a configuration as it is written, before `${NAME}` is replaced:
/// `integrations[id=int_abc].config.key` for `integrations[1].config.key`. The path may also name items like a place does.
///
/// A key that is missing in an object that is there has a place too, so that its value can be sealed before it is written. `None` if
/// the path can't be read, or leads through something else that isn't there.
pub fn place(configuration: &Value, path: &str) -> Option<String> {
    let mut place = String::new();
    let mut value = Some(configuration);
    for step in steps(path)? {
        match step {
            Step::Key(key) => {
                value = value?.as_object()?.get(&*key);
                push_key(&mut place, &key);
            }
            Step::Index(index) => {
                let item = value?.as_array()?.get(index)?;
                push_item(&mut place, index, Label::of(item).as_ref());
                value = Some(item);
            }
            Step::Label(label) => {
                let label = Some(label);
                let item = value?.as_array()?.iter().find(|item| Label::of(item) == label)?;
                push_item(&mut place, 0, label.as_ref());
                value = Some(item);
            }
        }
    }
    Some(place)
}

/// Appends the key of an object.
pub(super) fn push_key(place: &mut String, key: &str) {
    if is_plain(key) {
        let dot = if place.is_empty() { "" } else { "." };
        _ = write!(place, "{dot}{key}");
    } else {
        _ = write!(place, "[{}]", quoted(key));
    }
}

/// Appends an item of a list, by its label, else by its index.
pub(super) fn push_item(place: &mut String, index: usize, label: Option<&Label<'_>>) {
    _ = match label {
        Some(Label { key, value }) if is_plain(value) => write!(place, "[{key}={value}]"),
        Some(Label { key, value }) => write!(place, "[{key}={}]", quoted(value)),
        None => write!(place, "[{index}]"),
    };
}

/// Whether a key is written without quotes: letters, digits and `_`.
pub(super) fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Quotes like JSON, whose escapes, unlike those of Rust's `Debug`, stay the same for ever.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// One step of a path.
enum Step<'t> {
    Key(Cow<'t, str>),
    Index(usize),
    Label(Label<'t>),
}

/// Takes a path apart: `a.b`, `["a key"]`, `[1]`, `[id=int_abc]`, `[name="Podsights Production"]`.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        let (step, behind) = match rest.strip_prefix('[') {
            Some(inner) => bracketed(inner)?,
            None if steps.is_empty() => bare_key(rest)?,
            None => bare_key(rest.strip_prefix('.')?)?,
        };
        steps.push(step);
        rest = behind;
    }
    (!steps.is_empty()).then_some(steps)
}

fn bare_key(text: &str) -> Option<(Step<'_>, &str)> {
    let (key, rest) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
    (!key.is_empty()).then_some((Step::Key(key.into()), rest))
}

/// Reads what stands behind `[`, up to `]`.
fn bracketed(text: &str) -> Option<(Step<'_>, &str)> {
    if let Some((key, rest)) = json_string(text) {
        return Some((Step::Key(key.into()), rest.strip_prefix(']')?));
    }
    let labelled = |key: &'static str| Some((key, text.strip_prefix(key)?.strip_prefix('=')?));
    let Some((key, value)) = NAMING_KEYS.into_iter().find_map(labelled) else {
        let (index, rest) = text.split_once(']')?;
        return Some((Step::Index(index.parse().ok()?), rest));
    };
    let (value, rest) = match json_string(value) {
        Some((value, rest)) => (Cow::Owned(value), rest.strip_prefix(']')?),
        None => value.split_once(']').map(|(value, rest)| (Cow::Borrowed(value), rest))?,
    };
    Some((Step::Label(Label { key, value }), rest))
}

/// Reads a string of JSON, and returns it with what is behind it.
fn json_string(text: &str) -> Option<(String, &str)> {
    if !text.starts_with('"') {
        return None;
    }
    let mut strings = Deserializer::from_str(text).into_iter::<String>();
    let string = strings.next()?.ok()?;
    Some((string, text.get(strings.byte_offset()..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn configuration() -> Value {
        json!({
            "sources": [{"id": "src_abc123", "keys": ["k"], "signing_secret": "s"}],
            "consent": {"custom": [{"cookie": "c"}]},
            "integrations": [
                {"name": "Podsights Production", "config": {"key": "k"}},
                {"id": "int_q", "name": "To the queue", "config": {"headers": {"authorization": "a", "x-api-key": "b"}}},
                {"id": "", "name": "sealed:v1:AAAA"},
            ],
        })
    }

    #[test]
    fn the_items_of_lists_are_named_by_their_id_else_their_name_else_their_index() {
        let table = [
            ("sources[0].signing_secret", "sources[id=src_abc123].signing_secret"),
            ("sources[0].keys[0]", "sources[id=src_abc123].keys[0]"),
            ("consent.custom[0].cookie", "consent.custom[0].cookie"),
            ("integrations[0].config.key", "integrations[name=\"Podsights Production\"].config.key"),
            (
                "integrations[1].config.headers.authorization",
                "integrations[id=int_q].config.headers.authorization",
            ),
            (
                "integrations[1].config.headers[\"x-api-key\"]",
                "integrations[id=int_q].config.headers[\"x-api-key\"]",
            ),
            (
                "integrations[1].config.headers.x-api-key",
                "integrations[id=int_q].config.headers[\"x-api-key\"]",
            ),
            ("integrations[2].name", "integrations[2].name"),
        ];
        for (path, expected) in table {
            assert_eq!(place(&configuration(), path).as_deref(), Some(expected), "{path}");
            assert_eq!(place(&configuration(), expected).as_deref(), Some(expected), "a place is a path too");
        }
    }

    #[test]
    fn a_key_that_is_still_missing_has_a_place_and_whatever_else_is_missing_has_none() {
        assert_eq!(place(&configuration(), "identity").as_deref(), Some("identity"));
        let path = "integrations[1].config.path";
        assert_eq!(place(&configuration(), path).as_deref(), Some("integrations[id=int_q].config.path"));
        for path in [
            "integrations[3].config.key",
            "integrations[1].confg.key",
            "integrations[id=int_other].config.key",
            "integrations[0].config.key.more",
            "integrations.config",
            "sources[0].keys[1]",
            "",
            ".",
            "a..b",
            "a[",
            "a[]",
            "a[1",
            "a[-1]",
            "[\"a]",
            "sources[0]signing_secret",
        ] {
            assert_eq!(place(&configuration(), path), None, "{path:?}");
        }
    }

    #[test]
    fn names_with_brackets_and_quotes_make_no_other_place() {
        let named = |name: &str| json!({"a": [{"name": name, "b": 1}]});
        let [one, other] = ["x].b", "x"].map(|name| place(&named(name), "a[0].b"));
        assert_eq!(one.as_deref(), Some("a[name=\"x].b\"].b"));
        assert_ne!(one, other);
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_none_and_never_a_panic(path: String, bracket in "[a-z.\\[\\]\"=0-9\\\\]{0,30}") {
            for path in [path, bracket] {
                _ = place(&configuration(), &path);
            }
        }

        #[test]
        fn every_place_leads_back_to_itself_and_no_two_names_share_one(name in ".{1,12}", other in ".{1,12}", key: String) {
            prop_assume!(!name.starts_with(SEALED) && !other.starts_with(SEALED) && name != other);
            let configuration = json!({"list": [{"name": name, &key: 1}, {"name": other, &key: 2}]});
            let [one, two] = [0, 1].map(|index| {
                let path = format!("list[{index}][{}]", quoted(&key));
                place(&configuration, &path).unwrap()
            });
            prop_assert_ne!(&one, &two);
            if key != "name" && key != "id" {
                prop_assert_eq!(place(&configuration, &one), Some(one));
            }
        }
    }
}
