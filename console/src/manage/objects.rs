//! Integrations and sources: adding, replacing, patching and deleting one.

use serde_json::{Map, Value};

use super::{Stored, limits, not_found, stored, summary};
use crate::access::Caller;
use crate::clock;
use crate::configuration::{Collection, Document, Refusal};
use crate::random;
use crate::store::{Changed, Draft, Rejection, Store};

/// The longest id, in bytes.
const LONGEST_ID: usize = 64;

/// Adds an object. An integration gets an id; a source has one, or gets one.
pub fn create(
    store: &Store,
    caller: &Caller,
    collection: Collection,
    object: Map<String, Value>,
) -> Result<Stored, Rejection> {
    let (id, object) = new_object(collection, object)?;
    put(store, caller, collection, &id, |draft| {
        if draft.document.find(collection, &id).is_some() {
            let problem = format!("expected an id that no other {} has", collection.noun());
            return Err(Refusal::new("id", problem).into());
        }
        let text = format!("Added {}", summary::called(collection, &object));
        Ok((object, text))
    })
}

/// Puts an object in the place of another one, whose `***` stay.
pub fn replace(
    store: &Store,
    caller: &Caller,
    collection: Collection,
    id: &str,
    object: Map<String, Value>,
    if_match: Option<&str>,
) -> Result<Stored, Rejection> {
    put(store, caller, collection, id, |draft| {
        let before = draft.expect(collection, id, if_match)?;
        changed(collection, before, object)
    })
}

/// Changes members of an object by a merge patch (RFC 7396): `null` removes a member.
pub fn patch(
    store: &Store,
    caller: &Caller,
    collection: Collection,
    id: &str,
    patch: Map<String, Value>,
    if_match: Option<&str>,
) -> Result<Stored, Rejection> {
    put(store, caller, collection, id, |draft| {
        let before = draft.expect(collection, id, if_match)?;
        let mut after = before.clone();
        merge(&mut after, one_vendor(collection, patch));
        changed(collection, before, after)
    })
}

/// Removes an object, and forgets its secrets.
pub fn delete(
    store: &Store,
    caller: &Caller,
    collection: Collection,
    id: &str,
    if_match: Option<&str>,
) -> Result<(), Rejection> {
    let done = store.change(&caller.name, |draft| {
        let before = draft.expect(collection, id, if_match)?;
        if collection == Collection::Sources {
            is_unused(&draft.document, id)?;
        }
        draft.document.remove(collection, id);
        Ok(((), format!("Deleted {}", summary::called(collection, &before))))
    });
    done.map(drop)
}

/// Changes one object by `edit`, which returns it as it shall be, and a summary.
pub(super) fn put(
    store: &Store,
    caller: &Caller,
    collection: Collection,
    id: &str,
    edit: impl FnOnce(&Draft<'_>) -> Result<(Map<String, Value>, String), Rejection>,
) -> Result<Stored, Rejection> {
    let mut index = None;
    let done = store.change(&caller.name, |draft| {
        let (object, text) = edit(draft)?;
        draft.document.put(collection, id, object);
        limits::check(&draft.document)?;
        index = draft.document.find(collection, id).map(|(index, _)| index);
        Ok(((), text))
    });
    let Changed { current, .. } = done.map_err(|rejection| within(rejection, collection, index))?;
    stored(&current, collection, id).ok_or_else(|| not_found(collection, id))
}

/// Says where a refused setting stands within the object at an index, and not within the whole configuration.
pub(super) fn within(rejection: Rejection, collection: Collection, index: Option<usize>) -> Rejection {
    let (Rejection::Refused(refusal), Some(index)) = (&rejection, index) else { return rejection };
    let object = format!("{}[{index}]", collection.key());
    match refusal.path.strip_prefix(&object) {
        Some(inner) if inner.is_empty() || inner.starts_with(['.', '[']) => {
            Refusal::new(inner.trim_start_matches('.'), refusal.problem.clone()).into()
        }
        _ => rejection,
    }
}

/// Returns a new object and its id.
pub(super) fn new_object(
    collection: Collection,
    object: Map<String, Value>,
) -> Result<(String, Map<String, Value>), Rejection> {
    let mut object = one_vendor(collection, object);
    let id = match (collection, object.get("id")) {
        (_, None) => random_id(collection)?,
        (Collection::Integrations, Some(_)) => {
            return Err(Refusal::new("id", "expected none: a new integration gets one").into());
        }
        (Collection::Sources, Some(id)) => checked_id(id)?,
    };
    object.insert("id".to_owned(), id.as_str().into());
    if collection == Collection::Integrations {
        let now = clock::rfc3339(clock::now());
        object.insert("created_at".to_owned(), now.as_str().into());
        object.insert("updated_at".to_owned(), now.into());
    }
    Ok((id, object))
}

fn random_id(collection: Collection) -> Result<String, Rejection> {
    let prefix = match collection {
        Collection::Integrations => "int",
        Collection::Sources => "src",
    };
    random::id(prefix).map_err(Rejection::Unreadable)
}

/// Takes an id that can stand in a URL as it is.
fn checked_id(id: &Value) -> Result<String, Refusal> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let id = id.as_str().filter(|id| !id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(is_legal));
    let problem = format!(
        "expected at most {LONGEST_ID} letters, digits, _ and -, such as src_shop; without one it gets one"
    );
    id.map(str::to_owned).ok_or_else(|| Refusal::new("id", problem))
}

/// Returns an object as it shall be, and a summary of what has changed. What only the console writes stays as it was.
fn changed(
    collection: Collection,
    before: Map<String, Value>,
    after: Map<String, Value>,
) -> Result<(Map<String, Value>, String), Rejection> {
    let mut after = one_vendor(collection, after);
    if after.get("id").is_some_and(|id| Some(id) != before.get("id")) {
        return Err(Refusal::new("id", "expected the id in the path, which never changes").into());
    }
    let written = match collection {
        Collection::Integrations => &["id", "created_at", "updated_at"][..],
        Collection::Sources => &["id"],
    };
    for key in written {
        match before.get(*key) {
            Some(value) => after.insert((*key).to_owned(), value.clone()),
            None => after.remove(*key),
        };
    }
    let Some(text) = summary::of_change(collection, &before, &after) else {
        return Ok((before, "Changed nothing".to_owned()));
    };
    if collection == Collection::Integrations {
        after.insert("updated_at".to_owned(), clock::rfc3339(clock::now()).into());
    }
    Ok((after, text))
}

/// Signal's older documents call `vendor` `type`. Here it is kept as `vendor` alone, if it is the same.
pub(super) fn one_vendor(collection: Collection, mut object: Map<String, Value>) -> Map<String, Value> {
    if collection == Collection::Integrations
        && let Some(other) = object.get("type").cloned()
        && object.get("vendor").is_none_or(|vendor| *vendor == other)
    {
        object.remove("type");
        object.insert("vendor".to_owned(), other);
    }
    object
}

fn merge(target: &mut Map<String, Value>, patch: Map<String, Value>) {
    for (key, value) in patch {
        match value {
            Value::Null => _ = target.remove(&key),
            Value::Object(inner) => {
                let member = target.entry(key).or_insert(Value::Null);
                if !member.is_object() {
                    *member = Map::new().into();
                }
                if let Value::Object(member) = member {
                    merge(member, inner);
                }
            }
            value => _ = target.insert(key, value),
        }
    }
}

/// Refuses to remove a source that integrations belong to. Without any source the filter would give them the events of all.
fn is_unused(document: &Document, source: &str) -> Result<(), Refusal> {
    let belongs = |integration: &&Value| integration.get("source_id").and_then(Value::as_str) == Some(source);
    match document.objects(Collection::Integrations).iter().find(belongs).and_then(Value::as_object) {
        None => Ok(()),
        Some(integration) => {
            let name = summary::called(Collection::Integrations, integration);
            Err(Refusal::new(
                "",
                format!("{name} belongs to this source: delete it first, or give it another source_id"),
            ))
        }
    }
}
