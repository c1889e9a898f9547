//! `/v1/admin/sources`

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::{Map, Value};

use super::body::Object;
use super::objects;
use super::openapi::Source;
use super::paging::{Asked, Named, Page, Paging};
use crate::configuration::Collection::Sources;
use crate::console::Shared;
use crate::web::{Admin, ApiError, ErrorBody, Reader};

/// Lists the sources in the order of the configuration.
#[utoipa::path(
    get, path = "/v1/admin/sources", tag = "sources", operation_id = "list_sources", params(Paging),
    responses((status = OK, body = Page<Source>), (status = "4XX", body = ErrorBody)),
)]
pub async fn list(
    State(console): State<Shared>,
    _: Reader,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<Map<String, Value>>>, ApiError> {
    objects::list(&console, Sources, &paging)
}

/// Adds a source. Without an `id` it gets one.
#[utoipa::path(
    post, path = "/v1/admin/sources", tag = "sources", operation_id = "create_source", request_body = Source,
    responses(
        (status = CREATED, body = Source, headers(("etag" = String, description = "identifies its state"), ("location" = String, description = "its path"))),
        (status = "4XX", body = ErrorBody),
    ),
)]
pub async fn create(
    State(console): State<Shared>,
    Admin(caller): Admin,
    object: Object,
) -> Result<Response, ApiError> {
    objects::create(&console, caller, Sources, object).await
}

/// Returns a source, with `***` for each secret that is written out.
#[utoipa::path(
    get, path = "/v1/admin/sources/{id}", tag = "sources", operation_id = "get_source", params(("id" = String, Path)),
    responses(
        (status = OK, body = Source, headers(("etag" = String, description = "identifies its state"))),
        (status = "4XX", body = ErrorBody),
    ),
)]
pub async fn get(
    State(console): State<Shared>,
    _: Reader,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    objects::get(&console, Sources, &id)
}

/// Replaces a source. `***` keeps the secret that is there. With `If-Match` it is a 409 if somebody else has changed it.
#[utoipa::path(
    put, path = "/v1/admin/sources/{id}", tag = "sources", operation_id = "replace_source", request_body = Source,
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "the ETag of what is to be changed")),
    responses(
        (status = OK, body = Source, headers(("etag" = String, description = "identifies its state"))),
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
    objects::replace(&console, caller, (Sources, id), &headers, object).await
}

/// Changes members of a source by a merge patch (RFC 7396): `null` removes one.
#[utoipa::path(
    patch, path = "/v1/admin/sources/{id}", tag = "sources", operation_id = "patch_source", request_body = Object,
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "the ETag of what is to be changed")),
    responses(
        (status = OK, body = Source, headers(("etag" = String, description = "identifies its state"))),
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
    objects::patch(&console, caller, (Sources, id), &headers, object).await
}

/// Deletes a source, and forgets its secrets.
#[utoipa::path(
    delete, path = "/v1/admin/sources/{id}", tag = "sources", operation_id = "delete_source",
    params(("id" = String, Path), ("if-match" = Option<String>, Header, description = "the ETag of what is to be deleted")),
    responses((status = NO_CONTENT, description = "It is deleted."), (status = "4XX", body = ErrorBody)),
)]
pub async fn delete(
    State(console): State<Shared>,
    Admin(caller): Admin,
    Named(id): Named<String>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    objects::delete(&console, caller, (Sources, id), &headers).await
}
