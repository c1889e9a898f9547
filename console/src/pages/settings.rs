//! The settings: everything but integrations and sources, as YAML.

use axum::Router;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::error::PageError;
use super::guard::{Change, Visit};
use super::integrations::Done;
use super::layout::{Frame, Section, form_token};
use super::parts::{Input, read_yaml, yaml};
use crate::console::Shared;
use crate::manage;
use crate::store::Rejection;

pub fn router() -> Router<Shared> {
    Router::new().route("/settings", get(show).post(save))
}

async fn show(State(console): State<Shared>, visit: Visit, Query(done): Query<Done>) -> Markup {
    let stored = manage::settings(&console.store.current());
    let text = yaml(&Value::Object(stored.object));
    page(&visit, &text, &stored.etag.to_string(), None, &done.note())
}

async fn save(
    State(console): State<Shared>,
    Change { visit, fields }: Change,
) -> Result<Response, PageError> {
    let text = fields.get("settings").unwrap_or_default();
    let etag = fields.text("if_match").to_owned();
    let again = |status: StatusCode, problem: &str, note: &Markup| {
        Ok((status, page(&visit, text, &etag, Some(problem), note)).into_response())
    };
    let read: Result<Option<Map<String, Value>>, String> = read_yaml(text);
    let settings = match read {
        Ok(settings) => settings.unwrap_or_default(),
        Err(problem) => return again(StatusCode::UNPROCESSABLE_ENTITY, &problem, &html! {}),
    };
    let (caller, if_match) = (visit.session.caller.clone(), etag.clone());
    let done =
        console.with_store(move |store| manage::put_settings(store, &caller, settings, Some(&if_match)));
    match done.await {
        Ok(_) => Ok(Redirect::to("/settings?done=saved").into_response()),
        Err(Rejection::Refused(refusal)) => {
            again(StatusCode::UNPROCESSABLE_ENTITY, &refusal.to_string(), &html! {})
        }
        Err(Rejection::Conflict(_)) => {
            let reload = html! {
                div.note.bad role="alert" {
                    p { a href="/settings" { "Load the settings as they are now" } " (what you entered here is lost)" }
                }
            };
            let problem =
                "Somebody else has changed the settings since you opened them, so nothing was saved.";
            again(StatusCode::CONFLICT, problem, &reload)
        }
        Err(other) => Err(other.into()),
    }
}

fn page(visit: &Visit, text: &str, etag: &str, problem: Option<&str>, note: &Markup) -> Markup {
    let editable = visit.is_admin();
    let input = Input {
        name: "settings",
        label: "Settings, as YAML or JSON",
        value: text,
        kind: "textarea",
        required: true,
        help: Some(
            "`***` stands for a secret that is kept. Write `${NAME}` for one that the gateways have in their environment.",
        ),
        problem,
        rows: text.lines().count().clamp(16, 40),
        ..Input::default()
    };
    let content = html! {
        (note)
        p.lead {
            "Everything of the filter's configuration but integrations and sources: consent, identity, delivery, deduplication, bots and so on. "
            "The filter's own code reads it before it is kept."
        }
        form.card method="post" action="/settings" novalidate {
            (form_token(visit))
            input type="hidden" name="if_match" value=(etag);
            fieldset disabled[!editable] { legend.visually-hidden { "Settings" } (input.render()) }
            @if editable { div.buttons { button.primary type="submit" { "Save" } } }
        }
    };
    Frame::new(visit, "Settings").render(Section::Settings, &content)
}
