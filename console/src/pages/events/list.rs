//! The newest records, with filters and a search by order id.

use std::collections::BTreeSet;

use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::super::error::PageError;
use super::super::guard::Visit;
use super::super::layout::{Frame, Section};
use super::super::parts::{choice, empty, encoded, head};
use super::row::{COLUMNS, row};
use crate::clock;
use crate::configuration::Collection;
use crate::console::Shared;
use crate::store::{RecordQuery, StoredRecord};

/// How many a page lists.
const A_PAGE: u32 = 100;

/// Which records are asked for, as an address has it. What is empty is not asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Filter {
    order: String,
    integration: String,
    outcome: String,
    event: String,
    gateway: String,
    before: Option<i64>,
}

impl Filter {
    /// Returns the query.
    pub fn query(&self) -> RecordQuery {
        let some = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        RecordQuery {
            order: some(&self.order),
            integration: some(&self.integration),
            outcome: some(&self.outcome),
            event: some(&self.event),
            gateway: some(&self.gateway),
            before: self.before,
            limit: A_PAGE,
        }
    }

    /// Returns the same as a query of an address, without the cursor; empty: nothing is asked.
    fn address(&self) -> String {
        let parts = [
            ("order", &self.order),
            ("integration", &self.integration),
            ("outcome", &self.outcome),
            ("event", &self.event),
            ("gateway", &self.gateway),
        ];
        let asked = parts.iter().filter(|(_, text)| !text.trim().is_empty());
        asked.map(|(key, text)| format!("{key}={}", encoded(text.trim()))).collect::<Vec<_>>().join("&")
    }
}

/// What may be chosen as outcome, with what it means.
const OUTCOMES: [(&str, &str); 9] = [
    ("delivered", "delivered"),
    ("lost", "lost: any loss"),
    ("dropped", "dropped: for any reason"),
    ("dry_run", "dry run"),
    ("given_back", "given back"),
    ("attempt", "to be repeated"),
    ("ignored", "ignored"),
    ("consent_denied", "dropped: consent denied"),
    ("duplicate_order", "dropped: duplicate order"),
];

/// Shows the records that are asked for.
pub async fn show(
    State(console): State<Shared>,
    visit: Visit,
    Query(filter): Query<Filter>,
) -> Result<Markup, PageError> {
    let query = filter.query();
    let records = console.with_store(move |store| store.records(&query)).await?;
    let asked = filter.address();
    let is_newest = filter.before.is_none();
    let actions = html! {
        @if is_newest {
            span.live-state #live-state hidden { span.dot {} span role="status" {} }
            button #live type="button" hidden { "Pause" }
        }
        a.button href={ "/events?" (asked) } { @if is_newest { "Refresh" } @else { "Newest" } }
    };
    let content = html! {
        (filters(&console, &filter))
        (found(&records, &asked, is_newest))
        @if let Some(last) = records.last() && records.len() >= A_PAGE as usize {
            p { a href={ "/events?" (asked) "&before=" (last.number) } { "Older events" } }
        }
    };
    Ok(Frame::new(&visit, "Events").wide().with_actions(Section::Events, &actions, &content))
}

fn found(records: &[StoredRecord], asked: &str, is_newest: bool) -> Markup {
    let stream = is_newest.then(|| format!("/events/stream?{asked}"));
    html! {
        @if records.is_empty() {
            div #no-events {
                @if asked.is_empty() {
                    (empty("No events yet", &html! {
                        p.lead { "Here stands what became of each event, as soon as a gateway says so." }
                        p { "Gateways say so once " code { "records" } " are on in the " a href="/settings" { "settings" }
                            " and lead to this console. Then send a purchase." }
                    }))
                } @else {
                    (empty("No such events", &html! {
                        p { "Nothing that is kept is like this. " a href="/events" { "Show all events" } "." }
                    }))
                }
            }
        }
        div.table hidden[records.is_empty()] {
            table role="table" data-stream=[stream] data-most=(A_PAGE) {
                caption.visually-hidden { "Events, newest first" }
                (head(&COLUMNS))
                tbody role="rowgroup" { @for record in records { (row(record)) } }
            }
        }
    }
}

fn filters(console: &Shared, filter: &Filter) -> Markup {
    let current = console.store.current();
    let named = current.document.objects(Collection::Integrations).iter();
    let integrations: BTreeSet<String> =
        named.filter_map(|one| one.get("name").and_then(Value::as_str)).map(str::to_owned).collect();
    let seen = console.store.gateways(clock::now());
    let gateways: BTreeSet<String> = seen.into_iter().map(|gateway| gateway.name).collect();
    html! {
        form.card method="get" action="/events" {
            div.filters {
                (input("order", "Order id", &filter.order, "search"))
                (choice("integration", "Integration", &filter.integration, integrations.iter().map(|one| (one.as_str(), one.as_str()))))
                (choice("outcome", "Outcome", &filter.outcome, OUTCOMES.into_iter()))
                (input("event", "Event", &filter.event, "text"))
                (choice("gateway", "Gateway", &filter.gateway, gateways.iter().map(|one| (one.as_str(), one.as_str()))))
                div.buttons {
                    button.primary type="submit" { "Show" }
                    @if !filter.address().is_empty() { a.button href="/events" { "Clear" } }
                }
            }
        }
    }
}

fn input(name: &str, label: &str, value: &str, kind: &str) -> Markup {
    html! {
        div.field {
            label for={ "filter-" (name) } { (label) }
            input id={ "filter-" (name) } type=(kind) name=(name) value=(value) autocomplete="off" spellcheck="false";
        }
    }
}
