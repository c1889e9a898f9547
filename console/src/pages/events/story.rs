//! One event's whole story, over all integrations and gateways.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::error::PageError;
use super::super::guard::Visit;
use super::super::layout::{Frame, Section};
use super::super::parts::{encoded, text, time};
use super::stages::delivery;
use crate::console::Shared;
use crate::store::{Rejection, StoredRecord};

/// Shows the story of the event that a record is about.
pub async fn show(
    State(console): State<Shared>,
    visit: Visit,
    Path(number): Path<i64>,
) -> Result<Markup, PageError> {
    let records = console.with_store(move |store| store.story(number)).await?;
    let asked = records.iter().find(|record| record.number == number);
    let asked =
        asked.or_else(|| records.first()).ok_or_else(|| Rejection::NotFound(format!("record {number}")))?;
    let nothing = Map::new();
    let record = asked.record.as_object().unwrap_or(&nothing);
    let event = record.get("event").and_then(Value::as_object).unwrap_or(&nothing);
    let title = text(event, "name").unwrap_or("An event that can't be read");
    let content = html! {
        (facts(asked.at, record, event))
        ul.story {
            @for group in grouped(&records) { li { (delivery(&group)) } }
        }
    };
    let back = html! { a.button href="/events" { "All events" } };
    Ok(Frame::new(&visit, title).with_actions(Section::Events, &back, &content))
}

/// The facts of the event itself.
fn facts(at: i64, record: &Map<String, Value>, event: &Map<String, Value>) -> Markup {
    let order = text(event, "order_id");
    html! {
        section.card {
            h2 { "Event" }
            dl.facts {
                dt { "Time" } dd { (time(at)) }
                @if let Some(kind) = text(event, "type") { dt { "Type" } dd { (kind) } }
                @if let Some(order) = order {
                    dt { "Order id" } dd { a href={ "/events?order=" (encoded(order)) } { (order) } }
                }
                @if let Some(id) = text(event, "message_id") { dt { "Message id" } dd { code { (id) } } }
                @if let Some(source) = text(record, "source") { dt { "Source" } dd { (source) } }
                @if let Some(gateway) = text(record, "gateway") { dt { "Gateway" } dd { (gateway) } }
            }
        }
    }
}

/// Puts the records together that are about one delivery: of one integration, and by one gateway. The order is that of their first ones.
fn grouped(records: &[StoredRecord]) -> Vec<Vec<&StoredRecord>> {
    let mut groups: Vec<Vec<&StoredRecord>> = Vec::new();
    let mut known: BTreeMap<(Option<&str>, Option<&str>), usize> = BTreeMap::new();
    for record in records {
        let of = |key: &str| record.record.get(key).and_then(Value::as_str);
        let key = (of("integration"), of("gateway"));
        let is_open = known.get(&key).and_then(|index| groups.get_mut(*index)).filter(|group| {
            // After an end another delivery begins, such as the same order once more.
            group
                .last()
                .is_some_and(|last| last.record.get("what").and_then(Value::as_str) == Some("attempt"))
        });
        match is_open {
            Some(group) => group.push(record),
            None => {
                known.insert(key, groups.len());
                groups.push(vec![record]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(number: i64, integration: &str, what: &str) -> StoredRecord {
        let record = json!({"integration": integration, "gateway": "g", "what": what});
        StoredRecord { number, at: 0, record }
    }

    #[test]
    fn attempts_belong_to_the_end_that_follows_and_a_repetition_is_a_story_of_its_own() {
        let records = [
            record(1, "a", "attempt"),
            record(2, "b", "ended"),
            record(3, "a", "ended"),
            record(4, "a", "ended"),
        ];
        let numbers: Vec<Vec<i64>> =
            grouped(&records).iter().map(|group| group.iter().map(|one| one.number).collect()).collect();
        assert_eq!(numbers, [vec![1, 3], vec![2], vec![4]]);
    }
}
