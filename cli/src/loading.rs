//! Loads a configuration as the gateway does, with placeholders for secrets that are unknown here.

use std::cell::RefCell;
use std::collections::BTreeSet;

use conversion_relay::config::Compiled;

use super::Failure;
use super::document::{Found, Passed};

/// A configuration, compiled by the code that the gateway runs, and notes for the user.
pub struct Loaded {
    pub config: Compiled,
    pub notes: Vec<String>,
}

/// The placeholder for a variable that is not set here, and for what can't be opened without one: digits, so that it is a valid id, and long enough for a secret.
const PLACEHOLDER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Compiles a configuration. `at` is where it stands, for the error.
pub fn load(found: &Found, at: &str) -> Result<Loaded, Failure> {
    let refused = |problem: &dyn std::fmt::Display| Failure::Refused(format!("{at}: {problem}"));
    found.check_local_reply().map_err(|problem| refused(&problem))?;
    let unset = RefCell::new(BTreeSet::new());
    let environment = |name: &str| variable(found, name, &unset);
    let unopened = RefCell::new(Vec::new());
    let placeholder = |path: &str| {
        let name = missing_secret(found, &unset.borrow())?;
        let problem = format!("{path} can't be opened here without {name}; a placeholder stands for it");
        unopened.borrow_mut().push(problem);
        Some(PLACEHOLDER.to_owned())
    };
    let text = found.configuration.to_string();
    let config = Compiled::load_with_placeholders(text.as_bytes(), &environment, &placeholder)
        .map_err(|invalid| refused(&invalid))?;
    let mut notes: Vec<String> = unset
        .take()
        .iter()
        .map(|name| format!("{name} is not set here; a placeholder stands for it"))
        .collect();
    notes.extend(unopened.take());
    notes.extend(config.plain_secrets.iter().map(|path| {
        format!(
            "{path} is a secret written out, which Envoy's config_dump shows: write ${{NAME}} and set NAME, or seal it"
        )
    }));
    Ok(Loaded { config, notes })
}

/// Returns a variable of the environment that the configuration is loaded with. One that would be Envoy's own and is not set here
/// goes to `unset`, and a placeholder stands for it.
pub fn variable(found: &Found, name: &str, unset: &RefCell<BTreeSet<String>>) -> Option<String> {
    match found.environment(name) {
        Passed::Literal(value) => Some(value.to_owned()),
        Passed::No => None,
        Passed::OfHost => Some(std::env::var(name).unwrap_or_else(|_| {
            unset.borrow_mut().insert(name.to_owned());
            PLACEHOLDER.to_owned()
        })),
    }
}

/// Returns the first variable of a configuration's `secrets` that is among the unset ones.
fn missing_secret(found: &Found, unset: &BTreeSet<String>) -> Option<String> {
    let secrets = found.configuration.get("secrets")?.as_array()?;
    let names = |name: &&String| {
        let variable = format!("${{{name}}}");
        secrets.iter().filter_map(serde_json::Value::as_str).any(|text| text.contains(&variable))
    };
    unset.iter().find(names).cloned()
}
