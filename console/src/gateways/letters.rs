//! Dead letters come in.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;

use crate::console::Shared;
use crate::fleet::NotKept;
use crate::web::{ApiError, Gateway, Posted};

/// Keeps a dead letter. Once this is answered, it is on the disk. One that is kept already is answered alike.
pub async fn answer(
    State(console): State<Shared>,
    Gateway(_): Gateway,
    Posted(body): Posted,
) -> Result<StatusCode, ApiError> {
    match console.fleet.letters.keep(&body).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(NotKept::Malformed(problem)) => {
            Err(ApiError::malformed(format!("expected a dead letter, a CloudEvent in JSON: {problem}")))
        }
        Err(NotKept::QueueFull) => Err(come_again("dead letters come faster than they are written")),
        Err(NotKept::Failed) => {
            Err(come_again("the dead letter could not be written; the console's log says why"))
        }
    }
}

fn come_again(message: &str) -> ApiError {
    ApiError::unavailable("UNAVAILABLE", message, Duration::ZERO)
}
