//! Promoting: "configure in a non-production source first" ends with a copy for the live one.

use serde_json::{Map, Value};

use conversion_relay::sealed::place;
use conversion_relay::settings::MASK;

use super::objects::{new_object, put};
use super::{Stored, not_found, summary};
use crate::access::Caller;
use crate::configuration::{Collection, Refusal, for_each_text};
use crate::store::{Rejection, Store};

/// Adds a copy of an integration, its secrets included, for another source. Without a name of its own it is called like the original,
/// with the source behind it.
pub fn promote(
    store: &Store,
    caller: &Caller,
    id: &str,
    source_id: &str,
    name: Option<&str>,
) -> Result<Stored, Rejection> {
    let collection = Collection::Integrations;
    let (new_id, blank) = new_object(collection, Map::new())?;
    put(store, caller, collection, &new_id, |draft| {
        let original = draft.expect(collection, id, None)?;
        if draft.document.find(Collection::Sources, source_id).is_none() {
            let problem = format!(
                "unknown source {:?}: expected the id of a configured source",
                summary::shortened(source_id)
            );
            return Err(Refusal::new("source_id", problem).into());
        }
        let (index, _) = draft.document.find(collection, id).ok_or_else(|| not_found(collection, id))?;
        let mut copy = open(store, &draft.document.to_value(), index, original.clone())?;
        let old_name = original.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = name.map_or_else(|| format!("{old_name} ({source_id})"), str::to_owned);
        let text = format!(
            "Promoted {} to source {} as {}",
            summary::called(collection, &original),
            summary::shortened(source_id),
            summary::shortened(&name)
        );
        copy.extend(blank);
        copy.insert("name".to_owned(), name.into());
        copy.insert("source_id".to_owned(), source_id.into());
        Ok((copy, text))
    })
}

/// Returns the integration at an index of the configuration with the text of its secrets.
fn open(
    store: &Store,
    configuration: &Value,
    index: usize,
    integration: Map<String, Value>,
) -> Result<Map<String, Value>, Rejection> {
    let mut integration = Value::Object(integration);
    for_each_text(&mut integration, &mut |path, text| {
        if text == MASK {
            let path = format!("{}[{index}].{path}", Collection::Integrations.key());
            let place = place(configuration, &path);
            let secret = place.map(|place| store.secret(&place)).transpose()?.flatten();
            let secret = secret.ok_or_else(|| Refusal::new(path, "its secret is lost"))?;
            secret.expose().clone_into(text);
        }
        Ok::<_, Rejection>(())
    })?;
    match integration {
        Value::Object(integration) => Ok(integration),
        _ => Ok(Map::new()),
    }
}
