//! Listeners that change or go while deliveries are pending, with the filter inline in a listener that Envoy reads from a file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use support::orders::{FT, PS, configuration, flashtalking, orders, podsights, settled};
use support::{Gateway, LIMIT, Options, Podsights, wait_until, yaml};

const FILTERS: &str = "/filter_chains/0/filters/0/typed_config/http_filters";
const FILE: &str = "listeners.yaml";

fn read(path: impl AsRef<Path>) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Moves the listener into a file of its own, and the filter from its own file into the listener.
fn listener_by_file(envoy: &mut Value, configuration: &Value) {
    let mut listener =
        envoy["static_resources"].as_object_mut().unwrap().remove("listeners").unwrap()[0].take();
    let filters = listener.pointer_mut(FILTERS).unwrap();
    let discovery = filters[0]["config_discovery"]["config_source"]["path_config_source"]["path"].take();
    let filter_file = Path::new(discovery.as_str().unwrap());
    let mut filter = read(filter_file)["resources"][0]["typed_config"].take();
    *filter.pointer_mut("/config/configuration").unwrap() = as_text(configuration);
    filters[0] = json!({"name": "conversion-relay", "disabled": true, "typed_config": filter});
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let path = filter_file.with_file_name(FILE);
    std::fs::write(&path, yaml(&json!({"resources": [listener]}))).unwrap();
    envoy["dynamic_resources"] =
        json!({"lds_config": {"resource_api_version": "V3", "path_config_source": {"path": path}}});
}

/// As JSON, of which a test knows the bytes.
fn as_text(configuration: &Value) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration.to_string()})
}

/// Podsights' deliveries carry this key.
fn config(key: &str) -> Value {
    let mut podsights = podsights();
    podsights["config"]["key"] = json!(key);
    configuration(&[flashtalking(), podsights], json!({"timeout": "20s"}))
}

/// A gateway with ten orders that Podsights holds. `drain`: --drain-time-s, after which a listener that was replaced is gone.
fn holding_ten(drain: &str) -> Gateway {
    let gateway = Gateway::start(
        Options::new()
            .arguments(&["--drain-time-s", drain])
            .edit_envoy(|envoy| listener_by_file(envoy, &config("A"))),
    );
    gateway.behave(Podsights, json!({"hold": true}));
    gateway.send(orders(0..10));
    gateway.wait_for(Podsights, 10);
    settled(&gateway, FT, 10);
    gateway
}

/// Changes the list of listeners, and waits until Envoy has taken it.
fn change(gateway: &Gateway, change: impl FnOnce(&mut Value)) {
    let path = gateway.dir().join(FILE);
    let mut file = read(&path);
    change(&mut file["resources"]);
    let taken = || gateway.stat("listener_manager.lds.update_success").unwrap();
    let before = taken();
    std::fs::write(path.with_extension("new"), yaml(&file)).unwrap();
    std::fs::rename(path.with_extension("new"), &path).unwrap();
    assert!(wait_until(LIMIT, || taken() > before), "{}", gateway.envoy_log());
}

fn draining(gateway: &Gateway) -> u64 {
    gateway.stat("listener_manager.total_listeners_draining").unwrap()
}

#[test]
fn a_changed_listener_keeps_what_is_pending_and_what_comes_next_goes_by_the_new_configuration() {
    let gateway = holding_ten("1");
    let vms = gateway.vms_created();
    let configuration = format!("{FILTERS}/0/typed_config/config/configuration");

    change(&gateway, |resources| *resources[0].pointer_mut(&configuration).unwrap() = as_text(&config("B")));
    change(&gateway, |resources| resources[0]["per_connection_buffer_limit_bytes"] = json!(65536));

    assert!(wait_until(LIMIT, || draining(&gateway) == 0), "the old listeners are still there");
    gateway.send(orders(10..13));
    gateway.wait_for(Podsights, 13);
    gateway.behave(Podsights, json!({}));
    for name in [FT, PS] {
        assert_eq!(settled(&gateway, name, 13).delivered, 13, "{name}");
    }
    let keys: Vec<Value> =
        gateway.requests(Podsights).iter().map(|request| request.json()["key"].clone()).collect();
    assert_eq!(keys[10..], [json!("B"), json!("B"), json!("B")]);
    assert_eq!(gateway.tally(Podsights)["requests"], 13, "nothing was sent twice");
    assert_eq!((gateway.vm_restarts(), gateway.vms_created() - vms), (0, 1), "one canary, no new VM");
}

#[test]
fn a_listener_that_is_removed_and_comes_back_within_its_drain_time_keeps_what_is_pending() {
    let gateway = holding_ten("60");
    let mut removed = Value::Null;
    change(&gateway, |resources| removed = resources.as_array_mut().unwrap().remove(0));
    assert_eq!(draining(&gateway), 1);

    change(&gateway, |resources| *resources = json!([removed]));
    gateway.behave(Podsights, json!({}));

    assert_eq!(settled(&gateway, PS, 10).delivered, 10);
    assert_eq!(gateway.tally(Podsights)["requests"], 10, "nothing was sent twice");
}

#[test]
fn a_removed_listener_delivers_for_its_drain_time_and_then_loses_what_is_pending_and_its_counters() {
    let gateway = holding_ten("2");
    change(&gateway, |resources| *resources = json!([]));
    gateway.behave(Podsights, json!({"status": 503}));
    gateway.wait_for(Podsights, 15); // it tries on
    let all_gone = || gateway.stat("wasm.envoy.wasm.runtime.v8.active").unwrap_or_default() == 0;
    assert!(wait_until(Duration::from_secs(10), all_gone), "the VMs are still there");

    gateway.behave(Podsights, json!({}));

    assert_eq!(gateway.tally(Podsights)["orders"]["accepted"], 0);
    let counted = || gateway.prometheus().contains("conversion_relay_deliveries_total");
    assert!(wait_until(LIMIT, || !counted()), "the counters outlive their filter");
}
