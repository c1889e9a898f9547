//! To the gateways, and from them: the configuration goes out, records and dead letters come in.

use axum::Router;

use crate::console::Shared;

/// Returns the routes that gateways use.
pub fn router() -> Router<Shared> {
    Router::new()
}
