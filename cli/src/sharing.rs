//! Filters that share what each should have for itself.
//!
//! Envoy runs two filters in the same VM if vm_id, code, `vm_config.configuration` and environment of both are the same. In a VM
//! our plugins are told apart by their names alone: one of the same name counts as a new configuration of the first. What is
//! remembered for deduplication belongs to vm_id and name, whichever VM it is. `root_id` and the name of the entry in
//! `http_filters` tell nothing apart.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::document::Found;

/// What two filters have in common and should not.
#[derive(Debug, PartialEq, Eq)]
pub enum Shared {
    /// The plugin itself, with its counters and what it remembers. Each request still goes out by its own filter's configuration.
    Plugin,
    /// What is remembered of messages and orders.
    Memory,
}

/// Returns what two filters share although they are configured differently.
pub fn between(one: &Found, other: &Found) -> Option<Shared> {
    let (Some(plugin), Some(other_plugin)) = (&one.plugin, &other.plugin) else { return None };
    // Where both are configured alike, it is the same filter twice, as in two listeners.
    if one.configuration == other.configuration {
        return None;
    }
    let (id, other_id) = (identity(plugin)?, identity(other_plugin)?);
    if id != other_id {
        return None;
    }
    let same = same_code(plugin, other_plugin)
        && configuration(plugin) == configuration(other_plugin)
        && environment(plugin) == environment(other_plugin);
    Some(if same { Shared::Plugin } else { Shared::Memory })
}

/// Returns the plugin's name and its vm_id, each empty by default. `None` if the plugin is not Envoy's PluginConfig but was made
/// from Istio's, which names each plugin by itself.
fn identity(plugin: &Value) -> Option<(&str, &str)> {
    plugin.pointer("/vm_config/code")?;
    let text = |at: &str| plugin.pointer(at).and_then(Value::as_str).unwrap_or_default();
    Some((text("/name"), text("/vm_config/vm_id")))
}

/// Returns the configuration of the VM, which is not the plugin's.
fn configuration(plugin: &Value) -> Option<&Value> {
    plugin.pointer("/vm_config/configuration")
}

/// Returns the variables that Envoy passes on, in whatever order they are written.
fn environment(plugin: &Value) -> (BTreeSet<&str>, Value) {
    let variables = plugin.pointer("/vm_config/environment_variables");
    let keys = variables.and_then(|all| all.get("host_env_keys")?.as_array());
    let keys = keys.into_iter().flatten().filter_map(Value::as_str).collect();
    let literal = variables.and_then(|all| all.get("key_values")).cloned();
    (keys, literal.unwrap_or_else(|| json!({})))
}

/// Whether both run the same code: from the same place, with the same digest, or with the same bytes where the files are here.
fn same_code(plugin: &Value, other: &Value) -> bool {
    let at = |pointer: &str| (plugin.pointer(pointer), other.pointer(pointer));
    if let (Some(digest), Some(other_digest)) = at("/vm_config/code/remote/sha256") {
        return digest == other_digest;
    }
    let (code, other_code) = at("/vm_config/code");
    if code == other_code {
        return true;
    }
    let (Some(file), Some(other_file)) = at("/vm_config/code/local/filename") else { return false };
    let bytes = |file: &Value| std::fs::read(Path::new(file.as_str()?)).ok();
    bytes(file).is_some_and(|bytes_of| bytes(other_file) == Some(bytes_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter with its own integrations, and with `value` at `pointer` of its PluginConfig.
    fn filter(integrations: &str, pointer: &str, value: Value) -> Found {
        let configuration = json!({"integrations": [integrations]});
        let mut plugin = json!({"name": "relay", "vm_config": {"vm_id": "relay",
            "code": {"local": {"filename": "/relay.wasm"}}, "environment_variables": {"host_env_keys": ["A", "B"]}}});
        if let Some((parent, key)) = pointer.rsplit_once('/') {
            plugin.pointer_mut(parent).unwrap()[key] = value;
        }
        Found {
            name: Some(integrations.to_owned()),
            path: "envoy.yaml".into(),
            configuration,
            plugin: Some(plugin),
            loaded: None,
        }
    }

    fn shared(pointer: &str, value: Value) -> Option<Shared> {
        between(&filter("one", "", Value::Null), &filter("two", pointer, value))
    }

    #[test]
    fn what_does_not_tell_vms_or_plugins_apart_leaves_them_one() {
        for (pointer, value) in [
            ("", Value::Null),
            ("/root_id", json!("other")),
            ("/failure_policy", json!("FAIL_CLOSED")),
            ("/vm_config/allow_precompiled", json!(true)),
            ("/vm_config/environment_variables", json!({"host_env_keys": ["B", "A"], "key_values": {}})),
        ] {
            assert_eq!(shared(pointer, value), Some(Shared::Plugin), "{pointer}");
        }
    }

    #[test]
    fn another_vm_under_the_same_id_shares_the_memory_only() {
        for (pointer, value) in [
            ("/vm_config/code", json!({"local": {"filename": "/other.wasm"}})),
            ("/vm_config/configuration", json!({"value": "x"})),
            ("/vm_config/environment_variables", json!({"host_env_keys": ["A"]})),
            ("/vm_config/environment_variables/key_values", json!({"C": "c"})),
        ] {
            assert_eq!(shared(pointer, value), Some(Shared::Memory), "{pointer}");
        }
    }

    #[test]
    fn another_name_or_vm_id_is_enough_and_so_is_the_same_configuration() {
        assert_eq!(shared("/name", json!("other")), None);
        assert_eq!(shared("/vm_config/vm_id", json!("other")), None);
        assert_eq!(between(&filter("one", "", Value::Null), &filter("one", "/root_id", json!("x"))), None);
    }

    #[test]
    fn a_copy_of_the_module_is_the_same_code() {
        let folder = std::env::temp_dir().join(format!("conversion-relay-sharing-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let copy = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            std::fs::write(&path, bytes).unwrap();
            json!({"name": "r", "vm_config": {"code": {"local": {"filename": path}}}})
        };
        let (one, two, other) = (copy("a", b"wasm"), copy("b", b"wasm"), copy("c", b"other"));
        assert!(same_code(&one, &two) && !same_code(&one, &other));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
