//! Integrations: the list, the forms that add and edit one, the live preview, and what can be done with one.

mod actions;
mod draft;
mod edit;
mod events;
mod form;
mod hint;
mod known;
mod list;
mod mapping;
mod preview;
mod problem;
mod promote;
mod sample;

use axum::Router;
use axum::routing::{get, post};

use crate::console::Shared;
pub use list::Done;
pub use problem::Problem;

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/integrations", get(list::show))
        .route("/integrations/new", get(list::choose))
        .route("/integrations/new/{vendor}", get(edit::new).post(edit::create))
        .route("/integrations/preview", post(preview::fragment))
        .route("/integrations/{id}", get(edit::existing).post(edit::save))
        .route("/integrations/{id}/enabled", post(actions::set_enabled))
        .route("/integrations/{id}/delete", get(actions::confirm).post(actions::delete))
        .route("/integrations/{id}/promote", get(promote::show).post(promote::promote))
}
