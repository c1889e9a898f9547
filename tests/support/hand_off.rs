//! A gateway that hands its clients' events off to an engine and delivers what the engine pushes back: one gateway plays
//! both parts.

use serde_json::{Value, json};

use super::engine::{DELIVER_KEY, QUEUE_TOKEN};
use super::orders::{self, configuration, flashtalking, podsights};
use super::{DurableEngine, EngineOptions, Gateway, Options, Request};

/// What the clients authenticate with.
pub const SHOP_KEY: &str = "wk_shop";
/// The integration that events are handed off to, as metrics name it.
pub const QUEUE: &str = "To_the_queue";

/// A gateway with both vendors behind the engine. `endpoints` says who answers the clients, and how events are handed off and
/// taken back; `delivery` is as for [`configuration`].
pub fn handing_off(endpoints: Value, delivery: Value) -> Value {
    let queue = json!({
        "name": "To the queue", "vendor": "webhook", "preset": "cloudevents",
        "config": {
            "cluster": "queue", "authority": "queue.internal", "path": "/events", "purpose": "own",
            "headers": {"authorization": format!("Bearer {QUEUE_TOKEN}")},
        },
    });
    let mut file = configuration(&[flashtalking(), podsights(), queue], delivery);
    file["endpoints"] = endpoints;
    file["secrets"] = json!(["a secret of the relay, for tests alone"]);
    file["sources"] = json!([
        {"id": "shop", "keys": [SHOP_KEY]},
        {"id": "engine", "keys": [DELIVER_KEY], "deliver": true},
    ]);
    file
}

/// `endpoints` of a gateway that answers a client once the engine has its event.
pub fn answering_when_accepted() -> Value {
    let hand_off = json!({"integration": "To the queue", "answer_when": "accepted", "within": "3s"});
    json!({"reply": "local", "hand_off": hand_off, "deliver": {"within": "3s"}})
}

/// `endpoints` of a gateway whose clients are answered by the collector, and wait for nothing.
pub fn answered_by_the_collector() -> Value {
    json!({"hand_off": {"integration": "To the queue"}, "deliver": {"within": "3s"}})
}

/// The gateway of these options, and the engine that it hands off to and is pushed to by.
pub fn start(options: Options) -> (Gateway, DurableEngine) {
    let engine = EngineOptions::new();
    let gateway = Gateway::start(options.cluster("queue", engine.address()));
    let url = format!("http://{}/v1/deliver", gateway.address());
    let engine = engine.start(gateway.dir(), &url);
    (gateway, engine)
}

/// A purchase with this order id, from a client with the shop's key.
pub fn order(id: impl std::fmt::Display) -> Request {
    orders::order(id).header("x-write-key", SHOP_KEY)
}
