//! The body of a request, read in bounded time.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;

use super::ApiError;
use crate::console::Shared;

/// How long a body may take to come.
const LIMIT: Duration = Duration::from_secs(15);

/// The whole body of a request. How long it may be is for the route to say.
pub struct Posted(pub Bytes);

impl FromRequest<Shared> for Posted {
    type Rejection = ApiError;

    async fn from_request(request: Request, console: &Shared) -> Result<Self, ApiError> {
        let read = tokio::time::timeout(LIMIT, Bytes::from_request(request, console)).await;
        match read {
            Ok(Ok(bytes)) => Ok(Self(bytes)),
            Ok(Err(rejection)) => {
                let code = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                    "TOO_LARGE"
                } else {
                    "MALFORMED"
                };
                Err(ApiError::new(rejection.status(), code, rejection.body_text()))
            }
            Err(_) => Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "TIMEOUT",
                "the body did not come within 15 seconds",
            )),
        }
    }
}
