//! The filter's file, into which the configuration in force is put. All else in it stays as it is: a change of the VM's part would
//! start a new VM in the gateways, and lose what waits in the old one.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use axum::body::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::store::Current;

/// The shipped filter's file, without a configuration.
const SHIPPED: &str = include_str!("plugin.yaml");

/// The type of the resource that an Envoy asks for.
pub const RESOURCE: &str = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const STRUCT: &str = "type.googleapis.com/google.protobuf.Struct";

const CONFIG: &str = "/typed_config/config";
const VALUE: &str = "/typed_config/config/configuration/value";

/// The filter's file.
#[derive(Clone, Debug)]
pub struct Plugin {
    name: String,
    resource: Value,
    variables: BTreeSet<String>,
    digest: String,
}

/// The configuration in force, as it goes to the gateways.
#[derive(Clone, Debug)]
pub struct Served {
    /// Identifies it; its revision's number is in front.
    pub version: String,
    /// The answer to an Envoy that asks.
    pub discovery: Bytes,
    /// The filter's file.
    pub file: Bytes,
}

impl Plugin {
    /// Returns the shipped one.
    pub fn shipped() -> anyhow::Result<Self> {
        Self::parse(SHIPPED).context("the built-in plugin file")
    }

    /// Reads a file. The error says what it lacks.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("the plugin file {}", path.display()))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut file: Value = serde_saphyr::from_str(text).map_err(|error| anyhow::anyhow!("{error}"))?;
        let resources = file.get_mut("resources").and_then(Value::as_array_mut);
        let mut resource = match resources.map(std::mem::take).unwrap_or_default() {
            mut one if one.len() == 1 => one.remove(0),
            other => bail!("expected one item in resources, found {}", other.len()),
        };
        expect_type(&resource, "", RESOURCE)?;
        expect_type(&resource, "/typed_config", WASM)?;
        let name = resource.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.context("expected a name in resources[0]")?.to_owned();
        let variables = variables(&resource)?;
        let config = resource.pointer_mut(CONFIG).and_then(Value::as_object_mut);
        let config = config.context("expected an object at resources[0].typed_config.config")?;
        ensure!(config.contains_key("vm_config"), "expected vm_config at resources[0].typed_config.config");
        config.insert("configuration".to_owned(), json!({"@type": STRUCT, "value": {}}));
        let hash = Sha256::digest(resource.to_string());
        let digest = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { name, resource, variables, digest })
    }

    /// Returns the name of the resource, which Envoy's filter has, too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the names of the environment variables that the filter gets to see.
    pub fn variables(&self) -> &BTreeSet<String> {
        &self.variables
    }

    /// Puts the configuration in force into the file.
    pub fn serve(&self, current: &Current) -> Served {
        let version = format!("{}-{}", current.version(), self.digest);
        let mut resource = self.resource.clone();
        if let Some(value) = resource.pointer_mut(VALUE) {
            *value = current.served.clone();
        }
        let file = json!({"resources": [resource]});
        let file = serde_json::to_vec_pretty(&file).unwrap_or_default();
        let discovery = json!({"version_info": version, "type_url": RESOURCE, "resources": [resource]});
        Served { version, discovery: discovery.to_string().into(), file: file.into() }
    }
}

fn expect_type(resource: &Value, pointer: &str, wanted: &str) -> anyhow::Result<()> {
    let found = resource.pointer(pointer).and_then(|at| at.get("@type")).and_then(Value::as_str);
    let path = format!("resources[0]{}", pointer.replace('/', "."));
    ensure!(found == Some(wanted), "expected {wanted:?} as \"@type\" of {path}");
    Ok(())
}

fn variables(resource: &Value) -> anyhow::Result<BTreeSet<String>> {
    let at = "/typed_config/config/vm_config/environment_variables";
    let Some(variables) = resource.pointer(at) else { return Ok(BTreeSet::new()) };
    let problem =
        "expected host_env_keys, a list of names, and key_values, an object, in environment_variables";
    let variables = variables.as_object().context(problem)?;
    let mut names = BTreeSet::new();
    if let Some(keys) = variables.get("host_env_keys") {
        for name in keys.as_array().context(problem)? {
            names.insert(name.as_str().context(problem)?.to_owned());
        }
    }
    if let Some(values) = variables.get("key_values") {
        names.extend(values.as_object().context(problem)?.keys().cloned());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_one_is_the_repositorys_but_for_the_configuration_and_one_more_variable() {
        let read = |text| serde_saphyr::from_str::<Value>(text).unwrap();
        let mut shipped = read(include_str!("../../../conversion-relay.yaml"));
        let at = "/resources/0/typed_config/config";
        *shipped.pointer_mut(&format!("{at}/configuration/value")).unwrap() = json!({});
        *shipped.pointer_mut(&format!("{at}/vm_config/environment_variables/host_env_keys")).unwrap() =
            json!(["PODSIGHTS_KEY", "RELAY_KEY"]);
        assert_eq!(read(SHIPPED), shipped);
        let plugin = Plugin::shipped().unwrap();
        assert_eq!(plugin.name(), "conversion-relay");
        assert_eq!(plugin.variables().iter().collect::<Vec<_>>(), ["PODSIGHTS_KEY", "RELAY_KEY"]);
    }

    #[test]
    fn a_file_that_is_not_the_filters_is_refused_with_what_it_lacks() {
        for (old, new, wanted) in [
            ("resources:", "other:", "expected one item in resources, found 0"),
            ("core.v3.TypedExtensionConfig", "core.v3.Other", "as \"@type\" of resources[0]"),
            ("wasm.v3.Wasm", "lua.v3.Lua", "as \"@type\" of resources[0].typed_config"),
            ("    name: conversion-relay      ", "    nam: conversion-relay      ", "a name in resources[0]"),
            ("vm_config:", "vm:", "expected vm_config"),
            ("[PODSIGHTS_KEY, RELAY_KEY]", "PODSIGHTS_KEY", "host_env_keys, a list"),
            ("[PODSIGHTS_KEY, RELAY_KEY]", "[1]", "host_env_keys, a list"),
        ] {
            let text = SHIPPED.replacen(old, new, 1);
            assert_ne!(text, SHIPPED, "{old}");
            let error = format!("{:#}", Plugin::parse(&text).unwrap_err());
            assert!(error.contains(wanted), "{new}: {error}");
        }
        assert!(Plugin::parse("resources: [").is_err());
    }

    #[test]
    fn variables_are_those_of_the_host_and_those_that_the_file_sets() {
        let text = SHIPPED.replace("[PODSIGHTS_KEY, RELAY_KEY]", "[A]\n            key_values: {B: b}");
        assert_eq!(Plugin::parse(&text).unwrap().variables().iter().collect::<Vec<_>>(), ["A", "B"]);
    }
}
