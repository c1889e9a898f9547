//! Errors, as Signal's Management API has them: `{"error":{"code":"...","message":"..."}}`.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Role;
use crate::configuration::Refusal;
use crate::store::Rejection;

/// An error as it is answered.
#[derive(Debug)]
pub struct ApiError {
    /// The status of the answer.
    pub status: StatusCode,
    /// For programs.
    pub code: &'static str,
    /// For people: what is wrong, and how to mend it.
    pub message: String,
    /// The setting that is wrong, such as `config.spotlight_id`.
    pub path: Option<String>,
    /// How long to wait before the request is made again.
    pub retry_after: Option<Duration>,
}

/// The body of an error.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    error: ErrorFacts,
}

/// What is wrong.
#[derive(Serialize, ToSchema)]
pub struct ErrorFacts {
    /// For programs, such as `NOT_FOUND`.
    code: &'static str,
    /// For people: what is wrong, and how to mend it.
    message: String,
    /// The setting that is wrong, if one is, such as `config.spotlight_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl ApiError {
    /// Returns an error with a status and a code.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), path: None, retry_after: None }
    }

    /// There is no token, or a wrong one.
    pub fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "expected the header Authorization: Bearer TOKEN with a known token",
        )
    }

    /// The token's role is another one.
    pub fn forbidden(roles: &[Role]) -> Self {
        let roles: Vec<String> = roles.iter().map(|role| format!("{role:?}").to_lowercase()).collect();
        Self::new(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            format!("expected a token with the role {}", roles.join(" or ")),
        )
    }

    /// The request can't be read.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "MALFORMED", message)
    }

    /// It can't be done now, but may be after `wait`.
    pub fn unavailable(code: &'static str, message: impl Into<String>, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message) }
    }

    /// The token has used up its requests for this minute.
    pub fn rate_limited(wait: Duration) -> Self {
        let message = "more than 100 requests a minute with this token";
        Self { retry_after: Some(wait), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message) }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = if refusal.path.is_empty() { refusal.problem.clone() } else { refusal.to_string() };
        let path = Some(refusal.path).filter(|path| !path.is_empty());
        Self { path, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_CONFIGURATION", message) }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::NotFound(_) => Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", rejection.to_string()),
            Rejection::Conflict(message) => Self::new(StatusCode::CONFLICT, "CONFLICT", message),
            Rejection::Refused(refusal) => refusal.into(),
            Rejection::Database(_) | Rejection::Unreadable(_) => {
                eprintln!("error: {rejection}");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "INTERNAL",
                    "nothing was changed; the console's log says why",
                )
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let facts = ErrorFacts { code: self.code, message: self.message, path: self.path };
        let mut response = (self.status, Json(ErrorBody { error: facts })).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().saturating_add(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
