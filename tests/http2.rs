//! Vendors that end connections and streams of HTTP/2 in each way that the protocol knows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::{Value, json};
use support::orders::{Books, PS, callouts, configuration, order, orders, podsights, settled};
use support::{Gateway, Options, Podsights};

fn start(integrations: &[Value], behaviour: Value) -> Gateway {
    let delivery = json!({"max_attempts": 10, "timeout": "2s"});
    let gateway = Gateway::start(Options::new().configuration(configuration(integrations, delivery)));
    gateway.behave(Podsights, behaviour);
    gateway
}

/// Waits until `count` orders are delivered, each accepted by the vendor once, and says what the vendor received.
fn all_delivered(gateway: &Gateway, count: u64) -> Value {
    assert_eq!(settled(gateway, PS, count), Books { matched: count, delivered: count, dropped: 0 });
    assert_eq!(gateway.vm_restarts(), 0);
    let tally = gateway.tally(Podsights);
    assert_eq!(tally["orders"]["distinct"], count, "{tally}");
    assert_eq!(tally["orders"]["accepted_repeatedly"], 0, "{tally}");
    tally
}

fn of_cluster(gateway: &Gateway, stat: &str) -> u64 {
    gateway.stat(&format!("cluster.podsights.{stat}")).unwrap_or_default()
}

#[test]
fn a_goaway_that_answers_what_it_has_costs_no_attempt() {
    let gateway = start(&[podsights()], json!({"goaway_after": 3, "delay_ms": 20}));
    for id in 0..9 {
        gateway.send(order(id));
    }

    let tally = all_delivered(&gateway, 9);

    assert_eq!(tally["requests"], 9, "{tally}");
    assert!(of_cluster(&gateway, "upstream_cx_close_notify") >= 1, "the vendor never said GOAWAY");
    assert_eq!(callouts(&gateway, PS, "transport"), 0);
}

#[test]
fn a_goaway_that_drops_what_it_has_repeats_that_and_nothing_else() {
    let behaviour = json!({"goaway_after": 3, "goaway_abrupt": true, "delay_ms": 20});
    let gateway = start(&[podsights()], behaviour);
    gateway.send(orders(0..3));
    gateway.wait_for(Podsights, 3);
    gateway.behave(Podsights, json!({}));
    gateway.send(orders(3..10));

    let tally = all_delivered(&gateway, 10);

    assert_eq!((&tally["unanswered"], &tally["orders"]["repeated"]), (&json!(3), &json!(3)), "{tally}");
    assert_eq!(tally["orders"]["max_hits"], 2, "{tally}");
}

#[test]
fn a_refused_stream_is_tried_again() {
    let gateway = start(&[podsights()], json!({"reset": "refused_stream", "times": 3}));
    gateway.send(orders(0..10));

    let tally = all_delivered(&gateway, 10);

    assert_eq!((&tally["resets"], &tally["requests"]), (&json!(3), &json!(13)), "{tally}");
    assert_eq!(callouts(&gateway, PS, "transport"), 3);
}

#[test]
fn a_connection_that_drops_in_the_middle_of_an_answer_repeats_what_was_on_it() {
    let gateway = start(&[podsights()], json!({"reset": "connection", "times": 1, "delay_ms": 50}));
    gateway.send(orders(0..10));

    let tally = all_delivered(&gateway, 10);

    assert!(of_cluster(&gateway, "upstream_cx_total") >= 2, "the connection was not dropped");
    assert!(tally["orders"]["max_hits"].as_u64() <= Some(2), "{tally}");
}

#[test]
fn a_vendor_that_allows_one_stream_at_a_time_gets_each_order_once() {
    let gateway = start(&[podsights()], json!({"max_streams": 1, "delay_ms": 5}));
    gateway.send(orders(0..10));

    let tally = all_delivered(&gateway, 10);

    assert_eq!(tally["requests"], 10, "a stream beyond the limit is refused before the vendor looks at it");
}

#[test]
fn a_burst_of_two_integrations_on_a_new_connection_stays_below_the_100_streams_that_any_vendor_allows() {
    let mut second = podsights();
    second["name"] = json!("PS2");
    let gateway = start(&[podsights(), second], json!({"max_streams": 100, "delay_ms": 100}));

    gateway.send(orders(0..64));

    for name in [PS, "PS2"] {
        assert_eq!(settled(&gateway, name, 64).delivered, 64);
        assert_eq!(callouts(&gateway, name, "transport"), 0, "{name}: no stream was refused");
    }
    assert_eq!(gateway.tally(Podsights)["requests"], 128);
}
