//! The configuration for `conversion-relay pull`, which keeps a gateway's file up to date.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::discovery::json;
use crate::clock;
use crate::console::Shared;
use crate::store::{Sighting, Via};
use crate::web::Gateway;

/// The header with the gateway's name.
const GATEWAY: HeaderName = HeaderName::from_static("x-gateway");

/// Answers with the complete filter's file, or 304 if `If-None-Match` names it.
pub async fn answer(State(console): State<Shared>, Gateway(caller): Gateway, headers: HeaderMap) -> Response {
    let text =
        |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).unwrap_or_default();
    let served = console.fleet.served(&console.store);
    let etag = format!("\"{}\"", served.version);
    let known = text(header::IF_NONE_MATCH).split(',').map(|one| one.trim().trim_start_matches("W/"));
    let known: Vec<&str> = known.collect();
    let is_current = known.contains(&etag.as_str());
    let version = if is_current { &etag } else { known.first().copied().unwrap_or_default() };
    let sighting = Sighting {
        name: Some(text(GATEWAY)).filter(|name| !name.is_empty()).unwrap_or(&caller.name),
        via: Via::Pull,
        cluster: "",
        software: text(header::USER_AGENT),
        version: version.trim_matches('"'),
        error: None,
    };
    console.store.roster().saw(&sighting, &served.version, clock::now());
    let headers = [(header::ETAG, etag)];
    if is_current {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, json(served.file.clone())).into_response()
}
