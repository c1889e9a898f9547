//! The calls that the module makes into Envoy, counted by name: dist/conversion-relay.wasm in an interpreter, with a fake of
//! Envoy's side of the ABI. Each call crosses from the VM into Envoy, and most copy their results back, so their number is a part
//! of what an event costs that is the same in each run.
//!
//! `make hostcalls` prints the table of docs/performance.md, and `make hostcalls UPDATE_DOCS=1` writes it. Another build of the
//! module is shown beside it by `make hostcalls AGAINST=other.wasm`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/documents.rs"]
mod documents;

/// A fake of Envoy, and what it counts.
mod hostcalls {
    pub mod call;
    pub mod envoy;
    pub mod imports;
    pub mod module;
    pub mod shop;
    pub mod table;
    pub mod tally;
    pub mod wire;
}

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hostcalls::module::{Module, ROOT};
use hostcalls::shop::{self, BATCH, EIGHT_PURCHASES, PURCHASE, Scenario, UNTRACKED, UNWANTED};
use hostcalls::table::{self, Measurements};
use hostcalls::tally::Counts;

/// What the module takes, measured once for all tests.
static MEASURED: LazyLock<Measurements> =
    LazyLock::new(|| Measurements::of(&module("dist/conversion-relay.wasm")));

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn module(path: impl AsRef<Path>) -> Vec<u8> {
    let path = root().join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run: make wasm", path.display()))
}

/// A variable of the environment that is set and not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The calls of all counted events of a scenario, by name.
fn calls(scenario: &Scenario) -> Counts {
    MEASURED.get(scenario).tally.calls()
}

/// The same of one call, for each event.
fn per_event(scenario: &Scenario, name: &str) -> f64 {
    let times = calls(scenario).get(name).copied().unwrap_or_default();
    times as f64 / MEASURED.get(scenario).events as f64
}

#[test]
fn an_event_takes_the_calls_into_envoy_that_are_recorded_in_performance_md() {
    let other = variable("AGAINST").map(|path| Measurements::of(&module(path)));
    let counted = table::calls(&MEASURED, other.as_ref());
    println!("\n{counted}\n{}", table::callbacks(&MEASURED, other.as_ref()));
    if other.is_some() {
        return println!("Where two numbers are given, the second is the other module's.");
    }
    let page = root().join("docs/performance.md");
    if variable("UPDATE_DOCS").is_some() {
        documents::write(&page, "hostcalls", &counted);
    }
    let text = std::fs::read_to_string(&page).unwrap();
    let (_, rest) = text.split_once("<!-- hostcalls: begin -->").unwrap();
    let (recorded, _) = rest.split_once("<!-- hostcalls: end -->").unwrap();
    let differences = table::differences(recorded, &counted);
    assert!(
        differences.is_empty(),
        "other calls than in docs/performance.md; if that is right, run: make hostcalls UPDATE_DOCS=1\n{}",
        differences.join("\n")
    );
}

#[test]
fn an_untracked_request_takes_one_call() {
    let events = MEASURED.get(&UNTRACKED).events;
    assert_eq!(calls(&UNTRACKED), Counts::from([("proxy_get_header_map_value".to_owned(), events)]));
}

#[test]
fn an_event_that_no_integration_wants_is_neither_deduplicated_nor_sent() {
    for name in ["proxy_get_shared_data", "proxy_set_shared_data", "proxy_http_call"] {
        assert!(per_event(&PURCHASE, name) > 0.0, "{name}: a purchase takes it");
        assert!(!calls(&UNWANTED).contains_key(name), "{name}");
    }
}

#[test]
fn every_purchase_takes_one_callout_for_each_vendor() {
    for scenario in [&PURCHASE, &EIGHT_PURCHASES, &BATCH] {
        assert_eq!(per_event(scenario, "proxy_http_call").to_bits(), 2_f64.to_bits(), "{}", scenario.title);
    }
}

#[test]
fn purchases_that_share_a_tick_take_fewer_calls_each() {
    let all = |scenario| calls(scenario).values().sum::<u64>() as f64 / MEASURED.get(scenario).events as f64;
    let (alone, together, batch) = (all(&PURCHASE), all(&EIGHT_PURCHASES), all(&BATCH));
    assert!(batch < together && together < alone, "{batch} in a batch, {together} in a tick, {alone} alone");
}

#[test]
fn every_purchase_is_delivered_and_counted_as_such() {
    let mut module = Module::start(&module("dist/conversion-relay.wasm"), shop::shipped());
    PURCHASE.round(&mut module, 0);
    let envoy = module.envoy();
    assert_eq!(envoy.counted("conversion_relay_deliveries_total"), 4, "{:?}", envoy.metrics);
    for outcome in ["matched", "delivered"] {
        let of = |name: &str| {
            let counted =
                envoy.metrics.iter().filter(|(known, _)| known.contains(name) && known.contains(outcome));
            counted.map(|(_, value)| value).sum::<i64>()
        };
        assert_eq!((of("flashtalking"), of("podsights")), (1, 1), "{outcome}: {:?}", envoy.metrics);
    }
}

/// So that no figure rests on a call that does nothing.
#[test]
#[should_panic(expected = "the fake of Envoy doesn't play proxy_unknown")]
fn a_call_that_the_fake_does_not_play_is_an_error_that_names_it() {
    // (module (import "env" "proxy_unknown" (func)) (export "run" (func 0)))
    let code = [
        b"\0asm\x01\0\0\0".as_slice(),
        b"\x01\x04\x01\x60\0\0", // types: one, from nothing to nothing
        b"\x02\x15\x01\x03env\x0dproxy_unknown\0\0", // imports: one function of that type
        b"\x07\x07\x01\x03run\0\0", // exports: that function
    ];
    Module::load(&code.concat(), shop::shipped()).call_back("run", ROOT, &[]);
}
