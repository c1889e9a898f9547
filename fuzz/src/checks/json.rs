//! JSON, whole.

use conversion_relay::json::{Json, Kind};
use serde_json::Value;

pub const MEMORY: usize = 4 << 20;

/// Deeper is not walked; the reader itself takes any depth.
const MAX_DEPTH: usize = 100;

/// The lazy reader finds in any JSON what serde_json finds in it, as far as that can hold it.
pub fn check(input: &[u8]) -> bool {
    let text = String::from_utf8_lossy(input);
    let eager: Result<Value, _> = serde_json::from_str(&text);
    let Ok(lazy) = Json::parse(&text) else {
        assert!(eager.is_err(), "refused though it is JSON: {text:?}");
        return false;
    };
    walk(lazy, MAX_DEPTH);
    if let Ok(eager) = &eager {
        compare(lazy, eager);
    }
    true
}

/// Reads everything there is to read.
fn walk(json: Json, depth: usize) {
    assert!(json.kind() != Kind::String || json.text().is_some(), "a string without a text: {json:?}");
    if depth > 0 {
        json.members().into_iter().for_each(|(_, value)| walk(value, depth - 1));
        json.items().into_iter().for_each(|item| walk(item, depth - 1));
    }
}

fn compare(lazy: Json, eager: &Value) {
    match eager {
        Value::Null => assert_eq!(lazy.kind(), Kind::Null),
        Value::Bool(value) => assert_eq!(lazy.kind(), Kind::Bool(*value)),
        Value::Number(_) => assert_eq!(lazy.kind(), Kind::Number),
        Value::String(text) => assert_eq!(lazy.text().as_deref(), Some(text.as_str())),
        Value::Array(items) => {
            assert_eq!(lazy.items().len(), items.len());
            lazy.items().into_iter().zip(items).for_each(|(lazy, eager)| compare(lazy, eager));
        }
        Value::Object(members) => {
            for (key, eager) in members {
                let lazy = lazy.get(key).unwrap_or_else(|| panic!("no member {key:?}"));
                compare(lazy, eager);
            }
        }
    }
}
