//! `/v1/admin/settings`: everything of the configuration but integrations and sources.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::body::Object;
use super::objects;
use super::openapi::Settings;
use crate::console::Shared;
use crate::manage;
use crate::web::{Admin, ApiError, ErrorBody, Reader};

/// Returns the settings.
#[utoipa::path(
    get, path = "/v1/admin/settings", tag = "settings", operation_id = "get_settings",
    responses(
        (status = OK, body = Settings, headers(("etag" = String, description = "identifies their state"))),
        (status = "4XX", body = ErrorBody),
    ),
)]
pub async fn get(State(console): State<Shared>, _: Reader) -> Response {
    objects::answer(StatusCode::OK, None, manage::settings(&console.store.current()))
}

/// Replaces all settings. `***` keeps the secret that is there. With `If-Match` it is a 409 if somebody else has changed them.
#[utoipa::path(
    put, path = "/v1/admin/settings", tag = "settings", operation_id = "replace_settings", request_body = Settings,
    params(("if-match" = Option<String>, Header, description = "the ETag of what is to be changed")),
    responses(
        (status = OK, body = Settings, headers(("etag" = String, description = "identifies their state"))),
        (status = "4XX", body = ErrorBody),
    ),
)]
pub async fn replace(
    State(console): State<Shared>,
    Admin(caller): Admin,
    headers: HeaderMap,
    Object(settings): Object,
) -> Result<Response, ApiError> {
    let if_match = objects::if_match(&headers);
    let work = move |store: &_| manage::put_settings(store, &caller, settings, if_match.as_deref());
    Ok(objects::answer(StatusCode::OK, None, console.with_store(work).await?))
}
