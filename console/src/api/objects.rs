//! What integrations and sources have in common.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use super::body;
use super::paging::{Page, Paging};
use crate::access::Caller;
use crate::configuration::Collection;
use crate::console::Shared;
use crate::manage::{self, Stored};
use crate::web::ApiError;

/// Returns the `If-Match` of a request. Several lines of it are one list.
pub fn if_match(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> =
        headers.get_all(header::IF_MATCH).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

/// Answers with an object and its ETag.
pub fn answer(status: StatusCode, collection: Option<Collection>, stored: Stored) -> Response {
    let etag = HeaderValue::try_from(stored.etag.to_string());
    let mut response = (status, Json(shown(collection, stored))).into_response();
    if let Ok(etag) = etag {
        response.headers_mut().insert(header::ETAG, etag);
    }
    response
}

/// Returns an object as it is answered: an integration has its vendor as `type`, too, as Signal's older documents have it.
fn shown(collection: Option<Collection>, stored: Stored) -> Map<String, Value> {
    let mut object = stored.object;
    if collection == Some(Collection::Integrations)
        && let Some(vendor) = object.get("vendor").cloned()
    {
        object.insert("type".to_owned(), vendor);
    }
    object
}

/// Answers with an object that was made, and where it is.
pub fn created(collection: Collection, stored: Stored) -> Response {
    let location = HeaderValue::try_from(format!("/v1/admin/{}/{}", collection.key(), stored.id()));
    let mut response = answer(StatusCode::CREATED, Some(collection), stored);
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Returns a page of the objects.
pub fn list(
    console: &Shared,
    collection: Collection,
    paging: &Paging,
) -> Result<Json<Page<Map<String, Value>>>, ApiError> {
    let current = console.store.current();
    let page = Page::slice(manage::list(&current, collection), paging, Stored::id)?;
    Ok(Json(page.map(|stored| shown(Some(collection), stored))))
}

/// Returns one object.
pub fn get(console: &Shared, collection: Collection, id: &str) -> Result<Response, ApiError> {
    let stored = manage::get(&console.store.current(), collection, id)?;
    Ok(answer(StatusCode::OK, Some(collection), stored))
}

/// Adds an object.
pub async fn create(
    console: &Shared,
    caller: Caller,
    collection: Collection,
    body::Object(object): body::Object,
) -> Result<Response, ApiError> {
    let work = move |store: &_| manage::create(store, &caller, collection, object);
    Ok(created(collection, console.with_store(work).await?))
}

/// Replaces an object.
pub async fn replace(
    console: &Shared,
    caller: Caller,
    (collection, id): (Collection, String),
    headers: &HeaderMap,
    body::Object(object): body::Object,
) -> Result<Response, ApiError> {
    let if_match = if_match(headers);
    let work = move |store: &_| manage::replace(store, &caller, collection, &id, object, if_match.as_deref());
    Ok(answer(StatusCode::OK, Some(collection), console.with_store(work).await?))
}

/// Changes members of an object.
pub async fn patch(
    console: &Shared,
    caller: Caller,
    (collection, id): (Collection, String),
    headers: &HeaderMap,
    body::Object(patch): body::Object,
) -> Result<Response, ApiError> {
    let if_match = if_match(headers);
    let work = move |store: &_| manage::patch(store, &caller, collection, &id, patch, if_match.as_deref());
    Ok(answer(StatusCode::OK, Some(collection), console.with_store(work).await?))
}

/// Deletes an object.
pub async fn delete(
    console: &Shared,
    caller: Caller,
    (collection, id): (Collection, String),
    headers: &HeaderMap,
) -> Result<StatusCode, ApiError> {
    let if_match = if_match(headers);
    let work = move |store: &_| manage::delete(store, &caller, collection, &id, if_match.as_deref());
    console.with_store(work).await?;
    Ok(StatusCode::NO_CONTENT)
}
