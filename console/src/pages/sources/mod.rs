//! Sources: the sites and servers whose events are told apart.

mod edit;
mod form;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::{get, post};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::guard::Visit;
use super::integrations::Done;
use super::layout::{Frame, Section};
use super::parts::{badge, cell, empty, encoded, row_head, table, texts};
use crate::configuration::Collection;
use crate::console::Shared;
use crate::manage;

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/sources", get(show))
        .route("/new-source", get(edit::new).post(edit::create))
        .route("/sources/{id}", get(edit::existing).post(edit::save))
        .route("/sources/{id}/delete", post(edit::delete))
}

const COLUMNS: [&str; 4] = ["Source", "Write keys", "Pages of", "State"];

async fn show(State(console): State<Shared>, visit: Visit, Query(done): Query<Done>) -> Markup {
    let sources = manage::list(&console.store.current(), Collection::Sources);
    let add = html! { @if visit.is_admin() { a.button.primary href="/new-source" { "Add source" } } };
    let content = html! {
        (done.note())
        p.lead { "A source is a site or a server that sends events, known by its write keys. An integration can be for one source alone." }
        @if sources.is_empty() {
            (empty("No sources", &html! {
                p.lead { "Without sources the events of all sites are taken, whatever write key they have, and every integration gets them." }
                p { "With a test source and a live one you can try an integration and then promote it." }
            }))
        } @else {
            (table("Sources", &COLUMNS, &html! {
                @for source in &sources { (row(source.id(), &source.object)) }
            }))
        }
    };
    Frame::new(&visit, "Sources").with_actions(Section::Sources, &add, &content)
}

fn row(id: &str, source: &Map<String, Value>) -> Markup {
    let is = |key: &str| source.get(key).and_then(Value::as_bool).unwrap_or(false);
    let origins = texts(source, "origins");
    html! {
        tr role="row" {
            (row_head(&html! { a href={ "/sources/" (encoded(id)) } { (id) } }))
            (cell(COLUMNS[1], &html! {
                (texts(source, "keys").len())
                @if source.contains_key("signing_secret") { " and a signing secret" }
            }))
            (cell(COLUMNS[2], &html! {
                @if origins.is_empty() { span.soft { "any host" } } @else { (origins.join(", ")) }
            }))
            (cell(COLUMNS[3], &html! {
                @if is("dry_run") { (badge("warn", "Dry run")) } @else { (badge("good", "Live")) }
                @if is("deliver") { " " (badge("", "Acknowledged route")) }
            }))
        }
    }
}
