//! A conversion's way: from a browser's request to both vendors, and into the books.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use support::{Collector, Flashtalking, Gateway, Options, PODSIGHTS_KEY, Podsights, Request};

const DELIVERIES: &str = "conversion_relay_deliveries_total";
const CALLOUTS: &str = "conversion_relay_callouts_total";
/// sha256("jane.doe@example.com")
const EMAIL_HASH: &str = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d";
const USER_AGENT: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";

/// No two messages are the same: a second one would be a duplicate.
static MESSAGES: AtomicU32 = AtomicU32::new(1);

/// The purchase of the vendors' documentation, as Datafly.js sends it.
fn purchase() -> Value {
    json!({
        "type": "track",
        "event": "Order Completed",
        "anonymousId": "anon_abc123def456",
        "properties":
            {"order_id": "ORD-001", "revenue": 129.99, "currency": "USD", "email": "jane.doe@example.com"},
        "context": {
            "page": {"url": "https://shop.example/thanks?step=3", "path": "/thanks"},
            "consent": {"analytics": true, "marketing": true, "functional": true, "advertising": true}
        },
        "messageId": format!("m-{}", MESSAGES.fetch_add(1, Ordering::Relaxed))
    })
}

/// A gateway behind a proxy that says who the visitor is.
fn gateway() -> Gateway {
    Gateway::start(Options::new().trusted_hops(1))
}

fn from_visitor(event: &Value) -> Request {
    Request::post("/v1/t", event.to_string())
        .header("x-forwarded-for", "203.0.113.50")
        .header("user-agent", USER_AGENT)
        .header("content-type", "text/plain")
}

fn delivered(gateway: &Gateway, vendor: &str, count: u64) {
    gateway.wait_for_counter(DELIVERIES, &[("vendor", vendor), ("outcome", "delivered")], count);
}

/// matched = delivered + dropped + pending, with nothing pending.
fn books_balance(gateway: &Gateway) {
    let sum = |outcome: &str| gateway.counter(DELIVERIES, &[("outcome", outcome)]);
    assert_eq!(sum("matched"), sum("delivered") + sum("dropped") + sum("dry_run"));
}

/// The next good purchase reaches both vendors, and no VM has died meanwhile.
fn goes_on(gateway: &Gateway) {
    let before = [Flashtalking, Podsights].map(|vendor| gateway.requests(vendor).len());
    let mut another = purchase();
    another["properties"]["order_id"] = json!("ORD-OTHER");
    assert_eq!(gateway.send(from_visitor(&another)).status, 200);
    gateway.wait_for(Flashtalking, before[0] + 1);
    gateway.wait_for(Podsights, before[1] + 1);
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn the_documented_purchase_reaches_flashtalking_as_documented() {
    let gateway = gateway();
    let event = purchase();

    let response = gateway.send(from_visitor(&event).header("cookie", "a=b; FTrack=ft-77; _dfid=x"));

    assert_eq!((response.status, response.text().as_str()), (200, r#"{"success":true}"#));
    let callout = &gateway.wait_for(Flashtalking, 1)[0];
    let (before, after) = callout.path.split_once("cachebuster=").unwrap();
    let (digits, rest) = after.split_once('&').unwrap();
    assert_eq!(before, "/container/1234567;987654;5;num/?");
    assert!(digits.len() > 5 && digits.bytes().all(|byte| byte.is_ascii_digit()), "{digits}");
    assert_eq!(rest, "ftXRef=ORD-001&ftXValue=129.99&ftXCurrency=USD");
    assert_eq!((callout.method.as_str(), callout.body.len()), ("GET", 0));
    assert_eq!(callout.header("x-forwarded-for"), Some("203.0.113.50"));
    assert_eq!(callout.header("user-agent"), Some(USER_AGENT));
    assert_eq!(callout.header("cookie"), Some("FTrack=ft-77"));
    let written = format!("{} {:?}", callout.path, callout.headers);
    assert!(
        !written.contains("x-envoy-") && !written.contains("jane") && !written.contains(EMAIL_HASH),
        "{written}"
    );
    delivered(&gateway, "flashtalking", 1);
    books_balance(&gateway);
}

#[test]
fn the_documented_purchase_reaches_podsights_as_documented() {
    let gateway = gateway();

    gateway.send(from_visitor(&purchase()));

    let callout = &gateway.wait_for(Podsights, 1)[0];
    assert_eq!((callout.method.as_str(), callout.path.as_str()), ("POST", "/v1/server"));
    assert_eq!(callout.header("content-type"), Some("application/json"));
    assert!(callout.header_names().iter().all(|name| !name.starts_with("x-envoy-")));
    let expected = json!({
        "key": PODSIGHTS_KEY,
        "event": "purchase",
        "id": "anon_abc123def456",
        "em": EMAIL_HASH,
        "ip": "203.0.113.50",
        "user_agent": USER_AGENT,
        "url": "https://shop.example/thanks?step=3",
        "order_id": "ORD-001",
        "value": 129.99,
        "currency": "USD"
    });
    assert_eq!(callout.json(), expected);
    assert!(callout.text().contains(r#""value":129.99,"#), "{}", callout.text());
    delivered(&gateway, "podsights", 1);
    books_balance(&gateway);
}

#[test]
fn the_client_has_its_answer_while_both_vendors_withhold_theirs_and_a_late_one_still_counts() {
    let gateway = gateway();
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({"hold": true}));
    }

    assert_eq!(gateway.send(from_visitor(&purchase())).status, 200);
    for vendor in [Flashtalking, Podsights] {
        gateway.wait_for(vendor, 1);
    }
    let outcomes =
        || ["delivered", "dropped"].map(|outcome| gateway.counter(DELIVERIES, &[("outcome", outcome)]));
    assert_eq!(outcomes(), [0, 0], "both are pending");
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({}));
    }

    delivered(&gateway, "flashtalking", 1);
    delivered(&gateway, "podsights", 1);
    assert_eq!(gateway.counter(CALLOUTS, &[("status", "2xx")]), 2);
}

#[test]
fn a_batch_delivers_each_of_its_events_and_one_bad_item_costs_only_itself() {
    let gateway = gateway();
    let mut second = purchase();
    second["properties"]["order_id"] = json!("ORD-002");
    let batch =
        json!({"batch": [purchase(), 7, {"event": "Unknown"}, second], "sentAt": "2026-11-22T00:00:00Z"});

    gateway.send(Request::post("/v1/batch", batch.to_string()));

    let orders: Vec<_> =
        gateway.wait_for(Podsights, 2).iter().map(|callout| callout.json()["order_id"].clone()).collect();
    assert_eq!(orders, ["ORD-001", "ORD-002"]);
    let ignored = "conversion_relay_events_ignored_total";
    assert_eq!(gateway.counter(ignored, &[("reason", "malformed")]), 1);
    assert_eq!(gateway.counter(ignored, &[("reason", "unmapped")]), 1);
}

#[test]
fn nothing_is_sent_without_the_consent_that_an_integration_requires() {
    let gateway = gateway();
    let consents = [
        (json!(null), "consent_absent"),
        (json!({}), "consent_denied"),
        (json!({"marketing": false}), "consent_denied"),
        (json!({"marketing": "true"}), "consent_denied"),
        (json!({"canonical": {"analytics": true, "marketing": false}}), "consent_denied"),
    ];
    for (consent, _) in &consents {
        let mut event = purchase();
        event["context"]["consent"] = consent.clone();
        gateway.send(from_visitor(&event));
    }

    for reason in ["consent_absent", "consent_denied"] {
        let expected = 2 * consents.iter().filter(|(_, named)| *named == reason).count() as u64;
        gateway.wait_for_counter(DELIVERIES, &[("outcome", "dropped"), ("reason", reason)], expected);
    }
    goes_on(&gateway);
    assert_eq!(gateway.requests(Flashtalking).len() + gateway.requests(Podsights).len(), 2);
}

#[test]
fn what_the_collector_refuses_is_not_relayed() {
    let gateway = gateway();
    for status in [401, 500] {
        gateway.behave(Collector, json!({"status": status}));
        assert_eq!(gateway.send(from_visitor(&purchase())).status, status);
    }
    gateway.wait_for_counter("conversion_relay_requests_ignored_total", &[("reason", "not_accepted")], 2);
    gateway.behave(Collector, json!({}));
    goes_on(&gateway);
    assert_eq!(gateway.requests(Podsights).len(), 1);
}

#[test]
fn a_vendor_that_fails_for_a_while_gets_the_delivery_on_a_later_attempt() {
    let options = Options::new().trusted_hops(1).edit_filter(|filter| {
        let configuration =
            filter.pointer_mut("/resources/0/typed_config/config/configuration/value").unwrap();
        configuration["delivery"] = json!({"backoff": {"base": "10ms", "max": "50ms"}});
    });
    let gateway = Gateway::start(options);
    gateway.behave(Flashtalking, json!({"status": 503, "times": 2}));
    gateway.behave(Podsights, json!({"status": 429, "times": 1}));

    gateway.send(from_visitor(&purchase()));

    delivered(&gateway, "flashtalking", 1);
    delivered(&gateway, "podsights", 1);
    let attempts = gateway.requests(Flashtalking);
    assert_eq!(attempts.len(), 3);
    let busters: std::collections::HashSet<_> = attempts.iter().map(|attempt| attempt.path.clone()).collect();
    assert_eq!(busters.len(), 3, "each attempt has a cachebuster of its own");
    assert_eq!(gateway.counter(CALLOUTS, &[("status", "5xx")]), 2);
    assert_eq!(gateway.counter(CALLOUTS, &[("status", "429")]), 1);
}

fn ignored(gateway: &Gateway, reason: &str, count: u64) {
    gateway.wait_for_counter("conversion_relay_requests_ignored_total", &[("reason", reason)], count);
}

#[test]
fn bytes_that_are_not_utf8_in_any_header_harm_nobody() {
    let gateway = gateway();
    let request = Request::post("/v1/t", purchase().to_string())
        .header("user-agent", b"\xff\xfe\xc3")
        .header("cookie", b"FTrack=\xff; \xfe=\xc3; _dfid=\xff")
        .header("referer", b"\xc3\x28")
        .header("x-any", b"\xf0\x28\x8c\x28");

    assert_eq!(gateway.send(request).status, 200);

    let callout = &gateway.wait_for(Flashtalking, 1)[0];
    assert_eq!(callout.header("cookie"), None);
    gateway.wait_for(Podsights, 1);
    goes_on(&gateway);
}

#[test]
fn bodies_that_hold_no_event_pass_untouched_and_are_counted() {
    let gateway = gateway();
    for body in ["", "{\"event\":\"Order Comp", "[[[[", "null", "\u{0}"] {
        assert_eq!(gateway.send(Request::post("/v1/t", body)).status, 200, "{body:?}");
    }
    ignored(&gateway, "malformed", 5);
    let large = format!("{{\"event\":\"{}\"}}", "x".repeat(600_000));
    assert_eq!(gateway.send(Request::post("/v1/t", large)).status, 200);
    ignored(&gateway, "too_large", 1);
    let many = format!("{{\"batch\":[{}1]}}", "1,".repeat(500));
    assert_eq!(gateway.send(Request::post("/v1/batch", many)).status, 200);
    ignored(&gateway, "too_many_events", 1);
    goes_on(&gateway);
}

#[test]
fn a_body_in_many_chunks_and_cookies_in_two_lines_are_put_together() {
    let gateway = gateway();
    let mut event = purchase();
    event.as_object_mut().unwrap().remove("anonymousId");
    let text = event.to_string();
    let chunks: Vec<&str> =
        text.as_bytes().chunks(3).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
    let request = Request::new("POST", "/v1/t")
        .header("cookie", "FTrack=ft-77")
        .header("cookie", "_dfid=6d1b7a9e-7d0b-4b6f-8a63-0a5a2f0f4c11")
        .chunks(chunks);

    gateway.send(request);

    assert_eq!(gateway.wait_for(Flashtalking, 1)[0].header("cookie"), Some("FTrack=ft-77"));
    assert_eq!(gateway.wait_for(Podsights, 1)[0].json()["id"], "6d1b7a9e-7d0b-4b6f-8a63-0a5a2f0f4c11");
    assert_eq!(gateway.requests(Collector)[0].text(), text);
}

#[test]
fn a_client_that_hangs_up_midway_costs_its_own_request_only() {
    let gateway = gateway();
    let mut connection = gateway.connect();
    connection.write(b"POST /v1/t HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 500\r\n\r\n{\"event\":");
    gateway.wait_for(Collector, 0);
    drop(connection);
    ignored(&gateway, "aborted", 1);
    goes_on(&gateway);
}

#[test]
fn a_client_that_leaves_before_the_answer_has_its_whole_request_relayed() {
    let gateway = gateway();
    gateway.behave(Collector, json!({"hold": true}));
    let mut connection = gateway.connect();
    connection.write(from_visitor(&purchase()).bytes());
    gateway.wait_for(Collector, 1);
    drop(connection);

    gateway.wait_for(Podsights, 1);
    gateway.wait_for_counter("conversion_relay_notes_total", &[("kind", "client_gone")], 1);
    delivered(&gateway, "podsights", 1);
}

#[test]
fn three_thousand_stalled_uploads_are_bounded_and_the_next_conversion_goes_through() {
    let budget = 4 << 20;
    let options = Options::new().trusted_hops(1).edit_filter(move |filter| {
        let configuration =
            filter.pointer_mut("/resources/0/typed_config/config/configuration/value").unwrap();
        configuration["endpoints"] = json!({"max_captured_bytes": budget});
    });
    let gateway = Gateway::start(options);
    let part = format!(
        "POST /v1/t HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 500000\r\n\r\n{}",
        "x".repeat(8_000)
    );
    let mut stalled = Vec::new();
    for _ in 0..3_000 {
        let mut connection = gateway.connect();
        connection.write(part.as_bytes());
        stalled.push(connection);
    }
    let requests_ignored = "conversion_relay_requests_ignored_total";
    let reached = |labels: &[(&str, &str)], least| {
        support::wait_until(support::LIMIT, || gateway.counter(requests_ignored, labels) >= least)
    };
    assert!(reached(&[("reason", "overloaded")], 1), "what is beyond the bound passes uncaptured");
    drop(stalled);
    assert!(reached(&[], 3_000), "each ends, as overloaded, aborted or refused by the collector");
    assert_eq!(gateway.counter(requests_ignored, &[]), 3_000);
    goes_on(&gateway);
}

/// The module passes over strings sixteen bytes at a time, which no test outside of it does.
#[test]
fn what_json_escapes_is_seen_wherever_in_a_string_it_stands() {
    const LONGEST: usize = 34;
    let around = |at: usize, middle: &str| format!("{}{middle}{}", "x".repeat(at), "y".repeat(LONGEST - at));
    let gateway = gateway();
    let names: Vec<String> = (0..=LONGEST).map(|at| around(at, "\"\\\u{1f} \u{7f}é")).collect();
    let mut event = purchase();
    event["properties"]["products"] = names.iter().map(|name| json!({"name": name})).collect();
    gateway.send(from_visitor(&event));
    let body = gateway.wait_for(Podsights, 1)[0].json();
    let arrived =
        body["line_items"].as_array().unwrap().iter().map(|item| item["product_name"].as_str().unwrap());
    assert_eq!(arrived.collect::<Vec<_>>(), names);
    for at in 0..=LONGEST {
        let broken = purchase().to_string().replace("ORD-001", &around(at, "\u{1f}"));
        gateway.send(Request::post("/v1/t", broken));
    }
    let malformed = [("reason", "malformed")];
    gateway.wait_for_counter("conversion_relay_requests_ignored_total", &malformed, LONGEST as u64 + 1);
    goes_on(&gateway);
}

#[test]
fn requests_on_other_paths_and_by_other_methods_are_not_looked_at() {
    let gateway = gateway();
    for request in [Request::get("/v1/t"), Request::post("/v1/other", "{"), Request::post("/shop", "{")] {
        assert_eq!(gateway.send(request).status, 200);
    }
    goes_on(&gateway);
    assert_eq!(gateway.counter("conversion_relay_requests_ignored_total", &[]), 0);
}
