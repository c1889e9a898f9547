//! Records come in: lines of JSON.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::console::Shared;
use crate::web::{ApiError, Gateway, Posted};

/// Takes lines of JSON, each a record. A line that is none is counted, and the others are kept. The error 503 says that nothing could
/// be taken for want of room.
pub async fn answer(
    State(console): State<Shared>,
    Gateway(_): Gateway,
    Posted(body): Posted,
) -> Result<Response, ApiError> {
    let taken = console.fleet.records.take(&body);
    if taken.taken == 0 && taken.queue_full > 0 {
        let message = "records come faster than they are written";
        return Err(ApiError::unavailable("QUEUE_FULL", message, Duration::ZERO));
    }
    Ok(Json(json!(taken)).into_response())
}
