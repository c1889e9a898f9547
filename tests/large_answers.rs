//! Vendors whose answers are far larger than any answer has reason to be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::orders::{Books, PS, callouts, configuration, orders, podsights, settled};
use support::{Gateway, Options, Podsights, wait_until};

const MIB: u64 = 1 << 20;
/// As `envoy.yaml` sets it.
const LIMIT_OF_AN_ANSWER: u64 = MIB;
const IN_FLIGHT: u64 = 64;

fn gateway() -> Gateway {
    let delivery = json!({"max_attempts": 1000, "timeout": "10s", "max_in_flight": IN_FLIGHT});
    Gateway::start(Options::new().configuration(configuration(&[podsights()], delivery)))
}

#[test]
fn answers_of_50_megabytes_to_64_callouts_at_once_take_no_more_memory_than_envoy_yaml_allows() {
    let gateway = gateway();
    gateway.behave(Podsights, json!({"body_bytes": 50_000_000}));
    let before = gateway.peak_rss();

    gateway.send(orders(0..IN_FLIGHT));

    let cut_off = || callouts(&gateway, PS, "unusable");
    assert!(wait_until(Duration::from_secs(20), || cut_off() >= IN_FLIGHT), "{} were cut off", cut_off());
    let grown = gateway.peak_rss() - before;
    assert!(grown < IN_FLIGHT * LIMIT_OF_AN_ANSWER, "{} MiB for the answers", grown / MIB);
    assert_eq!(gateway.get("/some/page").status, 200);
    gateway.behave(Podsights, json!({}));
    assert_eq!(
        settled(&gateway, PS, IN_FLIGHT),
        Books { matched: IN_FLIGHT, delivered: IN_FLIGHT, dropped: 0 }
    );
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn an_answer_just_within_the_limit_is_an_answer_like_any_other() {
    let gateway = gateway();
    gateway.behave(Podsights, json!({"body_bytes": LIMIT_OF_AN_ANSWER}));

    gateway.send(orders(0..3));

    assert_eq!(settled(&gateway, PS, 3).delivered, 3);
    assert_eq!(gateway.tally(Podsights)["requests"], 3, "none is sent again");
}
