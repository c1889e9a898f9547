//! What became of an event at one integration, stage by stage.

use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::parts::{sentence, text, texts, time, yaml};
use super::outcome;
use super::row::plain;
use crate::store::StoredRecord;

/// The identity fields, in the order of their worth, and what people call them.
const IDENTITY: [(&str, &str); 5] = [
    ("anonymous_id", "anonymous id"),
    ("email", "email address"),
    ("vendor_cookie", "vendor's cookie"),
    ("ip", "IP address"),
    ("user_agent", "User-Agent"),
];

/// Returns the story of one delivery. Its last record says most.
pub fn delivery(records: &[&StoredRecord]) -> Markup {
    let nothing = Map::new();
    let Some(last) = records.last() else { return html! {} };
    let record = last.record.as_object().unwrap_or(&nothing);
    let name = text(record, "integration").unwrap_or("No integration");
    html! {
        article.card {
            div.head { h2 { (name) } div { (outcome::shown(record)) } }
            @if let Some(words) = text(record, "explanation") { p { (sentence(words)) } }
            dl.facts {
                @if let Some(vendor) = text(record, "vendor") { dt { "Vendor" } dd { (vendor) } }
                @if let Some(consent) = text(record, "consent") { dt { "Consent" } dd { (consent) } }
                @if let Some(identity) = record.get("identity").and_then(Value::as_object) {
                    dt { "Visitor" } dd { (known(identity)) }
                }
                dt { "Received" } dd { (time(last.at)) }
            }
            (left_out(record))
            @if let Some(request) = record.get("request").and_then(Value::as_object) { (built(request)) }
            (attempts(record))
            details {
                summary { "Record as the gateway wrote it" }
                @for one in records { pre { (pretty(&one.record)) } }
            }
        }
    }
}

fn known(identity: &Map<String, Value>) -> Markup {
    let names = |present: bool| {
        let of = IDENTITY.iter().filter(|(key, _)| identity.get(*key) == Some(&Value::Bool(present)));
        of.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
    };
    let (has, lacks) = (names(true), names(false));
    html! {
        @if has.is_empty() { "Nothing is known of the visitor." } @else { "Known: " (has) "." }
        @if !lacks.is_empty() { span.soft { " Missing: " (lacks) "." } }
    }
}

fn left_out(record: &Map<String, Value>) -> Markup {
    let left_out = texts(record, "left_out");
    html! {
        @if !left_out.is_empty() {
            div.stack {
                h3 { "Values that the request does not have" }
                ul.plain { @for one in left_out { li { (one) } } }
            }
        }
    }
}

/// The request as it was built. What may be personal is masked by the gateway already.
fn built(request: &Map<String, Value>) -> Markup {
    let headers = request.get("headers").and_then(Value::as_object);
    html! {
        div.stack {
            h3 { "Request" }
            (super::super::parts::request(&super::super::parts::Request {
                method: text(request, "method").unwrap_or_default(),
                authority: text(request, "authority").unwrap_or_default(),
                path: text(request, "path").unwrap_or_default(),
                headers: headers.into_iter().flatten().map(|(name, value)| (name.clone(), plain(value))).collect(),
                body: request.get("body").filter(|body| !body.is_null()).map(|body| {
                    body.as_str().map_or_else(|| pretty(body), str::to_owned)
                }),
            }))
        }
    }
}

fn attempts(record: &Map<String, Value>) -> Markup {
    let attempts = record.get("attempts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    html! {
        @if !attempts.is_empty() {
            div.stack {
                h3 { "Attempts" }
                ol.plain {
                    @for attempt in attempts {
                        li {
                            strong { (attempt.get("status").map(plain).unwrap_or_default()) }
                            @if let Some(ms) = attempt.get("ms") { " after " (plain(ms)) " ms" }
                            @if let Some(seconds) = attempt.get("retry_after").filter(|seconds| !seconds.is_null()) {
                                ", wait " (plain(seconds)) " s"
                            }
                            @if let Some(answer) = attempt.get("answer").and_then(Value::as_str).filter(|answer| !answer.is_empty()) {
                                ": " code { (answer) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns a value of a record with a line for each member.
fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| yaml(value))
}
