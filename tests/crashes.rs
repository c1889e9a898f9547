//! A filter that crashes: what it costs, and what it doesn't. With the module of `make crash-test`, which a header makes crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::orders::{Books, FT, PS, configuration, flashtalking, order, orders, podsights, settled};
use support::{Gateway, LIMIT, Options, Podsights, Request, root, wait_until};

const CRASH: &str = "x-conversion-relay-crash";

fn gateway() -> Gateway {
    let module = root().join("dist/crash-test.wasm");
    assert!(module.is_file(), "{} is missing: run `make crash-test`", module.display());
    let delivery = json!({"max_attempts": 100});
    let configuration = configuration(&[flashtalking(), podsights()], delivery);
    Gateway::start(Options::new().use_module(module).configuration(configuration))
}

fn crash(how: &str) -> Request {
    order("of the crash").header(CRASH, how)
}

/// Sends orders until one is taken by a new VM; the number of those that got 503 meanwhile.
fn refused_until_replaced(gateway: &Gateway, id: &str) -> usize {
    let mut refused = 0;
    let replaced = wait_until(LIMIT, || {
        let taken = gateway.send(order(id)).status == 200;
        refused += usize::from(!taken);
        taken
    });
    assert!(replaced, "there is no new VM");
    refused
}

#[test]
fn a_crash_costs_its_request_and_what_the_worker_held_and_nothing_else() {
    let gateway = gateway();
    let (mut delivered, mut lost) = (0, 0);
    for (crashes, how) in [(1, "panic"), (2, "memory")] {
        gateway.behave(Podsights, json!({"hold": true}));
        gateway.send(orders(lost..lost + 3));
        lost += 3;
        gateway.wait_for(Podsights, usize::try_from(lost + delivered).unwrap());
        assert!(wait_until(LIMIT, || Books::of(&gateway, FT).delivered == lost + delivered));

        assert_eq!(gateway.send(crash(how)).status, 503, "{how}");
        assert_eq!(gateway.get("/some/page").status, 200, "{how}: other traffic goes on");
        gateway.behave(Podsights, json!({}));
        refused_until_replaced(&gateway, how);
        delivered += 1;

        assert_eq!(settled(&gateway, FT, lost + delivered).delivered, lost + delivered, "{how}");
        assert!(wait_until(LIMIT, || Books::of(&gateway, PS).delivered == delivered), "{how}");
        assert_eq!(Books::of(&gateway, PS).pending(), lost, "{how}: what was lost stays pending");
        assert_eq!(gateway.vm_restarts(), crashes);
    }
    gateway.wait_for_log("x-conversion-relay-crash: panic");
}

#[test]
fn a_filter_that_crashes_again_and_again_leaves_other_traffic_memory_and_log_alone() {
    const RUN: Duration = Duration::from_secs(2);
    const BYTES_OF_LOG_A_CRASH: u64 = 4096;
    let gateway = gateway();
    let active = || gateway.stat("wasm.envoy.wasm.runtime.v8.active").unwrap();
    let log_bytes = || gateway.envoy_log().len() as u64;
    let (vms, memory, log) = (active(), gateway.rss(), log_bytes());
    let begun = Instant::now();
    while begun.elapsed() < RUN {
        assert_eq!(gateway.send(crash("panic")).status, 503);
        assert_eq!(gateway.get("/some/page").status, 200);
    }

    let crashes = gateway.vm_restarts() + 1;
    assert!(crashes > 3, "Envoy made only {crashes} VMs anew");
    assert!(crashes < 50, "{crashes} in {RUN:?}: no back-off");
    assert!(log_bytes() - log < crashes * BYTES_OF_LOG_A_CRASH, "{}", gateway.envoy_log());
    assert!(gateway.rss() < memory + (32 << 20), "{} after {memory} bytes", gateway.rss());
    refused_until_replaced(&gateway, "at the end");
    assert_eq!(active(), vms, "the VMs that crashed are gone");
    for name in [FT, PS] {
        assert_eq!(settled(&gateway, name, 1).delivered, 1);
    }
}

#[test]
fn the_released_module_knows_no_header_that_makes_it_crash() {
    let knows = |module: &str| {
        let bytes = std::fs::read(root().join(module)).unwrap();
        bytes.windows(CRASH.len()).any(|window| window == CRASH.as_bytes())
    };
    assert!(knows("dist/crash-test.wasm"), "else this test would see nothing");
    assert!(!knows("dist/conversion-relay.wasm"));
}
