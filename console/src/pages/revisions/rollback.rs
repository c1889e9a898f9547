//! Rolling back. An old secret never comes back: where none is kept today, it has to be entered.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use conversion_relay::settings::Secret;
use maud::{Markup, html};

use super::super::error::PageError;
use super::super::guard::{Change, Visit};
use super::super::layout::{Frame, Section, form_token};
use super::super::parts::Input;
use super::one::shown;
use crate::configuration::Refusal;
use crate::console::Shared;
use crate::manage::{self, differences};
use crate::store::Rejection;

/// The fields whose names begin so are secrets, by path.
const SECRET: &str = "secret.";

pub async fn show(
    State(console): State<Shared>,
    visit: Visit,
    Path(number): Path<u64>,
) -> Result<Markup, PageError> {
    if !visit.is_admin() {
        return Err(PageError::admins_only());
    }
    page(&console, &visit, number, None).await
}

pub async fn roll_back(
    State(console): State<Shared>,
    Path(number): Path<u64>,
    Change { visit, fields }: Change,
) -> Result<Response, PageError> {
    let given = fields.below(SECRET).filter(|(_, value)| !value.trim().is_empty());
    let secrets: BTreeMap<String, Secret> =
        given.map(|(path, value)| (path.to_owned(), Secret::new(value.trim()))).collect();
    let caller = visit.session.caller.clone();
    let seen = fields.text("revision").to_owned();
    let done = console.with_store(move |store| {
        if store.current().revision.to_string() != seen {
            return Err(Rejection::Conflict(CHANGED.to_owned()));
        }
        manage::rollback(store, &caller, number, &secrets)
    });
    match done.await {
        Ok(_) => Ok(Redirect::to("/integrations?done=rolled-back").into_response()),
        Err(Rejection::Refused(refusal)) => {
            let page = page(&console, &visit, number, Some(&refusal)).await?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

const CHANGED: &str = "somebody else has changed the configuration since you looked at what a rollback would do: look at it again";

async fn page(
    console: &Shared,
    visit: &Visit,
    number: u64,
    refusal: Option<&Refusal>,
) -> Result<Markup, PageError> {
    let current = console.store.current();
    let (revision, missing) = console
        .with_store(move |store| Ok((store.revision(number)?, manage::missing_secrets(store, number)?)))
        .await?;
    let changes = differences(&current.document.to_value(), &revision.document.to_value());
    let elsewhere = refusal.filter(|refusal| !missing.contains(&refusal.path));
    let content = html! {
        p.lead { "Puts this configuration into force again, as a new revision: " (revision.summary) }
        @if let Some(refusal) = elsewhere { div.note.bad role="alert" { p { (refusal) } } }
        section.stack {
            h2 { "What will change" }
            (shown(&changes, "Nothing: the configuration in force is the same."))
        }
        form.card method="post" action={ "/revisions/" (number) "/rollback" } novalidate {
            (form_token(visit))
            input type="hidden" name="revision" value=(current.revision);
            @if !missing.is_empty() {
                p { "These secrets are not kept any more, so they have to be entered again. All others stay as they are today." }
            }
            @for path in &missing {
                (Input { name: &format!("{SECRET}{path}"), label: path, value: "", kind: "password", required: true,
                    problem: refusal.filter(|refusal| refusal.path == *path).map(|_| "Enter this secret, or ${NAME}."),
                    ..Input::default() }.render())
            }
            div.buttons {
                button.primary type="submit" { "Roll back" }
                a.button href={ "/revisions/" (number) } { "Cancel" }
            }
        }
    };
    let title = format!("Roll back to revision {number}");
    Ok(Frame::new(visit, &title).wide().render(Section::Revisions, &content))
}
