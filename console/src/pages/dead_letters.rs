//! Dead letters: deliveries that were lost, and sending them again.

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::{Query, State};
use axum::response::Redirect;
use axum::routing::{get, post};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use conversion_relay::accounting::DropReason;

use super::error::PageError;
use super::guard::{Change, Visit};
use super::layout::{Frame, Section, form_token};
use super::parts::{badge, cell, choice, empty, encoded, note, row_head, table, time};
use crate::configuration::Collection;
use crate::console::Shared;
use crate::replay;
use crate::store::{LetterQuery, Outcome, Replay, StoredLetter};

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/dead-letters", get(show))
        .route("/dead-letters/replay", post(replay_one))
        .route("/dead-letters/replay-all", post(replay_all))
}

/// How many a page lists.
const A_PAGE: u32 = 100;

const COLUMNS: [&str; 7] = ["Event", "Lost", "Integration", "Reason", "Attempts", "Replay", "Actions"];

/// Which letters are asked for. What is empty is not asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Filter {
    integration: String,
    reason: String,
    before: Option<i64>,
    done: Option<String>,
}

impl Filter {
    fn query(&self) -> LetterQuery {
        let some = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        LetterQuery {
            integration: some(&self.integration),
            reason: some(&self.reason),
            outcome: None,
            before: self.before,
            limit: A_PAGE,
        }
    }

    fn address(&self) -> String {
        let parts = [("integration", &self.integration), ("reason", &self.reason)];
        let asked = parts.iter().filter(|(_, text)| !text.trim().is_empty());
        asked.map(|(key, text)| format!("{key}={}", encoded(text.trim()))).collect::<Vec<_>>().join("&")
    }
}

async fn show(
    State(console): State<Shared>,
    visit: Visit,
    Query(filter): Query<Filter>,
) -> Result<Markup, PageError> {
    let query = filter.query();
    let (letters, waiting) =
        console.with_store(move |store| Ok((store.letters(&query)?, store.replays_wanted()?))).await?;
    let asked = filter.address();
    let content = html! {
        (done(filter.done.as_deref()))
        p.lead { "A dead letter is a delivery that was lost for good. It can be replayed: a gateway takes it and delivers it again." }
        @if waiting > 0 { (note("", &html! { p { (waiting) " replays are on their way. Load the page again to see how they end." } })) }
        (filters(&console, &filter))
        @if letters.is_empty() { (nothing(asked.is_empty())) } @else {
            (table("Dead letters, newest first", &COLUMNS, &html! {
                @for letter in &letters { (row(&visit, letter, &asked)) }
            }))
            @if visit.is_admin() { (all(&visit, &filter)) }
        }
        @if let Some(last) = letters.last() && letters.len() >= A_PAGE as usize {
            p { a href={ "/dead-letters?" (asked) "&before=" (last.number) } { "Older dead letters" } }
        }
    };
    let actions = html! { a.button href={ "/dead-letters?" (asked) } { "Refresh" } };
    Ok(Frame::new(&visit, "Dead letters").wide().with_actions(Section::DeadLetters, &actions, &content))
}

fn nothing(is_all: bool) -> Markup {
    html! {
        @if is_all {
            (empty("No dead letters", &html! {
                p.lead { "No gateway has handed in a lost delivery." }
                p { "They do once " code { "dead_letters" } " are on in the " a href="/settings" { "settings" }
                    ", with a webhook integration that leads to this console." }
            }))
        } @else {
            (empty("No such dead letters", &html! { p { a href="/dead-letters" { "Show all" } } }))
        }
    }
}

/// Says what a form has done.
fn done(done: Option<&str>) -> Markup {
    let (kind, text) = match done {
        Some("delivered") => ("good", "Replayed: it was delivered."),
        Some("given_back") => {
            ("warn", "Replayed: the gateway could not settle it in time. It may be replayed again.")
        }
        Some("refused") => ("bad", "Replayed: it was refused. The list says why."),
        Some("unreachable") => ("bad", "Not replayed: no gateway answered. It may be replayed again."),
        Some("waiting") => ("", "The replay is on its way."),
        Some("all") => ("", "The replays are on their way, one after the other."),
        Some("none") => ("", "There is nothing to replay: all of these were delivered, or are on their way."),
        _ => return html! {},
    };
    note(kind, &html! { p { (text) } })
}

fn row(visit: &Visit, letter: &StoredLetter, asked: &str) -> Markup {
    let facts = &letter.facts;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let event = text(&facts.event);
    html! {
        tr role="row" {
            (row_head(&html! { (event) }))
            td.time role="cell" data-label=(COLUMNS[1]) { (time(letter.at)) }
            (cell(COLUMNS[2], &html! { (text(&facts.integration)) }))
            (cell(COLUMNS[3], &html! { (text(&facts.reason)) }))
            (cell(COLUMNS[4], &html! {
                span {
                    (facts.attempts.map(|count| count.to_string()).unwrap_or_default())
                    @if let Some(status) = &facts.last_status { ", last: " (status) }
                }
            }))
            (cell(COLUMNS[5], &result(letter)))
            td.blank[!visit.is_admin()] role="cell" data-label="" {
                @if visit.is_admin() {
                    div.actions {
                        form method="post" action={ "/dead-letters/replay?" (asked) } {
                            (form_token(visit))
                            input type="hidden" name="id" value=(facts.id);
                            button type="submit" disabled[letter.is_waiting] {
                                "Replay" span.visually-hidden { " " (event) " of " (text(&facts.integration)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn result(letter: &StoredLetter) -> Markup {
    html! {
        div {
            @if letter.is_waiting { (badge("warn", "on its way")) " " }
            @if let Some(Replay { at, by, outcome, detail }) = &letter.replay {
                (match outcome {
                    Outcome::Delivered => badge("good", "delivered"),
                    Outcome::GivenBack => badge("warn", "given back"),
                    Outcome::Refused => badge("bad", "refused"),
                    Outcome::Unreachable => badge("bad", "no answer"),
                })
                p.small { (detail) }
                p.small.soft { "by " (by) ", " (time(*at)) }
            }
        }
    }
}

fn filters(console: &Shared, filter: &Filter) -> Markup {
    let current = console.store.current();
    let named = current.document.objects(Collection::Integrations).iter();
    let integrations: BTreeSet<&str> =
        named.filter_map(|one| one.get("name").and_then(Value::as_str)).collect();
    let reasons: Vec<&str> =
        DropReason::ALL.iter().filter(|reason| reason.is_loss()).map(|reason| reason.label()).collect();
    html! {
        form.card method="get" action="/dead-letters" {
            div.filters {
                (choice("integration", "Integration", &filter.integration, integrations.into_iter().map(|one| (one, one))))
                (choice("reason", "Reason", &filter.reason, reasons.into_iter().map(|one| (one, one))))
                div.buttons {
                    button.primary type="submit" { "Show" }
                    @if !filter.address().is_empty() { a.button href="/dead-letters" { "Clear" } }
                }
            }
        }
    }
}

/// The button that replays all that the filter asks for, of every page.
fn all(visit: &Visit, filter: &Filter) -> Markup {
    html! {
        form.card method="post" action={ "/dead-letters/replay-all?" (filter.address()) } {
            (form_token(visit))
            p {
                @if filter.address().is_empty() { "All dead letters" } @else { "All dead letters that the filter shows" }
                ", those of older pages too, are replayed one after the other, but for those that a replay has delivered."
            }
            div.buttons { button type="submit" { "Replay all" } }
        }
    }
}

async fn replay_one(
    State(console): State<Shared>,
    Query(filter): Query<Filter>,
    Change { visit, fields }: Change,
) -> Result<Redirect, PageError> {
    let letter = replay::one(&console, fields.text("id").to_owned(), visit.session.caller.name).await?;
    let done = match letter.replay.filter(|_| !letter.is_waiting).map(|replay| replay.outcome) {
        Some(Outcome::Delivered) => "delivered",
        Some(Outcome::GivenBack) => "given_back",
        Some(Outcome::Refused) => "refused",
        Some(Outcome::Unreachable) => "unreachable",
        None => "waiting",
    };
    Ok(Redirect::to(&format!("/dead-letters?{}&done={done}", filter.address())))
}

async fn replay_all(
    State(console): State<Shared>,
    Query(filter): Query<Filter>,
    Change { visit, .. }: Change,
) -> Result<Redirect, PageError> {
    let count = replay::all(&console, filter.query(), visit.session.caller.name).await?;
    let done = if count == 0 { "none" } else { "all" };
    Ok(Redirect::to(&format!("/dead-letters?{}&done={done}", filter.address())))
}
