//! The pages, for people with a browser: rendered here, with one stylesheet and one script, and nothing from another host.
//!
//! All works without the script, which adds what one would miss otherwise: previews while one types, events as they come, and times
//! in the browser's zone.

mod assets;
mod dead_letters;
mod error;
mod events;
mod fields;
mod gateways;
mod guard;
mod integrations;
mod json;
mod layout;
mod parts;
mod revisions;
mod settings;
mod sign_in;
mod sources;
mod visit;

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::console::Shared;
use crate::web::ApiError;
pub use error::PageError;

/// Nothing but what this server serves, and no script or style within a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Returns the routes of the pages.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(|| async { Redirect::to("/integrations") }))
        .merge(sign_in::router())
        .merge(integrations::router())
        .merge(sources::router())
        .merge(settings::router())
        .merge(revisions::router())
        .merge(events::router())
        .merge(dead_letters::router())
        .merge(gateways::router())
        .fallback(not_found)
        .layer(middleware::from_fn(with_headers))
        .merge(assets::router())
}

/// Answers what no route takes: a page for people, JSON for programs.
async fn not_found(uri: Uri) -> Response {
    if uri.path().starts_with("/v1/") || uri.path().starts_with("/v3/") {
        let message = "there is nothing at this path; GET /v1/openapi.json tells what there is";
        return ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", message).into_response();
    }
    PageError::not_found("such page").into_response()
}

async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}
