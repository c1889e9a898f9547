//! Streams that end in odd ways: slow clients, clients that leave, and answers that the collector did not make.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Gateway, Options, Podsights, Request, wait_until_every};

/// What the filter waits for a body before it looks whether Envoy holds it back, and some time more.
const PAST_BODY_TIMEOUT: Duration = Duration::from_millis(6_500);

fn configuration(endpoints: Value) -> Value {
    json!({
        "endpoints": endpoints,
        "integrations": [{"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}}]
    })
}

/// A gateway whose filter answers by itself.
fn local() -> Options {
    Options::new().configuration(configuration(json!({"reply": "local"})))
}

/// A purchase without a messageId, which is therefore no `duplicate` if it comes again, and without an order id.
fn purchase() -> String {
    json!({"event": "Order Completed", "properties": {"revenue": 5}}).to_string()
}

#[test]
fn a_local_reply_waits_for_a_client_that_is_slow_to_send_its_body() {
    let gateway = Gateway::start(local());
    let request = Request::post("/v1/t", purchase());
    let mut slow = gateway.connect();
    slow.write(request.head());
    slow.set_read_timeout(PAST_BODY_TIMEOUT);
    let nothing = slow.try_read().map(|answer| answer.status);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock, "the client is not answered yet");

    slow.write(purchase());

    assert_eq!(slow.read().status, 200);
    gateway.wait_for(Podsights, 1);
    assert!(!gateway.envoy_log().contains("allow_on_headers_stop_iteration"));
}

#[test]
fn without_the_flag_a_slow_post_is_answered_500_once_something_of_its_body_has_come() {
    let gateway = Gateway::start(local().edit_filter(|filter| {
        let config = filter.pointer_mut("/resources/0/typed_config/config").unwrap();
        config["allow_on_headers_stop_iteration"] = json!(false);
    }));
    let mut slow = gateway.connect();
    slow.write(Request::post("/v1/t", purchase()).head());
    slow.set_read_timeout(PAST_BODY_TIMEOUT);
    let nothing = slow.try_read().map(|answer| answer.status);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock, "nothing can be known yet");

    slow.write("{");

    assert_eq!(slow.read().status, 500);
    gateway.wait_for_log("allow_on_headers_stop_iteration");
}

/// Adds a second filter to the gateway, whose name, VM and module are those of the first. It runs on the route `/other/`, with this
/// configuration.
fn add_a_namesake(envoy: &mut Value, configuration: &Value) {
    const MANAGER: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config";
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
    let site = |base_path: &str, key: &str| {
        let mut configuration = configuration(json!({"base_path": base_path}));
        configuration["integrations"][0]["config"]["key"] = json!(key);
        configuration
    };
    let other = site("/other", "key of the other");
    let options = Options::new().configuration(site("", "key of the first"));
    let gateway = Gateway::start(options.edit_envoy(move |envoy| add_a_namesake(envoy, &other)));
    let order = |id: String| json!({"event": "Order Completed", "properties": {"order_id": id}}).to_string();
    let mut sent = 0;
    let mut send = || {
        sent += 1;
        assert_eq!(gateway.post("/v1/t", order(format!("first {sent}"))).status, 200);
        assert_eq!(gateway.post("/other/v1/t", order(format!("other {sent}"))).status, 200);
        sent
    };
    (0..4).for_each(|_| _ = send());

    for callout in gateway.wait_for(Podsights, 8) {
        let (id, key) = (callout.json()["order_id"].clone(), callout.json()["key"].clone());
        let site = id.as_str().unwrap().split(' ').next().unwrap();
        assert_eq!(key, format!("key of the {site}"), "{id}");
    }

    let said = wait_until_every(Duration::from_millis(250), Duration::from_secs(15), || {
        send();
        gateway.counter("conversion_relay_notes_total", &[("kind", "shared_name")]) > 0
    });
    assert!(said, "two filters that share a name are not counted");
    gateway.wait_for_log("\"conversion-relay\": another filter has the same name and vm_id");
    gateway.wait_for(Podsights, 2 * send());
    assert_eq!(gateway.counter("conversion_relay_requests_ignored_total", &[]), 0);
}
