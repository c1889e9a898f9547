//! The management API, in the shapes of Signal's: `/v1/admin/...`.

mod error;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::access;
use crate::console::Shared;
pub use error::{ApiError, ErrorBody};

/// The head of the OpenAPI document. Its operations come from the handlers.
#[derive(OpenApi)]
#[openapi(info(title = "conversion-relay console"), components(schemas(ErrorBody)))]
struct Document;

/// Returns the routes of the API, and their OpenAPI document.
pub fn router(console: &Shared) -> OpenApiRouter<Shared> {
    OpenApiRouter::with_openapi(Document::openapi())
        .route_layer(middleware::from_fn_with_state(console.clone(), within_limits))
}

/// Answers 429 once a token has used up its requests for this minute. Previews, polls and streams are not counted.
async fn within_limits(
    State(console): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let caller = access::caller(&parts, &console)?;
    console.limits.take(caller.index).map_err(ApiError::rate_limited)?;
    Ok(next.run(Request::from_parts(parts, body)).await)
}
