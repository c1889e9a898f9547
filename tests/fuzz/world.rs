//! A relay to send hostile requests through, on a host that keeps every callout and the books.

use std::rc::Rc;
use std::time::Duration;

use conversion_relay::config::Compiled;
use conversion_relay::delivery::Answer;
use conversion_relay::endpoints::Carrier;
use conversion_relay::relay::Relay;
use conversion_relay::request::Request;
use conversion_relay::testing::{FakeHost, SentCallout};
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
        "/pixel/v1/track",
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
    let mut host = FakeHost::new(1_767_225_700_000).with_random(7);
    let mut relay = Relay::new("fuzz".to_owned(), Rc::clone(config), 1, &mut host);
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
    relay.hand_over(request, &host);
    for _ in 0..10_000 {
        if relay.is_idle() {
            break;
        }
        relay.work(&mut host);
        host.settle_all(&mut relay, Answer::status(200));
        host.now += Duration::from_secs(1);
    }
    assert!(relay.is_idle(), "the relay never came to rest");
    assert_eq!(relay.budget().used(), 0, "a lease was kept");
    assert_eq!(host.check_counts(&relay), Ok(()), "matched = delivered + dropped");
    host.sent().for_each(|(_, callout)| check(callout));
    host.callouts() > 0
}

/// Checks that nothing of what a client sent has broken a request to a vendor.
fn check(callout: &SentCallout) {
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
