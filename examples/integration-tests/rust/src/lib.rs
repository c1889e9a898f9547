//! The gateway and the stand-in, as the tests see them.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{json, Value};

/// How long to wait for what must come.
const LIMIT: Duration = Duration::from_secs(10);

/// The gateway, while the stand-in remembers nothing and answers as the vendors do. One test at a time: all of them share it.
pub struct Gateway {
    agent: ureq::Agent,
    _alone: MutexGuard<'static, ()>,
}

impl Gateway {
    /// Waits for the test before and begins with an empty stand-in.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        // The stand-in's errors say what was there instead, so they are read, too.
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let gateway = Self { agent, _alone: alone };
        gateway.read(gateway.agent.post(stand_in("/reset")).send_empty());
        gateway
    }

    /// Sends what the site sends, and returns the order's id. It is new: the filter drops an order that comes again.
    pub fn purchase(&self, consent: Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970");
        let order = format!("ORD-{}", now.as_nanos());
        let event = json!({
            "type": "track", "event": "Order Completed",
            "anonymousId": format!("anon-{order}"), "messageId": format!("msg-{order}"),
            "properties": {"order_id": order, "revenue": 129.99, "currency": "USD", "email": "jane.doe@example.com"},
            "context": {"page": {"url": "https://shop.example.com/thanks"}, "consent": consent},
        });
        self.read(self.agent.post(address("GATEWAY", "127.0.0.1:10000") + "/v1/t").send_json(event));
        order
    }

    /// What the destination has received of an order so far.
    pub fn requests(&self, destination: &str, order: &str) -> Vec<Value> {
        self.get(&format!("/requests/{destination}?order={order}"))
    }

    /// The same, once there are `count` requests.
    pub fn wait_for(&self, destination: &str, order: &str, count: usize) -> Vec<Value> {
        self.get(&format!("/requests/{destination}?order={order}&count={count}&within={}s", LIMIT.as_secs()))
    }

    /// How the destination answers from now on.
    pub fn answer(&self, destination: &str, behaviour: Value) {
        self.read(self.agent.put(stand_in(&format!("/behaviour/{destination}"))).send_json(behaviour));
    }

    /// What the filter says of an order at a vendor, once it says that the delivery has ended so: `outcome=dropped&reason=gpc`.
    pub fn ended(&self, vendor: &str, order: &str, how: &str) -> Vec<Value> {
        self.get(&format!("/records?order={order}&vendor={vendor}&{how}&within={}s", LIMIT.as_secs()))
    }

    fn get(&self, path: &str) -> Vec<Value> {
        let text = self.read(self.agent.get(stand_in(path)).call());
        serde_json::from_str(&text).expect("a list of requests or records")
    }

    /// The text of a good answer.
    fn read(&self, answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> String {
        let mut answer = answer.expect("gateway or stand-in doesn't answer");
        let text = answer.body_mut().read_to_string().expect("a text");
        assert!(answer.status().is_success(), "{text}");
        text
    }
}

fn address(variable: &str, default: &str) -> String {
    format!("http://{}", std::env::var(variable).unwrap_or_else(|_| default.to_owned()))
}

fn stand_in(path: &str) -> String {
    address("STAND_IN", "127.0.0.1:10081") + path
}
