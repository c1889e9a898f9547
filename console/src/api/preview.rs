//! Previews. They are not counted by the rate limit: a form asks for one with each key that is pressed.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::Typed;
use super::openapi::Integration;
use super::paging::Named;
use crate::console::Shared;
use crate::manage::{self, Preview, PreviewRequest, Subject};
use crate::web::{ApiError, ErrorBody, Reader};

/// The longest body of a preview, in bytes.
pub const MAX_BODY: usize = 256 << 10;

/// A tracking request.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewedVisit {
    /// The body: one event, or a batch.
    #[schema(value_type = Object)]
    event: Box<RawValue>,
    /// The request's headers, such as `Cookie` and `User-Agent`.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The visitor's IP address.
    client_ip: Option<String>,
    /// The request's path with its query; absent: whatever takes the body.
    path: Option<String>,
}

impl From<PreviewedVisit> for PreviewRequest {
    fn from(visit: PreviewedVisit) -> Self {
        let PreviewedVisit { event, headers, client_ip, path } = visit;
        Self { body: event.get().to_owned(), headers: headers.into_iter().collect(), client_ip, path }
    }
}

/// A tracking request, and an integration that is not kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewedDraft {
    /// The integration. With the `id` of one that is kept, `***` stands for the secrets of that one.
    #[schema(value_type = Integration)]
    integration: Map<String, Value>,
    /// The tracking request.
    request: PreviewedVisit,
}

/// Returns what an integration would make of a tracking request: the exact requests, or why there are none.
#[utoipa::path(
    post, path = "/v1/admin/integrations/{id}/preview", tag = "integrations", operation_id = "preview_integration",
    params(("id" = String, Path)), request_body = PreviewedVisit,
    responses((status = OK, body = Preview), (status = "4XX", body = ErrorBody)),
)]
pub async fn kept(
    State(console): State<Shared>,
    _: Reader,
    Named(id): Named<String>,
    Typed(visit): Typed<PreviewedVisit>,
) -> Result<Json<Preview>, ApiError> {
    show(&console, Subject::Kept(id), visit.into()).await
}

/// Does the same for an integration that is not kept, or not in this form.
#[utoipa::path(
    post, path = "/v1/admin/preview", tag = "integrations", operation_id = "preview_draft",
    request_body = PreviewedDraft,
    responses((status = OK, body = Preview), (status = "4XX", body = ErrorBody)),
)]
pub async fn draft(
    State(console): State<Shared>,
    _: Reader,
    Typed(PreviewedDraft { integration, request }): Typed<PreviewedDraft>,
) -> Result<Json<Preview>, ApiError> {
    show(&console, Subject::Draft(integration), request.into()).await
}

async fn show(
    console: &Shared,
    subject: Subject,
    request: PreviewRequest,
) -> Result<Json<Preview>, ApiError> {
    Ok(Json(console.with_store(move |store| manage::preview(store, subject, &request)).await?))
}
