//! One record as a row of the table.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::parts::{cell, row_head, text, time};
use super::outcome;
use crate::store::StoredRecord;

/// The columns.
pub const COLUMNS: [&str; 7] = ["Event", "Time", "Outcome", "Integration", "Order", "Status", "Duration"];

/// Returns a row. All of it comes from an event, or may, and is text.
pub fn row(stored: &StoredRecord) -> Markup {
    let nothing = Map::new();
    let record = stored.record.as_object().unwrap_or(&nothing);
    let event = record.get("event").and_then(Value::as_object).unwrap_or(&nothing);
    let last = record.get("attempts").and_then(Value::as_array).and_then(|attempts| attempts.last());
    let of_last = |key: &str| last.and_then(|last| last.get(key));
    let name = text(event, "name").filter(|name| !name.is_empty()).unwrap_or("(not readable)");
    html! {
        tr role="row" id={ "record-" (stored.number) } {
            (row_head(&html! { a href={ "/events/" (stored.number) } { (name) } }))
            td.time role="cell" data-label=(COLUMNS[1]) { (time(stored.at)) }
            (cell(COLUMNS[2], &html! { div { (outcome::shown(record)) } }))
            (cell(COLUMNS[3], &html! { (text(record, "integration").unwrap_or_default()) }))
            (cell(COLUMNS[4], &html! { (text(event, "order_id").unwrap_or_default()) }))
            (cell(COLUMNS[5], &html! { (of_last("status").map(plain).unwrap_or_default()) }))
            td.number role="cell" data-label=(COLUMNS[6]) {
                @if let Some(ms) = of_last("ms") { (plain(ms)) " ms" }
            }
        }
    }
}

/// Returns a number or a text as it is.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
