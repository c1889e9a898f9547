//! Promoting an integration: a copy for another source.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::super::error::PageError;
use super::super::fields::Fields;
use super::super::guard::{Change, Visit};
use super::super::layout::{Frame, Section, form_token};
use super::super::parts::{Input, encoded, text};
use super::known::sources;
use super::problem::Problem;
use crate::configuration::Collection;
use crate::console::Shared;
use crate::manage;
use crate::store::Rejection;

pub async fn show(
    State(console): State<Shared>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Markup, PageError> {
    if !visit.is_admin() {
        return Err(PageError::admins_only());
    }
    page(&console, &visit, &id, &Fields::default(), None)
}

pub async fn promote(
    State(console): State<Shared>,
    Path(id): Path<String>,
    Change { visit, fields }: Change,
) -> Result<Response, PageError> {
    let caller = visit.session.caller.clone();
    let (source, name) = (fields.text("source_id").to_owned(), fields.text("name").to_owned());
    let original = id.clone();
    let done = console.with_store(move |store| {
        let name = Some(name.as_str()).filter(|name| !name.is_empty());
        manage::promote(store, &caller, &original, &source, name)
    });
    match done.await {
        Ok(copy) => {
            let address = format!("/integrations/{}?done=promoted", encoded(copy.id()));
            Ok(Redirect::to(&address).into_response())
        }
        Err(Rejection::Refused(refusal)) => {
            let problem = Problem::at(&refusal.path, &refusal.problem);
            let page = page(&console, &visit, &id, &fields, Some(&problem))?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

fn page(
    console: &Shared,
    visit: &Visit,
    id: &str,
    fields: &Fields,
    problem: Option<&Problem>,
) -> Result<Markup, PageError> {
    let stored = manage::get(&console.store.current(), Collection::Integrations, id)?;
    let name = text(&stored.object, "name").unwrap_or_default();
    let own = text(&stored.object, "source_id");
    let others: Vec<String> =
        sources(console).into_iter().filter(|source| Some(source.as_str()) != own).collect();
    let address = format!("/integrations/{}", encoded(id));
    let of =
        |field: &str| problem.filter(|problem| problem.field == field).map(|problem| problem.text.as_str());
    let elsewhere = problem.filter(|problem| !matches!(problem.field.as_str(), "name" | "source_id"));
    let content = html! {
        p.lead { "Adds a copy of this integration, its secrets included, for another source. The original stays as it is." }
        @if let Some(problem) = elsewhere { div.note.bad role="alert" { p { (problem.text) } } }
        @if others.is_empty() {
            div.card.empty {
                h2 { "There is no other source" }
                p { "Add the live site as one first, with its write keys: " a href="/sources" { "Sources" } "." }
            }
        } @else {
            form.card.narrow method="post" action={ (address) "/promote" } novalidate {
                (form_token(visit))
                div.field {
                    label for="field-source-id" { "Source" }
                    select #field-source-id name="source_id" aria-invalid=[of("source_id").map(|_| "true")] {
                        @for source in &others { option value=(source) selected[fields.text("source_id") == source] { (source) } }
                    }
                    @if let Some(text) = of("source_id") { p.problem { (text) } }
                }
                (Input { name: "name", label: "Name of the copy", value: fields.text("name"), kind: "text",
                    help: Some("Without one it is called like the original, with the source behind it."), problem: of("name"),
                    ..Input::default() }.render())
                div.buttons {
                    button.primary type="submit" { "Promote" }
                    a.button href=(address) { "Cancel" }
                }
            }
        }
    };
    let title = format!("Promote {name}");
    Ok(Frame::new(visit, &title).render(Section::Integrations, &content))
}
