//! Revisions: what was changed by whom, what differs, and the way back.

mod one;
mod rollback;

use axum::Router;
use axum::extract::{Query, State};
use axum::routing::get;
use maud::{Markup, html};
use serde::Deserialize;

use super::error::PageError;
use super::guard::Visit;
use super::layout::{Frame, Section};
use super::parts::{badge, cell, row_head, table, time};
use crate::console::Shared;
use crate::store::Revision;

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/revisions", get(show))
        .route("/revisions/{number}", get(one::show))
        .route("/revisions/{number}/rollback", get(rollback::show).post(rollback::roll_back))
}

/// How many a page lists.
const A_PAGE: u32 = 50;

const COLUMNS: [&str; 4] = ["Revision", "Change", "By", "When"];

#[derive(Deserialize)]
struct Wanted {
    before: Option<u64>,
}

async fn show(
    State(console): State<Shared>,
    visit: Visit,
    Query(wanted): Query<Wanted>,
) -> Result<Markup, PageError> {
    let current = console.store.current().revision;
    let revisions = console.with_store(move |store| store.revisions(wanted.before, A_PAGE)).await?;
    let last = revisions.last().map(|revision| revision.number);
    let content = html! {
        p.lead { "Every change of the configuration is a revision, which stays as it is. Any of them can be put into force again." }
        (table("Revisions", &COLUMNS, &html! { @for one in &revisions { (row(one, current)) } }))
        @if let Some(last) = last && last > 1 && revisions.len() >= A_PAGE as usize {
            p { a href={ "/revisions?before=" (last) } { "Older revisions" } }
        }
    };
    Ok(Frame::new(&visit, "Revisions").wide().render(Section::Revisions, &content))
}

fn row(revision: &Revision, current: u64) -> Markup {
    html! {
        tr role="row" {
            (row_head(&html! {
                a href={ "/revisions/" (revision.number) } { (revision.number) }
                @if revision.number == current { " " (badge("good", "in force")) }
            }))
            (cell(COLUMNS[1], &html! { (revision.summary) }))
            (cell(COLUMNS[2], &html! { (revision.author) }))
            td.time role="cell" data-label=(COLUMNS[3]) { (time(revision.at)) }
        }
    }
}
