//! Adding a source, changing one, deleting one.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::Map;

use super::super::error::PageError;
use super::super::fields::Fields;
use super::super::guard::{Change, Visit};
use super::super::integrations::Problem;
use super::super::layout::{Frame, Section, form_token};
use super::super::parts::encoded;
use super::form::{fields_of, form, problem_at, source_of};
use crate::configuration::Collection;
use crate::console::Shared;
use crate::manage::{self, Stored};
use crate::store::Rejection;

const COLLECTION: Collection = Collection::Sources;

pub async fn new(visit: Visit) -> Result<Markup, PageError> {
    if !visit.is_admin() {
        return Err(PageError::admins_only());
    }
    Ok(new_page(&visit, &Fields::default(), None))
}

fn new_page(visit: &Visit, fields: &Fields, problem: Option<&Problem>) -> Markup {
    let content = form(visit, "/new-source", None, fields, problem);
    Frame::new(visit, "Add source").render(Section::Sources, &content)
}

pub async fn create(
    State(console): State<Shared>,
    Change { visit, fields }: Change,
) -> Result<Response, PageError> {
    let refused = |problem: &Problem| {
        Ok((StatusCode::UNPROCESSABLE_ENTITY, new_page(&visit, &fields, Some(problem))).into_response())
    };
    let source = match source_of(&fields, &Map::new()) {
        Ok(source) => source,
        Err(problem) => return refused(&problem),
    };
    let caller = visit.session.caller.clone();
    match console.with_store(move |store| manage::create(store, &caller, COLLECTION, source)).await {
        Ok(_) => Ok(Redirect::to("/sources?done=added").into_response()),
        Err(Rejection::Refused(refusal)) => refused(&problem_at(&refusal.path, &refusal.problem)),
        Err(other) => Err(other.into()),
    }
}

pub async fn existing(
    State(console): State<Shared>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Markup, PageError> {
    let stored = manage::get(&console.store.current(), COLLECTION, &id)?;
    Ok(page(&visit, &stored, &fields_of(&stored.object), &stored.etag.to_string(), None))
}

fn page(visit: &Visit, stored: &Stored, fields: &Fields, etag: &str, problem: Option<&Problem>) -> Markup {
    let address = format!("/sources/{}", encoded(stored.id()));
    let delete = html! {
        @if visit.is_admin() {
            form method="post" action={ (address) "/delete" } {
                (form_token(visit))
                input type="hidden" name="if_match" value=(stored.etag);
                button.danger type="submit" { "Delete" }
            }
        }
    };
    let content = form(visit, &address, Some(etag), fields, problem);
    Frame::new(visit, stored.id()).with_actions(Section::Sources, &delete, &content)
}

pub async fn save(
    State(console): State<Shared>,
    Path(id): Path<String>,
    Change { visit, fields }: Change,
) -> Result<Response, PageError> {
    let stored = manage::get(&console.store.current(), COLLECTION, &id)?;
    let etag = fields.text("if_match").to_owned();
    let refused = |problem: &Problem| {
        let page = page(&visit, &stored, &fields, &etag, Some(problem));
        Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
    };
    let source = match source_of(&fields, &stored.object) {
        Ok(source) => source,
        Err(problem) => return refused(&problem),
    };
    let (caller, if_match) = (visit.session.caller.clone(), etag.clone());
    let done = console
        .with_store(move |store| manage::replace(store, &caller, COLLECTION, &id, source, Some(&if_match)));
    match done.await {
        Ok(_) => Ok(Redirect::to("/sources?done=saved").into_response()),
        Err(Rejection::Refused(refusal)) => refused(&problem_at(&refusal.path, &refusal.problem)),
        Err(other) => Err(other.into()),
    }
}

pub async fn delete(
    State(console): State<Shared>,
    Path(id): Path<String>,
    Change { visit, fields }: Change,
) -> Result<Response, PageError> {
    let stored = manage::get(&console.store.current(), COLLECTION, &id)?;
    let (caller, if_match) = (visit.session.caller.clone(), fields.text("if_match").to_owned());
    let done =
        console.with_store(move |store| manage::delete(store, &caller, COLLECTION, &id, Some(&if_match)));
    match done.await {
        Ok(()) => Ok(Redirect::to("/sources?done=deleted").into_response()),
        Err(Rejection::Refused(refusal)) => {
            let problem = problem_at("", &refusal.problem);
            let etag = stored.etag.to_string();
            let page = page(&visit, &stored, &fields_of(&stored.object), &etag, Some(&problem));
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(other) => Err(other.into()),
    }
}
