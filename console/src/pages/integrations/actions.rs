//! Enabling, disabling and deleting an integration.

use axum::extract::{Path, State};
use axum::response::Redirect;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::error::PageError;
use super::super::guard::{Change, Visit};
use super::super::layout::{Frame, Section, form_token};
use super::super::parts::{encoded, text};
use crate::configuration::Collection;
use crate::console::Shared;
use crate::manage;

const COLLECTION: Collection = Collection::Integrations;

pub async fn set_enabled(
    State(console): State<Shared>,
    Path(id): Path<String>,
    Change { visit, fields }: Change,
) -> Result<Redirect, PageError> {
    let enabled = fields.has("enabled", "true");
    let (caller, if_match) = (visit.session.caller, fields.text("if_match").to_owned());
    let target = id.clone();
    let done = console.with_store(move |store| {
        let patch = Map::from_iter([("enabled".to_owned(), Value::Bool(enabled))]);
        manage::patch(store, &caller, COLLECTION, &target, patch, Some(&if_match))
    });
    done.await?;
    let done = if enabled { "enabled" } else { "disabled" };
    Ok(Redirect::to(&format!("/integrations/{}?done={done}", encoded(&id))))
}

/// Asks whether an integration shall be deleted.
pub async fn confirm(
    State(console): State<Shared>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Markup, PageError> {
    if !visit.is_admin() {
        return Err(PageError::admins_only());
    }
    let stored = manage::get(&console.store.current(), COLLECTION, &id)?;
    let name = text(&stored.object, "name").unwrap_or_default();
    let address = format!("/integrations/{}", encoded(&id));
    let content = html! {
        form.card.narrow method="post" action={ (address) "/delete" } {
            (form_token(&visit))
            input type="hidden" name="if_match" value=(stored.etag);
            p { "The gateways will deliver nothing to it any more, and what waits for it there is dropped. Its secrets are forgotten." }
            p { "The configuration itself stays in the " a href="/revisions" { "revisions" } ", from which you can roll back." }
            div.buttons {
                button.danger type="submit" { "Delete" }
                a.button href=(address) { "Cancel" }
            }
        }
    };
    let title = format!("Delete {name}?");
    Ok(Frame::new(&visit, &title).render(Section::Integrations, &content))
}

pub async fn delete(
    State(console): State<Shared>,
    Path(id): Path<String>,
    Change { visit, fields }: Change,
) -> Result<Redirect, PageError> {
    let (caller, if_match) = (visit.session.caller, fields.text("if_match").to_owned());
    let done =
        console.with_store(move |store| manage::delete(store, &caller, COLLECTION, &id, Some(&if_match)));
    done.await?;
    Ok(Redirect::to("/integrations?done=deleted"))
}
