//! Requests of the acknowledged route that are pushed all at once, and wait for their answers together.

use std::time::Duration;

use serde_json::{Value, json};

use super::orders::{configuration, flashtalking, order_event, podsights};
use super::{Connection, Gateway, Request, Response, wait_until_every};

/// The write key of the source that clients send with.
pub const CLIENT_KEY: &str = "k_shop";
/// The write key of the source that may use the acknowledged route.
const QUEUE_KEY: &str = "k_queue";

/// How often it is asked whether answers have come. Each time costs some calls of the system for each connection.
const POLL: Duration = Duration::from_millis(20);

/// The length of the path of each event's page, in bytes: what is held, and what is mapped of it, is to take up some memory.
const PATH: usize = 8_000;

/// A configuration with both vendors and the acknowledged route. `deliver` and `delivery` are these sections of it.
pub fn acknowledging(deliver: Value, delivery: Value) -> Value {
    let mut file = configuration(&[flashtalking(), podsights()], delivery);
    file["endpoints"] = json!({"deliver": deliver});
    file["sources"] = json!([
        {"id": "shop", "keys": [CLIENT_KEY]},
        {"id": "queue", "keys": [QUEUE_KEY], "deliver": true},
    ]);
    file
}

/// Requests whose senders wait, each on a connection of its own.
pub struct Pushed {
    waiting: Vec<(u64, Connection)>,
}

impl Pushed {
    /// Pushes a purchase for each of the order ids, without waiting for an answer.
    pub fn all_at_once(gateway: &Gateway, ids: impl IntoIterator<Item = u64>) -> Self {
        let push = |id| {
            let mut event = order_event(id);
            event["context"]["page"]["url"] = json!(format!("https://shop.example/{}", "x".repeat(PATH)));
            let request = Request::post("/v1/deliver", event.to_string());
            let mut connection = gateway.connect();
            connection.write(request.header("x-write-key", QUEUE_KEY).bytes());
            (id, connection)
        };
        Self { waiting: ids.into_iter().map(push).collect() }
    }

    /// How many have no answer yet.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Reads the answers that have come, each with its order id. Their connections are closed.
    pub fn take_answered(&mut self) -> Vec<(u64, Response)> {
        let (answered, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(id, mut connection)| (connection.is_readable(), id, connection))
            .partition::<Vec<_>, _>(|(is_readable, ..)| *is_readable);
        self.waiting = waiting.into_iter().map(|(_, id, connection)| (id, connection)).collect();
        answered.into_iter().map(|(_, id, mut connection)| (id, connection.read())).collect()
    }

    /// Waits until `count` more have been answered, or the time is over. Returns the answers that came, each with its order id.
    pub fn wait_for(&mut self, count: usize, limit: Duration) -> Vec<(u64, Response)> {
        let mut answered = Vec::new();
        wait_until_every(POLL, limit, || {
            answered.extend(self.take_answered());
            answered.len() >= count
        });
        answered
    }

    /// The senders of `count` requests go away without an answer. Returns their order ids.
    pub fn leave(&mut self, count: usize) -> Vec<u64> {
        self.waiting.drain(..count).map(|(id, _)| id).collect()
    }
}
