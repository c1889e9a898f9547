//! `/v1/admin/integration-catalog`

use axum::Json;

use super::paging::{Asked, Page, Paging};
use crate::manage::{CatalogEntry, catalog};
use crate::web::{ApiError, ErrorBody, Reader};

/// Lists the vendors, with what their integrations need to know.
#[utoipa::path(
    get, path = "/v1/admin/integration-catalog", tag = "integrations", operation_id = "list_catalog", params(Paging),
    responses((status = OK, body = Page<CatalogEntry>), (status = "4XX", body = ErrorBody)),
)]
pub async fn list(_: Reader, Asked(paging): Asked<Paging>) -> Result<Json<Page<CatalogEntry>>, ApiError> {
    Page::slice(catalog(), &paging, |entry| entry.key).map(Json)
}
