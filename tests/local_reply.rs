//! `reply: local`: the filter answers tracking requests itself, where no collector stands behind the gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::{Collector, Gateway, Options, Podsights, Request};

const REQUESTS_IGNORED: &str = "conversion_relay_requests_ignored_total";

fn configuration(mut more: Value) -> Value {
    more["endpoints"] = json!({"reply": "local", "max_body_bytes": 50_000});
    more["integrations"] =
        json!([{"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}}]);
    more
}

fn gateway(more: Value) -> Gateway {
    Gateway::start(Options::new().configuration(configuration(more)))
}

fn purchase(order: usize) -> String {
    json!({"event": "Order Completed", "properties": {"order_id": format!("L-{order}")}}).to_string()
}

#[test]
fn a_hundred_requests_over_one_connection_are_each_answered_and_relayed_and_none_reaches_a_collector() {
    let gateway = gateway(json!({}));
    let mut connection = gateway.connect();
    for order in 0..100 {
        let answer = connection.send(&Request::post("/v1/t", purchase(order)));
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"success":true}"#), "{order}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let answer = connection.send(&Request::new("POST", "/v1/t").chunks(purchase(100).split_inclusive(',')));
    assert_eq!(answer.status, 200);
    gateway.wait_for(Podsights, 101);
    assert_eq!(gateway.requests(Collector).len(), 0);
    assert_eq!(gateway.get("/some/page").status, 200);
    assert_eq!(gateway.requests(Collector).len(), 1, "what is no tracking request passes");
}

#[test]
fn each_kind_of_bad_request_has_its_status_and_its_error() {
    let gateway = gateway(json!({"sources": [{"id": "web", "keys": ["k_web"]}]}));
    let batch = |key: &str| {
        json!({"batch": [{"event": "Order Completed", "writeKey": key}, {"event": "x"}]}).to_string()
    };
    let table = [
        (Request::post("/v1/t?wk=k_web", "{"), 400, "INVALID_PAYLOAD"),
        (Request::post("/v1/t?wk=k_web", ""), 400, "INVALID_PAYLOAD"),
        (Request::post("/v1/batch?wk=k_web", r#"{"batch":1}"#), 400, "INVALID_PAYLOAD"),
        (Request::post("/v1/t?wk=k_web", "x").header("content-encoding", "br"), 400, "INVALID_PAYLOAD"),
        (Request::post("/v1/t", purchase(1)), 401, "INVALID_PIPELINE_KEY"),
        (Request::post("/v1/t?wk=wrong", purchase(1)), 401, "INVALID_PIPELINE_KEY"),
        (Request::post("/v1/batch", batch("wrong")), 401, "INVALID_PIPELINE_KEY"),
        (Request::post("/v1/events?wk=k_web", purchase(1)), 401, "INVALID_PIPELINE_KEY"),
        (Request::post("/v1/t?wk=k_web", "x".repeat(60_000)), 413, "PAYLOAD_TOO_LARGE"),
    ];
    for (request, status, code) in table {
        let answer = gateway.send(request); // Envoy closes an HTTP/1 connection after a 400 of anybody's
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (status, Some(code)));
    }
    assert_eq!(gateway.post("/v1/batch", batch("k_web")).status, 200, "one good key is enough");
    let pixel = gateway.send(Request::get("/v1/pixel/track?wk=wrong&e=x"));
    assert_eq!((pixel.status, pixel.header("content-type")), (200, Some("image/gif")));
    assert_eq!(pixel.header("cache-control"), Some("no-store, no-cache, must-revalidate"));
}

#[test]
fn a_full_worker_answers_429_with_retry_after() {
    let mut more = configuration(json!({}));
    more["delivery"] = json!({"queue": {"max_deliveries": 1}});
    let gateway = Gateway::start(Options::new().configuration(more));
    gateway.behave(Podsights, json!({"hold": true}));
    assert_eq!(gateway.post("/v1/t", purchase(1)).status, 200);
    gateway.wait_for(Podsights, 1);
    let answer = gateway.post("/v1/t", purchase(2));
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").unwrap().parse::<u32>().is_ok());
    gateway.wait_for_counter(REQUESTS_IGNORED, &[("reason", "overloaded")], 1);
    gateway.behave(Podsights, json!({}));
}

/// The shipped envoy.yaml with its second, commented route at work.
fn with_the_commented_route(envoy: &mut Value) {
    let read = |name: &str| std::fs::read_to_string(support::root().join(name)).unwrap();
    let shipped: Value = serde_saphyr::from_str(&read("envoy.yaml").replace("#| ", "")).unwrap();
    let listener = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
    let routes = format!("{listener}/route_config/virtual_hosts/0/routes");
    let filters = format!("{listener}/http_filters");
    let named = |list: &str, name: &str| {
        let list = shipped.pointer(list).unwrap().as_array().unwrap();
        list.iter().find(|entry| entry["name"] == name || entry["match"]["prefix"] == name).unwrap().clone()
    };
    let mut local = named(&filters, "conversion-relay-local");

    let copy = read("conversion-relay.yaml")
        .replace("name: conversion-relay ", "name: conversion-relay-local ")
        .replace("vm_id: conversion-relay", "vm_id: conversion-relay-local")
        .replace(
            "/etc/envoy/conversion-relay.wasm",
            support::root().join("dist/conversion-relay.wasm").to_str().unwrap(),
        );
    let mut copy: Value = serde_saphyr::from_str(&copy).unwrap();
    let value = copy.pointer_mut("/resources/0/typed_config/config/configuration/value").unwrap();
    value["endpoints"] = json!({"base_path": "/collect", "reply": "local"});
    let file = std::env::temp_dir().join(format!("conversion-relay-local-{}.yaml", std::process::id()));
    std::fs::write(&file, support::yaml(&copy)).unwrap();
    local["config_discovery"]["config_source"]["path_config_source"]["path"] = json!(file);

    let clusters = "/static_resources/clusters";
    let list = envoy.pointer_mut(clusters).unwrap().as_array_mut().unwrap();
    list.push(named(clusters, "nowhere"));
    let list = envoy.pointer_mut(&routes).unwrap().as_array_mut().unwrap();
    list.insert(0, named(&routes, "/collect/"));
    let list = envoy.pointer_mut(&filters).unwrap().as_array_mut().unwrap();
    list.insert(0, named(&filters, "envoy.filters.http.cors"));
    list.insert(1, local);
}

#[test]
fn the_example_gateways_commented_route_answers_a_browsers_preflight_and_then_its_event() {
    let gateway = Gateway::start(Options::new().edit_envoy(with_the_commented_route));
    let origin = "https://shop.example.com";
    let preflight = Request::new("OPTIONS", "/collect/v1/t")
        .header("origin", origin)
        .header("access-control-request-method", "POST");
    let answer = gateway.send(preflight);
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(origin)));

    let event = json!({"event": "Order Completed", "properties": {"order_id": "C1"},
        "context": {"consent": {"marketing": true}}});
    let answer = gateway.send(Request::post("/collect/v1/t", event.to_string()).header("origin", origin));
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"success":true}"#));
    assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    assert_eq!(gateway.wait_for(Podsights, 1)[0].json()["order_id"], "C1");
    assert_eq!(gateway.get("/collect/other").status, 503);
    assert_eq!(gateway.requests(Collector).len(), 0);
}

#[test]
fn without_the_flag_a_post_is_answered_500_after_five_seconds_and_the_log_names_it() {
    let options = Options::new().configuration(configuration(json!({}))).edit_filter(|filter| {
        let config = filter.pointer_mut("/resources/0/typed_config/config").unwrap();
        config["allow_on_headers_stop_iteration"] = json!(false);
    });
    let gateway = Gateway::start(options);
    let mut connection = gateway.connect();
    connection.write(Request::post("/v1/t", purchase(1)).bytes());
    connection.set_read_timeout(std::time::Duration::from_secs(8));
    assert_eq!(connection.read().status, 500);
    gateway.wait_for_log("allow_on_headers_stop_iteration");
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn a_connection_stays_open_after_answers_to_requests_without_a_body() {
    let gateway = gateway(json!({}));
    let mut connection = gateway.connect();
    for order in 0..3 {
        let pixel =
            connection.send(&Request::get(&format!("/v1/pixel/track?e=Order+Completed&p.order_id=P{order}")));
        assert_eq!((pixel.status, pixel.header("connection")), (200, None));
    }
    gateway.wait_for(Podsights, 3);
}
