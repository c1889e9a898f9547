//! Nothing is lost with a durable engine in front: syslog-ng pushes to the acknowledged route, vendors fail, and the gateway and the
//! engine are killed by SIGKILL at random moments.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use support::engine::{DELIVER_KEY, WORKERS};
use support::orders::{Books, FT, PS, configuration, flashtalking, podsights};
use support::{Connection, DurableEngine, Flashtalking, Gateway, Options, Podsights, wait_until};

const SENDERS: usize = 3;
const KILLS: usize = 6;
/// Beyond the pause of a second that the engine makes after each 503, and the lease of what a killed gateway held.
const SETTLE: Duration = Duration::from_secs(60);

fn gateway() -> Gateway {
    let mut file = configuration(&[flashtalking(), podsights()], json!({"timeout": "1s"}));
    file["endpoints"] = json!({"deliver": {"within": "3s"}});
    file["sources"] = json!([{"id": "engine", "keys": [DELIVER_KEY], "deliver": true}]);
    Gateway::start(Options::new().configuration(file).fixed_port().concurrency(2).filter_log_level("info"))
}

/// A CloudEvent with an order of this id.
fn cloud_event(id: &str) -> String {
    let event = json!({
        "type": "track", "event": "Order Completed", "messageId": format!("m-{id}"), "anonymousId": "a",
        "properties": {"order_id": id, "revenue": 5, "currency": "USD"},
    });
    json!({"specversion": "1.0", "id": id, "source": "shop", "type": "order", "data": event}).to_string()
}

/// A number below the limit, by the moment.
fn random_below(limit: u64) -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::from(now.subsec_nanos()) / 1000 % limit
}

#[test]
fn every_order_that_the_engine_took_reaches_both_vendors_whoever_is_killed() {
    let mut gateway = gateway();
    let mut engine = DurableEngine::start(gateway.dir(), &format!("http://{}/v1/deliver", gateway.address()));
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({"status": 503, "share": 0.3}));
    }
    let address = engine.address();
    let (accepted, over) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let unanswered = AtomicUsize::new(0);
    // Each sends an order until the engine has answered 202.
    let send = |sender: usize| {
        for number in 0.. {
            let id = format!("{sender}-{number}");
            loop {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut connection) = Connection::open(address) else { continue };
                match connection.try_send(&DurableEngine::request(&cloud_event(&id))) {
                    Ok(answer) if answer.status == 202 => break,
                    Ok(answer) => assert_eq!(answer.status, 503),
                    Err(_) => drop(unanswered.fetch_add(1, Ordering::Relaxed)),
                }
            }
            accepted.lock().unwrap().push(id);
            thread::sleep(Duration::from_millis(20)); // the pace of a busy shop
        }
    };
    thread::scope(|scope| {
        (0..SENDERS).for_each(|sender| drop(scope.spawn(move || send(sender))));
        for kill in 0..KILLS {
            // The one thing here that is no condition: a moment that nothing depends on.
            thread::sleep(Duration::from_millis(200 + random_below(600)));
            if kill % 2 == 0 {
                gateway.kill();
                gateway.restart();
            } else {
                engine.kill();
                engine.restart();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    for vendor in [Flashtalking, Podsights] {
        gateway.behave(vendor, json!({}));
    }

    let accepted = accepted.into_inner().unwrap();
    // At a kill each lane of the engine has one request at the gateway, and each sender one at the engine.
    let in_flight = (WORKERS * KILLS) as u64 + unanswered.load(Ordering::Relaxed) as u64;
    for (vendor, name) in [(Flashtalking, FT), (Podsights, PS)] {
        let mut lost: Vec<String> = Vec::new();
        wait_until(SETTLE, || {
            let orders = gateway.orders(vendor);
            let has = |id: &String| orders.get(id).is_some_and(|hits| hits.accepted > 0);
            lost = accepted.iter().filter(|id| !has(id)).cloned().collect();
            lost.is_empty()
        });
        assert!(lost.is_empty(), "{vendor:?} has not {lost:?} of {}", accepted.len());
        assert!(wait_until(SETTLE, || engine.queued() == 0), "{} are left", engine.queued());
        let twice = gateway.tally(vendor)["orders"]["accepted_repeatedly"].as_u64().unwrap();
        assert!(twice <= in_flight, "{vendor:?} has {twice} twice, {in_flight} were in flight at a kill");
        assert!(wait_until(SETTLE, || Books::of(&gateway, name).matched > 0));
        println!("{vendor:?}: {} orders, {twice} twice, of at most {in_flight}", accepted.len());
    }
    assert_eq!(engine.dropped(), 0);
}
