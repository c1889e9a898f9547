//! Receivers of records: one for a whole fleet, and those that are slow, hostile, or take nothing at all.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::kit::{assert_nothing_private, check_all, file, options, purchase, visit};
use crate::support::orders::{FT, PS, orders, settled};
use crate::support::{Gateway, LIMIT, Options, Records, Request, wait_until};

const NOTES: &str = "conversion_relay_notes_total";
const MIB: u64 = 1 << 20;
/// The events of a request of [`long_records`].
const PER_REQUEST: usize = 250;

fn dropped(gateway: &Gateway) -> u64 {
    gateway.counter(NOTES, &[("kind", "record_dropped")])
}

/// Records that are not the same one sent again.
fn distinct(records: &[Value]) -> usize {
    let about = |record: &Value| format!("{} {}", record["event"]["message_id"], record["integration"]);
    records.iter().map(about).collect::<BTreeSet<_>>().len()
}

#[test]
fn two_gateways_of_a_fleet_write_to_one_receiver_and_each_record_says_whose_it_is() {
    let start = |node: &str, options: Options| {
        Gateway::start(
            options.configuration(file(json!({}))).trusted_hops(1).arguments(&["--service-node", node]),
        )
    };
    let a = start("a", Options::new().with_records());
    let b = start("b", Options::new().cluster("records", a.records_address()));
    for (gateway, order) in [(&a, "1"), (&b, "2"), (&a, "3"), (&b, "4")] {
        assert_eq!(gateway.send(visit(&purchase(order))).status, 200);
    }
    let records = a.wait_for_records("outcome=delivered", 8);
    for record in &records {
        let sent_to =
            if ["1", "3"].contains(&record["event"]["order_id"].as_str().unwrap()) { "a" } else { "b" };
        assert_eq!(record["gateway"], sent_to);
        assert_nothing_private(&record.to_string());
    }
    assert_eq!((records.len(), b.records("").len(), dropped(&a) + dropped(&b)), (8, 0, 0));
}

#[test]
fn a_hostile_receiver_costs_no_delivery_and_each_record_comes_in_the_end_or_is_counted() {
    let mut file = file(json!({}));
    for integration in file["integrations"].as_array_mut().unwrap() {
        integration["consent_categories"] = json!([]);
    }
    file["records"]["queue"] = json!(50);
    let gateway = Gateway::start(options(file));
    let garbage = "\u{0}{\"version\": <html>".repeat(1000);
    let hostile = [
        json!({"delay_ms": 2000}),
        json!({"body": garbage}),
        json!({"status": 400, "body": garbage}),
        json!({"status": 302, "headers": {"location": "https://elsewhere.example/"}}),
        json!({"status": 429, "headers": {"retry-after": "86400"}}),
        json!({"body_bytes": 50_000_000}),
        json!({"status": 500, "body_bytes": 50_000_000}),
        json!({"reset": "before_headers"}),
        json!({"reset": "mid_response"}),
        json!({"refuse": true}),
        json!({"hold": true}),
    ];
    let mut sent = 0;
    for behaviour in hostile {
        let asked = || gateway.tally(Records)["requests"].as_u64().unwrap();
        let before = asked();
        gateway.behave(Records, behaviour.clone());
        assert_eq!(gateway.send(orders(sent..sent + 20)).status, 200);
        sent += 20;
        for integration in [FT, PS] {
            assert_eq!(settled(&gateway, integration, sent).delivered, sent, "{behaviour}");
        }
        // One that refuses connections is never asked.
        let is_met = || behaviour.get("refuse").is_some() || asked() > before;
        assert!(wait_until(LIMIT, is_met), "{behaviour}");
        gateway.behave(Records, json!({}));
        // It pauses the longer the more often it has failed, so it is to have a success between.
        assert_eq!(gateway.send(orders([sent])).status, 200);
        let arrives = || !gateway.records(&format!("order={sent}")).is_empty();
        assert!(wait_until(LIMIT * 2, arrives), "nothing comes after {behaviour}");
        sent += 1;
    }
    let made = usize::try_from(2 * sent).unwrap();
    let lost = || usize::try_from(dropped(&gateway)).unwrap();
    let arrived = || distinct(&gateway.records(""));
    let all_told = wait_until(LIMIT * 8, || arrived() + lost() >= made);
    assert!(all_told, "{} arrived and {} were dropped of {made}", arrived(), lost());
    assert!(lost() > 0, "what it refuses for good is lost");
    check_all(&gateway);
    assert_eq!(gateway.vm_restarts(), 0);
}

/// Events that no integration sends, so that each costs a long record and nothing else.
fn long_records(from: usize) -> Request {
    let event = |id: usize| json!({"type": "track", "event": "Nobody Wants This ".repeat(20), "messageId": format!("{id}-{}", "x".repeat(200))});
    let batch: Vec<Value> = (from..from + PER_REQUEST).map(event).collect();
    Request::post("/v1/batch", json!({"batch": batch}).to_string())
}

#[test]
fn a_receiver_that_never_answers_costs_memory_for_8_mib_of_records_however_many_are_made() {
    const REQUESTS: usize = 200;
    let file = |queue: usize| {
        let mut file = file(json!({}));
        file["records"]["queue"] = json!(queue);
        file
    };
    let gateway = Gateway::start(options(file(1)).filter_log_level("info"));
    let mut sent = 0;
    let mut send_all = || {
        for _ in 0..REQUESTS {
            assert_eq!(gateway.send(long_records(sent)).status, 200);
            sent += PER_REQUEST;
        }
        let ignored = || gateway.counter("conversion_relay_events_ignored_total", &[("reason", "unmapped")]);
        assert!(wait_until(LIMIT * 8, || ignored() == sent as u64), "{} of {sent}", ignored());
    };
    // All that a busy worker needs anyway is taken before: with a queue of one, nearly all of these are dropped.
    send_all();
    let first = gateway.wait_for_records("what=ignored", 1);
    gateway.behave(Records, json!({"hold": true}));
    assert!(gateway.reconfigure(file(100_000)));
    let (before, dropped_before) = (gateway.peak_rss(), dropped(&gateway));
    send_all();
    let made = (PER_REQUEST * REQUESTS) as u64;
    let bytes = made * first[0].to_string().len() as u64;
    let grown = gateway.peak_rss() - before;
    let bound = 20 * MIB;
    assert!(bytes > 30 * MIB, "{} MiB of records would not show the bound", bytes / MIB);
    assert!(grown < bound, "{} MiB for {} MiB of records", grown / MIB, bytes / MIB);
    // What is kept is some 8 MiB of it.
    let kept_bytes = (made + dropped_before - dropped(&gateway)) * bytes / made;
    assert!((6 * MIB..9 * MIB).contains(&kept_bytes), "{} KiB were kept", kept_bytes / 1024);
    assert_eq!(gateway.send(visit(&purchase("1"))).status, 200);
    assert_eq!(settled(&gateway, PS, 1).delivered, 1);
    assert_eq!(gateway.vm_restarts(), 0);
}
