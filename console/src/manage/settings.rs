//! The settings: everything of the configuration but integrations and sources.

use serde_json::{Map, Value};

use super::{Stored, limits, summary};
use crate::access::Caller;
use crate::configuration::{Collection, Refusal};
use crate::store::{Current, Rejection, Store};

/// Returns the settings in force.
pub fn settings(current: &Current) -> Stored {
    Stored { object: current.document.settings(), etag: current.settings_etag() }
}

/// Replaces all settings. What is `***` stays.
pub fn put_settings(
    store: &Store,
    caller: &Caller,
    settings: Map<String, Value>,
    if_match: Option<&str>,
) -> Result<Stored, Rejection> {
    for key in [Collection::Integrations, Collection::Sources].map(Collection::key) {
        if settings.contains_key(key) {
            return Err(
                Refusal::new(key, format!("expected none here: {key} have resources of their own")).into()
            );
        }
    }
    let changed = store.change(&caller.name, |draft| {
        draft.expect_settings(if_match)?;
        let text = summary::of_settings(&draft.document.settings(), &settings);
        draft.document.set_settings(settings);
        limits::check(&draft.document)?;
        Ok(((), text.unwrap_or_else(|| "Changed nothing".to_owned())))
    })?;
    Ok(self::settings(&changed.current))
}
