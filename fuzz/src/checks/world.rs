//! Relays to send hostile requests through, on a host that keeps every callout and the books.

use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use conversion_relay::config::Compiled;
use conversion_relay::delivery::Answer;
use conversion_relay::endpoints::Carrier;
use conversion_relay::relay::Relay;
use conversion_relay::request::Request;
use conversion_relay::testing::{FakeHost, Recorded, SentCallout};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

use super::http;

pub const PODSIGHTS_KEY: &str = "ps_key";
/// The cluster of Podsights.
pub const PODSIGHTS: &str = "podsights";
/// The cluster of the integration that requires marketing.
pub const MARKETING: &str = "flashtalking";

/// A callout, and the cluster that it was sent to.
#[derive(Debug)]
pub struct Sent {
    pub cluster: String,
    pub callout: SentCallout,
}

/// Both vendors and two webhooks, one of them for whole events, with mappings that put whatever a client likes into every kind of place. `rest` is the rest of the
/// configuration.
fn configuration(rest: &str) -> Rc<Compiled> {
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
    let (of_flashtalking, of_podsights, of_webhook) = (mappings("U"), mappings("u"), mappings("a[0].b"));
    let text = format!(
        r#"{{{rest},"integrations":[
            {{"name":"F","vendor":"flashtalking","consent_categories":["marketing"],"field_mappings":{of_flashtalking},
              "config":{{"advertiser_id":1,"spotlight_id":2,"spotlight_group_id":3,"ftrack_cookies":["FTrack"],
                         "cluster":"{MARKETING}"}}}},
            {{"name":"P","vendor":"podsights","field_mappings":{of_podsights},"config":{{"key":"{PODSIGHTS_KEY}"}}}},
            {{"name":"W","vendor":"webhook","field_mappings":{of_webhook},
              "config":{{"cluster":"webhook","authority":"a.example","path":"/"}}}},
            {{"name":"Q","vendor":"webhook","preset":"cloudevents",
              "config":{{"cluster":"queue","authority":"q.example","path":"/","purpose":"own"}}}}]}}"#
    );
    Rc::new(Compiled::load(text.as_bytes(), &|_| None).unwrap_or_else(|invalid| panic!("{invalid}")))
}

/// One that takes any client, and one that takes those with a key and believes their context.
fn configurations() -> [Rc<Compiled>; 2] {
    let limits = r#""endpoints":{"max_body_bytes":20000,"max_events":20,"max_event_age":"366d"}"#;
    [
        configuration(&format!(
            r#"{limits},"bots":{{"action":"note"}},"consent":{{"when_absent":"allow",
            "custom":[{{"cookie":"my_consent","format":"json","granted":{{"marketing":["ads"]}}}}]}}"#
        )),
        configuration(&format!(
            r#"{limits},"consent":{{"when_absent":"deny"}},"identity":{{"client_from_context":"always"}},
            "sources":[{{"id":"shop","keys":["dk_live_abc123","wk_shop"]}}]"#
        )),
    ]
}

/// Sends a request through a relay of each configuration, and returns what left.
///
/// # Panics
///
/// Panics where a relay does not come to rest, keeps memory, or its books don't balance.
pub fn relay(request: &http::Request) -> Vec<Sent> {
    thread_local! {
        static CONFIGURATIONS: [Rc<Compiled>; 2] = configurations();
    }
    CONFIGURATIONS.with(|all| all.iter().flat_map(|one| relay_by(one, request)).collect())
}

fn relay_by(configuration: &Rc<Compiled>, sent: &http::Request) -> Vec<Sent> {
    let endpoint = configuration.endpoints.find(&sent.target);
    let Some(endpoint) = endpoint.filter(|endpoint| endpoint.takes(&sent.method)) else { return Vec::new() };
    let mut host = FakeHost::new(1_767_225_700_000).with_random(7);
    let mut relay = Relay::new("fuzz".to_owned(), Rc::clone(configuration), 1, &mut host);
    let request = Request {
        endpoint,
        path: sent.target.clone(),
        source_address: b"203.0.113.50:4711".to_vec(),
        headers: sent.headers.clone(),
        body: if endpoint.carrier == Carrier::Body { packed(sent) } else { Vec::new() },
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
    let sent = host.take_record().into_iter().filter_map(|recorded| match recorded {
        Recorded::Sent { cluster, callout, .. } => Some(Sent { cluster, callout }),
        _ => None,
    });
    sent.collect()
}

/// The body as its Content-Encoding says, so that what libFuzzer changes is what is read. What is packed wrong is the
/// business of the target `body`.
fn packed(request: &http::Request) -> Vec<u8> {
    let (body, fast) = (&request.body, Compression::fast());
    let packed = match request.header("content-encoding").next() {
        Some(b"gzip") => {
            let mut encoder = GzEncoder::new(Vec::new(), fast);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        Some(b"deflate") => {
            let mut encoder = DeflateEncoder::new(Vec::new(), fast);
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        _ => Ok(body.clone()),
    };
    packed.expect("a Vec takes all")
}
