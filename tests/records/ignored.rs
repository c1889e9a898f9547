//! Each kind of event and request that no integration is offered, and deliveries that end without a vendor.

use std::time::{SystemTime, UNIX_EPOCH};

use conversion_relay::accounting::{EventIgnored, RequestIgnored};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::kit::{check_all, file, options, purchase, record, records, visit};
use crate::support::orders::{FT, PS};
use crate::support::{Collector, Gateway, Podsights, Request};

const ROUTES: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes";
/// A path of tracking requests that Envoy answers without waiting for a body.
const ANSWERED_EARLY: &str = "/v1/identify";
const SECRET: &str = "a secret of the shop's server";

fn ignored(gateway: &Gateway, reason: &str) -> Value {
    let found = record(gateway, &format!("what=ignored&reason={reason}"));
    let of_delivery = ["integration", "vendor", "outcome", "consent", "request", "attempts"];
    assert!(of_delivery.iter().all(|member| found.get(member).is_none()), "{reason}: {found}");
    found
}

fn explained(gateway: &Gateway, reason: RequestIgnored, explanation: &str) {
    let found = ignored(gateway, reason.label());
    assert_eq!((&found["explanation"], found.get("event")), (&json!(explanation), None));
}

#[test]
fn each_kind_of_request_that_is_not_relayed_has_a_record_that_says_why() {
    let mut file = file(json!({}));
    file["endpoints"] = json!({"max_body_bytes": 50_000, "max_events": 2, "max_captured_bytes": 60_000});
    let gateway = Gateway::start(options(file).edit_envoy(|envoy| {
        let routes = envoy.pointer_mut(ROUTES).unwrap().as_array_mut().unwrap();
        let filters = routes[0]["typed_per_filter_config"].clone();
        let early = json!({"match": {"path": ANSWERED_EARLY}, "direct_response": {"status": 200}, "typed_per_filter_config": filters});
        routes.insert(0, early);
    }));
    let mut stalled = Vec::new(); // to the end, so that nothing of them is aborted
    for reason in RequestIgnored::ALL {
        match reason {
            RequestIgnored::Malformed => {
                gateway.post("/v1/t", "{\"event\":");
                explained(
                    &gateway,
                    *reason,
                    "its body is no event and no batch of events, or its encoding is broken",
                );
            }
            RequestIgnored::TooLarge => {
                gateway.post("/v1/t", "x".repeat(50_001));
                explained(&gateway, *reason, "its body is larger than max_body_bytes");
            }
            RequestIgnored::TooManyEvents => {
                gateway.post("/v1/batch", json!({"batch": [{}, {}, {}]}).to_string());
                explained(&gateway, *reason, "it holds more than max_events");
            }
            RequestIgnored::NotAccepted => {
                gateway.behave(Collector, json!({"status": 401, "times": 1}));
                assert_eq!(gateway.send(visit(&purchase("unaccepted"))).status, 401);
                explained(&gateway, *reason, "the collector did not accept it");
            }
            RequestIgnored::Aborted => {
                let mut leaves = gateway.connect();
                leaves.write(visit(&purchase("aborted")).head());
                leaves.write("{");
                drop(leaves);
                explained(&gateway, *reason, "the client left before the end of it");
            }
            RequestIgnored::Overloaded => {
                // There is room for one of them.
                stalled.extend([gateway.connect(), gateway.connect()]);
                for connection in &mut stalled {
                    connection.write(Request::post("/v1/t", "x".repeat(50_000)).head());
                    connection.write("x".repeat(40_000));
                }
                explained(&gateway, *reason, "the worker has reached a limit of what it holds");
            }
            RequestIgnored::CutOff => {
                let mut answered = gateway.connect();
                answered.write(Request::post(ANSWERED_EARLY, "{}").head());
                assert_eq!(answered.read().status, 200);
                explained(&gateway, *reason, "Envoy ended it before it was complete or answered");
            }
        }
    }
    check_all(&gateway);
}

fn signed(body: &str) -> Request {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("{now}.{body}")).finalize().into_bytes();
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    Request::post("/v1/events", body)
        .header("x-timestamp", now.to_string())
        .header("x-signature", format!("sha256={hex}"))
}

/// A gateway with sources: of a shop, of its server, of its tests, and of a queue that waits for answers.
fn sourced() -> Gateway {
    let mut file = file(json!({"timeout": "5s"}));
    file["endpoints"] = json!({"deliver": {"within": "1s"}});
    file["sources"] = json!([
        {"id": "shop", "keys": ["k_shop"], "signing_secret": "${SHOP_SECRET}"},
        {"id": "tests", "keys": ["k_tests"], "dry_run": true},
        {"id": "queue", "keys": ["k_queue"], "deliver": true},
    ]);
    Gateway::start(options(file).env("SHOP_SECRET", SECRET))
}

#[test]
fn each_kind_of_event_that_no_integration_is_offered_has_a_record_with_its_source_and_the_reason() {
    let gateway = sourced();
    for reason in EventIgnored::ALL {
        let explanation = match reason {
            EventIgnored::Malformed => {
                let batch = json!({"batch": ["no event"], "writeKey": "k_shop"});
                gateway.post("/v1/batch", batch.to_string());
                "it is not a valid event, or was changed after it was sealed"
            }
            EventIgnored::Unauthorized => {
                gateway.send(visit(&purchase("forged")).header("x-write-key", "k_unknown"));
                "it has no write key or signature of a configured source"
            }
            EventIgnored::Replayed => {
                let request = signed(&purchase("signed").to_string());
                gateway.send(request.clone());
                records(&gateway, "order=signed&outcome=delivered", 2);
                gateway.send(request);
                "its request's signature was seen before"
            }
            EventIgnored::Unmapped => {
                let event = json!({"type": "track", "event": "Nobody Wants This", "messageId": "m-unmapped"});
                gateway.send(visit(&event).header("x-write-key", "k_shop"));
                "no integration sends such an event of this source"
            }
        };
        let found = ignored(&gateway, reason.label());
        assert_eq!(found["explanation"], explanation);
        if *reason == EventIgnored::Unmapped {
            let event = json!({"type": "track", "name": "Nobody Wants This", "message_id": "m-unmapped"});
            assert_eq!((&found["event"], &found["source"]), (&event, &json!("shop")));
        }
    }
    check_all(&gateway);
}

#[test]
fn what_is_only_shown_and_what_is_given_back_to_its_sender_has_a_record_too() {
    let gateway = sourced();
    gateway.send(visit(&purchase("shown")).header("x-write-key", "k_tests"));
    for integration in [FT, PS] {
        let found = record(&gateway, &format!("order=shown&outcome=dry_run&integration={integration}"));
        assert_eq!((&found["source"], found.get("attempts")), (&json!("tests"), None));
        assert!(found["request"]["path"].as_str().is_some_and(|path| path.starts_with('/')), "{found}");
        assert_eq!(
            found["explanation"],
            "it was built and not sent, since the integration or its source is a dry run"
        );
    }
    gateway.behave(Podsights, json!({"status": 503}));
    let push = Request::post("/v1/deliver", purchase("pushed").to_string()).header("x-write-key", "k_queue");
    assert_eq!(gateway.send(push).status, 503);
    let found = record(&gateway, &format!("order=pushed&outcome=given_back&integration={PS}"));
    assert_eq!(found["explanation"], "it was not settled in time, so its sender was told to send it again");
    assert_eq!(found["attempts"][0]["status"], 503);
    check_all(&gateway);
}
