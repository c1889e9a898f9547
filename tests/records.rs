//! Records in the real Envoy: what became of each event, at a receiver of records and in Envoy's log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "records/drops.rs"]
mod drops;
#[path = "records/ignored.rs"]
mod ignored;
#[path = "records/kit.rs"]
mod kit;
#[path = "records/receivers.rs"]
mod receivers;
#[path = "records/retries.rs"]
mod retries;
mod support;

use serde_json::{Value, json};
use support::orders::{FT, PS, configuration, flashtalking, order, podsights, settled};
use support::{Gateway, LIMIT, Options, Podsights, Request, Webhook, wait_until};

const NOTES: &str = "conversion_relay_notes_total";

fn file(records: Value) -> Value {
    let mut file = configuration(&[flashtalking(), podsights()], json!({"max_attempts": 2}));
    file["records"] = records;
    file
}

fn start(records: Value) -> Gateway {
    let options = Options::new().configuration(file(records)).with_webhook();
    Gateway::start(options.arguments(&["--service-node", "gateway-1"]))
}

fn to_cluster() -> Gateway {
    start(
        json!({"cluster": "webhook", "authority": "console.internal", "headers": {"authorization": "Bearer t0ken"}}),
    )
}

/// The records that the receiver has got.
fn received(gateway: &Gateway) -> Vec<Value> {
    let requests = gateway.requests(Webhook);
    let bodies: Vec<String> = requests.iter().map(|request| request.text()).collect();
    bodies.iter().flat_map(|body| body.lines()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn wait_for_records(gateway: &Gateway, count: usize) -> Vec<Value> {
    let mut records = Vec::new();
    let there = wait_until(LIMIT, || {
        records = received(gateway);
        records.len() >= count
    });
    assert!(there, "expected {count} records, got {records:#?}");
    records
}

#[test]
fn each_delivery_has_a_record_at_its_end_with_its_time_its_gateway_and_the_masked_request() {
    let gateway = to_cluster();
    assert_eq!(gateway.send(order(1)).status, 200);
    let records = wait_for_records(&gateway, 2);
    let request = &gateway.requests(Webhook)[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/records"));
    assert_eq!(
        (request.header("content-type"), request.header("host")),
        (Some("application/x-ndjson"), Some("console.internal"))
    );
    assert_eq!(request.header("authorization"), Some("Bearer t0ken"));
    let of = |integration: &str| records.iter().find(|record| record["integration"] == integration).unwrap();
    for integration in [FT, PS] {
        let record = of(integration);
        assert_eq!((&record["what"], &record["outcome"]), (&json!("ended"), &json!("delivered")));
        assert_eq!(
            (&record["event"]["order_id"], &record["attempts"][0]["status"]),
            (&json!("1"), &json!(200))
        );
        assert!(
            record["time"].as_str().unwrap().ends_with('Z') && record["gateway"] == "gateway-1",
            "{record}"
        );
        assert_eq!(record["plugin"], "conversion-relay");
    }
    assert_eq!(of(PS)["request"]["body"]["key"], "<text, 19 characters>");
    assert!(of(FT)["request"]["path"].as_str().unwrap().contains("ftXRef=1&ftXValue=129.99"));
}

#[test]
fn a_failed_attempt_has_a_record_with_what_the_vendor_said() {
    let gateway = to_cluster();
    gateway.behave(Podsights, json!({"status": 503, "times": 1, "headers": {"retry-after": "1"}, "body": "busy, ps_pixel_key_abc123"}));
    assert_eq!(gateway.send(order(1)).status, 200);
    let records = wait_for_records(&gateway, 3);
    let attempt = records.iter().find(|record| record["what"] == "attempt").unwrap();
    let first = &attempt["attempts"][0];
    assert_eq!((&first["status"], &first["retry_after"]), (&json!(503), &json!(1)));
    let ended =
        records.iter().find(|record| record["integration"] == PS && record["what"] == "ended").unwrap();
    let statuses: Vec<_> =
        ended["attempts"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert_eq!(statuses, [json!(503), json!(200)]);
    assert!(!format!("{records:?}").contains("ps_pixel_key_abc123"));
}

#[test]
fn an_event_that_nobody_wants_and_a_request_that_cannot_be_read_have_one_too() {
    let gateway = to_cluster();
    gateway.post("/v1/t", r#"{"event":"Nobody Wants This","messageId":"m-9"}"#);
    gateway.post("/v1/batch", "{");
    let records = wait_for_records(&gateway, 2);
    let reasons: Vec<_> =
        records.iter().map(|record| (record["what"].clone(), record["reason"].clone())).collect();
    assert!(reasons.contains(&(json!("ignored"), json!("unmapped"))), "{records:?}");
    assert!(reasons.contains(&(json!("ignored"), json!("malformed"))), "{records:?}");
}

#[test]
fn a_receiver_that_is_down_costs_no_delivery_and_what_does_not_fit_is_counted() {
    let gateway = start(json!({"cluster": "webhook", "queue": 4}));
    gateway.behave(Webhook, json!({"status": 503}));
    for id in 1..=10 {
        assert_eq!(gateway.send(order(id)).status, 200);
    }
    let books = settled(&gateway, PS, 10);
    assert_eq!(books.delivered, 10);
    assert!(wait_until(LIMIT, || gateway.counter(NOTES, &[("kind", "record_dropped")]) == 16));
    gateway.forget_requests();
    gateway.behave(Webhook, json!({}));
    // The four that were kept come once the receiver takes them.
    let records = wait_for_records(&gateway, 4);
    let kept: Vec<_> = records.iter().map(|record| record["event"]["order_id"].clone()).collect();
    assert!(kept.contains(&json!("1")) && !kept.contains(&json!("10")), "{kept:?}");
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn in_the_log_they_are_there_as_long_as_its_level_is_debug() {
    let mut options = Options::new().configuration(file(json!({"log": true})));
    options = options.filter_log_level("info");
    let gateway = Gateway::start(options);
    assert_eq!(gateway.send(order(1)).status, 200);
    settled(&gateway, PS, 1);
    assert!(!gateway.envoy_log().contains("record {"));
    gateway.admin_post("/logging?wasm=debug");
    let seen = wait_until(LIMIT, || {
        let id = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        gateway.send(order(id));
        gateway.envoy_log().contains("record {")
    });
    assert!(seen, "{}", gateway.envoy_log());
    let log = gateway.envoy_log();
    let (_, line) = log.lines().find_map(|line| line.split_once("record ")).unwrap();
    let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    assert_eq!(record["version"], 1);
}

#[test]
fn of_losses_alone_nothing_else_is_recorded() {
    let gateway = start(json!({"cluster": "webhook", "what": "losses"}));
    gateway.behave(Podsights, json!({"status": 400}));
    assert_eq!(gateway.send(order(1)).status, 200);
    assert_eq!(gateway.send(Request::post("/v1/t", r#"{"event":"Nobody Wants This"}"#)).status, 200);
    settled(&gateway, PS, 1);
    let records = wait_for_records(&gateway, 1);
    let told: Vec<_> =
        records.iter().map(|record| (record["integration"].clone(), record["what"].clone())).collect();
    assert_eq!(told, [(json!(PS), json!("ended"))]);
}
