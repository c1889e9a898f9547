//! Each kind of attempt that is repeated.

use serde_json::{Value, json};

use crate::kit::{check_all, echo, file, options, purchase, record, records, visit};
use crate::support::orders::{FT, PS, callouts};
use crate::support::{Flashtalking, Gateway, LIMIT, Podsights, wait_until};

/// A kind of failure: how Podsights behaves once, and what the record says of that attempt.
struct Failure {
    name: &'static str,
    behaviour: Value,
    status: Value,
    retry_after: Option<u64>,
}

fn failure(name: &'static str, behaviour: Value, status: Value, retry_after: Option<u64>) -> Failure {
    Failure { name, behaviour, status, retry_after }
}

fn failures() -> Vec<Failure> {
    vec![
        failure("503", json!({"status": 503, "times": 1, "body": echo()}), json!(503), None),
        failure(
            "429",
            json!({"status": 429, "times": 1, "headers": {"retry-after": "1"}}),
            json!(429),
            Some(1),
        ),
        failure("timeout", json!({"delay_ms": 3000, "times": 1}), json!("timeout"), None),
        failure("reset", json!({"reset": "before_headers", "times": 1}), json!("transport"), None),
        failure("cut-short", json!({"reset": "mid_response", "times": 1}), json!("unusable"), None),
        failure("too-large", json!({"body_bytes": 2_000_000, "times": 1}), json!("unusable"), None),
    ]
}

fn statuses(record: &Value) -> Vec<Value> {
    record["attempts"].as_array().unwrap().iter().map(|attempt| attempt["status"].clone()).collect()
}

#[test]
fn each_attempt_that_is_repeated_has_a_record_and_the_end_tells_of_both() {
    let gateway =
        Gateway::start(options(file(json!({"max_attempts": 8, "backoff": {"base": "10ms", "max": "2s"}}))));
    for Failure { name, behaviour, status, retry_after } in failures() {
        gateway.behave(Podsights, behaviour);
        assert_eq!(gateway.send(visit(&purchase(name))).status, 200);
        let ended = record(&gateway, &format!("order={name}&integration={PS}&what=ended"));
        assert_eq!(
            (&ended["outcome"], &ended["explanation"]),
            (&json!("delivered"), &json!("the vendor accepted it"))
        );
        assert_eq!(statuses(&ended), [status.clone(), json!(200)], "{name}");
        let attempt = record(&gateway, &format!("order={name}&integration={PS}&what=attempt"));
        assert_eq!(attempt["explanation"], "the attempt failed, and is to be repeated");
        assert_eq!((statuses(&attempt), attempt.get("outcome")), (vec![status], None), "{name}");
        assert_eq!(attempt["attempts"][0]["retry_after"].as_u64(), retry_after, "{name}");
        assert_eq!(attempt["request"]["body"]["order_id"], name, "{name}");
    }
    check_all(&gateway);
}

#[test]
fn a_connection_that_is_refused_is_told_as_transport_and_a_callout_that_envoy_does_not_send_is_no_attempt() {
    let mut file = file(json!({"max_attempts": 2, "timeout": "30s"}));
    file["integrations"][0]["consent_categories"] = json!([]);
    let gateway = Gateway::start(options(file).edit_envoy(|envoy| {
        let clusters = envoy["static_resources"]["clusters"].as_array_mut().unwrap();
        let flashtalking = clusters.iter_mut().find(|cluster| cluster["name"] == "flashtalking").unwrap();
        flashtalking["circuit_breakers"] = json!({"thresholds": [{"max_requests": 1}]});
    }));
    gateway.behave(Podsights, json!({"refuse": true}));
    gateway.behave(Flashtalking, json!({"hold": true}));
    for order in ["refused", "broken"] {
        assert_eq!(gateway.send(visit(&purchase(order))).status, 200);
        gateway.wait_for(Flashtalking, 1); // the second one finds the breaker open
    }
    let attempts = records(&gateway, &format!("order=refused&integration={PS}&what=attempt"), 3);
    assert!(attempts.iter().all(|record| statuses(record).iter().all(|status| status == "transport")));
    assert!(wait_until(LIMIT, || callouts(&gateway, FT, "refused") > 0));

    gateway.behave(Podsights, json!({}));
    gateway.behave(Flashtalking, json!({}));
    let delivered = record(&gateway, &format!("order=refused&integration={PS}&outcome=delivered"));
    // More than max_attempts, since none of them reached the vendor.
    assert!(
        statuses(&delivered).len() > 2 && statuses(&delivered).last() == Some(&json!(200)),
        "{delivered}"
    );
    for order in ["refused", "broken"] {
        let delivered = record(&gateway, &format!("order={order}&integration={FT}&outcome=delivered"));
        assert_eq!(statuses(&delivered), [200], "{order}");
    }
    check_all(&gateway);
}
