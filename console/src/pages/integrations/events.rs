//! The events of a preset, of which an integration may leave some out.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::parts::texts;

/// The events of an integration as its form has them.
pub struct Choice {
    /// The preset's events, and whether each is sent.
    pub of_preset: Vec<(String, bool)>,
    /// Further ones.
    pub further: Vec<String>,
}

impl Choice {
    /// Returns what an integration has chosen. Without a list it sends all.
    pub fn of(object: &Map<String, Value>, known: &[String]) -> Self {
        let all = object.get("events").is_none_or(Value::is_null);
        let listed: BTreeSet<&str> = texts(object, "events").into_iter().collect();
        let of_preset = known.iter().map(|event| (event.clone(), all || listed.contains(event.as_str())));
        let further =
            texts(object, "events").into_iter().filter(|event| !known.iter().any(|one| one == event));
        Self { of_preset: of_preset.collect(), further: further.map(str::to_owned).collect() }
    }

    /// Returns the list of events; `None`: all are sent.
    pub fn list(&self) -> Option<Vec<String>> {
        let chosen = self.of_preset.iter().filter(|(_, sent)| *sent).map(|(event, _)| event.clone());
        let chosen: Vec<String> = chosen.collect();
        let is_all = chosen.len() == self.of_preset.len() && self.further.is_empty();
        (!is_all).then(|| chosen.into_iter().chain(self.further.iter().cloned()).collect())
    }
}
