//! Nothing is lost with a durable engine, syslog-ng, that pushes to the acknowledged route: vendors fail, and the gateway, its
//! filter and the engine are killed at random moments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::engine::{DELIVER_KEY, WORKERS};
use support::hand_off::{self, QUEUE, answering_when_accepted, handing_off};
use support::ledger::{Arrived, Ledger};
use support::orders::{FT, PS, configuration, flashtalking, order_event, podsights};
use support::senders::{CLIENTS, Senders};
use support::{DurableEngine, Flashtalking, Gateway, Options, Podsights, root, wait_until};

const KILLS: usize = 6;
/// Orders a second: the pace of a busy shop.
const RATE: u64 = 100;
/// Beyond the pause of a second that the engine makes after each 503, and the lease of what a killed filter held.
const SETTLE: Duration = Duration::from_secs(60);
/// The action of the route of `/v1/`.
const ROUTE: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config/virtual_hosts/0/routes/0/route";

fn options(file: Value) -> Options {
    Options::new().configuration(file).fixed_port().filter_log_level("info")
}

/// A CloudEvent with an order of this id.
fn cloud_event(id: u64) -> String {
    let event = order_event(id);
    json!({"specversion": "1.0", "id": id.to_string(), "source": "shop", "type": "order", "data": event})
        .to_string()
}

/// A number below the limit, by the moment.
fn random_below(limit: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos()) / 1000 % limit
}

fn three_of_ten_fail(gateway: &Gateway) {
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({"status": 503, "share": 0.3}));
    }
}

/// Kills the gateway and the engine in turn, at moments that nothing depends on.
fn kill_in_turn(gateway: &mut Gateway, engine: &mut DurableEngine) {
    for kill in 0..KILLS {
        // The one thing here that is no condition.
        thread::sleep(Duration::from_millis(200 + random_below(600)));
        if kill % 2 == 0 {
            gateway.kill();
            gateway.restart();
        } else {
            engine.kill();
            engine.restart();
        }
    }
}

/// Fails unless each of these orders is at both vendors, at most `in_flight` of them twice, and the engine has nothing left.
fn all_arrived(gateway: &Gateway, engine: &DurableEngine, orders: &HashSet<u64>, in_flight: u64) {
    assert!(orders.len() > 100, "the clients hardly got through: {}", orders.len());
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({}));
    }
    for vendor in [Flashtalking, Podsights] {
        let mut arrived = Arrived::default();
        wait_until(SETTLE, || {
            arrived = Arrived::at(gateway, vendor, orders);
            arrived.accepted == orders.len() as u64
        });
        assert_eq!(arrived.accepted, orders.len() as u64, "{vendor:?} has not {:?}", arrived.missing);
        assert!(wait_until(SETTLE, || engine.queued() == 0), "{} are left", engine.queued());
        let twice = Arrived::at(gateway, vendor, orders).twice;
        assert!(twice <= in_flight, "{vendor:?} has {twice} twice, {in_flight} were in flight at a kill");
        println!("{vendor:?}: {} orders, {twice} twice, of at most {in_flight}", orders.len());
    }
    assert_eq!(engine.dropped(), 0);
}

/// Waits until the books of these integrations balance, but for `lost` deliveries of each at most that died with a filter.
fn balanced(gateway: &Gateway, integrations: &[&str], lost: u64) {
    for integration in integrations {
        let mut ledger = Ledger::default();
        let balanced = wait_until(SETTLE, || {
            ledger = Ledger::of(gateway, integration);
            ledger.matched > 0 && (ledger.ended()..=ledger.ended() + lost).contains(&ledger.matched)
        });
        assert!(balanced, "{integration}: {ledger:?}, of which {lost} died at most");
    }
}

#[test]
fn every_order_that_the_engine_took_reaches_both_vendors_whoever_is_killed() {
    let mut file = configuration(&[flashtalking(), podsights()], json!({"timeout": "1s"}));
    file["endpoints"] = json!({"deliver": {"within": "3s"}});
    file["sources"] = json!([{"id": "engine", "keys": [DELIVER_KEY], "deliver": true}]);
    let mut gateway = Gateway::start(options(file).concurrency(2));
    let mut engine = DurableEngine::start(gateway.dir(), &format!("http://{}/v1/deliver", gateway.address()));
    three_of_ten_fail(&gateway);
    let request = |id| DurableEngine::request(&cloud_event(id));
    let senders = Senders { address: engine.address(), request: &request, rate: RATE, least: 0, again: true };

    let (sent, ()) = senders.send(|| kill_in_turn(&mut gateway, &mut engine));

    // At a kill each lane of the engine has one request at the gateway, and each sender one at the engine.
    let in_flight = (WORKERS * KILLS) as u64 + sent.unanswered;
    all_arrived(&gateway, &engine, &sent.accepted(), in_flight);
    balanced(&gateway, &[FT, PS], 0);
}

#[test]
fn every_order_that_a_gateway_handed_off_before_it_answered_200_reaches_both_vendors_whoever_is_killed() {
    let (mut gateway, mut engine) = hand_off::start(
        options(handing_off(answering_when_accepted(), json!({"timeout": "1s"}))).concurrency(2),
    );
    three_of_ten_fail(&gateway);
    let senders = Senders {
        address: gateway.address(),
        request: &|id| hand_off::order(id),
        rate: RATE,
        least: 0,
        again: true,
    };

    let (sent, ()) = senders.send(|| kill_in_turn(&mut gateway, &mut engine));

    // At a kill of the gateway, each lane of the engine has one request there. And an order that is sent again because its
    // answer was lost, or was 503, can be in the engine twice.
    let in_flight = (WORKERS * KILLS) as u64 + sent.unanswered + sent.refused();
    all_arrived(&gateway, &engine, &sent.accepted(), in_flight);
    balanced(&gateway, &[QUEUE, FT, PS], 0);
}

#[test]
fn every_order_that_was_answered_200_reaches_both_vendors_though_the_filter_dies_while_it_holds_requests() {
    let module = root().join("dist/crash-test.wasm");
    let options = options(handing_off(answering_when_accepted(), json!({"timeout": "1s"})))
        .use_module(module)
        .edit_envoy(|envoy| {
            envoy.pointer_mut(ROUTE).unwrap()["idle_timeout"] = json!("3s");
        });
    let (gateway, engine) = hand_off::start(options);
    three_of_ten_fail(&gateway);
    let active = || gateway.stat("http.gateway.downstream_rq_active").unwrap_or_default();
    let senders = Senders {
        address: gateway.address(),
        request: &|id| hand_off::order(id),
        rate: RATE,
        least: 200,
        again: true,
    };

    let (sent, ()) = senders.send(|| {
        for crash in 0..KILLS {
            thread::sleep(Duration::from_millis(200 + random_below(600)));
            // Slow for a moment, so that the engine's requests are held when the filter dies.
            gateway.behave(Podsights, json!({"delay_ms": 500}));
            assert!(wait_until(SETTLE, || active() >= WORKERS as u64), "no requests are held");
            let crashes = gateway.vm_restarts();
            let request =
                hand_off::order(format!("crash-{crash}")).header("x-conversion-relay-crash", "panic");
            assert_eq!(gateway.send(request).status, 503);
            three_of_ten_fail(&gateway);
            assert!(wait_until(SETTLE, || gateway.vm_restarts() > crashes), "there is no new VM");
        }
    });

    let in_flight = (WORKERS * KILLS) as u64;
    all_arrived(&gateway, &engine, &sent.accepted(), in_flight);
    // Envoy's counters outlive the VM, so what it held stays pending in them for ever: at most a request of each connection.
    let lost = ((WORKERS + CLIENTS) * KILLS) as u64;
    balanced(&gateway, &[QUEUE, FT, PS], lost);
    let ledgers = || [QUEUE, FT, PS].map(|integration| Ledger::of(&gateway, integration));
    let before = ledgers();
    assert_eq!(gateway.send(hand_off::order("at the end")).status, 200);
    let goes_on = wait_until(SETTLE, || {
        let mut pairs = ledgers().into_iter().zip(before);
        pairs.all(|(now, before)| now.matched > before.matched && now.pending() <= before.pending())
    });
    assert!(goes_on, "{:?} after {before:?}", ledgers());
}
