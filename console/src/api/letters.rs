//! `/v1/admin/dead-letters`: deliveries that were lost, and their replays.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::body::Typed;
use super::paging::{Asked, Named, Page, Paging};
use crate::console::Shared;
use crate::replay;
use crate::store::{LetterQuery, Outcome, StoredLetter};
use crate::web::{Admin, ApiError, ErrorBody, Reader};

/// Which letters are asked for. What is absent is not asked.
#[derive(Deserialize, IntoParams, ToSchema)]
#[into_params(parameter_in = Query)]
pub struct LetterFilter {
    /// The integration's name.
    integration: Option<String>,
    /// Why the delivery was lost, as the metrics name it.
    reason: Option<String>,
    /// How the last replay ended.
    outcome: Option<Outcome>,
}

impl From<LetterFilter> for LetterQuery {
    fn from(filter: LetterFilter) -> Self {
        let LetterFilter { integration, reason, outcome } = filter;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        Self { integration: given(integration), reason: given(reason), outcome, before: None, limit: 0 }
    }
}

/// Lists the letters, newest first.
#[utoipa::path(
    get, path = "/v1/admin/dead-letters", tag = "dead letters", operation_id = "list_dead_letters",
    params(LetterFilter, Paging),
    responses((status = OK, body = Page<StoredLetter>), (status = "4XX", body = ErrorBody)),
)]
pub async fn list(
    State(console): State<Shared>,
    _: Reader,
    Asked(filter): Asked<LetterFilter>,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<StoredLetter>>, ApiError> {
    let (before, limit) = (paging.after_number()?, paging.limit()?);
    let read = u32::try_from(limit.saturating_add(1)).unwrap_or(u32::MAX);
    let query = LetterQuery { before, limit: read, ..filter.into() };
    let letters = console.with_store(move |store| store.letters(&query)).await?;
    Ok(Json(Page::of(letters, limit, |letter| letter.number.to_string())))
}

/// Returns a letter, as far as it stands in the clear.
#[utoipa::path(
    get, path = "/v1/admin/dead-letters/{id}", tag = "dead letters", operation_id = "get_dead_letter",
    params(("id" = String, Path)),
    responses((status = OK, body = StoredLetter), (status = "4XX", body = ErrorBody)),
)]
pub async fn get(
    State(console): State<Shared>,
    _: Reader,
    Named(id): Named<String>,
) -> Result<Json<StoredLetter>, ApiError> {
    Ok(Json(console.with_store(move |store| store.letter(&id)).await?))
}

/// Replays a letter, and waits for the end of it, for some seconds: `replay` says how it ended, and `is_waiting` that it has not.
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/{id}/replay", tag = "dead letters", operation_id = "replay_dead_letter",
    params(("id" = String, Path)),
    responses((status = OK, body = StoredLetter), (status = "4XX", body = ErrorBody)),
)]
pub async fn replay_one(
    State(console): State<Shared>,
    Admin(caller): Admin,
    Named(id): Named<String>,
) -> Result<Json<StoredLetter>, ApiError> {
    Ok(Json(replay::one(&console, id, caller.name).await?))
}

/// How many replays are wanted.
#[derive(Serialize, ToSchema)]
pub struct Replays {
    /// Their number.
    replays: u64,
}

/// Replays all letters like these that no replay has delivered, one after the other.
#[utoipa::path(
    post, path = "/v1/admin/dead-letters/replay", tag = "dead letters", operation_id = "replay_dead_letters",
    request_body = LetterFilter,
    responses((status = ACCEPTED, body = Replays), (status = "4XX", body = ErrorBody)),
)]
pub async fn replay_all(
    State(console): State<Shared>,
    Admin(caller): Admin,
    Typed(filter): Typed<LetterFilter>,
) -> Result<(StatusCode, Json<Replays>), ApiError> {
    let count = replay::all(&console, filter.into(), caller.name).await?;
    let replays = u64::try_from(count).unwrap_or(u64::MAX);
    Ok((StatusCode::ACCEPTED, Json(Replays { replays })))
}

/// Takes back all wishes for replays. One that is on its way goes on.
#[utoipa::path(
    delete, path = "/v1/admin/dead-letters/replay", tag = "dead letters", operation_id = "cancel_replays",
    responses((status = OK, body = Replays), (status = "4XX", body = ErrorBody)),
)]
pub async fn cancel(State(console): State<Shared>, _: Admin) -> Result<Json<Replays>, ApiError> {
    let count = console.with_store(crate::store::Store::unwant_replays).await?;
    Ok(Json(Replays { replays: u64::try_from(count).unwrap_or(u64::MAX) }))
}
