//! The drain before the end: `scripts/drain` waits for what can be waited for, and says truly what became of the rest.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::orders::{Books, DELIVERIES, FT, PS, configuration, flashtalking, order, podsights, settled};
use support::{Flashtalking, Gateway, LIMIT, Options, Podsights, wait_until};

const NOTHING_PENDING: &str = "nothing is pending";

/// How `scripts/drain` ended.
#[derive(Debug)]
struct Drained {
    code: Option<i32>,
    said: String,
    took: Duration,
}

fn drain(admin: &str, deadline: u32, still: u32) -> Drained {
    let begun = Instant::now();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/drain");
    let output = Command::new("sh")
        .args([script, admin, &deadline.to_string(), &still.to_string()])
        .output()
        .expect("cannot run sh");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Drained { code: output.status.code(), said, took: begun.elapsed() }
}

fn drain_of(gateway: &Gateway, deadline: u32) -> Drained {
    drain(&gateway.admin_address().to_string(), deadline, 60)
}

/// A gateway whose Podsights answers 503, so that its deliveries stay pending.
fn start_with_podsights_down() -> Gateway {
    let delivery = json!({"max_attempts": 1000, "backoff": {"base": "100ms", "max": "1s"}});
    let gateway = Gateway::start(
        Options::new().concurrency(2).configuration(configuration(&[flashtalking(), podsights()], delivery)),
    );
    gateway.behave(Podsights, json!({"status": 503}));
    gateway
}

/// Sends purchases of which Podsights' deliveries are pending, and Flashtalking's delivered.
fn send_orders(gateway: &Gateway, count: u64) {
    for id in 0..count {
        gateway.send(order(id));
    }
    settled(gateway, FT, count);
    matched(gateway, PS, count);
}

fn matched(gateway: &Gateway, name: &str, count: u64) {
    assert!(wait_until(LIMIT, || Books::of(gateway, name).matched == count));
}

/// Starts new VMs, as a new module or a rotated secret would.
fn change_vm_config(gateway: &Gateway) {
    let vm_id = "/resources/0/typed_config/config/vm_config/vm_id";
    assert!(gateway.change_filter_file(|file| *file.pointer_mut(vm_id).unwrap() = json!("another")));
}

#[test]
fn the_drain_waits_for_what_is_pending_and_the_end_then_loses_nothing() {
    let delivery = json!({"timeout": "5s"});
    let integrations = [flashtalking(), podsights()];
    let mut gateway = Gateway::start(Options::new().configuration(configuration(&integrations, delivery)));
    gateway.behave(Podsights, json!({"delay_ms": 1500}));
    for id in 0..20 {
        gateway.send(order(id));
    }
    matched(&gateway, PS, 20);
    assert!(Books::of(&gateway, PS).pending() > 0);

    let drained = drain_of(&gateway, 30);

    assert!(drained.code == Some(0) && drained.said.contains(NOTHING_PENDING), "{drained:?}");
    assert!(gateway.terminate().success());
    for vendor in [Flashtalking, Podsights] {
        assert_eq!(gateway.tally(vendor)["orders"]["accepted"], 20);
    }
}

#[test]
fn the_drain_gives_up_at_its_deadline_or_when_nothing_moves_and_tells_what_is_left() {
    let gateway = start_with_podsights_down();
    send_orders(&gateway, 3);
    // Longer than the drain waits before it declares deliveries lost: they aren't, they wait for another attempt.
    for (deadline, still, why) in [(8, 30, "deadline"), (30, 8, "nothing has moved")] {
        let drained = drain(&gateway.admin_address().to_string(), deadline, still);
        assert!(drained.code == Some(1) && drained.said.contains(why), "{drained:?}");
        assert!(drained.said.contains("3  PS") && !drained.said.contains(FT), "{drained:?}");
        assert!(drained.said.contains("the listeners close and stay closed"), "{drained:?}");
        assert!(!drained.said.contains("lost with"), "{drained:?}");
    }
}

#[test]
fn a_drain_that_gave_up_goes_on_waiting_when_it_is_run_again() {
    let mut gateway = start_with_podsights_down();
    send_orders(&gateway, 1);
    assert_eq!(drain_of(&gateway, 1).code, Some(1));

    gateway.behave(Podsights, json!({}));

    let drained = drain_of(&gateway, 30);
    assert_eq!(drained.code, Some(0), "{drained:?}");
    assert!(gateway.terminate().success());
    assert_eq!(gateway.tally(Podsights)["orders"]["accepted"], 1);
}

#[test]
fn a_drain_that_never_began_says_so_with_a_code_of_its_own() {
    let drained = drain("127.0.0.1:1", 1, 1);
    assert!(drained.code == Some(2) && drained.said.contains("nothing was drained"), "{drained:?}");
}

#[test]
fn deliveries_that_a_changed_vm_config_lost_are_told_without_waiting_for_them() {
    let gateway = start_with_podsights_down();
    send_orders(&gateway, 3);
    change_vm_config(&gateway);

    let drained = drain_of(&gateway, 60);

    assert_eq!(drained.code, Some(3), "{drained:?}");
    assert!(drained.said.contains("lost with a VM") && drained.said.contains("3  PS"), "{drained:?}");
    assert!(drained.said.contains("3 in all") && !drained.said.contains(NOTHING_PENDING), "{drained:?}");
    assert!(drained.took < Duration::from_secs(30), "{drained:?}");
}

#[test]
fn what_a_living_vm_holds_is_delivered_before_what_an_earlier_one_lost_is_told() {
    let gateway = start_with_podsights_down();
    send_orders(&gateway, 3);
    change_vm_config(&gateway);
    for id in 3..5 {
        gateway.send(order(id));
    }
    matched(&gateway, PS, 5);
    gateway.behave(Podsights, json!({}));

    let drained = drain_of(&gateway, 60);

    assert!(drained.code == Some(3) && drained.said.contains("3 in all"), "{drained:?}");
    assert_eq!(Books::of(&gateway, PS).delivered, 2);
}

#[test]
fn a_changed_plugin_configuration_loses_nothing_that_the_drain_would_report() {
    let gateway = start_with_podsights_down();
    send_orders(&gateway, 3);
    let renewed = configuration(&[flashtalking(), podsights()], json!({"max_attempts": 999}));
    assert!(gateway.reconfigure(renewed));
    gateway.behave(Podsights, json!({}));
    let drained = drain_of(&gateway, 60);
    assert_eq!(drained.code, Some(0), "{drained:?}");
    assert_eq!(Books::of(&gateway, PS).delivered, 3);
}

#[test]
fn a_queue_is_not_empty_because_the_counters_were_reset() {
    let mut gateway = start_with_podsights_down();
    send_orders(&gateway, 3);
    gateway.admin_post("/reset_counters");
    assert_eq!(gateway.counter(DELIVERIES, &[]), 0);

    let drained = drain_of(&gateway, 5);
    assert!(drained.code == Some(1) && drained.said.contains("an unknown number"), "{drained:?}");
    assert!(drained.said.contains("counters were reset"), "{drained:?}");
    assert!(!drained.said.contains(NOTHING_PENDING), "{drained:?}");

    gateway.behave(Podsights, json!({}));
    let drained = drain_of(&gateway, 60);
    assert!(drained.code == Some(3) && drained.said.contains("counters were reset"), "{drained:?}");
    assert!(drained.said.contains("no VM holds a delivery any more"), "{drained:?}");
    assert!(!drained.said.contains(NOTHING_PENDING), "{drained:?}");
    assert!(gateway.terminate().success());
    assert_eq!(gateway.tally(Podsights)["orders"]["accepted"], 3);
}

#[test]
fn a_gateway_that_hides_what_the_drain_has_to_know_is_left_as_it_is() {
    let only = |pattern: Value| json!({"inclusion_list": {"patterns": [pattern]}});
    let all_but = |pattern: Value| json!({"exclusion_list": {"patterns": [pattern]}});
    for (matcher, said) in [
        (all_but(json!({"prefix": "wasmcustom"})), "shows no counter of conversion-relay"),
        (only(json!({"prefix": "cluster."})), "shows no counter of conversion-relay"),
        (only(json!({"suffix": "outcome.matched"})), "delivered of FT, dropped of FT, dry_run of FT"),
        (all_but(json!({"suffix": "outcome.matched"})), "matched of FT, matched of PS"),
        (all_but(json!({"suffix": "outcome.delivered"})), "delivered of FT, delivered of PS"),
        (all_but(json!({"contains": ".outcome.dropped."})), "dropped of FT, dropped of PS"),
        (all_but(json!({"contains": "pending_seconds"})), "pending_seconds of FT, pending_seconds of PS"),
        (only(json!({"contains": "callout"})), "matched of PS"),
        (only(json!({"contains": "_ignored_total"})), "hides the deliveries"),
    ] {
        let in_words = matcher.to_string();
        let gateway = Gateway::start(
            Options::new()
                .configuration(configuration(&[flashtalking(), podsights()], json!({})))
                .edit_envoy(move |envoy| envoy["stats_config"]["stats_matcher"] = matcher),
        );
        let drained = drain_of(&gateway, 5);
        assert!(drained.code == Some(2) && drained.said.contains(said), "{in_words}: {drained:?}");
        assert!(drained.said.contains("nothing was drained"), "{in_words}: {drained:?}");
        assert_eq!(gateway.send(order(1)).status, 200, "{in_words}: the gateway still serves");
    }
}

/// The snippet of docs/operations.md that lets through what must not be hidden.
fn documented_matcher() -> Value {
    let page = include_str!("../docs/operations.md");
    let snippet = page.split("```yaml\n").skip(1).find(|block| block.contains("stats_matcher:")).unwrap();
    let snippet: Value = serde_saphyr::from_str(snippet.split("```").next().unwrap()).unwrap();
    snippet["stats_config"]["stats_matcher"].clone()
}

#[test]
fn the_documented_stats_matcher_lets_through_what_drain_and_alerts_need() {
    let gateway = Gateway::start(
        Options::new()
            .configuration(configuration(&[flashtalking(), podsights()], json!({})))
            .edit_envoy(|envoy| envoy["stats_config"]["stats_matcher"] = documented_matcher()),
    );
    gateway.send(order(1));
    settled(&gateway, PS, 1);
    for needed in [
        "wasm.conversion-relay.vm_reload_success",
        "extension_config_discovery.http_filter.conversion-relay.update_success",
        "extension_config_discovery.http_filter.conversion-relay.update_rejected",
        "extension_config_discovery.http_filter.conversion-relay.update_failure",
    ] {
        assert!(gateway.stat(needed).is_some(), "{needed}");
    }
    assert_eq!(gateway.stat("cluster.podsights.upstream_cx_total"), None, "the matcher is in force");
    let drained = drain_of(&gateway, 30);
    assert!(drained.code == Some(0) && drained.said.contains(NOTHING_PENDING), "{drained:?}");
}

#[test]
fn a_gateway_without_integrations_has_nothing_pending() {
    for matcher in [json!({"reject_all": false}), documented_matcher()] {
        let gateway = Gateway::start(
            Options::new()
                .configuration(configuration(&[], json!({})))
                .edit_envoy(move |envoy| envoy["stats_config"]["stats_matcher"] = matcher),
        );
        let drained = drain_of(&gateway, 30);
        assert!(drained.code == Some(0) && drained.said.contains(NOTHING_PENDING), "{drained:?}");
    }
}

#[test]
fn a_filter_that_has_never_had_a_valid_configuration_is_not_taken_for_an_empty_one() {
    let gateway = Gateway::start(Options::new().configuration(json!({"integration": []})));
    gateway.wait_for_log("configuration refused");
    let drained = drain_of(&gateway, 5);
    assert!(drained.code == Some(2) && drained.said.contains("valid configuration"), "{drained:?}");
}
