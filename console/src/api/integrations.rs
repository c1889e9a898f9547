//! `/v1/admin/integrations`

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::{Object, Typed};
use super::objects;
use super::openapi::Integration;
use super::paging::{Asked, Named, Page, Paging};
use crate::configuration::Collection::Integrations;
use crate::console::Shared;
use crate::manage;
use crate::web::{Admin, ApiError, ErrorBody, Reader};

/// Lists the integrations in the order of the configuration.
#[utoipa::path(
    get, path = "/v1/admin/integrations", tag = "integrations", operation_id = "list_integrations", params(Paging),
    responses((status = OK, body = Page<Integration>), (status = "4XX", body = ErrorBody)),
)]
pub async fn list(
    State(console): State<Shared>,
    _: Reader,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Map<String, Value>>>, ApiError> {
    objects::list(&console, Integrations, &paging)
}

/// Adds an integration. It gets an `id`; `type` is another name for `vendor`.
#[utoipa::path(
    post, path = "/v1/admin/integrations", tag = "integrations", operation_id = "create_integration", request_body = Integration,
    responses(
        (status = CREATED, body = Integration, headers(("etag" = String, description = "identifies its state"), ("location" = String, description = "its path"))),
        (status = "4XX", body = ErrorBody),
    ),
)]
pub async fn create(
    State(console): State<Shared>,
    Admin(caller): Admin,
    object: Object,
) -> Result<Response, ApiError> {
    objects::create(&console, caller, Integrations, object).await
}

/// Returns an integration, with `***` for each secret that is written out.
#[utoipa::path(
    get, path = "/v1/admin/integrations/{id}", tag = "integrations", operation_id = "get_integration", params(("id" = String, Path)),
    responses(
        (status = OK, body = Integration, headers(("etag" = String, description = "identifies its state"))),
        (status = "4XX", body = ErrorBody),
    ),
)]
pub async fn get(
    State(console): State<Shared>,
    _: Reader,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    objects::get(&console, Integrations, &id)
}

/// Replaces an integration. `***` keeps the secret that is there. With `If-Match` it is a 409 if somebody else has changed it.
#[utoipa::path(
    put, path = "/v1/admin/integrations/{id}", tag = "integrations", operation_id = "replace_integration", request_body = Integration,
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "the ETag of what is to be changed")),
    responses(
        (status = OK, body = Integration, headers(("etag" = String, description = "identifies its state"))),
        (status = "4XX", body = ErrorBody),
    ),
)]
pub async fn replace(
    State(console): State<Shared>,
    Admin(caller): Admin,
    Named(id): Named<String>,
    headers: HeaderMap,
    object: Object,
) -> Result<Response, ApiError> {
    objects::replace(&console, caller, (Integrations, id), &headers, object).await
}

/// Changes members of an integration by a merge patch (RFC 7396): `null` removes one.
#[utoipa::path(
    patch, path = "/v1/admin/integrations/{id}", tag = "integrations", operation_id = "patch_integration", request_body = Object,
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "the ETag of what is to be changed")),
    responses(
        (status = OK, body = Integration, headers(("etag" = String, description = "identifies its state"))),
        (status = "4XX", body = ErrorBody),
    ),
)]
pub async fn patch(
    State(console): State<Shared>,
    Admin(caller): Admin,
    Named(id): Named<String>,
    headers: HeaderMap,
    object: Object,
) -> Result<Response, ApiError> {
    objects::patch(&console, caller, (Integrations, id), &headers, object).await
}

/// Deletes an integration, and forgets its secrets.
#[utoipa::path(
    delete, path = "/v1/admin/integrations/{id}", tag = "integrations", operation_id = "delete_integration",
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "the ETag of what is to be deleted")),
    responses((status = NO_CONTENT, description = "It is deleted."), (status = "4XX", body = ErrorBody)),
)]
pub async fn delete(
    State(console): State<Shared>,
    Admin(caller): Admin,
    Named(id): Named<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    objects::delete(&console, caller, (Integrations, id), &headers).await
}

/// For which source a copy is made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// The id of a configured source.
    source_id: String,
    /// The name of the copy; absent: that of the original, with the source behind it.
    name: Option<String>,
}

/// Adds a copy of an integration, its secrets included, for another source.
#[utoipa::path(
    post, path = "/v1/admin/integrations/{id}/promote", tag = "integrations", operation_id = "promote_integration",
    params(("id" = String, Path)), request_body = Promotion,
    responses((status = CREATED, body = Integration), (status = "4XX", body = ErrorBody)),
)]
pub async fn promote(
    State(console): State<Shared>,
    Admin(caller): Admin,
    Named(id): Named<String>,
    Typed(Promotion { source_id, name }): Typed<Promotion>,
) -> Result<Response, ApiError> {
    let work = move |store: &_| manage::promote(store, &caller, &id, &source_id, name.as_deref());
    Ok(objects::created(Integrations, console.with_store(work).await?))
}
