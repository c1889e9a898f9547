//! A hot restart: a second Envoy takes over the listener, and the first one drains and ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::orders::{Books, FT, PS, configuration, flashtalking, orders, podsights, settled};
use support::{Connection, Gateway, LIMIT, Options, Podsights, drain, wait_until};

/// By which the second process counts what it does itself, and not some of what the first one did.
const OWN_COUNTERS: &str = "--skip-hot-restart-parent-stats";
/// Enough for a second Envoy to start on a busy machine.
const LONG: &str = "30";

/// A gateway with ten orders that Podsights doesn't answer. `shutdown`: the seconds after which the first process of a
/// restart ends, whatever it still holds.
fn holding_ten(shutdown: &str, arguments: &[&str]) -> Gateway {
    let configuration = configuration(&[flashtalking(), podsights()], json!({"timeout": "30s"}));
    let options = Options::new()
        .configuration(configuration)
        .can_restart_hot()
        .arguments(&["--drain-time-s", "1", "--parent-shutdown-time-s", shutdown])
        .arguments(arguments)
        // So often Envoy hands its counters on: every five seconds unless it is told.
        .edit_envoy(|envoy| envoy["stats_flush_interval"] = json!("0.1s"));
    let gateway = Gateway::start(options);
    gateway.behave(Podsights, json!({"hold": true}));
    gateway.send(orders(0..10));
    gateway.wait_for(Podsights, 10);
    settled(&gateway, FT, 10);
    gateway
}

#[test]
fn what_the_first_process_holds_it_delivers_while_the_second_takes_the_requests() {
    let mut gateway = holding_ten(LONG, &[OWN_COUNTERS]);

    let mut first = gateway.restart_hot();

    gateway.send(orders(10..13));
    assert_eq!(gateway.get("/some/page").status, 200);
    gateway.wait_for(Podsights, 13);
    gateway.behave(Podsights, json!({}));
    assert!(wait_until(LIMIT, || gateway.tally(Podsights)["orders"]["accepted"] == 13));
    assert!(first.is_running());
    let tally = gateway.tally(Podsights);
    assert_eq!(tally["requests"], 13, "nothing was sent twice: {tally}");
    for name in [FT, PS] {
        assert_eq!(
            settled(&gateway, name, 3).delivered,
            3,
            "{name}: the books of the second process are its own"
        );
    }
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn what_the_first_process_still_holds_at_its_end_is_lost() {
    let mut gateway = holding_ten("2", &[OWN_COUNTERS]);

    let mut first = gateway.restart_hot();

    let ended = wait_until(Duration::from_secs(20), || !first.is_running());
    assert!(ended, "it outlives --parent-shutdown-time-s");
    gateway.behave(Podsights, json!({}));
    gateway.send(orders(10..13));
    assert_eq!(settled(&gateway, PS, 3).delivered, 3);
    assert_eq!(gateway.tally(Podsights)["orders"]["accepted"], 3);
}

#[test]
fn a_drain_of_the_second_process_waits_for_its_own_deliveries_alone() {
    let mut gateway = holding_ten(LONG, &[OWN_COUNTERS]);
    let first = gateway.restart_hot();
    assert!(Connection::open(first.admin).is_err(), "the first process still shows its counters");
    gateway.send(orders(10..13));
    gateway.wait_for(Podsights, 13);
    let admin = gateway.admin_address().to_string();

    let (code, said) = drain(&admin, 1, 30);

    assert!(code == Some(1) && said.contains("3  PS") && said.contains("3 in all"), "{said}");
    gateway.behave(Podsights, json!({}));
    let (code, said) = drain(&admin, 30, 30);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn without_that_option_what_the_first_process_delivers_is_counted_by_the_second_which_never_matched_it() {
    let mut gateway = holding_ten(LONG, &[]);
    std::thread::sleep(Duration::from_millis(300)); // for the first process to have handed its counters on
    let _first = gateway.restart_hot();

    gateway.behave(Podsights, json!({}));

    let mut books = Books::default();
    wait_until(LIMIT, || {
        books = Books::of(&gateway, PS);
        books.delivered == 10
    });
    assert!(books.matched < books.delivered, "{books:?}");
}
