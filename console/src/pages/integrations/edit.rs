//! Adding an integration, and changing one.

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::error::PageError;
use super::super::fields::Fields;
use super::super::guard::{Asked, Visit};
use super::super::layout::{Frame, Section};
use super::super::parts::{encoded, text};
use super::draft::{fields_of, object_of};
use super::form::{Form, lead};
use super::hint::hint;
use super::known::{entry, entry_of, sources};
use super::list::{Done, state, switch};
use super::problem::{CONFIG, Problem};
use super::{mapping, preview, sample};
use crate::configuration::Collection;
use crate::console::Shared;
use crate::manage::{self, CatalogEntry, Stored};
use crate::store::Rejection;

const COLLECTION: Collection = Collection::Integrations;

/// What a new integration's form begins with. The vendors' documents have marketing as the default.
fn blank(entry: &CatalogEntry) -> Map<String, Value> {
    let blank = json!({"name": entry.name, "consent_categories": ["marketing"]});
    blank.as_object().cloned().unwrap_or_default()
}

/// Shows the form of a new integration.
pub async fn new(
    State(console): State<Shared>,
    visit: Visit,
    Path(vendor): Path<String>,
) -> Result<Markup, PageError> {
    if !visit.is_admin() {
        return Err(PageError::admins_only());
    }
    let entry = entry(&vendor)?;
    let fields = fields_of(&entry, &blank(&entry));
    new_page(&console, &visit, &entry, &fields, None).await
}

/// Adds an integration, or only shows what it would send.
pub async fn create(
    State(console): State<Shared>,
    Path(vendor): Path<String>,
    asked: Asked,
) -> Result<Response, PageError> {
    let change = asked.change()?;
    let entry = entry(&vendor)?;
    let visit = &change.visit;
    let fields = change.fields.clone();
    if let Some((fields, problem)) = only_shown(&fields) {
        return Ok(new_page(&console, visit, &entry, &fields, problem.as_ref()).await?.into_response());
    }
    let object = match object_of(&entry, &fields, &Map::new()) {
        Ok(object) => object,
        Err(problem) => return refused(new_page(&console, visit, &entry, &fields, Some(&problem)).await),
    };
    let caller = visit.session.caller.clone();
    match console.with_store(move |store| manage::create(store, &caller, COLLECTION, object)).await {
        Ok(stored) => Ok(saved(&entry, &stored, &fields, "added")),
        Err(Rejection::Refused(refusal)) => {
            let problem = Problem::of(&entry, &refusal);
            refused(new_page(&console, visit, &entry, &fields, Some(&problem)).await)
        }
        Err(other) => Err(other.into()),
    }
}

async fn new_page(
    console: &Shared,
    visit: &Visit,
    entry: &CatalogEntry,
    fields: &Fields,
    problem: Option<&Problem>,
) -> Result<Markup, PageError> {
    let title = format!("Add {}", entry.name);
    let address = format!("/integrations/new/{}", entry.key);
    let preview = preview::of(console, entry, &Map::new(), fields).await;
    let form = Form {
        visit,
        entry,
        address: &address,
        existing: None,
        fields,
        sources: &sources(console),
        problem,
        preview: &preview,
    };
    let content = html! { (lead(entry)) (form.render()) };
    Ok(Frame::new(visit, &title).wide().render(Section::Integrations, &content))
}

/// Shows the form of an integration.
pub async fn existing(
    State(console): State<Shared>,
    visit: Visit,
    Path(id): Path<String>,
    Query(done): Query<Done>,
) -> Result<Markup, PageError> {
    let stored = manage::get(&console.store.current(), COLLECTION, &id)?;
    let entry = entry_of(&stored.object)?;
    let fields = fields_of(&entry, &stored.object);
    let odd =
        done.hint.as_ref().is_some_and(|name| entry.config_fields.iter().any(|field| field.key == *name));
    let note = html! {
        (done.note())
        @if odd { div.note.warn { p { (super::hint::AFTERWARDS) } } }
    };
    let etag = stored.etag.to_string();
    page(&console, &visit, &entry, &stored, &Filled { fields: &fields, etag: &etag, problem: None, note })
        .await
}

/// Saves an integration, or only shows what it would send.
pub async fn save(
    State(console): State<Shared>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Response, PageError> {
    let stored = manage::get(&console.store.current(), COLLECTION, &id)?;
    let entry = entry_of(&stored.object)?;
    let etag = asked.fields.text("if_match").to_owned();
    if let Some((shown, problem)) = only_shown(&asked.fields) {
        let fields =
            if asked.visit.is_admin() { shown } else { preview::with_sample(&entry, &stored.object, &shown) };
        let filled = Filled { fields: &fields, etag: &etag, problem: problem.as_ref(), note: html! {} };
        return Ok(page(&console, &asked.visit, &entry, &stored, &filled).await?.into_response());
    }
    let change = asked.change()?;
    let (visit, fields) = (&change.visit, &change.fields);
    let again = async |problem: Problem, note: Markup| {
        let filled = Filled { fields, etag: &etag, problem: Some(&problem), note };
        page(&console, visit, &entry, &stored, &filled).await
    };
    let object = match object_of(&entry, fields, &stored.object) {
        Ok(object) => object,
        Err(problem) => return refused(again(problem, html! {}).await),
    };
    let (caller, if_match, target) = (visit.session.caller.clone(), etag.clone(), id.clone());
    let replaced = console.with_store(move |store| {
        manage::replace(store, &caller, COLLECTION, &target, object, Some(&if_match))
    });
    match replaced.await {
        Ok(now) if now.etag == stored.etag => Ok(saved(&entry, &now, fields, "unchanged")),
        Ok(now) => Ok(saved(&entry, &now, fields, "saved")),
        Err(Rejection::Refused(refusal)) => refused(again(Problem::of(&entry, &refusal), html! {}).await),
        Err(Rejection::Conflict(_)) => {
            let problem = Problem { field: String::new(), text: CHANGED.to_owned() };
            let reload = html! {
                p { a href={ "/integrations/" (encoded(&id)) } { "Load it as it is now" } " (what you entered here is lost)" }
            };
            Ok((StatusCode::CONFLICT, again(problem, reload).await?).into_response())
        }
        Err(other) => Err(other.into()),
    }
}

const CHANGED: &str = "Somebody else has changed this integration since you opened it, so nothing was saved. What you entered is still here.";

/// What a form of an existing integration shows.
struct Filled<'f> {
    fields: &'f Fields,
    /// The state that its editor has seen.
    etag: &'f str,
    problem: Option<&'f Problem>,
    note: Markup,
}

async fn page(
    console: &Shared,
    visit: &Visit,
    entry: &CatalogEntry,
    stored: &Stored,
    filled: &Filled<'_>,
) -> Result<Markup, PageError> {
    let name = text(&stored.object, "name").unwrap_or_default();
    let address = format!("/integrations/{}", encoded(stored.id()));
    let preview = preview::of(console, entry, &stored.object, filled.fields).await;
    let actions = html! {
        (state(&stored.object))
        @if visit.is_admin() {
            (switch(visit, stored, &address, ""))
            a.button href={ (address) "/promote" } { "Promote" }
            a.button.danger href={ (address) "/delete" } { "Delete" }
        }
        a.button href={ "/events?integration=" (encoded(name)) } { "Its events" }
    };
    let form = Form {
        visit,
        entry,
        address: &address,
        existing: Some((stored.id(), filled.etag)),
        fields: filled.fields,
        sources: &sources(console),
        problem: filled.problem,
        preview: &preview,
    };
    let content = html! {
        (filled.note)
        p.soft.small { (entry.name) ", id " code { (stored.id()) } }
        (form.render())
    };
    Ok(Frame::new(visit, name).wide().with_actions(Section::Integrations, &actions, &content))
}

/// Returns the fields to show, if a form was not sent to be saved, and what is wrong with them.
fn only_shown(fields: &Fields) -> Option<(Fields, Option<Problem>)> {
    let shown = match fields.text("do") {
        "preview" => fields.clone(),
        "sample" => match sample::find(fields.text("sample_kind")) {
            Some(sample) => fields.with("sample", sample.event),
            None => fields.clone(),
        },
        "map" => match mapping::folded_in(fields) {
            Ok(fields) => fields,
            Err(problem) => return Some((fields.clone(), Some(problem))),
        },
        _ => return None,
    };
    Some((shown, None))
}

fn refused(page: Result<Markup, PageError>) -> Result<Response, PageError> {
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page?).into_response())
}

/// Goes to what was saved, and points out what is odd about a value that can't be read back there.
fn saved(entry: &CatalogEntry, stored: &Stored, fields: &Fields, done: &str) -> Response {
    let odd = entry
        .config_fields
        .iter()
        .find(|field| hint(entry.key, &field.key, fields.text(&format!("{CONFIG}{}", field.key))).is_some());
    let hint = odd.map_or_else(String::new, |field| format!("&hint={}", encoded(&field.key)));
    Redirect::to(&format!("/integrations/{}?done={done}{hint}", encoded(stored.id()))).into_response()
}
