//! What a shop's visitors send, and what a module does for it.

use std::time::Duration;

use serde_json::Value;

use super::envoy::{Envoy, Exchange};
use super::module::Module;
use super::tally::Tally;
use super::wire::Headers;

/// Rounds before anything is counted: the first define metrics, fill caches and shared data, and grow tables.
const WARM_UP: usize = 16;
/// Rounds that are counted.
const ROUNDS: usize = 16;

/// Requests in a round reach the gateway this far apart, so that eight of them arrive while the filter collects.
const APART: Duration = Duration::from_micros(500);
/// Between two rounds. What the filter does once a second, it does in each of them.
const PAUSE: Duration = Duration::from_secs(1);

/// One kind of request, sent alone or with others of its kind.
pub struct Scenario {
    pub title: &'static str,
    /// Requests in a round, which all end up in one tick.
    requests: usize,
    /// Events in a request. The figures are for each of them.
    events: usize,
    /// How many of a round's events each vendor gets.
    delivered: usize,
    request: fn(usize) -> Exchange,
}

const fn scenario(
    title: &'static str,
    [requests, events, delivered]: [usize; 3],
    request: fn(usize) -> Exchange,
) -> Scenario {
    Scenario { title, requests, events, delivered, request }
}

pub const PURCHASE: Scenario = scenario("purchase, alone in its tick", [1, 1, 1], |nth| track(purchase(nth)));
pub const EIGHT_PURCHASES: Scenario =
    scenario("purchase, eight in a tick", [8, 1, 8], |nth| track(purchase(nth)));
pub const UNWANTED: Scenario =
    scenario("event that no integration wants", [1, 1, 0], |nth| track(unwanted(nth)));
pub const UNTRACKED: Scenario = scenario("untracked request", [1, 1, 0], |_| untracked());
pub const BATCH: Scenario = scenario("event in a batch of 20 purchases", [1, 20, 20], batch);

/// The columns of the table.
pub const ALL: [&Scenario; 5] = [&PURCHASE, &EIGHT_PURCHASES, &UNWANTED, &UNTRACKED, &BATCH];

/// What a number of events took.
pub struct Measured {
    pub events: u64,
    pub tally: Tally,
}

impl Scenario {
    /// Runs some rounds in a module of their own, and counts what the later ones take.
    pub fn measure(&self, code: &[u8]) -> Measured {
        let mut module = Module::start(code, shipped());
        for nth in 0..WARM_UP {
            self.round(&mut module, nth);
        }
        module.take_tally();
        for nth in WARM_UP..WARM_UP + ROUNDS {
            self.round(&mut module, nth);
        }
        let to_each_vendor = ((WARM_UP + ROUNDS) * self.delivered) as u64;
        for vendor in ["flashtalking", "podsights"] {
            let sent = module.envoy().sent.get(vendor).copied().unwrap_or_default();
            assert_eq!(sent, to_each_vendor, "{}: callouts to {vendor}", self.title);
        }
        assert_eq!(module.envoy().complaints, [""; 0], "{}: complaints in the log", self.title);
        let events = (ROUNDS * self.requests * self.events) as u64;
        Measured { events, tally: module.take_tally() }
    }

    /// The requests of a round, and all that the filter does for them.
    pub fn round(&self, module: &mut Module, nth: usize) {
        let accepted = headers(&[(":status", "200"), ("content-type", "application/json")]);
        for at in 0..self.requests {
            module.exchange((self.request)(nth * self.requests + at), &accepted);
            module.wait(APART);
        }
        module.settle();
        module.wait(PAUSE);
    }
}

/// Envoy with the filter's file as it is shipped.
pub fn shipped() -> Envoy {
    let file: Value = serde_saphyr::from_str(include_str!("../../conversion-relay.yaml")).unwrap();
    let configuration = file.pointer("/resources/0/typed_config/config/configuration/value").unwrap();
    let key = ("PODSIGHTS_KEY".to_owned(), "ps_pixel_key_abc123".to_owned());
    Envoy::new(configuration.to_string().into_bytes(), vec![key])
}

fn headers(pairs: &[(&str, &str)]) -> Headers {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

/// A request from a browser, with the headers that Envoy adds.
fn request(method: &str, path: &str, body: String) -> Exchange {
    let mut headers = headers(&[
        (":authority", "shop.example.com"),
        (":path", path),
        (":method", method),
        (":scheme", "https"),
        (
            "user-agent",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)",
        ),
        ("accept", "*/*"),
        ("accept-language", "en-GB,en;q=0.9"),
        ("accept-encoding", "gzip, deflate, br"),
        ("referer", "https://shop.example.com/checkout/done?step=3"),
        ("cookie", "_ga=GA1.1.1234567890.1700000000; theme=dark; session=0123456789abcdef"),
        ("x-forwarded-for", "203.0.113.50"),
        ("x-forwarded-proto", "https"),
        ("x-request-id", "3f1b0f6e-6c39-4a3d-9a55-0123456789ab"),
    ]);
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), b"application/json".to_vec()));
        headers.push(("content-length".to_owned(), body.len().to_string().into_bytes()));
    }
    Exchange { headers, body: body.into_bytes(), ..Exchange::default() }
}

fn track(event: String) -> Exchange {
    request("POST", "/v1/t", event)
}

fn untracked() -> Exchange {
    request("GET", "/v1/products?page=2", String::new())
}

fn batch(nth: usize) -> Exchange {
    let events: Vec<String> = (0..BATCH.events).map(|at| purchase(nth * BATCH.events + at)).collect();
    request("POST", "/v1/batch", format!(r#"{{"batch":[{}]}}"#, events.join(",")))
}

fn unwanted(nth: usize) -> String {
    purchase(nth).replace("Order Completed", "Video Played")
}

fn purchase(nth: usize) -> String {
    format!(
        r#"{{"type":"track","event":"Order Completed","messageId":"ajs-next-1700000000000-{nth:08}",
            "anonymousId":"1f0e6a3c-6c39-4a3d-9a55-{nth:012}","timestamp":"2026-01-01T00:00:00.000Z",
            "properties":{{"order_id":"ORD-{nth:05}","revenue":129.99,"currency":"EUR","coupon":"SPRING","email":"jane.doe@example.com",
                "products":[{{"product_id":"p1","sku":"BS-42","name":"Blue shoes","price":99.99,"quantity":1}}]}},
            "context":{{"page":{{"url":"https://shop.example.com/checkout/done?step=3","path":"/checkout/done","title":"Thank you"}},
                "library":{{"name":"analytics.js","version":"next-1.70.0"}},"consent":{{"advertising":true,"marketing":true}}}}}}"#
    )
}
