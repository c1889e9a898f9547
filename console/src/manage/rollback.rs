//! Rolling back: an earlier configuration comes into force again, with the secrets of today.

use std::collections::BTreeMap;

use conversion_relay::sealed::place;
use conversion_relay::settings::{MASK, Secret};
use serde_json::Value;

use super::limits;
use crate::access::Caller;
use crate::configuration::{Document, Refusal, for_each_text};
use crate::store::{Current, Rejection, Revision, Store};

/// Puts the configuration of an earlier revision into force, as a new revision, which is returned.
///
/// An old secret never comes back: where the configuration of today has one at the same place, that one stays, and elsewhere `secrets` has
/// to supply it, by the path that [`missing_secrets`] names.
pub fn rollback(
    store: &Store,
    caller: &Caller,
    number: u64,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Revision, Rejection> {
    let target = store.revision(number)?;
    let changed = store.change(&caller.name, |draft| {
        let document = supplied(&target.document, secrets)?;
        let missing = missing(draft.current, &document)?;
        if let Some(path) = missing.first() {
            return Err(refused(path, &missing).into());
        }
        limits::check(&document)?;
        draft.document = document;
        Ok(((), format!("Rolled back to revision {number}")))
    })?;
    store.revision(changed.current.revision)
}

/// Returns the paths of the secrets that a rollback to this revision needs to be given, because none is kept there any more.
pub fn missing_secrets(store: &Store, number: u64) -> Result<Vec<String>, Rejection> {
    let target = store.revision(number)?;
    Ok(missing(&store.current(), &target.document)?)
}

fn refused(path: &str, missing: &[String]) -> Refusal {
    let all = missing.iter().map(|path| format!("{path:?}: \"...\"")).collect::<Vec<_>>().join(", ");
    let problem =
        format!("the secret that stood here is not kept any more: give it by \"secrets\": {{{all}}}");
    Refusal::new(path, problem)
}

fn missing(current: &Current, document: &Document) -> Result<Vec<String>, Refusal> {
    let mut missing = Vec::new();
    let configuration = document.to_value();
    for_each_text(&mut configuration.clone(), &mut |path, text| {
        if text == MASK && !place(&configuration, path).is_some_and(|place| current.keeps(&place)) {
            missing.push(path.to_owned());
        }
        Ok::<_, Refusal>(())
    })?;
    Ok(missing)
}

/// Puts secrets into a configuration, each in the place of a `***`.
fn supplied(document: &Document, secrets: &BTreeMap<String, Secret>) -> Result<Document, Refusal> {
    let masked = document.to_value();
    let mut places = BTreeMap::new();
    for (path, secret) in secrets {
        let no_secret = || Refusal::new(path.as_str(), "no secret stands here in that revision");
        places.insert(place(&masked, path).ok_or_else(no_secret)?, (path, secret));
    }
    let mut configuration: Value = masked.clone();
    for_each_text(&mut configuration, &mut |path, text| {
        let given = (text == MASK).then(|| places.remove(&place(&masked, path)?)).flatten();
        if let Some((_, secret)) = given {
            secret.expose().clone_into(text);
        }
        Ok::<_, Refusal>(())
    })?;
    match places.into_values().next() {
        Some((path, _)) => Err(Refusal::new(path.as_str(), "no secret stands here in that revision")),
        None => Document::from_value(configuration),
    }
}
