//! Two filters in one gateway: what tells them apart, and what they share otherwise. `conversion-relay check` relies on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::orders::{PS, configuration, dropped, podsights};
use support::{Gateway, LIMIT, Options, Podsights, Request, wait_until};

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
/// The pixel key by which the second filter's deliveries are told from those of the first.
const SECOND_KEY: &str = "second";

/// A second filter, for requests below /second, which has name, vm_id, code and environment of the first, but for `change`.
fn second_filter(integration: &str, change: &[(&str, Value)]) -> Value {
    let mut second = podsights();
    second["name"] = json!(integration);
    second["config"]["key"] = json!(SECOND_KEY);
    let mut own = configuration(&[second], json!({}));
    own["endpoints"] = json!({"base_path": "/second"});
    // What of a VM's configuration isn't named here is left at its default, as in the first.
    let mut plugin = json!({
        "name": "conversion-relay",
        "vm_config": {
            "vm_id": "conversion-relay",
            "runtime": "envoy.wasm.runtime.v8",
            "environment_variables": {"host_env_keys": ["PODSIGHTS_KEY"]},
        },
        "configuration": {"@type": "type.googleapis.com/google.protobuf.Struct", "value": own},
    });
    for (pointer, value) in change {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        plugin.pointer_mut(parent).unwrap()[key] = value.clone();
    }
    plugin
}

/// A gateway with the shipped filter and a second one, which runs the same module.
fn start(integration: &str, change: &[(&str, Value)]) -> Gateway {
    let mut plugin = second_filter(integration, change);
    let options = Options::new().configuration(configuration(&[podsights()], json!({})));
    let code = json!({"local": {"filename": options.module_path()}});
    plugin["vm_config"]["code"] = code;
    Gateway::start(options.edit_envoy(move |envoy| {
        let manager = envoy.pointer_mut(MANAGER).unwrap();
        let entry =
            json!({"name": "second", "disabled": true, "typed_config": {"@type": WASM, "config": plugin}});
        manager["http_filters"].as_array_mut().unwrap().insert(0, entry);
        let switched_on =
            json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}});
        let route = json!({"match": {"prefix": "/second/"}, "route": {"cluster": "collector"},
            "typed_per_filter_config": {"second": switched_on}});
        manager["route_config"]["virtual_hosts"][0]["routes"].as_array_mut().unwrap().insert(0, route);
    }))
}

fn purchase(path: &str) -> Request {
    let event = json!({"type": "track", "event": "Order Completed", "anonymousId": "anon-1", "messageId": "m-1",
        "properties": {"order_id": "1", "revenue": 1, "currency": "USD"}});
    Request::post(path, event.to_string())
}

/// The keys of the filters that have delivered.
fn keys(gateway: &Gateway) -> BTreeSet<String> {
    let requests = gateway.requests(Podsights);
    requests.iter().map(|request| request.json()["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn filters_with_the_same_name_vm_id_code_and_environment_are_one_plugin_that_keeps_their_keys_apart() {
    for change in [&[][..], &[("/root_id", json!("other"))]] {
        let gateway = start("second", change);
        gateway.send(purchase("/second/v1/t"));
        gateway.send(purchase("/v1/t"));
        assert!(wait_until(LIMIT, || keys(&gateway).len() == 2), "{change:?}: {:?}", keys(&gateway));
    }
}

#[test]
fn another_name_or_another_vm_keeps_filters_apart() {
    for change in [
        ("/name", json!("other")),
        ("/vm_config/vm_id", json!("other")),
        ("/vm_config/environment_variables", json!({"host_env_keys": []})),
    ] {
        let gateway = start("second", std::slice::from_ref(&change));
        gateway.send(purchase("/second/v1/t"));
        gateway.send(purchase("/v1/t"));
        assert!(wait_until(LIMIT, || keys(&gateway).len() == 2), "{change:?}: {:?}", keys(&gateway));
    }
}

#[test]
fn filters_of_the_same_name_and_vm_id_share_what_they_remember_even_in_different_vms() {
    let environment = ("/vm_config/environment_variables", json!({"host_env_keys": []}));
    let gateway = start(PS, std::slice::from_ref(&environment));
    gateway.send(purchase("/second/v1/t"));
    gateway.wait_for(Podsights, 1);
    gateway.send(purchase("/v1/t"));
    assert!(wait_until(LIMIT, || dropped(&gateway, PS, "duplicate") == 1), "{:?}", keys(&gateway));
    assert_eq!(keys(&gateway), BTreeSet::from([SECOND_KEY.to_owned()]));
}
