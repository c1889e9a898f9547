//! How a delivery ended, in a word and a colour.

use conversion_relay::accounting::DropReason;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::parts::{badge, text};

/// Returns what a record says in one word: the outcome of an end, else what it is about.
pub fn word(record: &Map<String, Value>) -> &str {
    text(record, "outcome").or_else(|| text(record, "what")).unwrap_or("unknown")
}

/// Returns the outcome and its reason. Losses are told apart from what nobody wanted delivered.
pub fn shown(record: &Map<String, Value>) -> Markup {
    let (word, reason) = (word(record), text(record, "reason"));
    let is_loss = reason
        .is_some_and(|reason| DropReason::ALL.iter().any(|known| known.is_loss() && known.label() == reason));
    let kind = match word {
        "delivered" => "good",
        _ if is_loss => "bad",
        "attempt" | "dry_run" | "given_back" => "warn",
        _ => "",
    };
    let name = match word {
        "attempt" => "to be repeated",
        "dry_run" => "dry run",
        "given_back" => "given back",
        other => other,
    };
    html! {
        (badge(kind, name))
        @if let Some(reason) = reason { " " span.small { (reason) } }
    }
}
