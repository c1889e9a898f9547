//! What a form may name: vendors and sources.

use serde_json::{Map, Value};

use super::super::error::PageError;
use super::super::parts::text;
use crate::configuration::Collection;
use crate::console::Shared;
use crate::manage::{self, CatalogEntry};

/// Returns the catalog's entry of a vendor.
pub fn entry(vendor: &str) -> Result<CatalogEntry, PageError> {
    let found = manage::catalog().into_iter().find(|entry| entry.key == vendor);
    found.ok_or_else(|| PageError::not_found("such vendor"))
}

/// Returns the entry of the vendor that an integration names.
pub fn entry_of(object: &Map<String, Value>) -> Result<CatalogEntry, PageError> {
    entry(text(object, "vendor").or_else(|| text(object, "type")).unwrap_or_default())
}

/// Returns the ids of the configured sources.
pub fn sources(console: &Shared) -> Vec<String> {
    let sources = manage::list(&console.store.current(), Collection::Sources);
    sources.iter().map(|source| source.id().to_owned()).collect()
}
