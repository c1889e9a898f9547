//! `/v1/admin/revisions` and `/v1/admin/rollback`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use conversion_relay::settings::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::body::Typed;
use super::paging::{Asked, Named, Page, Paging};
use crate::clock;
use crate::console::Shared;
use crate::manage::{self, Difference};
use crate::store::{Revision, RevisionFacts};
use crate::web::{Admin, ApiError, ErrorBody, Reader};

/// A change of the configuration. It never changes.
#[derive(Serialize, ToSchema)]
pub struct RevisionSummary {
    /// From 1 on; each change has the next one.
    revision_number: u64,
    /// What was changed, in words.
    change_summary: String,
    /// The name of the token that made it.
    created_by: String,
    /// When, by RFC 3339.
    created_at: String,
}

/// A change with the whole configuration after it.
#[derive(Serialize, ToSchema)]
pub struct RevisionDetail {
    #[serde(flatten)]
    summary: RevisionSummary,
    /// The whole configuration, with `***` for each secret that is written out.
    #[schema(value_type = Object)]
    config: Value,
    /// What differs from the revision in `against`, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Vec<Difference>>,
}

impl From<RevisionFacts> for RevisionSummary {
    fn from(facts: RevisionFacts) -> Self {
        let RevisionFacts { number, at, author, summary } = facts;
        let created_at = clock::rfc3339(at);
        Self { revision_number: number, change_summary: summary, created_by: author, created_at }
    }
}

impl RevisionDetail {
    fn new(revision: Revision, differences: Option<Vec<Difference>>) -> Self {
        let Revision { number, at, author, summary, document } = revision;
        let summary = RevisionFacts { number, at, author, summary }.into();
        Self { summary, config: document.to_value(), differences }
    }
}

/// Lists the revisions, newest first, without their configurations.
#[utoipa::path(
    get, path = "/v1/admin/revisions", tag = "revisions", operation_id = "list_revisions", params(Paging),
    responses((status = OK, body = Page<RevisionSummary>), (status = "4XX", body = ErrorBody)),
)]
pub async fn list(
    State(console): State<Shared>,
    _: Reader,
    Asked(paging): Asked<Paging>,
) -> Result<Json<Page<RevisionSummary>>, ApiError> {
    let (before, limit) = (paging.after_number()?, paging.limit()?);
    let read = u32::try_from(limit.saturating_add(1)).unwrap_or(u32::MAX);
    let facts = console.with_store(move |store| store.revision_facts(before, read)).await?;
    let page = Page::of(facts, limit, |facts| facts.number.to_string());
    Ok(Json(page.map(RevisionSummary::from)))
}

/// With which revision one is compared.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Comparison {
    /// The number of another revision: what differs from it is told.
    against: Option<u64>,
}

/// Returns a revision with its configuration, and what differs from another one.
#[utoipa::path(
    get, path = "/v1/admin/revisions/{number}", tag = "revisions", operation_id = "get_revision",
    params(("number" = u64, Path), Comparison),
    responses((status = OK, body = RevisionDetail), (status = "4XX", body = ErrorBody)),
)]
pub async fn get(
    State(console): State<Shared>,
    _: Reader,
    Named(number): Named<u64>,
    Asked(Comparison { against }): Asked<Comparison>,
) -> Result<Json<RevisionDetail>, ApiError> {
    let work = move |store: &crate::store::Store| {
        let revision = store.revision(number)?;
        let other = against.map(|number| store.revision(number)).transpose()?;
        let differences =
            other.map(|other| manage::differences(&other.document.to_value(), &revision.document.to_value()));
        Ok(RevisionDetail::new(revision, differences))
    };
    Ok(Json(console.with_store(work).await?))
}

/// Which revision comes into force again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// Its number.
    revision: u64,
    /// The secrets that are not kept any more, by their paths in that revision, such as `integrations[0].config.key`.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    secrets: BTreeMap<String, Secret>,
}

/// Puts the configuration of an earlier revision into force again, as a new revision, with the secrets of today. Where none is kept any
/// more, it is a 422 that names the path.
#[utoipa::path(
    post, path = "/v1/admin/rollback", tag = "revisions", operation_id = "rollback", request_body = Rollback,
    responses((status = OK, body = RevisionDetail), (status = "4XX", body = ErrorBody)),
)]
pub async fn rollback(
    State(console): State<Shared>,
    Admin(caller): Admin,
    Typed(Rollback { revision, secrets }): Typed<Rollback>,
) -> Result<Json<RevisionDetail>, ApiError> {
    let work = move |store: &_| manage::rollback(store, &caller, revision, &secrets);
    Ok(Json(RevisionDetail::new(console.with_store(work).await?, None)))
}
