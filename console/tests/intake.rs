//! What gateways send to the console, and what they get, over HTTP and without an Envoy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "fleet/kit.rs"]
mod kit;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use conversion_relay_console::fleet::{Live, follow};
use conversion_relay_console::options::Options;
use conversion_relay_console::store::{GatewayState, LetterQuery, RecordQuery};
use kit::{ADMIN_TOKEN, GATEWAY_TOKEN, Running, VIEWER_TOKEN, letter, poll, post_letter, with_token};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use support::{Connection, Request, wait_until};
use tokio_stream::StreamExt;

const DISCOVERY: &str = "/v3/discovery:extension_configs";

fn start() -> Running {
    Running::start(Options::default())
}

fn records(lines: &str) -> Request {
    with_token(
        Request::post("/v1/records", lines).header("content-type", "application/x-ndjson"),
        GATEWAY_TOKEN,
    )
}

fn record(order: &str) -> String {
    let record = json!({"version": 1, "time": "2026-11-29T12:00:00.000Z", "gateway": "gw", "plugin": "p", "what": "ended",
        "event": {"type": "track", "name": "Order Completed", "order_id": order}, "outcome": "delivered"});
    format!("{record}\n")
}

fn pull(name: &str, etag: &str) -> Request {
    let request = Request::get("/v1/gateway/configuration").header("x-gateway", name);
    with_token(request.header("if-none-match", etag), GATEWAY_TOKEN)
}

fn integration() -> Value {
    json!({"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}})
}

#[test]
fn a_gateway_that_asks_gets_the_configuration_once_and_again_after_each_change() {
    let console = start();
    let first = console.send(&poll("gw", "")).json();
    let resource = &first["resources"][0];
    assert_eq!(resource["name"], "conversion-relay");
    assert_eq!(resource["typed_config"]["config"]["configuration"]["value"]["integrations"], json!([]));
    let version = first["version_info"].as_str().unwrap().to_owned();
    let again = console.send(&poll("gw", &version));
    assert_eq!((again.status, again.text().as_str()), (304, ""));
    console.put("int_a", &integration());
    assert_eq!(console.gateways()[0].state, GatewayState::Behind);
    let second = console.send(&poll("gw", &version)).json();
    assert_ne!(second["version_info"], version);
    let served = &second["resources"][0]["typed_config"]["config"]["configuration"]["value"];
    assert_eq!(served["integrations"][0]["config"]["key"], "${PODSIGHTS_KEY}");
    console.send(&poll("gw", &version));
    assert_eq!(console.gateways()[0].state, GatewayState::Refused, "it was given it and keeps the old one");
    let other = poll("gw", "").bytes();
    let other =
        String::from_utf8(other).unwrap().replace(r#"["conversion-relay"]"#, r#"["conversion-relax"]"#);
    let mut connection = Connection::open(console.address).unwrap();
    connection.write(other);
    assert_eq!(connection.read().status, 404);
}

#[test]
fn a_file_is_pulled_once_and_again_after_each_change() {
    let console = start();
    let first = console.send(&pull("gw", ""));
    let etag = first.header("etag").unwrap().to_owned();
    assert_eq!(first.json()["resources"][0]["name"], "conversion-relay");
    let again = console.send(&pull("gw", &format!("\"other\", W/{etag}")));
    assert_eq!((again.status, again.header("etag")), (304, Some(etag.as_str())));
    assert_eq!(console.gateways()[0].state, GatewayState::Current);
    console.put("int_a", &integration());
    let second = console.send(&pull("gw", &etag));
    assert_eq!(second.status, 200);
    assert_ne!(second.header("etag"), Some(etag.as_str()));
    assert_eq!(console.gateways()[0].revision, Some(1), "what it said that it has");
}

#[test]
fn each_token_opens_what_its_role_may_and_none_opens_nothing() {
    let console = start();
    for (method, target) in [
        ("POST", DISCOVERY),
        ("GET", "/v1/gateway/configuration"),
        ("POST", "/v1/records"),
        ("POST", "/v1/dead-letters"),
        ("GET", "/v1/admin/intake"),
    ] {
        let is_admins = target.starts_with("/v1/admin");
        let status = |token| console.send(&with_token(Request::new(method, target).body("{}"), token)).status;
        assert_eq!(console.send(&Request::new(method, target)).status, 401, "{target}");
        assert_eq!(status("no-token-of-this-console"), 401, "{target}");
        assert_eq!(status(if is_admins { GATEWAY_TOKEN } else { VIEWER_TOKEN }), 403, "{target}");
        assert!(![401, 403].contains(&status(ADMIN_TOKEN)), "{target}");
    }
}

#[test]
fn records_are_kept_counted_and_shown_as_they_come() {
    let console = start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let query = RecordQuery { order: Some("B".into()), ..RecordQuery::default() };
    let mut live = Box::pin(follow(&console.console.live, query));
    let body = [record("A").as_str(), "no record\n", &record("B")].concat();
    assert_eq!(console.send(&records(&body)).json()["taken"], 2);
    assert_eq!(console.wait_for_records("A", 1)[0].record["outcome"], "delivered");
    let next = runtime.block_on(async { tokio::time::timeout(kit::LIMIT, live.next()).await });
    let Ok(Some(Live::Record(shown))) = next else { panic!("{next:?}") };
    assert_eq!(shown.record["event"]["order_id"], "B");
    // A record is counted after it is shown.
    let counts = || console.send(&with_token(Request::get("/v1/admin/intake"), VIEWER_TOKEN)).json();
    assert!(wait_until(kit::LIMIT, || counts()["records"]["kept"] == 2), "{}", counts());
    assert_eq!(counts()["records"]["malformed"], 1);
}

#[test]
fn a_reader_that_is_too_slow_loses_the_oldest_and_is_told_how_many() {
    let console = start();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut live = Box::pin(follow(&console.console.live, RecordQuery::default()));
    let count = 3_000;
    for _ in 0..3 {
        assert_eq!(console.send(&records(&record("A").repeat(count / 3))).status, 200);
    }
    let counts = || console.console.fleet.counts().records.kept;
    assert!(wait_until(kit::LIMIT, || counts() == u64::try_from(count).unwrap()));
    let first = runtime.block_on(live.next());
    let Some(Live::Missed(missed)) = first else { panic!("{first:?}") };
    assert!(missed > 0);
    let Some(Live::Record(next)) = runtime.block_on(live.next()) else { panic!() };
    assert_eq!(next.number, i64::try_from(missed).unwrap() + 1);
}

#[test]
fn the_oldest_records_go_where_there_are_too_many() {
    let console = Running::start(Options { keep_records: 10, ..Options::default() });
    console.send(&records(&record("A").repeat(50)));
    let query = RecordQuery { limit: 100, ..RecordQuery::default() };
    let all_but_ten_are_gone = wait_until(kit::LIMIT, || {
        let numbers: Vec<_> =
            console.console.store.records(&query).unwrap().iter().map(|record| record.number).collect();
        numbers == (41..=50).rev().collect::<Vec<_>>()
    });
    assert!(all_but_ten_are_gone);
}

#[test]
fn a_letter_that_comes_again_is_answered_alike_and_kept_once_and_what_is_none_is_refused() {
    let console = start();
    for _ in 0..2 {
        assert_eq!(console.send(&post_letter("a-1")).status, 204);
    }
    let found = console.console.store.letters(&LetterQuery { limit: 10, ..LetterQuery::default() }).unwrap();
    assert_eq!(found.len(), 1);
    let mut other = letter("a-2");
    other["type"] = json!("conversion_relay.event");
    let refused =
        console.send(&with_token(Request::post("/v1/dead-letters", other.to_string()), GATEWAY_TOKEN));
    assert_eq!((refused.status, refused.json()["error"]["code"].clone()), (400, json!("MALFORMED")));
    let mut large = letter("a-3");
    large["data_base64"] = json!("A".repeat(256 << 10));
    let refused =
        console.send(&with_token(Request::post("/v1/dead-letters", large.to_string()), GATEWAY_TOKEN));
    assert_eq!((refused.status, refused.json()["error"]["code"].clone()), (413, json!("TOO_LARGE")));
}

#[test]
fn any_bytes_to_any_route_are_answered() {
    let console = start();
    let targets = [DISCOVERY, "/v1/records", "/v1/dead-letters"];
    let good = [String::from_utf8(poll("gw", "").bytes()).unwrap(), record("A"), letter("a").to_string()];
    let good = good.map(|text| text.split("\r\n\r\n").last().unwrap().to_owned());
    let bytes = prop::collection::vec(any::<u8>(), 0..400);
    let strategy = (0..targets.len(), any::<prop::sample::Index>(), bytes, any::<bool>());
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&strategy, |(target, at, bytes, replaces)| {
        // Bytes alone, or within something that is taken.
        let mut body = if replaces { Vec::new() } else { good[target].clone().into_bytes() };
        let at = at.index(body.len() + 1);
        body.splice(at..at, bytes);
        let answer = console.send(&with_token(Request::post(targets[target], body), GATEWAY_TOKEN));
        prop_assert!([200, 204, 400, 404].contains(&answer.status), "{} {}", answer.status, answer.text());
        Ok(())
    });
    ran.unwrap();
    assert_eq!(console.send(&post_letter("after-all")).status, 204);
}

/// Polls as an Envoy does every two seconds, until the console has another version than this. Returns when it had it.
fn poll_until_changed(address: std::net::SocketAddr, name: &str, version: &str) -> Option<Instant> {
    let mut connection = Connection::open(address).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < kit::LIMIT {
        let answer = connection.send(&poll(name, version));
        if answer.status == 200 {
            let at = Instant::now();
            connection.send(&poll(name, answer.json()["version_info"].as_str().unwrap()));
            return Some(at);
        }
        std::thread::sleep(POLL_EVERY);
    }
    None
}

const POLL_EVERY: Duration = Duration::from_secs(2);

#[test]
fn fifty_gateways_have_a_change_within_three_seconds() {
    let console = start();
    let version = console.send(&poll("gw-0", "")).json()["version_info"].as_str().unwrap().to_owned();
    let address = console.address;
    std::thread::scope(|scope| {
        let version = &version;
        let poller = |number: u32| {
            move || {
                // Each at another moment within the interval.
                std::thread::sleep(POLL_EVERY * number / 50);
                poll_until_changed(address, &format!("gw-{number}"), version)
            }
        };
        let gateways: Vec<_> = (0..50).map(|number| scope.spawn(poller(number))).collect();
        assert!(wait_until(kit::LIMIT, || console.gateways().len() == 50));
        console.put("int_a", &integration());
        let changed = Instant::now();
        let last = gateways.into_iter().map(|gateway| gateway.join().unwrap().expect("each has it")).max();
        let took = last.unwrap() - changed;
        assert!(took < Duration::from_secs(3), "{took:?}");
    });
    let seen = console.gateways();
    assert_eq!(seen.len(), 50);
    assert!(
        seen.iter().all(|seen| seen.state == GatewayState::Current && seen.revision == Some(2)),
        "{seen:#?}"
    );
}
