//! The acknowledged route, `POST /v1/deliver`: its answers, and what becomes of what it holds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use support::orders::{Books, DELIVERIES, FT, PS, configuration, flashtalking, podsights, settled};
use support::{Collector, Flashtalking, Gateway, LIMIT, Options, Podsights, Request, Response, wait_until};

fn file(deliver: Value, delivery: Value) -> Value {
    let mut file = configuration(&[flashtalking(), podsights()], delivery);
    file["endpoints"] = json!({"deliver": deliver});
    file["sources"] = json!([
        {"id": "shop", "keys": ["k_shop"]},
        {"id": "queue", "keys": ["k_queue"], "deliver": true, "client_from_context": "always"},
    ]);
    file
}

fn gateway(deliver: Value) -> Gateway {
    Gateway::start(Options::new().configuration(file(deliver, json!({}))))
}

fn event(order: impl std::fmt::Display) -> Value {
    json!({
        "event": "Order Completed", "anonymousId": "a", "messageId": format!("m-{order}"),
        "properties": {"order_id": order.to_string(), "revenue": 5},
        "context": {"ip": "198.51.100.9", "userAgent": "Visitor/1"},
    })
}

fn push(body: &Value) -> Request {
    push_to("/v1/deliver", body)
}

fn push_to(target: &str, body: &Value) -> Request {
    Request::post(target, body.to_string()).header("authorization", "Bearer k_queue")
}

/// The outcomes that an answer lists.
fn outcomes(response: &Response) -> Vec<String> {
    let deliveries = response.json()["deliveries"].as_array().cloned().unwrap_or_default();
    deliveries.iter().map(|one| one["outcome"].as_str().unwrap().to_owned()).collect()
}

fn given_back(gateway: &Gateway) -> u64 {
    gateway.counter(DELIVERIES, &[("outcome", "given_back")])
}

#[test]
fn the_answer_comes_once_both_vendors_have_the_event_and_nothing_reaches_the_collector() {
    let gateway = gateway(json!({}));
    gateway.behave(Podsights, json!({"delay_ms": 300}));
    let begun = Instant::now();
    let response = gateway.send(push(&event(1)));
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    assert_eq!(outcomes(&response), ["delivered", "delivered"]);
    let callout = &gateway.requests(Podsights)[0].json();
    assert_eq!((&callout["ip"], &callout["user_agent"]), (&json!("198.51.100.9"), &json!("Visitor/1")));
    assert!(gateway.requests(Collector).is_empty());
    let again = gateway.send(push(&event(1)));
    assert_eq!((again.status, outcomes(&again)), (200, vec!["duplicate".into(), "duplicate".into()]));
}

#[test]
fn a_broker_that_takes_a_body_for_an_event_gets_a_status_and_nothing_else() {
    let gateway = gateway(json!({}));
    let response = gateway.send(push(&event(1)).header("prefer", "reply"));
    assert_eq!((response.status, response.text().as_str(), response.header("content-type")), (200, "", None));
    gateway.wait_for(Podsights, 1);
}

#[test]
fn a_vendor_that_fails_for_a_moment_is_tried_again_within_the_request() {
    let gateway = gateway(json!({}));
    gateway.behave(Podsights, json!({"status": 503, "times": 2}));
    let response = gateway.send(push(&event(1)));
    assert_eq!((response.status, gateway.requests(Podsights).len()), (200, 3));
    let of_podsights = response.json()["deliveries"][1].clone();
    assert_eq!((&of_podsights["integration"], &of_podsights["attempts"]), (&json!(PS), &json!(3)));
}

#[test]
fn what_is_not_settled_in_time_is_given_back_with_503_and_delivered_when_it_comes_again() {
    let gateway = gateway(json!({"within": "1s"}));
    gateway.behave(Podsights, json!({"hold": true}));
    let begun = Instant::now();
    let response = gateway.send(push(&event(1)));
    assert!((900..2500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert_eq!(response.status, 503);
    assert!(response.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(outcomes(&response), ["delivered", "given_back"]);
    gateway.behave(Podsights, json!({}));
    let again = gateway.send(push(&event(1)));
    assert_eq!((again.status, outcomes(&again)), (200, vec!["duplicate".into(), "delivered".into()]));
    assert_eq!(gateway.requests(Flashtalking).len(), 1);
    let expected = Books { matched: 2, delivered: 1, dropped: 0 };
    assert!(wait_until(LIMIT, || Books::of(&gateway, PS) == expected && given_back(&gateway) == 1));
}

#[test]
fn a_refusal_for_good_is_422_and_a_vendors_outage_does_not_repeat_at_the_other_if_the_sender_narrows_it() {
    let gateway = gateway(json!({"within": "1s"}));
    gateway.behave(Podsights, json!({"status": 400}));
    let response = gateway.send(push(&event(1)));
    assert_eq!((response.status, outcomes(&response)), (422, vec!["delivered".into(), "rejected".into()]));
    gateway.behave(Podsights, json!({"status": 503}));
    let target = |name: &str| format!("/v1/deliver?integration={name}");
    assert_eq!(gateway.send(push_to(&target(PS), &event(2))).status, 503);
    assert_eq!(gateway.send(push_to(&target(FT), &event(2))).status, 200);
    let seen = gateway.requests(Flashtalking).iter().filter(|one| one.path.contains("ftXRef=2")).count();
    assert_eq!(seen, 1);
    assert_eq!(gateway.send(push_to(&target("Nobody"), &event(3))).status, 503);
}

#[test]
fn each_form_in_which_queues_push_is_read() {
    let gateway = gateway(json!({}));
    let cloud_event = |order: u64| json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": event(order)});
    let pub_sub = |inner: &Value| {
        let data = BASE64_STANDARD.encode(inner.to_string());
        json!({"message": {"data": data, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"})
    };
    let bodies = [
        (json!([event(1), event(2)]), 4),
        (json!({"batch": [event(3)]}), 2),
        (cloud_event(4), 2),
        (json!([cloud_event(5), cloud_event(6)]), 4),
        (pub_sub(&event(7)), 2),
        (pub_sub(&cloud_event(8)), 2),
    ];
    for (body, deliveries) in bodies {
        let response = gateway.send(push(&body));
        assert_eq!((response.status, outcomes(&response).len()), (200, deliveries), "{body}");
    }
    assert_eq!(gateway.tally(Podsights)["orders"]["distinct"], 8);
}

#[test]
fn a_sender_without_the_right_key_and_a_body_that_cannot_be_read_are_refused() {
    let gateway = gateway(json!({}));
    let with = |key: &str| Request::post("/v1/deliver", event(1).to_string()).header("x-write-key", key);
    for key in ["k_shop", "wrong"] {
        assert_eq!(gateway.send(with(key)).status, 401, "{key}");
    }
    for body in ["{", "", "7", "null"] {
        let request = Request::post("/v1/deliver", body).header("x-write-key", "k_queue");
        assert_eq!(gateway.send(request).status, 400, "{body:?}");
    }
    assert_eq!(gateway.send(push(&json!([7, {"type": "track"}]))).status, 400);
    let large = Request::post("/v1/deliver", "x".repeat(600_000)).header("x-write-key", "k_queue");
    assert_eq!(gateway.send(large).status, 413);
    assert!(gateway.requests(Podsights).is_empty());
}

#[test]
fn without_the_setting_the_path_is_the_collectors() {
    let mut file = file(json!({}), json!({}));
    file["endpoints"] = json!({});
    let gateway = Gateway::start(Options::new().configuration(file));
    assert_eq!(gateway.send(push(&event(1))).status, 200);
    assert_eq!(gateway.requests(Collector).len(), 1);
}

#[test]
fn requests_beyond_max_open_are_told_so_while_the_others_wait() {
    let gateway = gateway(json!({"within": "2s", "max_open": 2}));
    gateway.behave(Podsights, json!({"hold": true}));
    let mut waiting: Vec<_> = (1..=2)
        .map(|order| {
            let mut connection = gateway.connect();
            connection.write(push(&event(order)).bytes());
            connection
        })
        .collect();
    gateway.wait_for(Podsights, 2);
    let response = gateway.send(push(&event(3)));
    assert_eq!(response.status, 429);
    assert!(response.header("retry-after").is_some());
    gateway.behave(Podsights, json!({}));
    for connection in &mut waiting {
        assert_eq!(connection.read().status, 200);
    }
}

#[test]
fn senders_that_leave_cost_nothing_and_what_they_left_is_settled() {
    let gateway = gateway(json!({"within": "2s"}));
    gateway.behave(Podsights, json!({"hold": true}));
    for order in 1..=20 {
        let mut connection = gateway.connect();
        connection.write(push(&event(order)).bytes());
        gateway.wait_for(Podsights, order);
        drop(connection);
    }
    gateway.behave(Podsights, json!({}));
    let books = settled(&gateway, PS, 20);
    assert_eq!((books.delivered, gateway.vm_restarts()), (20, 0));
    assert_eq!(gateway.send(push(&event(21))).status, 200);
}

#[test]
fn a_new_configuration_and_a_new_vm_answer_what_is_held() {
    let gateway = gateway(json!({"within": "4s"}));
    gateway.behave(Podsights, json!({"hold": true}));
    let mut connection = gateway.connect();
    connection.write(push(&event(1)).bytes());
    gateway.wait_for(Podsights, 1);
    let mut other = file(json!({"within": "5s"}), json!({"max_attempts": 3}));
    assert!(gateway.reconfigure(other.clone()));
    gateway.behave(Podsights, json!({}));
    let response = connection.read();
    assert_eq!((response.status, outcomes(&response)), (200, vec!["delivered".into(), "delivered".into()]));

    gateway.behave(Podsights, json!({"hold": true}));
    let mut connection = gateway.connect();
    connection.write(push(&event(2)).bytes());
    gateway.wait_for(Podsights, 2);
    other["integrations"].as_array_mut().unwrap().truncate(1);
    assert!(gateway.reconfigure(other), "an integration that is removed meanwhile");
    gateway.behave(Podsights, json!({"status": 503}));
    let response = connection.read();
    assert_eq!((response.status, outcomes(&response)), (503, vec!["delivered".into(), "given_back".into()]));
}

#[test]
fn two_requests_with_one_event_at_the_same_time_send_it_once() {
    let gateway = gateway(json!({}));
    gateway.behave(Podsights, json!({"delay_ms": 300}));
    let mut first = gateway.connect();
    first.write(push(&event(1)).bytes());
    gateway.wait_for(Podsights, 1);
    let second = gateway.send(push(&event(1)));
    assert_eq!(first.read().status, 200);
    assert_eq!((second.status, outcomes(&second)), (200, vec!["duplicate".into(), "duplicate".into()]));
    assert!(wait_until(LIMIT, || Books::of(&gateway, PS).pending() == 0));
    assert_eq!(gateway.requests(Podsights).len(), 1);
}
