//! The management API, in the shapes of Signal's: `/v1/admin/...`.

mod body;
mod catalog;
mod events;
mod gateways;
mod integrations;
mod letters;
mod objects;
mod openapi;
mod paging;
mod preview;
mod revisions;
mod settings;
mod sources;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::console::Shared;
use crate::web::{self, ApiError};

/// Returns the routes of the API.
pub fn router(console: &Shared) -> Router<Shared> {
    let limited = counted().route_layer(middleware::from_fn_with_state(console.clone(), within_limits));
    let (router, _) = limited.merge(uncounted()).split_for_parts();
    let document: Arc<Value> = Arc::new(document());
    router
        .route("/v1/openapi.json", get(move || async move { Json(Value::clone(&document)) }))
        .route("/v1/{*unknown}", any(not_found))
}

/// Returns the OpenAPI document of the API, as it is kept in `console/openapi.json`.
pub fn document() -> Value {
    let (_, document) = OpenApiRouter::with_openapi(openapi::Head::openapi())
        .merge(counted())
        .merge(uncounted())
        .split_for_parts();
    openapi::complete(&document)
}

/// The operations that the rate limit counts.
fn counted() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(integrations::list, integrations::create))
        .routes(routes!(integrations::get, integrations::replace, integrations::patch, integrations::delete))
        .routes(routes!(integrations::promote))
        .routes(routes!(sources::list, sources::create))
        .routes(routes!(sources::get, sources::replace, sources::patch, sources::delete))
        .routes(routes!(settings::get, settings::replace))
        .routes(routes!(revisions::list))
        .routes(routes!(revisions::get))
        .routes(routes!(revisions::rollback))
        .routes(routes!(catalog::list))
        .routes(routes!(events::list))
        .routes(routes!(events::get))
        .routes(routes!(letters::list))
        .routes(routes!(letters::get))
        .routes(routes!(letters::replay_one))
        .routes(routes!(letters::replay_all, letters::cancel))
        .routes(routes!(gateways::list))
        .routes(routes!(gateways::intake))
}

/// The operations that it does not.
fn uncounted() -> OpenApiRouter<Shared> {
    let previews = OpenApiRouter::new()
        .routes(routes!(preview::kept))
        .routes(routes!(preview::draft))
        .layer(DefaultBodyLimit::max(preview::MAX_BODY));
    previews.merge(OpenApiRouter::new().routes(routes!(events::stream)))
}

/// Answers 429 once a token has used up its requests for this minute. Previews, polls and streams are not counted.
async fn within_limits(
    State(console): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let caller = web::caller(&parts, &console)?;
    console.limits.take(caller.index).map_err(ApiError::rate_limited)?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Answers a request for a path that is none.
async fn not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is no such resource: see /v1/openapi.json")
}

/// Answers a request by a method that its path does not have.
pub async fn not_allowed() -> ApiError {
    let message = "this resource does not have this method: see /v1/openapi.json";
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
}

/// Lets no cache keep an answer: they are for those who have a token.
pub async fn uncached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await.into_response();
    let no_store = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(no_store);
    response
}
