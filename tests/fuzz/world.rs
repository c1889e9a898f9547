//! A relay with a world around it that takes every callout and keeps the books, to send hostile requests through.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use conversion_relay::accounting::{
    CalloutStatus, DeliveryLedger, EventIgnored, IntegrationRef, Ledger, Note, Notice, Outcome, Refusal,
    RequestIgnored,
};
use conversion_relay::config::Compiled;
use conversion_relay::deduplication::Store;
use conversion_relay::delivery::{Answer, Instant, Token};
use conversion_relay::endpoints::Carrier;
use conversion_relay::relay::{Host, Relay};
use conversion_relay::request::Request;
use conversion_relay::vendors::Callout;
use proptest::prelude::*;

use crate::corpus::{BODIES, COOKIES, PATHS};
use crate::engine::{broken, has_email, packed};

/// Both vendors, with mappings that put whatever a client likes into every kind of place.
pub fn config() -> Rc<Compiled> {
    let mappings = |target: &str| {
        format!(
            r#"{{"version":2,"defaults":{{"action":"send"}},"global":{{"mappings":[
                {{"source":"properties.title","target":"{target}1"}},
                {{"source":"context.page.url","target":"{target}2"}},
                {{"source":"request.header.referer","target":"{target}3"}},
                {{"source":"request.cookie._dfid","target":"{target}4"}},
                {{"source":"request.query.e","target":"{target}5"}}]}}}}"#
        )
    };
    let config = format!(
        r#"{{"endpoints":{{"max_body_bytes":20000,"max_events":20,"max_event_age":"366d"}},"consent":{{"when_absent":"allow"}},
        "integrations":[
            {{"name":"F","vendor":"flashtalking","consent_categories":["advertising"],"field_mappings":{},
              "config":{{"advertiser_id":1,"spotlight_id":2,"spotlight_group_id":3,"ftrack_cookies":["FTrack"]}}}},
            {{"name":"P","vendor":"podsights","field_mappings":{},"config":{{"key":"ps_key"}}}}]}}"#,
        mappings("U"),
        mappings("u"),
    );
    Rc::new(Compiled::load(config.as_bytes(), &|_| None).unwrap_or_else(|invalid| panic!("{invalid}")))
}

/// A request of which everything may be broken but its endpoint, as then it would be none.
#[derive(Clone, Debug)]
pub struct Sent {
    target: &'static str,
    query: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

pub fn request() -> impl Strategy<Value = Sent> {
    let target = prop::sample::select(vec![
        "/v1/t",
        "/v1/batch",
        "/v1/b",
        "/v1/events",
        "/api/s/page",
        "/v1/pixel/track",
        "/v1/pixel/page",
    ]);
    let encoding = prop::sample::select(vec!["", "", "gzip", "deflate"]);
    let headers = (
        broken(COOKIES),
        broken(COOKIES),
        broken(PATHS),
        broken(&["Mozilla/5.0 (X11; Linux x86_64) jane.doe"]),
        any::<bool>(),
    );
    (target, broken(PATHS), encoding, headers, broken(BODIES)).prop_map(
        |(target, query, encoding, headers, body)| {
            let (cookie, more, referer, agent, gpc) = headers;
            let mut headers =
                vec![("cookie", cookie), ("cookie", more), ("referer", referer), ("user-agent", agent)];
            headers.push(("content-encoding", encoding.into()));
            headers.push(("sec-gpc", if gpc { b"0".into() } else { Vec::new() }));
            let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            Sent { target, query, headers, body: packed(&body, encoding) }
        },
    )
}

/// Sends a request through all stations. True: at least one callout came of it.
pub fn relay(config: &Rc<Compiled>, sent: Sent) -> bool {
    let mut world = World::default();
    let mut relay = Relay::new("fuzz".to_owned(), Rc::clone(config), 1, &mut world);
    let query = sent.query.split(|byte| *byte == b'?').next_back().unwrap_or_default();
    let path = [sent.target.as_bytes(), b"?", query].concat();
    let endpoint = config.endpoints.find(&path).unwrap();
    let body = if endpoint.carrier == Carrier::Body { sent.body } else { Vec::new() };
    let request = Request {
        endpoint,
        path,
        source_address: b"203.0.113.50:4711".to_vec(),
        headers: sent.headers,
        body,
        lease: relay.budget().lease(),
    };
    relay.hand_over(request, &world);
    for _ in 0..10_000 {
        if relay.is_idle() {
            break;
        }
        relay.work(&mut world);
        for token in std::mem::take(&mut world.open) {
            assert!(relay.settle(token, Answer::status(200), &mut world));
        }
        world.now += Duration::from_secs(1);
    }
    assert!(relay.is_idle(), "the relay never came to rest");
    assert_eq!(relay.budget().used(), 0, "a lease was kept");
    assert_eq!(world.matched, world.ended, "matched = delivered + dropped");
    world.callouts > 0
}

#[derive(Default)]
struct World {
    now: Instant,
    open: Vec<Token>,
    callouts: u32,
    matched: u32,
    ended: u32,
    shared: RefCell<HashMap<String, Vec<u8>>>,
}

impl Host for World {
    fn now(&self) -> Instant {
        self.now
    }

    fn wall_clock(&self) -> i64 {
        1_767_225_700_000
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> bool {
        bytes.fill(7);
        true
    }

    fn send(&mut self, _: &str, _: &str, callout: &Callout<'_>, _: Duration) -> Result<Token, Refusal> {
        assert!(callout.path.len() <= 8192, "the path has {} bytes", callout.path.len());
        assert!(callout.path.bytes().all(|byte| byte.is_ascii_graphic()), "{}", callout.path);
        assert!(!has_email(&callout.path), "{}", callout.path);
        for (name, value) in &callout.headers {
            assert!(value.len() <= 8192 && !value.chars().any(char::is_control), "{name}: {value:?}");
            assert!(!has_email(value), "{name}: {value}");
        }
        if let Some(body) = &callout.body {
            assert!(body.len() <= 64 * 1024);
            let body: serde_json::Value = serde_json::from_str(body).unwrap();
            // Text by text: the quote that begins one is no part of an address.
            assert!(!any_text(&body, &has_email), "{body}");
            assert_eq!(body["key"], "ps_key");
        }
        self.callouts += 1;
        let token = Token(self.callouts);
        self.open.push(token);
        Ok(token)
    }

    fn dry_run(&mut self, _: &str, _: &Callout<'_>) {}
}

impl Ledger for World {
    fn events_ignored(&mut self, _: EventIgnored, _: usize) {}

    fn request_ignored(&mut self, _: RequestIgnored) {}

    fn note(&mut self, _: Note) {}
}

impl DeliveryLedger for World {
    fn delivery(&mut self, _: IntegrationRef<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Matched => self.matched += 1,
            _ => self.ended += 1,
        }
    }

    fn callout(&mut self, _: IntegrationRef<'_>, _: CalloutStatus, _: Duration) {}

    fn notice(&mut self, _: IntegrationRef<'_>, _: Notice<'_>) {}
}

impl Store for World {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        (self.shared.borrow().get(key).cloned(), None)
    }

    fn set(&self, key: &str, value: &[u8], _: Option<u32>) -> bool {
        self.shared.borrow_mut().insert(key.to_owned(), value.to_vec());
        true
    }
}

/// Whether a text of this JSON, a key included, is one that is looked for.
fn any_text(json: &serde_json::Value, is: &dyn Fn(&str) -> bool) -> bool {
    match json {
        serde_json::Value::String(text) => is(text),
        serde_json::Value::Array(items) => items.iter().any(|item| any_text(item, is)),
        serde_json::Value::Object(members) => {
            members.iter().any(|(key, value)| is(key) || any_text(value, is))
        }
        _ => false,
    }
}
