//! A change of configuration while deliveries are queued and in flight, and a start after the end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::orders::{Books, FT, PS, configuration, dropped, flashtalking, order, podsights, settled};
use support::{Collector, Flashtalking, Gateway, LIMIT, Options, Podsights, wait_until};

/// Where the plugin configuration is in the filter's file.
const CONFIGURATION: &str = "/resources/0/typed_config/config/configuration";

/// Podsights with another key, by which callouts of another configuration are told apart.
fn podsights_with(key: &str) -> Value {
    let mut integration = podsights();
    integration["config"]["key"] = json!(key);
    integration
}

fn start(integrations: &[Value], delivery: Value) -> Gateway {
    Gateway::start(Options::new().configuration(configuration(integrations, delivery)))
}

/// The configuration as JSON text, not as a Struct: Envoy tells configurations apart by their bytes, and a Struct's are
/// hardly ever the same twice.
fn as_text(configuration: &Value) -> Value {
    json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": configuration.to_string()})
}

fn start_with_text(configuration: &Value) -> Gateway {
    let text = as_text(configuration);
    Gateway::start(Options::new().edit_filter(|file| *file.pointer_mut(CONFIGURATION).unwrap() = text))
}

fn change_to_text(gateway: &Gateway, configuration: &Value) {
    let text = as_text(configuration);
    assert!(gateway.change_filter_file(|file| *file.pointer_mut(CONFIGURATION).unwrap() = text));
}

fn matched(gateway: &Gateway, name: &str, count: u64) {
    assert!(wait_until(LIMIT, || Books::of(gateway, name).matched == count));
}

#[test]
fn what_is_queued_goes_out_with_the_newest_key_ids_and_cluster_and_the_fields_of_its_own_time() {
    let mut nowhere = podsights_with("old key");
    nowhere["config"]["cluster"] = json!("nowhere");
    let delivery = json!({"backoff": {"base": "1ms", "max": "1m"}});
    let gateway = start(&[flashtalking(), nowhere], delivery);
    gateway.behave(Flashtalking, json!({"status": 503, "headers": {"retry-after": "60"}, "times": 1}));
    for id in 0..3 {
        gateway.send(order(id));
    }
    matched(&gateway, FT, 3);
    matched(&gateway, PS, 3);

    let mut changed = flashtalking();
    changed["config"]["spotlight_id"] = json!(77);
    let mut mended = podsights_with("new key");
    let elsewhere = json!({"source": "properties.revenue", "target": "discount_code", "transform": "string"});
    mended["field_mappings"] =
        json!({"version": 2, "events": {"Order Completed": {"mappings": [elsewhere]}}});
    let delivery = json!({"backoff": {"base": "10ms", "max": "50ms"}});
    assert!(gateway.reconfigure(configuration(&[changed, mended], delivery)));

    assert_eq!(settled(&gateway, PS, 3).delivered, 3, "the mended cluster is tried at once");
    assert_eq!(settled(&gateway, FT, 3).delivered, 3, "no wait outlives a shorter backoff.max");
    for request in gateway.requests(Podsights) {
        let body = request.json();
        assert_eq!((&body["key"], &body["discount_code"]), (&json!("new key"), &Value::Null), "{body}");
    }
    let last = gateway.requests(Flashtalking).pop().unwrap();
    assert!(last.path.starts_with("/container/1;77;3;num/"), "{}", last.path);
    gateway.send(order("later"));
    settled(&gateway, PS, 4);
    assert_eq!(gateway.requests(Podsights)[3].json()["discount_code"], "129.99");
}

#[test]
fn deliveries_of_a_removed_or_disabled_integration_are_dropped_as_removed() {
    let gateway = start(&[flashtalking(), podsights()], json!({"max_attempts": 1000}));
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({"status": 503}));
    }
    for id in 0..3 {
        gateway.send(order(id));
    }
    matched(&gateway, FT, 3);
    matched(&gateway, PS, 3);

    let mut disabled = podsights();
    disabled["enabled"] = json!(false);
    let mut other = flashtalking();
    other["name"] = json!("another");
    assert!(gateway.reconfigure(configuration(&[other, disabled], json!({}))));

    for name in [FT, PS] {
        assert_eq!(settled(&gateway, name, 3).delivered, 0);
        assert_eq!(dropped(&gateway, name, "removed"), 3);
    }
}

#[test]
fn two_files_alternating_faster_than_the_vendor_answers_lose_nothing() {
    let delivery = json!({"timeout": "1s", "max_attempts": 10});
    let file = |key: &str| configuration(&[podsights_with(key)], delivery.clone());
    let gateway = start_with_text(&file("A"));
    gateway.behave(Podsights, json!({"delay_ms": 800}));
    let mut sent = 0;
    for key in ["B", "A", "B", "A", "B"] {
        for _ in 0..4 {
            gateway.send(order(sent));
            sent += 1;
        }
        gateway.wait_for(Podsights, sent); // all are with the vendor, which hasn't answered, when the file changes
        change_to_text(&gateway, &file(key));
    }
    gateway.behave(Podsights, json!({}));

    let books = settled(&gateway, PS, sent as u64);

    assert_eq!((books.delivered, books.dropped), (sent as u64, 0));
    assert_eq!(gateway.tally(Podsights)["orders"]["distinct"], sent);
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn a_configuration_that_comes_back_while_a_stream_still_uses_it_is_in_force_again() {
    let file = |key: &str| configuration(&[podsights_with(key)], json!({}));
    let gateway = start_with_text(&file("A"));
    let change_to = |key: &str| change_to_text(&gateway, &file(key));
    // Envoy keeps A's root for this upload, and takes it again later without telling the filter.
    let mut upload = gateway.connect();
    let (unfinished, rest) = (order("slow").bytes(), 20);
    upload.write(&unfinished[..unfinished.len() - rest]);
    gateway.wait_for(Collector, 0);
    let key_of = |id: String| {
        gateway.send(order(&id));
        let mut key = None;
        wait_until(LIMIT, || {
            let bodies = gateway.requests(Podsights).into_iter().map(|request| request.json());
            key = bodies.into_iter().find(|body| body["order_id"] == id).map(|body| body["key"].clone());
            key.is_some()
        });
        key.unwrap()
    };
    assert_eq!(key_of("under A".into()), "A");
    change_to("B");
    assert_eq!(key_of("under B".into()), "B");

    change_to("A");

    let mut tries = 0;
    let back = wait_until(LIMIT, || {
        tries += 1;
        key_of(format!("under A again, {tries}")) == "A"
    });
    assert!(back, "the configuration that Envoy dropped is still in force");
    upload.write(&unfinished[unfinished.len() - rest..]);
    assert_eq!(upload.read().status, 200);
    assert_eq!(settled(&gateway, PS, 3 + tries).delivered, 3 + tries);
}

#[test]
fn a_refused_configuration_at_the_start_harms_no_request_and_a_good_one_later_is_taken() {
    let mut wrong = podsights();
    wrong["config"]["kay"] = json!("a typo");
    let gateway = Gateway::start(Options::new().configuration(configuration(&[wrong], json!({}))));

    for target in ["/v1/t", "/v1/batch", "/some/page"] {
        assert_eq!(gateway.post(target, "{}").status, 200, "{target}");
    }
    let error = gateway.wait_for_log("configuration refused");
    assert!(error.contains("integrations[0].config"), "{error}");
    assert!(gateway.reconfigure(configuration(&[podsights()], json!({}))));
    gateway.send(order(1));
    assert_eq!(settled(&gateway, PS, 1).delivered, 1);
}

#[test]
fn a_gateway_that_was_killed_comes_back_on_its_port_with_the_newest_file_and_without_what_it_held() {
    let file = |key: &str| configuration(&[podsights_with(key)], json!({}));
    let mut gateway = Gateway::start(Options::new().fixed_port().configuration(file("before")));
    let address = gateway.address();
    gateway.behave(Podsights, json!({"status": 503}));
    gateway.send(order("held"));
    gateway.wait_for(Podsights, 1);
    assert!(gateway.reconfigure(file("after")));

    gateway.kill();
    assert!(std::net::TcpStream::connect(address).is_err(), "it still listens");
    gateway.behave(Podsights, json!({}));
    gateway.forget_requests();
    gateway.restart();

    assert_eq!(gateway.address(), address);
    gateway.send(order("new"));
    assert_eq!(settled(&gateway, PS, 1).delivered, 1, "its counters begin anew");
    let bodies: Vec<Value> = gateway.requests(Podsights).iter().map(|request| request.json()).collect();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!((&bodies[0]["key"], &bodies[0]["order_id"]), (&json!("after"), &json!("new")));
}
