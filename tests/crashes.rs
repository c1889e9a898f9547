//! A filter that crashes: what it costs, and what it doesn't. With the module of `make crash-test`, which a header makes crash.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::orders::{Books, FT, PS, configuration, flashtalking, order, orders, podsights, settled};
use support::{Gateway, LIMIT, Options, Podsights, Request, root, wait_until};

const CRASH: &str = "x-conversion-relay-crash";
/// The action of the route of `/v1/`.
const ROUTE: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0/route";

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

#[test]
fn a_request_that_a_vm_held_when_it_died_is_ended_by_envoys_idle_timeout_and_delivered_when_it_comes_again() {
    let module = root().join("dist/crash-test.wasm");
    let mut file = configuration(&[podsights()], json!({"timeout": "1s"}));
    file["endpoints"] = json!({"deliver": {"within": "1s"}});
    file["sources"] = json!([{"id": "queue", "keys": ["k_queue"], "deliver": true}]);
    let options = Options::new().use_module(module).configuration(file).edit_envoy(|envoy| {
        envoy.pointer_mut(ROUTE).unwrap()["idle_timeout"] = json!("2s");
    });
    let gateway = Gateway::start(options);
    let push = || {
        let event = json!({"event": "Order Completed", "messageId": "m", "properties": {"order_id": "1"}});
        Request::post("/v1/deliver", event.to_string()).header("x-write-key", "k_queue")
    };
    gateway.behave(Podsights, json!({"hold": true}));
    let mut held = gateway.connect();
    held.write(push().bytes());
    gateway.wait_for(Podsights, 1);

    assert_eq!(gateway.send(push().header(CRASH, "panic")).status, 503);
    gateway.behave(Podsights, json!({}));

    assert!(held.read().status >= 500, "no new VM knows anything of it");
    // Until within + timeout + 1 s are over the dead VM may still have it.
    assert!(wait_until(LIMIT, || gateway.send(push()).status == 200));
    assert_eq!(gateway.vm_restarts(), 1);
}
