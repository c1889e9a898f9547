//! The pages, for people with a browser.

use axum::Router;

use crate::console::Shared;

/// Returns the routes of the pages.
pub fn router() -> Router<Shared> {
    Router::new()
}
