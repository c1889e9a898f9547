//! Several configurations of one name: two filters that share it, and one filter whose listener is replaced.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{Gateway, LIMIT, Options, Podsights, Request, wait_until, wait_until_every, yaml};

const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
const NOTES: &str = "conversion_relay_notes_total";

/// The configuration of a site, whose orders are to go out with this key.
fn site(base_path: &str, key: &str) -> Value {
    json!({
        "endpoints": {"base_path": base_path},
        "integrations": [{"name": "Pod", "vendor": "podsights", "config": {"key": key}}]
    })
}

fn order(id: String) -> String {
    json!({"event": "Order Completed", "properties": {"order_id": id}}).to_string()
}

/// Each order went out with the key that its id begins with.
fn each_has_its_key(gateway: &Gateway, orders: usize) {
    for callout in gateway.wait_for(Podsights, orders) {
        let (id, key) = (callout.json()["order_id"].clone(), callout.json()["key"].clone());
        let site = id.as_str().unwrap().split(' ').next().unwrap();
        assert_eq!(key, format!("key of {site}"), "{id}");
    }
}

/// Adds a second filter to the gateway, whose name, VM and module are those of the first. It runs on the route `/other/`, with this
/// configuration.
fn add_a_namesake(envoy: &mut Value, configuration: &Value) {
    let filters = envoy.pointer_mut(&format!("{MANAGER}/http_filters")).unwrap();
    let first = &filters[0];
    let file = first.pointer("/config_discovery/config_source/path_config_source/path").unwrap();
    let file = std::fs::read_to_string(file.as_str().unwrap()).unwrap();
    let mut file: Value = serde_saphyr::from_str(&file).unwrap();
    let mut plugin = file.pointer_mut("/resources/0/typed_config").unwrap().take();
    plugin["config"]["configuration"]["value"] = configuration.clone();
    let namesake = json!({"name": "namesake", "disabled": true, "typed_config": plugin});
    filters.as_array_mut().unwrap().insert(0, namesake);
    let routes = envoy.pointer_mut(&format!("{MANAGER}/route_config/virtual_hosts/0/routes")).unwrap();
    let enabled = json!({"@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {}});
    let route = json!({"match": {"prefix": "/other/"}, "route": {"cluster": "collector"},
        "typed_per_filter_config": {"namesake": enabled}});
    routes.as_array_mut().unwrap().insert(0, route);
}

#[test]
fn of_two_filters_with_one_name_each_sends_its_orders_with_its_own_key_and_the_log_says_so() {
    let other = site("/other", "key of other");
    let options = Options::new().configuration(site("", "key of first"));
    let gateway = Gateway::start(options.edit_envoy(move |envoy| add_a_namesake(envoy, &other)));
    let mut sent = 0;
    let mut send = || {
        sent += 1;
        assert_eq!(gateway.post("/v1/t", order(format!("first {sent}"))).status, 200);
        assert_eq!(gateway.post("/other/v1/t", order(format!("other {sent}"))).status, 200);
        sent
    };
    (0..4).for_each(|_| _ = send());

    each_has_its_key(&gateway, 8);

    let said = wait_until_every(Duration::from_millis(250), Duration::from_secs(15), || {
        send();
        gateway.counter(NOTES, &[("kind", "shared_name")]) > 0
    });
    assert!(said, "two filters that share a name are not counted");
    gateway.wait_for_log("\"conversion-relay\": another filter has the same name and vm_id");
    let sent = send();
    each_has_its_key(&gateway, 2 * sent);
    assert_eq!(gateway.counter("conversion_relay_requests_ignored_total", &[]), 0);
}

/// Writes the listener into a file that Envoy watches, with the filter in it and this configuration.
fn write_listener(file: &std::path::Path, listener: &Value, configuration: &Value) {
    let mut listener = listener.clone();
    let filter = listener.pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters/0").unwrap();
    filter["typed_config"]["config"]["configuration"]["value"] = configuration.clone();
    // So that all of the listener is replaced, and not its filter chains alone.
    listener["metadata"] = json!({"filter_metadata": {"version": configuration}});
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    let beside = file.with_extension("new");
    std::fs::write(&beside, yaml(&json!({"resources": [listener]}))).unwrap();
    std::fs::rename(&beside, file).unwrap();
}

#[test]
fn while_a_listener_is_replaced_old_connections_go_on_by_its_old_configuration_and_nobody_is_accused() {
    let folder = support::TempDir::new();
    let file = folder.0.join("listener.yaml");
    let (sender, receiver) = std::sync::mpsc::channel();
    let initial = file.clone();
    let gateway = Gateway::start(Options::new().edit_envoy(move |envoy| {
        // A port of its own: with port 0 the new listener would get another one.
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        envoy.pointer_mut("/static_resources/listeners/0/address/socket_address").unwrap()["port_value"] =
            json!(free);
        let filter = &mut envoy.pointer_mut(&format!("{MANAGER}/http_filters")).unwrap()[0];
        let path = filter.pointer("/config_discovery/config_source/path_config_source/path").unwrap();
        let text = std::fs::read_to_string(path.as_str().unwrap()).unwrap();
        let mut plugin: Value = serde_saphyr::from_str(&text).unwrap();
        *filter = json!({"name": "conversion-relay", "disabled": true,
            "typed_config": plugin.pointer_mut("/resources/0/typed_config").unwrap().take()});
        let listener = envoy["static_resources"]["listeners"].take()[0].take();
        envoy["static_resources"].as_object_mut().unwrap().remove("listeners");
        write_listener(&initial, &listener, &site("", "key of old"));
        sender.send(listener).unwrap();
        envoy["dynamic_resources"] = json!({"lds_config": {"path_config_source": {"path": initial}}});
        envoy["node"] = json!({"id": "gateway", "cluster": "gateways"});
    }));
    let listener: Value = receiver.recv().unwrap();
    let mut kept = gateway.connect();
    assert_eq!(kept.send(&Request::post("/v1/t", order("old 0".into()))).status, 200);
    gateway.wait_for(Podsights, 1); // what still waits when a new configuration comes goes out with the new key

    write_listener(&file, &listener, &site("", "key of new"));
    let replaced = wait_until(LIMIT, || gateway.stat("listener_manager.total_listeners_draining") == Some(1));
    assert!(replaced, "the listener is not replaced");

    for at in 1..=6 {
        assert_eq!(kept.send(&Request::post("/v1/t", order(format!("old {at}")))).status, 200);
        assert_eq!(gateway.post("/v1/t", order(format!("new {at}"))).status, 200);
        gateway.wait_for(Podsights, 1 + 2 * at);
        std::thread::sleep(Duration::from_millis(1_100)); // turns that are closer together count once
    }
    each_has_its_key(&gateway, 13);
    assert_eq!(gateway.counter(NOTES, &[("kind", "shared_name")]), 0);
}
