//! deploy/fleet: its files are the shipped ones and what a console needs, and Envoy takes them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use serde_json::{Value, json};

fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_gateway_of_a_fleet_is_the_shipped_one_with_the_cluster_of_its_console() {
    let mut fleet = read("deploy/fleet/envoy.yaml");
    let clusters = fleet.pointer_mut("/static_resources/clusters").unwrap().as_array_mut().unwrap();
    assert_eq!(clusters.pop().unwrap()["name"], "console");
    let secrets = fleet["static_resources"].as_object_mut().unwrap().remove("secrets").unwrap();
    assert_eq!(secrets[0]["generic_secret"], json!({"secret": {"environment_variable": "CONSOLE_TOKEN"}}));
    assert_eq!(fleet, read("envoy.yaml"), "run deploy/fleet/configure");
}

#[test]
fn its_filter_is_the_shipped_one_with_records_for_the_console_and_secrets_that_it_seals_with() {
    let mut fleet = read("deploy/fleet/conversion-relay.yaml");
    let plugin = fleet.pointer_mut("/resources/0/typed_config/config").unwrap();
    let names = plugin.pointer_mut("/vm_config/environment_variables/host_env_keys").unwrap();
    assert_eq!(names.take(), json!(["PODSIGHTS_KEY", "RELAY_KEY"]));
    *names = json!(["PODSIGHTS_KEY"]);
    let configuration = plugin.pointer_mut("/configuration/value").unwrap().as_object_mut().unwrap();
    assert_eq!(configuration.remove("secrets").unwrap(), json!(["${RELAY_KEY}"]));
    let records = configuration.insert("records".to_owned(), json!({"log": true}));
    assert_eq!(records.unwrap(), json!({"log": true, "cluster": "console", "authority": "console"}));
    assert_eq!(fleet, read("conversion-relay.yaml"), "run deploy/fleet/configure");
}
