//! Gateways: who has which revision, and what came in from them.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use maud::{Markup, html};

use super::guard::Visit;
use super::layout::{Frame, Section};
use super::parts::{badge, cell, empty, row_head, table, time};
use crate::clock;
use crate::console::Shared;
use crate::fleet::IntakeCounts;
use crate::store::{GatewaySeen, GatewayState, Via};

pub fn router() -> Router<Shared> {
    Router::new().route("/gateways", get(show))
}

const COLUMNS: [&str; 7] = ["Gateway", "State", "Revision", "Cluster", "By", "Software", "Last seen"];

async fn show(State(console): State<Shared>, visit: Visit) -> Markup {
    let current = console.store.current();
    let gateways = console.store.gateways(clock::now());
    let with = |state: GatewayState| gateways.iter().filter(|gateway| gateway.state == state).count();
    let content = html! {
        p.lead {
            "Revision " (current.revision) " is in force. "
            @if !gateways.is_empty() {
                (with(GatewayState::Current)) " of " (gateways.len()) " gateways have it"
                @if with(GatewayState::Refused) > 0 { ", " (with(GatewayState::Refused)) " refuse it" }
                "."
            }
        }
        @if gateways.is_empty() {
            (empty("No gateway has asked yet", &html! {
                p.lead { "A gateway is listed once it has asked for the configuration: by extension discovery, or by "
                    code { "conversion-relay pull" } "." }
                p { "Both need a token with the role gateway. An Envoy that reads the file of " code { "--file" }
                    " asks nobody, so it is not listed." }
            }))
        } @else {
            (table("Gateways", &COLUMNS, &html! { @for one in &gateways { (row(one)) } }))
        }
        (intake(&console.fleet.counts()))
    };
    let actions = html! { a.button href="/gateways" { "Refresh" } };
    Frame::new(&visit, "Gateways").wide().with_actions(Section::Gateways, &actions, &content)
}

fn row(gateway: &GatewaySeen) -> Markup {
    let (kind, word) = match gateway.state {
        GatewayState::Current => ("good", "Current"),
        GatewayState::Behind => ("warn", "Behind"),
        GatewayState::Refused => ("bad", "Refuses it"),
        GatewayState::Gone => ("", "Not seen lately"),
    };
    let via = match gateway.via {
        Via::Discovery => "discovery",
        Via::Pull => "pull",
    };
    html! {
        tr role="row" {
            (row_head(&html! { (gateway.name) }))
            (cell(COLUMNS[1], &html! {
                div { (badge(kind, word)) @if let Some(error) = &gateway.error { p.small { (error) } } }
            }))
            (cell(COLUMNS[2], &html! {
                @match gateway.revision {
                    Some(number) => a href={ "/revisions/" (number) } { (number) },
                    None => span.soft { "none of the console's" },
                }
            }))
            (cell(COLUMNS[3], &html! { (gateway.cluster) }))
            (cell(COLUMNS[4], &html! { (via) }))
            (cell(COLUMNS[5], &html! { (gateway.software) }))
            td.time role="cell" data-label=(COLUMNS[6]) { (time(gateway.last_seen)) }
        }
    }
}

fn intake(counts: &IntakeCounts) -> Markup {
    let records = &counts.records;
    let letters = &counts.dead_letters;
    html! {
        section.stack {
            h2 { "What came in since the console was started" }
            div.columns {
                (tally("Records", &[
                    ("kept", records.kept),
                    ("dropped: came faster than they are written", records.queue_full),
                    ("dropped: no JSON object", records.malformed),
                    ("dropped: longer than 32 KB", records.too_long),
                    ("dropped: could not be written", records.failed),
                    ("removed: too old or too many", records.removed),
                ]))
                (tally("Dead letters", &[
                    ("kept", letters.kept),
                    ("known already", letters.known),
                    ("refused: no dead letter", letters.malformed),
                    ("told to come again: came too fast", letters.queue_full),
                    ("told to come again: could not be written", letters.failed),
                    ("removed: too old", letters.too_old),
                    ("removed: to make room", letters.dropped),
                ]))
            }
        }
    }
}

fn tally(title: &str, counts: &[(&str, u64)]) -> Markup {
    html! {
        div.card {
            h3 { (title) }
            dl.facts.tally { @for (what, count) in counts { dt { (what) } dd { (count) } } }
        }
    }
}
