//! Webhooks in the real Envoy: a queue, a warehouse and an ad vendor beside the two vendors of their own.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::{Destination, Gateway, Options, Received, Request, Webhook};

// Computed with sha256sum.
const JANE: &str = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d";
const TOKEN: &str = "queue-t0ken-1234";

/// A queue of the company's own, an ad vendor, and a warehouse that keeps what analytics may.
const THREE: &str = r#"
consent: {when_absent: deny}
delivery: {backoff: {base: 50ms, max: 100ms}}
integrations:
  - name: To the queue
    vendor: webhook
    preset: cloudevents
    config: {cluster: webhook, authority: queue.internal, path: "/queue?key=${QUEUE_TOKEN}", purpose: own,
      headers: {Authorization: "Bearer ${QUEUE_TOKEN}"}}
  - name: To the ad vendor
    vendor: webhook
    config: {cluster: webhook, authority: ads.example, path: /ads, headers: {x-api-key: "${QUEUE_TOKEN}"}}
    consent_categories: [marketing]
    field_mappings:
      version: 2
      events:
        Order Completed:
          mappings:
            - {value: purchase, target: "data[0].event_name"}
            - {source: properties.email, target: "data[0].user.em[0]", transform: [trim, lowercase, sha256]}
            - {source: client.ip, target: "data[0].user.ip"}
            - {source: properties.total, target: "data[0].custom.value", transform: number}
  - name: To the warehouse
    vendor: webhook
    preset: cloudevents
    config: {cluster: webhook, authority: warehouse.internal, path: /warehouse, method: PUT, purpose: own,
      headers: {content-type: application/json}}
    consent_categories: [analytics]
"#;

fn gateway() -> Gateway {
    Gateway::start(
        Options::new().configuration(THREE).with_webhook().env("QUEUE_TOKEN", TOKEN).trusted_hops(1),
    )
}

fn purchase(id: &str, consent: Value) -> String {
    json!({
        "type": "track", "event": "Order Completed", "messageId": id, "writeKey": "dk_live_abc123",
        "properties": {"order_id": id, "total": 49.90, "email": "Jane@example.com", "note": "for jane@example.com"},
        "context": {"consent": consent}
    })
    .to_string()
}

fn to<'r>(requests: &'r [Received], path: &str) -> Vec<&'r Received> {
    requests.iter().filter(|request| request.path.starts_with(path)).collect()
}

fn dropped(gateway: &Gateway, integration: &str, reason: &str) -> u64 {
    let labels = [("integration", integration), ("outcome", "dropped"), ("reason", reason)];
    gateway.counter("conversion_relay_deliveries_total", &labels)
}

fn delivered(gateway: &Gateway, integration: &str, count: u64) {
    let labels = [("integration", integration), ("outcome", "delivered")];
    gateway.wait_for_counter("conversion_relay_deliveries_total", &labels, count);
}

#[test]
fn three_webhooks_get_one_purchase_each_in_its_own_form() {
    let gateway = gateway();
    let event = purchase("m-1", json!({"marketing": true, "analytics": true}));
    gateway.send(
        Request::post("/v1/t", event)
            .header("x-forwarded-for", "203.0.113.50")
            .header("user-agent", "a browser")
            .header("cookie", "a=browser"),
    );
    let requests = gateway.wait_for(Webhook, 3);

    let queue = to(&requests, "/queue")[0];
    assert_eq!((queue.method.as_str(), queue.version.as_str()), ("POST", "HTTP/1.1"));
    assert_eq!(queue.path, format!("/queue?key={TOKEN}"));
    assert_eq!(queue.header("host"), Some("queue.internal"));
    assert_eq!(queue.header("authorization"), Some(&*format!("Bearer {TOKEN}")));
    assert_eq!(queue.header("content-type"), Some("application/cloudevents+json"));
    let data = json!({"type": "track", "event": "Order Completed", "messageId": "m-1",
        "properties": {"order_id": "m-1", "total": 49.90, "email": JANE},
        "context": {"consent": {"marketing": true, "analytics": true}}});
    let event = queue.json();
    assert_eq!(event["data"], data);
    assert_eq!(
        [&event["specversion"], &event["id"], &event["type"]],
        ["1.0", "m-1", "conversion_relay.event"]
    );
    assert_eq!(event["source"], "conversion-relay");

    let ads = to(&requests, "/ads")[0];
    assert_eq!(ads.header("content-type"), Some("application/json"));
    assert_eq!(ads.header("x-api-key"), Some(TOKEN));
    let user = json!({"em": [JANE], "ip": "203.0.113.50"});
    let item = json!({"event_name": "purchase", "user": user, "custom": {"value": 49.90}});
    assert_eq!(ads.json(), json!({"data": [item]}));

    let warehouse = to(&requests, "/warehouse")[0];
    assert_eq!(
        (warehouse.method.as_str(), warehouse.header("content-type")),
        ("PUT", Some("application/json"))
    );
    assert_eq!(warehouse.json()["data"], data);

    for request in &requests {
        for name in ["x-forwarded-for", "user-agent", "cookie"] {
            let value = request.header(name);
            assert!(!value.is_some_and(|value| value.contains("203.0.113.50") || value.contains("browser")));
        }
    }
}

#[test]
fn an_opt_out_holds_for_advertising_and_a_refusal_for_whoever_needs_the_consent() {
    let gateway = gateway();
    let both = || json!({"marketing": true, "analytics": true});
    // Global Privacy Control, and an opt-out of sale.
    gateway.send(Request::post("/v1/t", purchase("gpc", both())).header("sec-gpc", "1"));
    gateway.send(Request::post("/v1/t", purchase("sale", both())).header("cookie", "usprivacy=1YYN"));
    // A refusal of analytics, one of everything, and no word about consent.
    gateway.post("/v1/t", purchase("no-analytics", json!({"marketing": true, "analytics": false})));
    gateway.post("/v1/t", purchase("neither", json!({"marketing": false, "analytics": false})));
    gateway.post("/v1/t", purchase("silent", Value::Null));
    delivered(&gateway, "To_the_queue", 5);
    delivered(&gateway, "To_the_warehouse", 2);
    delivered(&gateway, "To_the_ad_vendor", 1);
    for (integration, reason, count) in [
        ("To_the_ad_vendor", "gpc", 1),
        ("To_the_ad_vendor", "sale_opt_out", 1),
        ("To_the_ad_vendor", "consent_denied", 1),
        ("To_the_ad_vendor", "consent_absent", 1),
        ("To_the_warehouse", "consent_denied", 2),
        ("To_the_warehouse", "consent_absent", 1),
    ] {
        assert_eq!(dropped(&gateway, integration, reason), count, "{integration} {reason}");
    }
    let ids = |path: &str| {
        let requests = gateway.requests(Webhook);
        let mut ids: Vec<_> = to(&requests, path)
            .iter()
            .map(|request| request.json()["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(ids("/queue"), ["gpc", "neither", "no-analytics", "sale", "silent"]);
    assert_eq!(ids("/warehouse"), ["gpc", "sale"]);
}

#[test]
fn the_events_own_integrations_object_disables_a_webhook_by_its_name_or_vendor() {
    let gateway = gateway();
    let with = |id: &str, integrations: Value| {
        json!({"type": "track", "event": "Seen", "messageId": id, "integrations": integrations}).to_string()
    };
    gateway.post("/v1/t", with("name", json!({"to the queue": false})));
    gateway.post("/v1/t", with("vendor", json!({"Webhook": false})));
    gateway.post("/v1/t", with("all", json!({"All": false})));
    gateway.post("/v1/t", with("named", json!({"All": false, "To the queue": true})));
    delivered(&gateway, "To_the_queue", 1);
    assert_eq!(dropped(&gateway, "To_the_queue", "disabled_by_event"), 3);
    assert_eq!(gateway.requests(Webhook)[0].json()["id"], "named");
}

#[test]
fn no_address_leaves_in_whatever_form_it_comes() {
    let gateway = gateway();
    let event = json!({
        "type": "track", "event": "Order Completed", "messageId": "m-1",
        "properties": {
            "list": ["jane@example.com", "x jane@example.com", ["jane%40example.com", {"jane@example.com": 1}]],
            "escaped": "jane\u{ff20}example.com", "json": "{\"email\":\"jane@example.com\"}",
            "url": "https://jane@shop.example/amFuZUBleGFtcGxlLmNvbQ==?mail=jane%2540example.com&x=1#jane@example.com",
        },
        "traits": {"email": "jane@example.com"}, "userId": "jane@example.com", "anonymousId": "jane@example.com",
        "context": {"consent": {"marketing": true, "analytics": true}, "traits": {"email": "JANE@example.com"}}
    });
    // The address with escapes in it, which are gone once it is read.
    let event = event.to_string().replacen("jane@example.com", "j\\u0061ne\\u0040example.com", 3);
    gateway.post("/v1/t", event);
    let requests = gateway.wait_for(Webhook, 3);
    for request in &requests {
        let text = request.text().to_lowercase();
        for part in ["jane@", "jane%40", "jane%2540", "jane\u{ff20}", "jane\\u0040", "amfuzuble"] {
            assert!(!text.contains(part), "{part} in {text}");
        }
    }
    let data = to(&requests, "/queue")[0].json()["data"].take();
    assert_eq!(data["properties"], json!({"list": [JANE, [{}]], "url": "https://shop.example/?x=1"}));
    assert_eq!([&data["userId"], &data["traits"]["email"], &data["context"]["traits"]["email"]], [JANE; 3]);
}

#[test]
fn secrets_are_shown_by_no_line_of_the_log_and_a_dry_run_names_no_visitor() {
    let dry = THREE.replace("vendor: webhook\n", "vendor: webhook\n    dry_run: true\n");
    let options = Options::new().configuration(&*dry).with_webhook().env("QUEUE_TOKEN", TOKEN);
    let gateway = Gateway::start(options);
    gateway.post("/v1/t", purchase("m-1", json!({"marketing": true, "analytics": true})));
    let dry_run = [("outcome", "dry_run")];
    gateway.wait_for_counter("conversion_relay_deliveries_total", &dry_run, 3);
    let line = gateway.wait_for_log("dry run of \"To the queue\"");
    assert!(line.contains("POST /queue?key=*** "), "{line}");
    assert!(line.contains(r#""data":"***""#) && line.contains(r#""id":"***""#), "{line}");
    let line = gateway.wait_for_log("dry run of \"To the ad vendor\"");
    assert!(line.ends_with(r#"POST /ads {"data":"***"}"#), "{line}");
    assert_eq!(gateway.requests(Webhook).len(), 0);
    let of_filter = |line: &&str| line.contains("wasm log") || line.contains("[wasm]");
    let log = gateway.envoy_log();
    assert!(log.lines().filter(of_filter).count() > 0);
    for line in log.lines().filter(of_filter) {
        assert!(!line.contains(TOKEN) && !line.contains("ane@example.com"), "{line}");
    }
}

#[test]
fn a_secret_in_plain_text_is_warned_of_and_not_shown() {
    let plain = THREE.replace("Bearer ${QUEUE_TOKEN}", "Bearer plain-s3cret");
    let gateway =
        Gateway::start(Options::new().configuration(&*plain).with_webhook().env("QUEUE_TOKEN", TOKEN));
    let line = gateway.wait_for_log("integrations[0].config.headers.Authorization");
    assert!(line.to_lowercase().contains("warn"), "{line}");
    assert!(
        !gateway.envoy_log().lines().any(|line| line.contains("wasm log") && line.contains("plain-s3cret"))
    );
}

/// How often the receiver at a path got each id.
fn attempts(gateway: &Gateway, path: &str) -> Vec<String> {
    to(&gateway.requests(Webhook), path).iter().map(|request| request.json()["id"].to_string()).collect()
}

#[test]
fn a_receiver_that_fails_gets_the_same_cloud_event_again() {
    let gateway = gateway();
    gateway.behave(Webhook, json!({"status": 503, "times": 2}));
    // Without a messageId, so that the id is one of ours.
    gateway.post("/v1/t", r#"{"type":"track","event":"Seen","properties":{"a":1}}"#);
    delivered(&gateway, "To_the_queue", 1);
    let ids = attempts(&gateway, "/queue");
    assert_eq!(ids.len(), 3);
    assert!(ids.iter().all(|id| *id == ids[0] && id.len() == 38), "{ids:?}");
    let bodies = gateway.requests(Webhook);
    assert!(bodies.iter().all(|request| request.body == bodies[0].body));
}

#[test]
fn a_redirect_and_a_refusal_are_final_and_a_receiver_that_comes_back_gets_what_waited() {
    let gateway = gateway();
    let seen = |id: &str| json!({"type": "track", "event": "Seen", "messageId": id}).to_string();
    gateway.behave(Webhook, json!({"status": 307, "headers": {"location": "https://elsewhere.example/"}}));
    gateway.post("/v1/t", seen("moved"));
    let line = gateway.wait_for_log("elsewhere.example");
    assert!(line.contains("the delivery is not sent there"), "{line}");
    gateway.behave(Webhook, json!({"status": 400}));
    gateway.post("/v1/t", seen("refused"));
    let rejected = [("integration", "To_the_queue"), ("reason", "rejected")];
    gateway.wait_for_counter("conversion_relay_deliveries_total", &rejected, 2);
    gateway.behave(Webhook, json!({"refuse": true}));
    gateway.post("/v1/t", seen("kept"));
    let failed = [("integration", "To_the_queue"), ("outcome", "matched")];
    gateway.wait_for_counter("conversion_relay_deliveries_total", &failed, 3);
    gateway.behave(Webhook, json!({}));
    delivered(&gateway, "To_the_queue", 1);
}

#[test]
fn events_of_a_batch_arrive_each_complete_by_itself() {
    let gateway = gateway();
    let batch = json!({
        "sentAt": "2026-01-01T00:00:00Z", "writeKey": "dk_live_abc123",
        "context": {"library": {"name": "analytics.js"}, "consent": {"analytics": true}},
        "batch": [
            {"event": "Seen", "messageId": "one"},
            {"type": "page", "messageId": "two", "context": {"consent": {"analytics": false}, "page": {"path": "/"}}},
        ]
    });
    gateway.post("/v1/batch", batch.to_string());
    delivered(&gateway, "To_the_queue", 2);
    delivered(&gateway, "To_the_warehouse", 1);
    let requests = gateway.requests(Webhook);
    let data = |id: &str| {
        let mut queue = to(&requests, "/queue").into_iter().map(Received::json);
        queue.find(|event| event["id"] == id).unwrap()["data"].take()
    };
    assert_eq!(
        data("one"),
        json!({"event": "Seen", "messageId": "one", "type": "track", "sentAt": "2026-01-01T00:00:00Z",
            "context": {"library": {"name": "analytics.js"}, "consent": {"analytics": true}}})
    );
    assert_eq!(
        data("two"),
        json!({"type": "page", "messageId": "two", "sentAt": "2026-01-01T00:00:00Z",
            "context": {"library": {"name": "analytics.js"}, "consent": {"analytics": false}, "page": {"path": "/"}}})
    );
}

#[test]
fn a_new_token_holds_for_what_waits() {
    let gateway = gateway();
    gateway.behave(Webhook, json!({"refuse": true}));
    gateway.post("/v1/t", r#"{"type":"track","event":"Seen","messageId":"m-1"}"#);
    let matched = [("integration", "To_the_queue"), ("outcome", "matched")];
    gateway.wait_for_counter("conversion_relay_deliveries_total", &matched, 1);
    assert!(gateway.reconfigure(&*THREE.replace("Bearer ${QUEUE_TOKEN}", "Basic bmV3")));
    gateway.behave(Webhook, json!({}));
    delivered(&gateway, "To_the_queue", 1);
    let requests = gateway.requests(Webhook);
    assert_eq!(requests.last().unwrap().header("authorization"), Some("Basic bmV3"));
}

#[test]
fn a_webhook_beside_the_vendors_takes_nothing_from_them() {
    let shipped = r#"
integrations:
  - {name: FT, vendor: flashtalking, config: {advertiser_id: 1, spotlight_id: 2, spotlight_group_id: 3}, consent_categories: [marketing]}
  - {name: Pods, vendor: podsights, config: {key: "${PODSIGHTS_KEY}"}, consent_categories: [marketing]}
  - {name: Queue, vendor: webhook, preset: cloudevents, config: {cluster: webhook, authority: q, path: /, purpose: own}}
"#;
    let gateway = Gateway::start(Options::new().configuration(shipped).with_webhook());
    gateway.post("/v1/t", purchase("m-1", json!({"marketing": true})));
    for to in [Destination::Flashtalking, Destination::Podsights, Webhook] {
        assert_eq!(gateway.wait_for(to, 1).len(), 1);
    }
}
