//! How large a configuration may become.

use crate::configuration::{Collection, Document, Refusal};

/// The most integrations, and the most sources.
const MOST_OBJECTS: usize = 1_000;
/// The most bytes of a whole configuration, as JSON.
const MOST_BYTES: usize = 1 << 20;

/// Refuses a configuration that is too large.
pub fn check(document: &Document) -> Result<(), Refusal> {
    for collection in [Collection::Integrations, Collection::Sources] {
        if document.objects(collection).len() > MOST_OBJECTS {
            let problem = format!("a configuration has at most {MOST_OBJECTS} {}", collection.key());
            return Err(Refusal::new("", problem));
        }
    }
    if serde_json::to_vec(document).map_or(true, |text| text.len() > MOST_BYTES) {
        return Err(Refusal::new("", format!("a configuration has at most {MOST_BYTES} bytes as JSON")));
    }
    Ok(())
}
