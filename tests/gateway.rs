//! What the gateway does to the requests that pass through it, whatever the filter makes of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::{Collector, Flashtalking, Gateway, Options, Podsights, Request};

const ROUTES: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";

#[test]
fn the_collector_receives_the_request_as_it_was_sent_and_the_client_gets_the_collectors_answer() {
    let gateway = Gateway::start(Options::new());
    let answer = json!({"status": 202, "headers": {"x-collector": "yes"}, "body": "accepted"});
    gateway.behave(Collector, answer);
    let body = b"{\"event\":\"Order Completed\",\"note\":\"\xff\xfe\0\r\n\"}";
    let target = "/v1/t?writeKey=dk&data={%22a%22:1}&x=%2F;'|[]";
    let sent =
        [("cookie", "a=1; b=2"), ("user-agent", "Mozilla/5.0 (X11)"), ("authorization", "Bearer dk_live")];

    let mut request = Request::post(target, body).header("x-bytes", b"\xff\xfe");
    for (name, value) in sent {
        request = request.header(name, value);
    }
    let response = gateway.send(request);

    assert_eq!((response.status, response.text().as_str()), (202, "accepted"));
    assert_eq!(response.header("x-collector"), Some("yes"));
    let received = &gateway.wait_for(Collector, 1)[0];
    assert_eq!((received.method.as_str(), received.path.as_str()), ("POST", target));
    assert_eq!(received.body, body);
    for (name, value) in sent {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
    assert!(
        received.head.windows(13).any(|bytes| bytes == b"x-bytes: \xff\xfe\r\n"),
        "non-UTF-8 bytes survive"
    );
    assert_eq!(received.header("host"), Some("gateway.test"));
}

#[test]
fn a_chunked_body_arrives_whole_and_unchanged() {
    let gateway = Gateway::start(Options::new());
    let chunks = ["{\"event\":", "\"", "Order Completed\"}"];

    let response = gateway.send(Request::new("POST", "/v1/track").chunks(chunks));

    assert_eq!((response.status, response.text().as_str()), (200, r#"{"success":true}"#));
    assert_eq!(gateway.wait_for(Collector, 1)[0].text(), chunks.concat());
}

#[test]
fn a_gateway_whose_filter_configuration_is_nonsense_still_serves_every_route() {
    for nonsense in ["{]", "resources: [{name: conversion-relay, typed_config: 1}]"] {
        let gateway = Gateway::start(Options::new().filter_file(nonsense));
        for target in ["/v1/t", "/beacon/v1/batch", "/some/page"] {
            assert_eq!(gateway.post(target, "{}").status, 200, "{target} with {nonsense}");
        }
        let good = json!({"name": "P", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}});
        assert!(gateway.reconfigure(json!({"integrations": [good]})), "a later good one is taken");
    }
}

/// A route that leads straight to a vendor's cluster, which otherwise only the filter uses.
fn route_to(cluster: &'static str, authority: &'static str) -> impl FnOnce(&mut Value) {
    move |envoy| {
        let route = json!({
            "match": {"prefix": format!("/{cluster}/")},
            "route": {"cluster": cluster, "host_rewrite_literal": authority},
        });
        envoy.pointer_mut(ROUTES).unwrap().as_array_mut().unwrap().insert(0, route);
    }
}

#[test]
fn each_vendor_cluster_asks_for_its_vendor_by_name_over_http2_and_sends_no_headers_of_envoys() {
    let vendors = [
        (Flashtalking, "flashtalking", "servedby.flashtalking.com"),
        (Podsights, "podsights", "collector.podsights.com"),
    ];
    let options = vendors.iter().fold(Options::new(), |options, (_, cluster, authority)| {
        options.edit_envoy(route_to(cluster, authority))
    });
    let gateway = Gateway::start(options);
    for (vendor, cluster, authority) in vendors {
        let response = gateway.get(&format!("/{cluster}/"));
        assert_eq!(response.status, 200, "{}", response.text());
        let received = &gateway.requests(vendor)[0];
        assert_eq!((received.version.as_str(), received.sni.as_deref()), ("HTTP/2", Some(authority)));
        let ours = received.header_names().into_iter().find(|name| name.starts_with("x-envoy-"));
        assert_eq!(ours, None);
    }
}

#[test]
fn a_server_that_cannot_prove_to_be_the_vendor_gets_nothing() {
    let options =
        Options::new().edit_envoy(route_to("podsights", "collector.podsights.com")).edit_envoy(|envoy| {
            let clusters = envoy["static_resources"]["clusters"].as_array_mut().unwrap();
            let podsights = clusters.iter_mut().find(|cluster| cluster["name"] == "podsights").unwrap();
            // The answer is then the other vendor's certificate, good in all but the name.
            podsights["transport_socket"]["typed_config"]["sni"] = json!("servedby.flashtalking.com");
        });
    let gateway = Gateway::start(options);
    assert_eq!(gateway.get("/podsights/").status, 503);
    assert!(gateway.stat("cluster.podsights.ssl.fail_verify_san").is_some_and(|refused| refused > 0));
    assert!(gateway.requests(Flashtalking).is_empty() && gateway.requests(Podsights).is_empty());
}
