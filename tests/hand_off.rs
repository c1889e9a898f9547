//! Hand-off in the real Envoy: what leaves a client's gateway, what its client is told, and what another gateway of the fleet makes
//! of it when the queue passes it on. The stand-in's receiver plays the queue; tests/nothing_lost.rs has a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Instant;

use serde_json::{Value, json};
use support::orders::{DELIVERIES, FT, PS, configuration, flashtalking, podsights};
use support::{
    Collector, Flashtalking, Gateway, LIMIT, Options, Podsights, Received, Request, Webhook, wait_until,
};

const QUEUE: &str = "To the queue";

fn file(endpoints: Value) -> Value {
    let queue = json!({"name": QUEUE, "vendor": "webhook", "preset": "cloudevents",
        "config": {"cluster": "webhook", "authority": "queue.internal", "path": "/events", "purpose": "own"}});
    let with_consent = |mut integration: Value| {
        integration["consent_categories"] = json!(["marketing"]);
        integration
    };
    let integrations = [with_consent(flashtalking()), with_consent(podsights()), queue];
    let mut file = configuration(&integrations, json!({}));
    file["endpoints"] = endpoints;
    file["secrets"] = json!(["a secret of thirty-two bytes, yes"]);
    file["sources"] =
        json!([{"id": "shop", "keys": ["k_shop"]}, {"id": "queue", "keys": ["k_queue"], "deliver": true}]);
    file
}

fn start(file: Value) -> Gateway {
    Gateway::start(Options::new().configuration(file).with_webhook().trusted_hops(1))
}

/// The gateway that clients talk to, and answers them itself.
fn local() -> Gateway {
    start(file(json!({"reply": "local", "hand_off": {"integration": QUEUE, "within": "2s", "max_open": 2}})))
}

/// The gateway that the queue pushes to.
fn delivering() -> Gateway {
    start(file(json!({"deliver": {}})))
}

fn purchase(order: u64) -> Request {
    let event = json!({
        "event": "Order Completed", "messageId": format!("m-{order}"), "anonymousId": "visitor-1",
        "properties": {"order_id": order.to_string(), "revenue": 5, "email": "jane@example.com"},
    });
    Request::post("/v1/t", event.to_string())
        .header("x-write-key", "k_shop")
        .header("x-forwarded-for", "203.0.113.7")
        .header("user-agent", "Visitor/1")
        .header("cookie", "FTrack=ft-123; OptanonConsent=groups%3DC0004%3A1; session=s3cr3t")
}

fn pass_on(to: &Gateway, cloud_event: &Received) -> (u16, Vec<String>) {
    let request = Request::post("/v1/deliver", &cloud_event.body)
        .header("x-write-key", "k_queue")
        .header("content-type", "application/cloudevents+json");
    let answer = to.send(request);
    let deliveries = answer.json()["deliveries"].as_array().cloned().unwrap_or_default();
    (answer.status, deliveries.iter().map(|one| one["outcome"].as_str().unwrap().to_owned()).collect())
}

fn delivered() -> (u16, Vec<String>) {
    (200, vec!["delivered".to_owned(), "delivered".to_owned()])
}

#[test]
fn a_purchase_goes_through_the_queue_to_both_vendors_with_the_visitors_cookie_address_and_browser() {
    let (clients, vendors) = (local(), delivering());
    let answer = clients.send(purchase(1));
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"success":true}"#));
    let cloud_event = clients.wait_for(Webhook, 1).remove(0);
    let text = cloud_event.text();
    for private in ["203.0.113.7", "Visitor/1", "ft-123", "s3cr3t", "jane@example.com"] {
        assert!(!text.contains(private), "{private} leaves in the clear: {text}");
    }
    assert!(clients.requests(Podsights).is_empty() && clients.requests(Collector).is_empty());

    assert_eq!(pass_on(&vendors, &cloud_event), delivered());
    let flashtalking = &vendors.requests(Flashtalking)[0];
    assert_eq!(flashtalking.header("cookie"), Some("FTrack=ft-123"));
    assert_eq!(
        (flashtalking.header("x-forwarded-for"), flashtalking.header("user-agent")),
        (Some("203.0.113.7"), Some("Visitor/1"))
    );
    let podsights = vendors.requests(Podsights)[0].json();
    assert_eq!((&podsights["ip"], &podsights["id"]), (&json!("203.0.113.7"), &json!("visitor-1")));
    assert_eq!(podsights["em"], "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d");
    let again = pass_on(&vendors, &cloud_event);
    assert_eq!(again, (200, vec!["duplicate".to_owned(), "duplicate".to_owned()]), "to the same gateway");
}

#[test]
fn a_client_is_told_503_while_the_queue_takes_nothing_and_200_once_it_does() {
    let gateway = local();
    gateway.behave(Webhook, json!({"status": 503}));
    let begun = Instant::now();
    let answer = gateway.send(purchase(1));
    assert!((1_500..4_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (503, Some("UNAVAILABLE")));
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    gateway.behave(Webhook, json!({}));
    let accepted = wait_until(LIMIT, || gateway.send(purchase(1)).status == 200);
    assert!(accepted);
    let given_back =
        || gateway.counter(DELIVERIES, &[("integration", "To_the_queue"), ("outcome", "given_back")]);
    assert!(wait_until(LIMIT, || given_back() >= 1));
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn clients_beyond_max_open_are_told_429_pixels_are_not_held_and_one_that_leaves_costs_nothing() {
    let gateway = local();
    gateway.behave(Webhook, json!({"hold": true}));
    let mut waiting: Vec<_> = (1..=2)
        .map(|order| {
            let mut connection = gateway.connect();
            connection.write(purchase(order).bytes());
            connection
        })
        .collect();
    gateway.wait_for(Webhook, 2);
    assert_eq!(gateway.send(purchase(3)).status, 429);
    let pixel = Request::get("/v1/pixel/track?wk=k_shop&e=Order%20Completed&p.order_id=4")
        .header("cookie", "OptanonConsent=groups%3DC0004%3A1");
    let pixel = gateway.send(pixel);
    assert_eq!((pixel.status, pixel.header("content-type")), (200, Some("image/gif")));
    gateway.wait_for(Webhook, 3);
    drop(waiting.pop());
    gateway.behave(Webhook, json!({}));
    assert_eq!(waiting[0].read().status, 200);
    assert!(wait_until(LIMIT, || gateway.send(purchase(5)).status == 200));
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn with_a_collector_behind_the_gateway_its_answer_is_not_held() {
    let gateway = start(file(json!({"hand_off": {"integration": QUEUE}})));
    gateway.behave(Webhook, json!({"hold": true}));
    assert_eq!(gateway.send(purchase(1)).status, 200);
    assert_eq!(gateway.requests(Collector).len(), 1);
    gateway.wait_for(Webhook, 1);
    gateway.behave(Webhook, json!({}));
    gateway.wait_for_counter(DELIVERIES, &[("integration", "To_the_queue"), ("outcome", "delivered")], 1);
    assert_eq!(
        gateway.counter(DELIVERIES, &[("integration", PS), ("outcome", "matched")]),
        0,
        "that begins behind the queue"
    );
}

#[test]
fn what_the_visitor_refused_in_the_browser_stays_refused_behind_the_queue() {
    let (clients, vendors) = (local(), delivering());
    // Consent that a page states, and a browser that says no.
    let refused = |order: u64, name: &str, value: &str| {
        let event = json!({"event": "Order Completed", "messageId": format!("m-{order}"),
            "properties": {"order_id": order.to_string()}, "context": {"consent": {"marketing": true}}});
        let request = Request::post("/v1/t", event.to_string()).header("x-write-key", "k_shop");
        request.header(name, value)
    };
    let refusals =
        [("sec-gpc", "1"), ("cookie", "usprivacy=1YYN"), ("cookie", "OptanonConsent=groups%3DC0004%3A0")];
    for (order, (name, value)) in (1..).zip(refusals) {
        assert_eq!(clients.send(refused(order, name, value)).status, 200);
    }
    // The vendor's own opt-out is Flashtalking's alone, so the event leaves for Podsights.
    assert_eq!(clients.send(refused(9, "cookie", "flashtalkingad1=optout%3D1")).status, 200);
    let handed_off = clients.wait_for(Webhook, 1);
    assert_eq!(handed_off.len(), 1, "nobody may have the others");
    assert_eq!(
        pass_on(&vendors, &handed_off[0]),
        (200, vec!["opted_out".to_owned(), "delivered".to_owned()])
    );
    assert!(vendors.requests(Flashtalking).is_empty());
    assert_eq!(clients.counter(DELIVERIES, &[("integration", FT), ("outcome", "dropped")]), 3);
}

#[test]
fn a_changed_event_is_400_and_one_of_another_fleet_503_and_neither_reaches_a_vendor() {
    let (clients, vendors) = (local(), delivering());
    assert_eq!(clients.send(purchase(1)).status, 200);
    let mut cloud_event = clients.wait_for(Webhook, 1).remove(0);
    let mut other = file(json!({"deliver": {}}));
    other["secrets"] = json!(["another secret of 32 bytes or more"]);
    let other = start(other);
    assert_eq!(pass_on(&other, &cloud_event), (503, vec!["unauthorized".to_owned()]));
    other.wait_for_log("was sealed under a secret that this gateway doesn't have");
    cloud_event.body = cloud_event.text().replace("\"revenue\":5", "\"revenue\":5000").into_bytes();
    assert_eq!(pass_on(&vendors, &cloud_event), (400, vec!["malformed".to_owned()]));
    assert!(vendors.requests(Podsights).is_empty() && other.requests(Podsights).is_empty());
}

#[test]
fn clients_that_wait_are_answered_after_a_change_of_configuration() {
    let gateway = local();
    gateway.behave(Webhook, json!({"hold": true}));
    let mut connection = gateway.connect();
    connection.write(purchase(1).bytes());
    gateway.wait_for(Webhook, 1);
    let mut changed = file(json!({"reply": "local", "hand_off": {"integration": QUEUE, "within": "10s"}}));
    changed["delivery"]["max_attempts"] = json!(3);
    assert!(gateway.reconfigure(changed));
    gateway.behave(Webhook, json!({}));
    assert_eq!(connection.read().status, 200);
    assert_eq!(gateway.send(purchase(2)).status, 200);
}
