//! What gateways ask the console for, and what they bring: the configuration goes out, records and dead letters come in.

mod discovery;
mod letters;
mod pull;
mod records;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::console::Shared;
use crate::fleet::MAX_LETTER;

/// Returns the routes that gateways use.
pub fn router() -> Router<Shared> {
    let letters = post(letters::answer).layer(DefaultBodyLimit::max(MAX_LETTER));
    Router::new()
        .route("/v3/discovery:extension_configs", post(discovery::answer))
        .route("/v1/gateway/configuration", get(pull::answer))
        .route("/v1/records", post(records::answer))
        .route("/v1/dead-letters", letters)
}
