//! Judging a configuration before it is kept: by the filter's own code, as the gateways will.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use conversion_relay::config::Compiled;
use conversion_relay::sealed::{SealingKeys, place};
use conversion_relay::settings::{MASK, Secret};
use serde_json::Value;

use super::document::Document;
use super::refusal::Refusal;
use super::texts::for_each_text;

/// The secrets of a configuration by place.
pub type SecretsByPlace = BTreeMap<String, Secret>;

/// A configuration that the filter accepts.
pub struct Judged {
    /// What is kept in a revision: `***` for each secret that is written out.
    pub document: Document,
    /// The secrets that were written out, by place.
    pub secrets: SecretsByPlace,
}

/// What the gateways' environment holds, as far as the console knows it.
#[derive(Clone, Default)]
pub struct Environment {
    known: BTreeMap<String, Secret>,
    /// The variables that the filter gets to see; `None`: any.
    listed: Option<BTreeSet<String>>,
}

impl Environment {
    /// The placeholder for a variable that is not known: digits, so that it is a valid id, and long enough for a secret.
    const PLACEHOLDER: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    /// Takes the variables that the console shares with the gateways.
    pub fn new(known: impl IntoIterator<Item = (String, Secret)>) -> Self {
        Self { known: known.into_iter().collect(), listed: None }
    }

    /// Says that the filter gets to see the variables of these names, and no others.
    #[must_use]
    pub fn listed(self, names: BTreeSet<String>) -> Self {
        Self { listed: Some(names), ..self }
    }

    /// Compiles a configuration as the gateways will.
    pub fn load(&self, configuration: &Value) -> Result<Compiled, Refusal> {
        let unlisted = RefCell::new(None);
        let variable = |name: &str| {
            if self.listed.as_ref().is_some_and(|listed| !listed.contains(name)) {
                *unlisted.borrow_mut() = Some(name.to_owned());
                return None;
            }
            Some(self.get(name))
        };
        Compiled::load(configuration.to_string().as_bytes(), &variable).map_err(|invalid| {
            let refusal = Refusal::from(invalid);
            match unlisted.take() {
                Some(name) => Refusal::new(refusal.path, not_listed(&name)),
                None => refusal,
            }
        })
    }

    /// Returns the value of a variable, or what stands for it.
    fn get(&self, name: &str) -> String {
        self.known.get(name).map_or(Self::PLACEHOLDER, Secret::expose).to_owned()
    }

    /// Returns the keys by which the gateways of this configuration open what is sealed for them.
    pub fn sealing_keys(&self, document: &Value) -> Result<SealingKeys, Refusal> {
        let named = document.get("secrets").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let names = named.iter().filter_map(|one| one.as_str()?.strip_prefix("${")?.strip_suffix('}'));
        let names: Vec<&str> = names.collect();
        let first = names.first().ok_or_else(|| {
            Refusal::new(
                "secrets",
                "a secret can be written out only if the gateways can open it: set secrets to [\"${RELAY_KEY}\"], or write ${NAME}",
            )
        })?;
        let known: Vec<Secret> = names.iter().map_while(|name| self.known.get(*name).cloned()).collect();
        if known.is_empty() {
            let problem = format!(
                "a secret can be written out only if the console can seal it: start it with the gateways' {first}, or write ${{NAME}}"
            );
            return Err(Refusal::new("secrets", problem));
        }
        SealingKeys::new(&known).map_err(|error| Refusal::new("secrets", error.to_string()))
    }
}

fn not_listed(name: &str) -> String {
    format!(
        "the gateways' filter doesn't get to see the variable {name}, so each of them would refuse this: name it in the plugin file, in \
         vm_config.environment_variables.host_env_keys, and start the console with --plugin FILE. That starts a new VM in the gateways, so \
         drain them first"
    )
}

/// Has the filter's own code judge a configuration, which may hold secrets, and `***` for those that are kept at the same place.
pub fn judge(
    candidate: &Document,
    kept: &SecretsByPlace,
    environment: &Environment,
) -> Result<Judged, Refusal> {
    let mut full = fill(candidate, &|place| kept.get(place).map(Secret::expose), NO_SECRET)?;
    let compiled = environment.load(&full)?;
    let named = full.clone();
    let stars = stars(candidate);
    let are_secret: BTreeSet<&str> = compiled.plain_secrets.iter().map(String::as_str).collect();
    let mut secrets = SecretsByPlace::new();
    for_each_text(&mut full, &mut |path, text| {
        if stars.contains(path) && !are_secret.contains(path) {
            return Err(Refusal::new(path, WOULD_SHOW));
        }
        if are_secret.contains(path) {
            if path.starts_with("secrets[") {
                return Err(Refusal::new(path, OPENS_THE_OTHERS));
            }
            let place =
                place(&named, path).ok_or_else(|| Refusal::new(path, "expected a place of its own"))?;
            secrets.insert(place, Secret::new(std::mem::replace(text, MASK.to_owned())));
        }
        Ok(())
    })?;
    if !secrets.is_empty() {
        environment.sealing_keys(&full)?;
    }
    Ok(Judged { document: Document::from_value(full)?, secrets })
}

/// Returns the paths at which `***` stands for a secret.
fn stars(document: &Document) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    _ = for_each_text(&mut document.to_value(), &mut |path, text| {
        if text == MASK {
            paths.insert(path.to_owned());
        }
        Ok::<_, Infallible>(())
    });
    paths
}

/// With a source's `client_from_context`, for example, its keys are no secrets any longer.
const WOULD_SHOW: &str =
    "by this change the secret that is kept here would be one no longer, and could be read: write it anew";
const NO_SECRET: &str =
    "*** stands for the secret that is kept here, and none is: write the secret, or ${NAME}";
const OPENS_THE_OTHERS: &str =
    "this secret opens the others, so it can't be sealed: write ${NAME}, and set NAME for the gateways";

/// Returns the configuration as the gateways get it, with what is sealed for them in the place of each secret. The filter's own code
/// has accepted it once more.
pub fn for_gateways(
    document: &Document,
    sealed: &BTreeMap<String, String>,
    environment: &Environment,
) -> Result<Value, Refusal> {
    let served = fill(document, &|place| sealed.get(place).map(String::as_str), "its secret is lost")?;
    environment.load(&served)?;
    Ok(served)
}

/// Returns the whole configuration with each `***` replaced.
fn fill<'s>(
    document: &Document,
    secret: &dyn Fn(&str) -> Option<&'s str>,
    problem: &str,
) -> Result<Value, Refusal> {
    let masked = document.to_value();
    let mut filled = masked.clone();
    for_each_text(&mut filled, &mut |path, text| {
        if text == MASK {
            let found = place(&masked, path).and_then(|place| secret(&place));
            found.ok_or_else(|| Refusal::new(path, problem))?.clone_into(text);
        }
        Ok::<_, Refusal>(())
    })?;
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_that_the_gateways_filter_does_not_get_to_see_is_refused_where_it_is_named() {
        let configuration = |key| json!({"integrations": [{"id": "a", "name": "Pod", "vendor": "podsights", "config": {"key": key}}]});
        let environment = Environment::new([]).listed(BTreeSet::from(["PODSIGHTS_KEY".to_owned()]));
        assert!(environment.load(&configuration("${PODSIGHTS_KEY}")).is_ok());
        let refusal = environment.load(&configuration("${OTHER_KEY}")).err().unwrap();
        assert_eq!(refusal.path, "integrations[0].config.key");
        assert!(refusal.problem.contains("see the variable OTHER_KEY"), "{refusal}");
        assert!(refusal.problem.contains("host_env_keys"), "{refusal}");
        assert!(Environment::new([]).load(&configuration("${OTHER_KEY}")).is_ok());
    }
}
