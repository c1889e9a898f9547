//! What can be done with the configuration, for the API and for the pages. Each operation judges its input, makes one revision, and
//! says in words what it has changed. All of them block, so they are called inside [`Console::with_store`](crate::console::Console).

mod catalog;
mod differences;
mod limits;
mod objects;
mod preview;
mod promote;
mod rollback;
mod settings;
mod summary;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value};

use crate::configuration::Collection;
use crate::store::{Current, Etag, Rejection};
pub use catalog::{CatalogEntry, ConfigField, FieldOption, FieldType, Variant, catalog, catalog_entry};
pub use differences::{Difference, differences};
pub use objects::{create, delete, patch, replace};
pub use preview::{
    Preview, PreviewRequest, PreviewedDelivery, PreviewedEvent, PreviewedHeader, PreviewedRequest, Subject,
    preview,
};
pub use promote::promote;
pub use rollback::{missing_secrets, rollback};
pub use settings::{put_settings, settings};

/// An object as it is kept, with `***` for each secret.
#[derive(Clone)]
pub struct Stored {
    /// An integration or a source with its `id`, or the settings.
    pub object: Map<String, Value>,
    /// What identifies its state.
    pub etag: Etag,
}

impl Stored {
    /// Returns the object's id. Settings have none.
    pub fn id(&self) -> &str {
        self.object.get("id").and_then(Value::as_str).unwrap_or_default()
    }
}

/// Returns the objects of a list, in the order of the configuration.
pub fn list(current: &Current, collection: Collection) -> Vec<Stored> {
    let ids = current.document.objects(collection).iter().filter_map(|object| object.get("id")?.as_str());
    ids.filter_map(|id| stored(current, collection, id)).collect()
}

/// Returns the object with this id.
pub fn get(current: &Current, collection: Collection, id: &str) -> Result<Stored, Rejection> {
    stored(current, collection, id).ok_or_else(|| not_found(collection, id))
}

fn stored(current: &Current, collection: Collection, id: &str) -> Option<Stored> {
    current.find(collection, id).map(|(object, etag)| Stored { object: object.clone(), etag })
}

fn not_found(collection: Collection, id: &str) -> Rejection {
    Rejection::NotFound(format!("{} {:?}", collection.noun(), summary::shortened(id)))
}
