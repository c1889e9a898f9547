//! What differs between two configurations, or two states of an object.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::configuration::below;

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Difference {
    /// Where it stands. The items of a list are named by their id: `integrations[id=int_abc].config.key`.
    pub path: String,
    /// The value before; absent: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The value after; absent: there is none any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// Returns what differs, by path. Objects are compared by their members, lists of objects with ids by those ids, and all other values as
/// a whole.
pub fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(before), Some(after), &mut found);
    found
}

fn compare(path: String, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                compare(below(&path, key), before.get(key), after.get(key), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if has_ids(old) && has_ids(new) => {
            let ids: Vec<&str> = old.iter().filter_map(id).collect();
            let added = new.iter().filter_map(id).filter(|id| !ids.contains(id));
            let reordered_from = found.len();
            for id in ids.iter().copied().chain(added) {
                compare(format!("{path}[id={id}]"), with_id(old, id), with_id(new, id), found);
            }
            if found.len() == reordered_from {
                // The order alone.
                found.push(Difference { path, from: before.cloned(), to: after.cloned() });
            }
        }
        _ => found.push(Difference { path, from: before.cloned(), to: after.cloned() }),
    }
}

fn id(item: &Value) -> Option<&str> {
    item.get("id")?.as_str()
}

fn has_ids(items: &[Value]) -> bool {
    items.iter().all(|item| id(item).is_some())
}

fn with_id<'v>(items: &'v [Value], wanted: &str) -> Option<&'v Value> {
    items.iter().find(|item| id(item) == Some(wanted))
}

/// Returns the paths that differ between two states of one object.
pub fn changed_paths(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<String> {
    let found = differences(&Value::Object(before.clone()), &Value::Object(after.clone()));
    found.into_iter().map(|difference| difference.path).collect()
}
