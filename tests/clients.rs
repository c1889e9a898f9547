//! Every client's tracking requests are understood, byte for byte as the clients send them, and only the right ones count.
//!
//! Sources: Signal's documentation (browser events, server events, batch, pixel), Segment's HTTP API documentation and
//! the source of analytics-next, RudderStack's HTTP API documentation, Jitsu's events API documentation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use support::{Collector, Gateway, Options, PODSIGHTS_KEY, Podsights, Request};

const DELIVERIES: &str = "conversion_relay_deliveries_total";
const EVENTS_IGNORED: &str = "conversion_relay_events_ignored_total";
const REQUESTS_IGNORED: &str = "conversion_relay_requests_ignored_total";

/// One integration that wants every purchase, whoever consents.
fn podsights() -> Value {
    json!({"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}})
}

fn gateway(mut configuration: Value) -> Gateway {
    configuration["integrations"] = json!([podsights()]);
    Gateway::start(Options::new().configuration(configuration))
}

fn purchase(order: &str) -> Value {
    json!({"event": "Order Completed", "properties": {"order_id": order, "revenue": 10}, "anonymousId": "a"})
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A client, and what it sends for a purchase with the order id that it is given.
type Client = (&'static str, fn(&str) -> Request);

fn clients() -> Vec<Client> {
    vec![
        ("Datafly.js: the id is in its cookie", |order| {
            let body = json!({"type": "track", "event": "Order Completed", "messageId": order,
                "properties": {"order_id": order, "revenue": 10}, "context": {"locale": "en"}});
            Request::post("/v1/t", body.to_string())
                .header("authorization", "Bearer dk_live_1")
                .header("content-type", "application/json")
                .header("cookie", "_dfid=0bd5bf03-b9dd-442d-bab9-3f4f59a02173")
        }),
        ("analytics.js: text/plain, the key in the body", |order| {
            let body = json!({"timestamp": "2026-11-22T00:00:00.000Z", "type": "track", "event": "Order Completed",
                "properties": {"orderId": order, "total": 10}, "anonymousId": "a", "writeKey": "k",
                "sentAt": "2026-11-22T00:00:01.000Z"});
            Request::post("/v1/t", body.to_string()).header("content-type", "text/plain")
        }),
        ("analytics.js: a batch of its own", |order| {
            let body =
                json!({"batch": [purchase(order)], "writeKey": "k", "sentAt": "2026-11-22T00:00:01.000Z"});
            Request::post("/v1/b", body.to_string()).header("content-type", "text/plain")
        }),
        ("a Segment library for servers: Basic key, a batch with a context for all", |order| {
            let body =
                json!({"batch": [purchase(order)], "context": {"library": {"name": "analytics-ruby"}}});
            Request::post("/v1/batch", body.to_string())
                .header("authorization", format!("Basic {}", STANDARD.encode("k:")))
        }),
        ("RudderStack: gzip", |order| {
            Request::post("/v1/track", gzip(&purchase(order).to_string())).header("content-encoding", "gzip")
        }),
        ("deflate", |order| {
            Request::post("/v1/track", deflate(&purchase(order).to_string()))
                .header("content-encoding", "deflate")
        }),
        ("RudderStack's beacon", |order| {
            Request::post("/beacon/v1/batch?writeKey=k", json!({"batch": [purchase(order)]}).to_string())
        }),
        ("a bare array of events", |order| Request::post("/v1/batch", json!([purchase(order)]).to_string())),
        ("Signal's batch of events", |order| {
            Request::post("/v1/batch", json!({"events": [purchase(order)]}).to_string())
        }),
        ("Jitsu", |order| {
            Request::post("/api/s/track", purchase(order).to_string()).header("x-write-key", "k:s")
        }),
        ("Jitsu from a server", |order| Request::post("/api/s/s2s/track", purchase(order).to_string())),
        ("a server without sources", |order| Request::post("/v1/events", purchase(order).to_string())),
        ("Signal's pixel", |order| {
            Request::get(&format!(
                "/v1/pixel/track?wk=k&e=Order+Completed&aid=a&p.order_id={order}&p.revenue=10&mid={order}&cb=1"
            ))
        }),
        ("Segment's pixel, un-encoded", |order| {
            Request::get(&format!(
                "/v1/pixel/track?writeKey=k&event=Order%20Completed&anonymousId=a&properties.order_id={order}\
                 &properties.revenue=10&messageId={order}"
            ))
        }),
        ("RudderStack's pixel", |order| {
            Request::get(&format!(
                "/pixel/v1/track?writeKey=k&anonymousId=a&event=Order+Completed&properties.order_id={order}\
                 &properties.revenue=10"
            ))
        }),
        ("Segment's library for Ruby", |order| {
            Request::post("/v1/import", json!({"batch": [purchase(order)]}).to_string())
        }),
        ("a slash at the end of the path", |order| Request::post("/v1/t/", purchase(order).to_string())),
        ("a byte order mark", |order| Request::post("/v1/t", format!("\u{FEFF}{}", purchase(order)))),
        ("Segment's pixel, URL-safe base64 without padding", |order| {
            Request::get(&format!(
                "/v1/pixel/track?data={}",
                URL_SAFE_NO_PAD.encode(purchase(order).to_string())
            ))
        }),
        ("Segment's pixel, base64 with padding", |order| {
            let data = STANDARD.encode(purchase(order).to_string());
            let data: String = form_urlencoded::byte_serialize(data.as_bytes()).collect();
            Request::get(&format!("/v1/pixel/track?data={data}"))
        }),
        ("Segment's pixel, plain JSON", |order| {
            let data: String =
                form_urlencoded::byte_serialize(purchase(order).to_string().as_bytes()).collect();
            Request::get(&format!("/v1/pixel/track?data={data}"))
        }),
        ("GA4's names", |order| {
            let body = json!({"event": "purchase", "properties": {"transaction_id": order, "value": 10}});
            Request::post("/v1/track", body.to_string())
        }),
        ("snake_case names", |order| {
            let body = json!({"event": "order_completed", "properties": {"order_id": order, "value": "10"}});
            Request::post("/v1/track", body.to_string())
        }),
        ("a truncated emoji", |order| {
            let body = purchase(order).to_string().replace("\"revenue\"", "\"note\":\"\\ud83d\",\"revenue\"");
            Request::post("/v1/track", body)
        }),
    ]
}

#[test]
fn every_clients_purchase_is_delivered_and_reaches_the_collector_as_it_was_sent() {
    let gateway = gateway(json!({"endpoints": {"max_event_age": "8784h"}}));
    for (at, (client, request)) in clients().into_iter().enumerate() {
        let order = format!("ORD-{at}");
        let request = request(&order);
        let sent = request.bytes();
        assert_eq!(gateway.send(request).status, 200, "{client}");
        let callouts = gateway.wait_for(Podsights, at + 1);
        let body = callouts[at].json();
        assert_eq!((&body["order_id"], &body["value"]), (&json!(order), &json!(10)), "{client}");
        let collected = &gateway.requests(Collector)[at];
        assert!(sent.ends_with(&collected.body), "{client}: the body is untouched");
    }
}

#[test]
fn a_small_bomb_costs_at_most_the_cap_and_the_request_passes() {
    let gateway = gateway(json!({}));
    let bomb = gzip(&" ".repeat(100 << 20));
    assert!(bomb.len() < 200_000);
    let before = gateway.peak_rss();
    for _ in 0..10 {
        let request = Request::post("/v1/track", &bomb).header("content-encoding", "gzip");
        assert_eq!(gateway.send(request).status, 200);
    }
    gateway.wait_for_counter(REQUESTS_IGNORED, &[("reason", "too_large")], 10);
    assert!(gateway.peak_rss() - before < 16 << 20, "{} bytes", gateway.peak_rss() - before);
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn a_batch_at_the_limit_is_delivered_whole_and_costs_bounded_memory() {
    let gateway = gateway(json!({}));
    // One after the other, so that the first has brought connections and buffers to their size.
    let batch = |round: usize| {
        let event = |at: usize| {
            let mut event = purchase(&format!("B{round}-{at}"));
            event["properties"]["note"] = json!("n".repeat(850));
            event
        };
        let text = json!({"batch": (0..500).map(event).collect::<Vec<_>>()}).to_string();
        assert!((470_000..512_000).contains(&text.len()), "{}", text.len());
        text
    };
    gateway.behave(Podsights, json!({"hold": true}));
    let before = gateway.peak_rss();
    gateway.send(Request::post("/v1/batch", batch(1)));
    gateway.wait_for(Podsights, 64); // as many as may be in flight
    let grown = gateway.peak_rss() - before;
    println!("peak memory of a 500-event batch in flight: {} KiB", grown >> 10);
    assert!(grown < 24 << 20, "{grown} bytes");
    gateway.behave(Podsights, json!({}));
    gateway.wait_for_counter(DELIVERIES, &[("outcome", "delivered")], 500);
}

fn sourced() -> Gateway {
    let configuration = json!({
        "sources": [
            {"id": "web", "keys": ["k_web"]},
            {"id": "shop", "keys": ["k_shop"], "signing_secret": "${SHOP_SECRET}", "client_from_context": "always"}
        ],
        "integrations": [
            {"name": "Web", "vendor": "podsights", "source_id": "web", "config": {"key": "${PODSIGHTS_KEY}"}},
            {"name": "Shop", "vendor": "podsights", "source_id": "shop", "config": {"key": "${PODSIGHTS_KEY}"}}
        ]
    });
    Gateway::start(Options::new().configuration(configuration).env("SHOP_SECRET", "a secret of the shop"))
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

fn signed(timestamp: u128, secret: &str, body: &str) -> Request {
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("{timestamp}.{body}")).finalize().into_bytes();
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    Request::post("/v1/events", body)
        .header("x-timestamp", timestamp.to_string())
        .header("x-signature", format!("sha256={hex}"))
}

#[test]
fn an_event_counts_only_with_a_sources_key_and_goes_to_that_sources_integrations() {
    let gateway = sourced();
    let body = |order: &str| purchase(order).to_string();
    let keyed = [
        Request::post("/v1/t", body("1")).header("authorization", "Bearer k_web"),
        Request::post("/v1/t", body("2"))
            .header("authorization", format!("Basic {}", STANDARD.encode("k_web"))),
        Request::post("/v1/t", body("3")).header("x-write-key", "k_web"),
        Request::post("/v1/t?writeKey=k_web", body("4")),
        Request::post("/v1/t?wk=k_web", body("5")),
        Request::post("/v1/batch", json!({"writeKey": "k_web", "batch": [purchase("6")]}).to_string()),
    ];
    let count = keyed.len() as u64;
    for request in keyed {
        assert_eq!(gateway.send(request).status, 200);
    }
    gateway.wait_for_counter(DELIVERIES, &[("integration", "Web"), ("outcome", "delivered")], count);
    assert_eq!(gateway.counter(DELIVERIES, &[("integration", "Shop")]), 0);

    let mut with_key = purchase("7");
    with_key["writeKey"] = json!("k_shop");
    let batch = json!([with_key, purchase("8"), {"event": "Order Completed", "writeKey": "wrong"}]);
    gateway.send(Request::post("/v1/batch", batch.to_string()));
    gateway.wait_for_counter(DELIVERIES, &[("integration", "Shop"), ("outcome", "delivered")], 1);
    gateway.wait_for_counter(EVENTS_IGNORED, &[("reason", "unauthorized")], 2);
}

#[test]
fn a_servers_events_count_with_a_fresh_signature_once() {
    let gateway = sourced();
    let mut event = purchase("S1");
    event["context"] = json!({"ip": "198.51.100.7", "userAgent": "A visitor's browser"});
    let timestamp = now();
    let genuine = || signed(timestamp, "a secret of the shop", &event.to_string());
    gateway.send(genuine());
    let received = gateway.wait_for(Podsights, 1)[0].json();
    assert_eq!(
        (&received["ip"], &received["user_agent"]),
        (&json!("198.51.100.7"), &json!("A visitor's browser"))
    );

    gateway.send(genuine());
    gateway.wait_for_counter(EVENTS_IGNORED, &[("reason", "replayed")], 1);
    let body = purchase("S2").to_string();
    let bad = [
        signed(now(), "another secret", &body),
        signed(now() - 301_000, "a secret of the shop", &body),
        signed(now(), "a secret of the shop", &body).body(purchase("S3").to_string()),
        signed(now(), "a secret of the shop", &body).header("authorization", "Bearer k_web"),
        Request::post("/v1/events", &body).header("authorization", "Bearer k_shop"),
    ];
    let count = bad.len() as u64;
    for request in bad {
        assert_eq!(gateway.send(request).status, 200, "the collector answers, whatever we think");
    }
    gateway.wait_for_counter(EVENTS_IGNORED, &[("reason", "unauthorized")], count);
    assert_eq!(gateway.requests(Podsights).len(), 1);
    assert!(
        !gateway.envoy_log().contains("a secret of the shop") && !gateway.envoy_log().contains(PODSIGHTS_KEY)
    );
}

#[test]
fn a_message_and_an_order_are_delivered_once_within_their_windows_over_all_workers() {
    let configuration = json!({"integrations": [podsights()]});
    let gateway = Gateway::start(Options::new().configuration(configuration).concurrency(2));
    let mut event = purchase("D1");
    event["messageId"] = json!("m-1");
    gateway.send(Request::post("/v1/t", event.to_string()));
    gateway.wait_for_counter(DELIVERIES, &[("outcome", "delivered")], 1);
    // Each on a connection of its own, so that both workers see some.
    for _ in 0..10 {
        gateway.send(Request::post("/v1/t", event.to_string()));
    }
    gateway.wait_for_counter(DELIVERIES, &[("outcome", "dropped"), ("reason", "duplicate")], 10);

    // The thank-you page is loaded again: a new message about the same order.
    for nth in 0..4 {
        event["messageId"] = json!(format!("reloaded-{nth}"));
        gateway.send(Request::post("/v1/t", event.to_string()));
    }
    gateway.wait_for_counter(DELIVERIES, &[("outcome", "dropped"), ("reason", "duplicate_order")], 4);

    gateway.behave(Collector, json!({"status": 503, "times": 1}));
    event["properties"]["order_id"] = json!("D2");
    event["messageId"] = json!("m-2");
    assert_eq!(gateway.send(Request::post("/v1/t", event.to_string())).status, 503);
    assert_eq!(gateway.send(Request::post("/v1/t", event.to_string())).status, 200);
    gateway.wait_for_counter(DELIVERIES, &[("outcome", "delivered")], 2);
}

#[test]
fn historical_events_are_not_relayed() {
    let gateway = gateway(json!({}));
    let mut old = purchase("H2");
    old["timestamp"] = json!("2026-11-20T00:00:00Z");
    old["sentAt"] = json!("2026-11-21T00:00:01Z");
    gateway.send(Request::post("/v1/import", json!({"batch": [old]}).to_string()));
    gateway.wait_for_counter(DELIVERIES, &[("outcome", "dropped"), ("reason", "stale")], 1);
    // A clock that is wrong by years is wrong for both times.
    old["sentAt"] = json!("2026-11-20T00:00:01Z");
    gateway.send(Request::post("/v1/t", old.to_string()));
    gateway.wait_for_counter(DELIVERIES, &[("outcome", "delivered")], 1);
    assert_eq!(gateway.counter(DELIVERIES, &[("outcome", "matched")]), 2);
}
