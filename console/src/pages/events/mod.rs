//! Events: what became of each, as it comes, and one event's whole story.

mod list;
mod outcome;
mod row;
mod stages;
mod story;
mod stream;

use axum::Router;
use axum::routing::get;

use crate::console::Shared;

pub fn router() -> Router<Shared> {
    Router::new()
        .route("/events", get(list::show))
        .route("/events/stream", get(stream::follow))
        .route("/events/{number}", get(story::show))
}
