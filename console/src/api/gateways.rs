//! `/v1/admin/gateways`: who has which configuration. `/v1/admin/intake`: what came in.

use axum::Json;
use axum::extract::State;

use super::paging::{Asked, Page, Paging};
use crate::clock;
use crate::console::Shared;
use crate::fleet::IntakeCounts;
use crate::store::GatewaySeen;
use crate::web::{ApiError, ErrorBody, Reader};

/// Lists the gateways that have asked for the configuration, by their names.
#[utoipa::path(
    get, path = "/v1/admin/gateways", tag = "gateways", operation_id = "list_gateways", params(Paging),
    responses((status = OK, body = Page<GatewaySeen>), (status = "4XX", body = ErrorBody)),
)]
pub async fn list(
    State(console): State<Shared>,
    _: Reader,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<GatewaySeen>>, ApiError> {
    let seen = console.store.gateways(clock::now());
    let keyed = seen.into_iter().map(|seen| (format!("{} {}", seen.name, seen.via.name()), seen)).collect();
    Ok(Json(Page::slice(keyed, &paging, |(key, _): &(String, _)| key)?.map(|(_, seen)| seen)))
}

/// Returns what has come in since the console was started, and what was dropped.
#[utoipa::path(
    get, path = "/v1/admin/intake", tag = "gateways", operation_id = "get_intake",
    responses((status = OK, body = IntakeCounts), (status = "4XX", body = ErrorBody)),
)]
pub async fn intake(State(console): State<Shared>, _: Reader) -> Json<IntakeCounts> {
    Json(console.fleet.counts())
}
