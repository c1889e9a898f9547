//! A configuration before it has types: what JSON and a `google.protobuf.Struct` have in common.

use crate::json::{Json, Kind};

/// Values inside values. No configuration comes near it, and the VM's stack holds it easily.
pub(super) const DEEPEST: usize = 64;

/// A value of the configuration, and all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    Null,
    Bool(bool),
    /// As JSON writes it, its digits kept.
    Number(String),
    Text(String),
    List(Vec<Tree>),
    /// Sorted by key, each there once: a Struct's members come in no order. [`put`] keeps it so.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads a JSON text; the error is where it is none, in bytes.
    pub fn of_json(text: &str) -> Result<Self, usize> {
        let json: Json<'_> = serde_json::from_str(text).map_err(|error| position(text, &error))?;
        read(json, DEEPEST).ok_or(0)
    }

    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<&Tree> {
        let Tree::Object(members) = self else { return None };
        members.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub fn text(&self) -> Option<&str> {
        if let Tree::Text(text) = self { Some(text) } else { None }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Tree] {
        if let Tree::List(items) = self { items } else { &[] }
    }
}

/// Puts a member at its place in an object. Of two with one key the last counts, as everywhere in JSON.
pub(super) fn put(members: &mut Vec<(String, Tree)>, key: String, value: Tree) {
    let at = members.partition_point(|(known, _)| *known < key);
    match members.get_mut(at) {
        Some((known, place)) if *known == key => *place = value,
        _ => members.insert(at, (key, value)),
    }
}

/// Where an error is, in bytes.
fn position(text: &str, error: &serde_json::Error) -> usize {
    let before = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum::<usize>();
    before.saturating_add(error.column())
}

fn read(json: Json<'_>, depth: usize) -> Option<Tree> {
    let depth = depth.checked_sub(1)?;
    Some(match json.kind() {
        Kind::Object => {
            let mut members = Vec::new();
            for (key, value) in json.members() {
                put(&mut members, key.into_owned(), read(value, depth)?);
            }
            Tree::Object(members)
        }
        Kind::Array => {
            Tree::List(json.items().into_iter().map(|item| read(item, depth)).collect::<Option<_>>()?)
        }
        _ => scalar(json),
    })
}

fn scalar(json: Json<'_>) -> Tree {
    match (json.text(), json.as_str()) {
        (Some(text), _) => Tree::Text(text.into_owned()),
        (None, "null") => Tree::Null,
        (None, "true") => Tree::Bool(true),
        (None, "false") => Tree::Bool(false),
        (None, number) => Tree::Number(number.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same value as serde_json has it, numbers being what they are as text.
    fn of_serde(value: &serde_json::Value) -> Tree {
        match value {
            serde_json::Value::Null => Tree::Null,
            serde_json::Value::Bool(flag) => Tree::Bool(*flag),
            serde_json::Value::Number(number) => Tree::Number(number.to_string()),
            serde_json::Value::String(text) => Tree::Text(text.clone()),
            serde_json::Value::Array(items) => Tree::List(items.iter().map(of_serde).collect()),
            serde_json::Value::Object(members) => {
                Tree::Object(members.iter().map(|(key, value)| (key.clone(), of_serde(value))).collect())
            }
        }
    }

    #[test]
    fn a_fault_is_where_it_is() {
        for (text, at) in [("", 0), ("{", 1), ("[1,]", 4), ("{\"a\":tru}", 9), ("{} x", 4)] {
            assert_eq!(Tree::of_json(text), Err(at), "{text}");
        }
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Tree::of_json(&deep(DEEPEST)).is_ok() && Tree::of_json(&deep(DEEPEST + 1)).is_err());
    }

    proptest! {
        #[test]
        fn a_tree_is_what_serde_json_reads(text in "(\\{\"[a-c]\":|\\[|1|\"x\\\\n\"|true|null|,|\\}|\\]){0,9}") {
            let oracle = serde_json::from_str(&text).ok();
            prop_assert_eq!(Tree::of_json(&text).ok(), oracle.as_ref().map(of_serde));
        }
    }
}
