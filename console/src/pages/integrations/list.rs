//! The list of integrations, and the vendors that one may be added for.

use axum::extract::{Query, State};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::error::PageError;
use super::super::guard::Visit;
use super::super::layout::{Frame, Section, form_token};
use super::super::parts::{badge, cell, empty, encoded, note, prose, row_head, table, text, texts};
use crate::configuration::Collection;
use crate::console::Shared;
use crate::manage::{self, Stored};

/// What the page before has done, for a message.
#[derive(Deserialize)]
pub struct Done {
    pub done: Option<String>,
    /// The vendor's setting whose value is odd.
    pub hint: Option<String>,
}

impl Done {
    /// Returns the message.
    pub fn note(&self) -> Markup {
        let text = match self.done.as_deref() {
            Some("added") => "Added. The gateways have it within seconds.",
            Some("saved") => "Saved. The gateways have it within seconds.",
            Some("enabled") => "Enabled. The gateways have it within seconds.",
            Some("disabled") => {
                "Disabled. The gateways have it within seconds, and deliver nothing to it any more."
            }
            Some("deleted") => "Deleted. The gateways have it within seconds.",
            Some("promoted") => "Promoted: this is the copy for the other source.",
            Some("rolled-back") => "Rolled back. The gateways have it within seconds.",
            Some("unchanged") => "Nothing was changed: all is as it was.",
            _ => return html! {},
        };
        note("good", &html! { p { (text) } })
    }
}

/// Shows the integrations.
pub async fn show(State(console): State<Shared>, visit: Visit, Query(done): Query<Done>) -> Markup {
    let current = console.store.current();
    let integrations = manage::list(&current, Collection::Integrations);
    let add = html! {
        @if visit.is_admin() { a.button.primary href="/integrations/new" { "Add integration" } }
    };
    let content = html! {
        (done.note())
        @if integrations.is_empty() {
            (empty("No integrations yet", &html! {
                p.lead { "An integration sends the conversions that your gateways see to one vendor. Without any, nothing is delivered." }
                @if visit.is_admin() {
                    p { a href="/integrations/new" { "Add an integration" } ": choose the vendor, enter its ids, and look at the request that comes out." }
                } @else {
                    p { "An admin can add one." }
                }
            }))
        } @else {
            (table("Integrations", &COLUMNS, &html! { @for one in &integrations { (row(&visit, one)) } }))
        }
    };
    Frame::new(&visit, "Integrations").wide().with_actions(Section::Integrations, &add, &content)
}

const COLUMNS: [&str; 6] = ["Name", "Vendor", "Source", "State", "Events", "Actions"];

fn row(visit: &Visit, stored: &Stored) -> Markup {
    let object = &stored.object;
    let address = format!("/integrations/{}", encoded(stored.id()));
    let name = text(object, "name").unwrap_or_default();
    let vendor = text(object, "vendor").or_else(|| text(object, "type")).unwrap_or_default();
    html! {
        tr role="row" {
            (row_head(&html! { a href=(address) { (name) } }))
            (cell(COLUMNS[1], &html! { (vendor_name(vendor)) }))
            (cell(COLUMNS[2], &html! {
                @match text(object, "source_id") { Some(source) => code { (source) }, None => span.soft { "any" } }
            }))
            (cell(COLUMNS[3], &state(object)))
            (cell(COLUMNS[4], &events(object)))
            td.blank[!visit.is_admin()] role="cell" data-label="" {
                @if visit.is_admin() { div.actions { (switch(visit, stored, &address, name)) } }
            }
        }
    }
}

/// Returns a vendor's name as people write it.
fn vendor_name(key: &str) -> String {
    let entry = manage::catalog().into_iter().find(|entry| entry.key == key);
    entry.map_or_else(|| key.to_owned(), |entry| entry.name)
}

/// Whether an integration is enabled. What is absent is `true`.
pub fn is_enabled(object: &Map<String, Value>) -> bool {
    object.get("enabled").and_then(Value::as_bool).unwrap_or(true)
}

/// Returns what an integration does at present, in a word or two.
pub fn state(object: &Map<String, Value>) -> Markup {
    let is_dry = object.get("dry_run").and_then(Value::as_bool).unwrap_or(false);
    match (is_enabled(object), is_dry) {
        (false, _) => badge("", "Disabled"),
        (true, true) => badge("warn", "Dry run"),
        (true, false) => badge("good", "Enabled"),
    }
}

fn events(object: &Map<String, Value>) -> Markup {
    let events = texts(object, "events");
    html! {
        @if events.is_empty() { span.soft { "all of its variant" } } @else { (events.join(", ")) }
    }
}

/// Returns the button that enables or disables an integration.
pub fn switch(visit: &Visit, stored: &Stored, address: &str, name: &str) -> Markup {
    let enabled = is_enabled(&stored.object);
    html! {
        form method="post" action={ (address) "/enabled" } {
            (form_token(visit))
            input type="hidden" name="if_match" value=(stored.etag);
            input type="hidden" name="enabled" value=(!enabled);
            button type="submit" {
                (if enabled { "Disable" } else { "Enable" }) span.visually-hidden { " " (name) }
            }
        }
    }
}

/// Shows the vendors.
pub async fn choose(visit: Visit) -> Result<Markup, PageError> {
    if !visit.is_admin() {
        return Err(PageError::admins_only());
    }
    let content = html! {
        p.lead { "Choose the vendor that conversions go to." }
        ul.choices {
            @for vendor in manage::catalog() {
                li {
                    div.card {
                        div.stack {
                            h2 { (vendor.name) }
                            p.soft { (prose(&vendor.description)) }
                            @if vendor.status != "available" { p { (badge("warn", &vendor.status)) } }
                        }
                        div.buttons {
                            a.button href={ "/integrations/new/" (vendor.key) } { "Add " (vendor.name) }
                        }
                    }
                }
            }
        }
    };
    Ok(Frame::new(&visit, "Add integration").render(Section::Integrations, &content))
}
