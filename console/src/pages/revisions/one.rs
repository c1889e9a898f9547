//! One revision: what it has changed, and what differs from the one in force.

use axum::extract::{Path, State};
use maud::{Markup, html};
use serde_json::Value;

use super::super::error::PageError;
use super::super::guard::Visit;
use super::super::layout::{Frame, Section};
use super::super::parts::{badge, cell, row_head, table, time, yaml};
use crate::console::Shared;
use crate::manage::{Difference, differences};

pub async fn show(
    State(console): State<Shared>,
    visit: Visit,
    Path(number): Path<u64>,
) -> Result<Markup, PageError> {
    let current = console.store.current();
    let (revision, before) = console
        .with_store(move |store| {
            let before = number.checked_sub(1).filter(|before| *before > 0);
            Ok((store.revision(number)?, before.map(|before| store.revision(before)).transpose()?))
        })
        .await?;
    let document = revision.document.to_value();
    let changed = before.map(|before| differences(&before.document.to_value(), &document));
    let since = differences(&document, &current.document.to_value());
    let is_current = current.revision == number;
    let actions = html! {
        @if is_current { (badge("good", "in force")) }
        @if !is_current && visit.is_admin() {
            a.button href={ "/revisions/" (number) "/rollback" } { "Roll back to this revision" }
        }
    };
    let content = html! {
        p.lead { (revision.summary) ", by " (revision.author) ", " (time(revision.at)) }
        section.stack {
            h2 { "What it has changed" }
            @match &changed {
                Some(changed) => { (shown(changed, "It has changed nothing but secrets.")) }
                None => { p.soft { "It is the first revision." } }
            }
        }
        @if !is_current {
            section.stack {
                h2 { "What has changed since" }
                (shown(&since, "Nothing: the configuration in force is the same, but for secrets."))
            }
        }
        section.stack {
            h2 { "The whole configuration" }
            details { summary { "Show as YAML" } pre { (yaml(&document)) } }
        }
    };
    let title = format!("Revision {number}");
    Ok(Frame::new(&visit, &title).wide().with_actions(Section::Revisions, &actions, &content))
}

const COLUMNS: [&str; 3] = ["Setting", "Before", "After"];

/// Returns what differs as a table.
pub fn shown(differences: &[Difference], none: &str) -> Markup {
    html! {
        @if differences.is_empty() { p.soft { (none) } } @else {
            (table("Differences", &COLUMNS, &html! {
                @for one in differences {
                    tr role="row" {
                        (row_head(&html! { code { (one.path) } }))
                        (cell(COLUMNS[1], &value(one.from.as_ref(), "removed")))
                        (cell(COLUMNS[2], &value(one.to.as_ref(), "added")))
                    }
                }
            }))
        }
    }
}

fn value(value: Option<&Value>, kind: &str) -> Markup {
    html! {
        @match value {
            None => span.soft { "absent" },
            Some(value) => pre.value.(kind) { (yaml(value)) },
        }
    }
}
