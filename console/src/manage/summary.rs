//! Summaries of revisions, in words.

use serde_json::{Map, Value};

use super::differences::changed_paths;
use crate::configuration::Collection;

/// The longest name or path that a summary or a message quotes, in characters.
const LONGEST: usize = 100;
/// How many paths a summary names.
const MOST_PATHS: usize = 3;

/// Returns a text for a summary or a message: on one line, and cut where it is long.
pub fn shortened(text: &str) -> String {
    let mut characters = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    let start: String = characters.by_ref().take(LONGEST).collect();
    if characters.next().is_some() { start + "..." } else { start }
}

/// Returns what an object is called: `integration Podsights Production`, `source src_live`.
pub fn called(collection: Collection, object: &Map<String, Value>) -> String {
    let text = |key| object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = text("name").or_else(|| text("id")).unwrap_or_default();
    format!("{} {}", collection.noun(), shortened(name))
}

/// Returns what has changed of an object. `None`: nothing.
pub fn of_change(
    collection: Collection,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Option<String> {
    let paths = changed_paths(before, after);
    let name = called(collection, before);
    match paths.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => None,
        ["enabled"] if after.get("enabled") == Some(&Value::Bool(false)) => Some(format!("Disabled {name}")),
        ["enabled"] => Some(format!("Enabled {name}")),
        ["name"] => {
            let new = after.get("name").and_then(Value::as_str).unwrap_or_default();
            Some(format!("Renamed {name} to {}", shortened(new)))
        }
        _ => Some(format!("Changed {} of {name}", enumerated(&paths))),
    }
}

/// Returns what has changed of the settings. `None`: nothing.
pub fn of_settings(before: &Map<String, Value>, after: &Map<String, Value>) -> Option<String> {
    let paths = changed_paths(before, after);
    (!paths.is_empty()).then(|| format!("Changed {} of the settings", enumerated(&paths)))
}

fn enumerated(paths: &[String]) -> String {
    let mut named: Vec<String> = paths.iter().take(MOST_PATHS).map(|path| shortened(path)).collect();
    match paths.len().saturating_sub(named.len()) {
        0 => {
            let last = named.pop().unwrap_or_default();
            if named.is_empty() { last } else { format!("{} and {last}", named.join(", ")) }
        }
        more => format!("{} and {more} more", named.join(", ")),
    }
}
