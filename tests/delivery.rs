//! What becomes of a delivery: each answer a vendor can give, each way to be out of reach, and each limit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::orders::{
    Books, FT, PS, added_to_cart, callouts, configuration, dropped, flashtalking, order, podsights, settled,
};
use support::{Flashtalking, Gateway, LIMIT, Options, Podsights, wait_until};

fn gateway(delivery: Value) -> Gateway {
    Gateway::start(Options::new().configuration(configuration(&[flashtalking(), podsights()], delivery)))
}

fn of_cluster<'e>(envoy: &'e mut Value, name: &str) -> &'e mut Value {
    let clusters = envoy["static_resources"]["clusters"].as_array_mut().unwrap();
    clusters.iter_mut().find(|cluster| cluster["name"] == name).unwrap()
}

#[test]
fn the_answer_decides_what_is_delivered_rejected_and_tried_again() {
    let gateway = gateway(json!({"max_attempts": 3}));
    let mut sent = 0;
    // The answer to all attempts, and what it comes to: (delivered, rejected, retries_exhausted, attempts).
    let mut answered = |answer: Value, flashtalking: [u64; 4], podsights: [u64; 4]| {
        let counts = |name, vendor| {
            let attempts = gateway.requests(vendor).len() as u64;
            let lost = ["rejected", "retries_exhausted"].map(|reason| dropped(&gateway, name, reason));
            [Books::of(&gateway, name).delivered, lost[0], lost[1], attempts]
        };
        let before = [counts(FT, Flashtalking), counts(PS, Podsights)];
        for vendor in [Flashtalking, Podsights] {
            gateway.behave(vendor, answer.clone());
        }
        sent += 1;
        gateway.send(order(sent));
        settled(&gateway, FT, sent);
        settled(&gateway, PS, sent);
        let after = [counts(FT, Flashtalking), counts(PS, Podsights)];
        let grown = |at: usize| std::array::from_fn(|i| after[at][i] - before[at][i]);
        assert_eq!((grown(0), grown(1)), (flashtalking, podsights), "{answer}");
    };
    let delivered = [1, 0, 0, 1];
    let rejected = [0, 1, 0, 1];
    let exhausted = [0, 0, 1, 3];
    let moved = "https://moved.example/v2?email=jane%40example.com";
    answered(json!({"status": 204, "body": ""}), delivered, delivered);
    answered(json!({"status": 302, "headers": {"location": moved}}), delivered, rejected);
    answered(json!({"status": 400}), rejected, rejected);
    answered(json!({"status": 501}), rejected, rejected);
    answered(json!({"status": 503}), exhausted, exhausted);
    answered(json!({}), delivered, delivered);
    answered(json!({"status": 408, "times": 1}), [1, 0, 0, 2], [1, 0, 0, 2]);
    answered(json!({"reset": "mid_response", "times": 1}), [1, 0, 0, 2], [1, 0, 0, 2]);

    let warning = gateway.wait_for_log("redirects to");
    assert!(warning.contains("moved.example") && warning.contains("[warning]"), "{warning}");
    assert!(!gateway.envoy_log().contains("jane"), "of a redirect only the host is logged");
    assert_eq!([callouts(&gateway, PS, "3xx"), callouts(&gateway, PS, "unusable")], [1, 1]);
}

#[test]
fn retry_after_pauses_the_integration_that_was_told_and_not_the_other() {
    let gateway = gateway(json!({"backoff": {"base": "10ms", "max": "10s"}}));
    gateway.behave(Podsights, json!({"status": 429, "headers": {"retry-after": "1"}, "times": 1}));
    gateway.send(order("told"));
    gateway.wait_for(Podsights, 1);
    assert!(wait_until(LIMIT, || callouts(&gateway, PS, "429") == 1));

    for id in ["a", "b"] {
        gateway.send(order(id));
    }

    gateway.wait_for_within(Duration::from_millis(900), Flashtalking, 3);
    assert_eq!(settled(&gateway, PS, 3).delivered, 3);
    let at: Vec<u64> = gateway.requests(Podsights).iter().map(|request| request.at_ms).collect();
    assert!(
        at[1..].iter().all(|later| later - at[0] >= 990),
        "all wait for the second that was asked for: {at:?}"
    );
}

#[test]
fn a_dead_vendor_does_not_keep_the_other_waiting_and_gets_its_own_when_it_is_back() {
    let gateway = gateway(json!({"max_attempts": 100}));
    gateway.behave(Flashtalking, json!({"refuse": true}));
    let mut connection = gateway.connect();
    let begun = Instant::now();
    for id in 0..50 {
        connection.send(&order(id));
    }
    assert_eq!(settled(&gateway, PS, 50), Books { matched: 50, delivered: 50, dropped: 0 });
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert_eq!(Books::of(&gateway, FT).pending(), 50);
    gateway.wait_for_log("one probe at a time");

    gateway.behave(Flashtalking, json!({}));

    assert_eq!(settled(&gateway, FT, 50).delivered, 50);
    gateway.wait_for_log("the vendor answers again");
    assert_eq!(gateway.tally(Flashtalking)["orders"]["distinct"], 50);
    assert_eq!(gateway.tally(Flashtalking)["orders"]["repeated"], 0, "a refused connection is no hit");
}

#[test]
fn without_a_healthy_host_or_with_an_open_circuit_breaker_deliveries_wait_and_lose_no_attempt() {
    let delivery = json!({"max_attempts": 2, "max_in_flight": 8, "timeout": "5s"});
    let options = Options::new()
        .configuration(configuration(&[flashtalking(), podsights()], delivery))
        .edit_envoy(|envoy| {
            let podsights = of_cluster(envoy, "podsights");
            podsights["type"] = json!("STATIC");
            podsights["load_assignment"]["endpoints"] = json!([]);
            of_cluster(envoy, "flashtalking")["circuit_breakers"] =
                json!({"thresholds": [{"max_requests": 1}]});
        });
    let gateway = Gateway::start(options);
    gateway.behave(Flashtalking, json!({"hold": true}));
    for id in 0..3 {
        gateway.send(order(id));
    }
    assert!(
        wait_until(LIMIT, || callouts(&gateway, FT, "refused") > 3 && callouts(&gateway, PS, "refused") > 3)
    );
    assert_eq!(gateway.requests(Flashtalking).len(), 1, "the breaker lets one through");

    gateway.behave(Flashtalking, json!({}));

    assert_eq!(settled(&gateway, FT, 3).delivered, 3);
    assert_eq!(gateway.requests(Flashtalking).len(), 3);
    assert_eq!(Books::of(&gateway, PS), Books { matched: 3, delivered: 0, dropped: 0 });
}

#[test]
fn what_cannot_be_delivered_within_max_age_is_dropped_as_expired_or_as_misconfigured() {
    let mut nowhere = podsights();
    nowhere["config"]["cluster"] = json!("nowhere");
    let delivery = json!({"max_age": "1s", "max_attempts": 1000});
    let options = Options::new().configuration(configuration(&[flashtalking(), nowhere], delivery));
    let gateway = Gateway::start(options);
    gateway.behave(Flashtalking, json!({"status": 503}));
    for id in 0..4 {
        gateway.send(order(id));
    }

    let error = gateway.wait_for_log("no cluster");
    assert!(error.contains("\"nowhere\"") && error.contains("[error]"), "{error}");
    settled(&gateway, FT, 4);
    settled(&gateway, PS, 4);
    assert_eq!((dropped(&gateway, FT, "expired"), dropped(&gateway, PS, "misconfigured")), (4, 4));
    assert!(callouts(&gateway, PS, "refused") > 0);
}

#[test]
fn a_full_share_drops_exactly_what_is_too_much_and_a_cart_makes_way_for_an_order() {
    let delivery = json!({"queue": {"max_deliveries": 20}, "max_in_flight": 1, "timeout": "5s"});
    let gateway = gateway(delivery);
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({"hold": true}));
    }
    for id in 0..10 {
        gateway.send(added_to_cart(id));
    }
    gateway.wait_for(Podsights, 1); // from here on it is one in flight and nine queued: a full share
    for id in 0..13 {
        gateway.send(order(id));
    }
    gateway.send(added_to_cart("too late"));

    // Flashtalking: 13 orders for 10 places. Podsights: 9 carts make way for 9 orders; 4 orders and a cart find no place.
    for (name, matched, lost) in [(FT, 13, 3), (PS, 24, 14)] {
        assert!(wait_until(LIMIT, || Books::of(&gateway, name).matched == matched));
        assert!(
            wait_until(LIMIT, || dropped(&gateway, name, "queue_full") == lost),
            "{}",
            gateway.prometheus()
        );
    }
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({}));
    }
    assert_eq!(settled(&gateway, FT, 13).delivered, 10);
    assert_eq!(settled(&gateway, PS, 24).delivered, 10);
    assert_eq!(gateway.tally(Podsights)["orders"]["distinct"], 9, "orders took the places of carts");
    assert_eq!(dropped(&gateway, PS, "queue_full"), 14);
}

#[test]
fn a_dry_run_sends_nothing_and_logs_what_it_would_send_without_keys_and_people() {
    let mut dry = [flashtalking(), podsights()];
    dry.iter_mut().for_each(|integration| integration["dry_run"] = json!(true));
    let options = Options::new().trusted_hops(1).configuration(configuration(&dry, json!({})));
    let gateway = Gateway::start(options);
    let event = json!({
        "event": "Order Completed", "anonymousId": "anon_secret",
        "properties": {"order_id": "ORD-1", "revenue": 5, "email": "jane@example.com"},
    });
    let request = support::Request::post("/v1/t", event.to_string())
        .header("x-forwarded-for", "203.0.113.50")
        .header("user-agent", "Agent/77")
        .header("cookie", "FTrack=ft-77");

    gateway.send(request);

    for name in [FT, PS] {
        let labels = [("integration", name), ("outcome", "dry_run")];
        gateway.wait_for_counter(support::orders::DELIVERIES, &labels, 1);
    }
    let lines: String = gateway
        .envoy_log()
        .lines()
        .filter(|line| line.contains("dry run"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(lines.contains("ORD-1") && lines.contains("/container/") && lines.contains("***"), "{lines}");
    let email_hash = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d";
    for secret in
        [support::PODSIGHTS_KEY, "anon_secret", "jane", email_hash, "203.0.113.50", "Agent/77", "ft-77"]
    {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
    assert!(gateway.requests(Flashtalking).is_empty() && gateway.requests(Podsights).is_empty());
    assert_eq!(callouts(&gateway, PS, "2xx"), 0);
}

/// How often the filter's timer fires in half a second. At log level trace Envoy logs each call into the VM.
fn ticks(gateway: &Gateway) -> usize {
    let so_far = || gateway.envoy_log().matches("proxy_on_tick").count();
    let before = so_far();
    std::thread::sleep(Duration::from_millis(500));
    so_far() - before
}

#[test]
fn an_idle_filter_has_no_timer_also_where_a_stream_keeps_an_old_configuration_alive() {
    let mut nowhere = podsights();
    nowhere["config"]["cluster"] = json!("nowhere");
    let file = |podsights: Value| configuration(&[flashtalking(), podsights], json!({}));
    let gateway = Gateway::start(Options::new().configuration(file(nowhere)).filter_log_level("trace"));
    assert_eq!(ticks(&gateway), 0, "before the first request");
    let mut upload = gateway.connect();
    upload.write("POST /v1/t HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 500\r\n\r\n{");
    gateway.send(order(1));
    settled(&gateway, FT, 1);
    assert!(ticks(&gateway) > 5, "it tries for the cluster again and again");

    assert!(gateway.reconfigure(file(podsights())));
    settled(&gateway, PS, 1);
    std::thread::sleep(Duration::from_millis(100)); // the last tick finds nothing to do and switches itself off

    assert_eq!(ticks(&gateway), 0);
}
