//! The caller of a request by its bearer token, for handlers: one that takes an [`Admin`] is for admins only.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::ApiError;
use crate::access::{Caller, Role};
use crate::console::Shared;

/// A caller that may change things.
pub struct Admin(pub Caller);

/// A caller that may read what is there: an admin or a viewer.
pub struct Reader(pub Caller);

/// A gateway, or an admin who does what a gateway does.
pub struct Gateway(pub Caller);

/// Returns the owner of the request's bearer token.
pub fn caller(parts: &Parts, console: &Shared) -> Result<Caller, ApiError> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|header| {
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let found = token.and_then(|token| console.tokens.find(token));
    found.cloned().ok_or_else(ApiError::unauthorized)
}

fn with_role(parts: &Parts, console: &Shared, roles: &[Role]) -> Result<Caller, ApiError> {
    let caller = caller(parts, console)?;
    if roles.contains(&caller.role) { Ok(caller) } else { Err(ApiError::forbidden(roles)) }
}

impl FromRequestParts<Shared> for Admin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, console: &Shared) -> Result<Self, ApiError> {
        with_role(parts, console, &[Role::Admin]).map(Self)
    }
}

impl FromRequestParts<Shared> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, console: &Shared) -> Result<Self, ApiError> {
        with_role(parts, console, &[Role::Admin, Role::Viewer]).map(Self)
    }
}

impl FromRequestParts<Shared> for Gateway {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, console: &Shared) -> Result<Self, ApiError> {
        with_role(parts, console, &[Role::Gateway, Role::Admin]).map(Self)
    }
}
