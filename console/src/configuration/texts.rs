//! The strings of a configuration by their paths.

use serde_json::Value;

/// Calls `each` for every string below `value`, with its path as the filter's messages write it: `integrations[1].config.key`, and a
/// key with other characters than letters, digits and `_` as `["a key"]`. The first error ends it.
pub fn for_each_text<E>(
    value: &mut Value,
    each: &mut impl FnMut(&str, &mut String) -> Result<(), E>,
) -> Result<(), E> {
    walk(value, String::new(), each)
}

fn walk<E>(
    value: &mut Value,
    path: String,
    each: &mut impl FnMut(&str, &mut String) -> Result<(), E>,
) -> Result<(), E> {
    match value {
        Value::String(text) => each(&path, text),
        Value::Array(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| walk(item, format!("{path}[{index}]"), each)),
        Value::Object(members) => {
            members.iter_mut().try_for_each(|(key, member)| walk(member, below(&path, key), each))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Returns the path of a member of the value at `path`.
pub fn below(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match (plain, path.is_empty()) {
        (false, _) => format!("{path}[{key:?}]"),
        (true, true) => key.to_owned(),
        (true, false) => format!("{path}.{key}"),
    }
}
