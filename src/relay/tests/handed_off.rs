//! Hand-off: what leaves for the queue, what its client is told, and what another gateway makes of it when the queue passes it on.

mod origin;

use super::*;
use crate::accounting::DropReason;
use crate::testing::{Recorded, SentCallout};

const SECRET: &str = "a secret of thirty-two bytes, yes";
const STREAM: u32 = 7;
const CLIENT: [(&str, &str); 3] = [
    ("user-agent", "Visitor/1"),
    ("cookie", "FTrack=abc; other=x; OptanonConsent=groups%3DC0004%3A1"),
    ("x-write-key", "k_shop"),
];

/// A gateway that hands events off, and to which the queue passes them on.
struct Gateway {
    host: FakeHost,
    relay: Relay,
}

fn configuration_of(more: &Value) -> Value {
    let mut configuration = json!({
        "secrets": [SECRET],
        "endpoints": {
            "reply": "local", "hand_off": {"integration": "Queue", "max_open": 2}, "deliver": {"within": "8s"},
        },
        "sources": [
            {"id": "shop", "keys": ["k_shop"], "signing_secret": "s_shop"},
            {"id": "queue", "keys": ["k_queue"], "deliver": true, "client_from_context": "always"},
        ],
        "delivery": {"backoff": {"base": "1s", "max": "10s"}},
        "integrations": [
            {"name": "FT", "vendor": "flashtalking", "source_id": "shop", "consent_categories": ["marketing"],
             "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
            {"name": "Queue", "vendor": "webhook", "preset": "cloudevents",
             "config": {"cluster": "queue", "authority": "queue", "path": "/events", "purpose": "own"}},
            {"name": "Pod", "vendor": "podsights", "consent_categories": ["marketing"], "config": {"key": "k"}},
        ],
    });
    merge(&mut configuration, more);
    configuration
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().unwrap() {
        match (into.get_mut(key), value.is_object()) {
            (Some(inner), true) => merge(inner, value),
            _ => into[key] = value.clone(),
        }
    }
}

fn purchase(order: u32) -> Value {
    json!({
        "event": "Order Completed", "messageId": format!("m-{order}"), "anonymousId": "a",
        "properties": {"order_id": order.to_string(), "revenue": 5, "currency": "USD"},
    })
}

impl Gateway {
    fn open() -> Self {
        Self::with(&json!({}))
    }

    fn with(more: &Value) -> Self {
        let mut host = host();
        let relay = relay(&configuration_of(more), &mut host);
        Self { host, relay }
    }

    fn request(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Request {
        let endpoints = &self.relay.config().endpoints;
        let kept = |(name, value): &(&str, &str)| {
            self.relay.config().keeps_header(name).then(|| ((*name).to_owned(), value.as_bytes().to_vec()))
        };
        Request {
            endpoint: endpoints.find(path.as_bytes()).unwrap(),
            path: path.as_bytes().to_vec(),
            source_address: b"198.51.100.9:1234".to_vec(),
            headers: headers.iter().filter_map(kept).collect(),
            body: body.as_bytes().to_vec(),
            lease: self.relay.budget().lease(),
        }
    }

    /// A client sends a request, and is answered at once or waits.
    fn send(&mut self, path: &str, headers: &[(&str, &str)], body: &str) -> Option<Reply> {
        let request = self.request(path, headers, body);
        let answered = self.relay.answer(request, STREAM, &mut self.host);
        work(&mut self.relay, &mut self.host);
        answered.map(reply_of)
    }

    fn purchase(&mut self, order: u32) -> Option<Reply> {
        self.send("/v1/t", &CLIENT, &purchase(order).to_string())
    }

    /// The queue passes a body on.
    fn pass_on(&mut self, body: &str) {
        self.pass_on_with(&[], body);
    }

    fn pass_on_with(&mut self, headers: &[(&str, &str)], body: &str) {
        let own = [
            ("x-write-key", "k_queue"),
            ("user-agent", "queue/1"),
            ("sec-gpc", "1"),
            ("cookie", "FTrack=queue"),
        ];
        let headers: Vec<_> = own.into_iter().chain(headers.iter().copied()).collect();
        let mut request = self.request("/v1/deliver", &headers, body);
        request.source_address = b"10.0.0.9:1".to_vec();
        assert_eq!(self.relay.deliver(request, STREAM, &mut self.host), None);
        work(&mut self.relay, &mut self.host);
    }

    /// Answers all callouts that were sent since, and returns them.
    fn settle(&mut self, status: u16) -> Vec<SentCallout> {
        let sent = self.host.sent().map(|(_, callout)| callout.clone()).collect();
        self.host.settle_all(&mut self.relay, Answer::status(status));
        work(&mut self.relay, &mut self.host);
        self.host.take_record();
        sent
    }

    /// The CloudEvents that leave for the queue, which accepts them.
    fn handed_off(&mut self) -> Vec<String> {
        self.settle(202)
            .into_iter()
            .filter(|callout| callout.path == "/events")
            .filter_map(|callout| callout.body)
            .collect()
    }

    fn wait(&mut self, time: Duration) {
        wait(&mut self.relay, &mut self.host, time);
    }

    fn told(&mut self) -> Option<Answered> {
        let (stream, answered) = self.relay.take_settled()?;
        assert_eq!(stream, STREAM);
        self.host.check_counts(&self.relay).unwrap();
        Some(answered)
    }

    fn told_client(&mut self) -> Option<Reply> {
        self.told().map(reply_of)
    }

    fn told_queue(&mut self) -> (u32, Vec<String>) {
        let Some(Answered::Acknowledgement(answer)) = self.told() else {
            panic!("the queue is told nothing")
        };
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let outcomes = body["deliveries"].as_array().unwrap().iter();
        (answer.status, outcomes.map(|one| one["outcome"].as_str().unwrap().to_owned()).collect())
    }

    fn dropped(&self) -> Vec<(String, DropReason)> {
        let dropped = |recorded: &Recorded| match recorded {
            Recorded::Delivery { integration, outcome: Outcome::Dropped(reason) } => {
                Some((integration.clone(), *reason))
            }
            _ => None,
        };
        self.host.record().iter().filter_map(dropped).collect()
    }
}

fn reply_of(answered: Answered) -> Reply {
    match answered {
        Answered::Reply { reply, .. } => reply,
        other => panic!("not an answer to a client: {other:?}"),
    }
}

/// The one delivery to a vendor among these callouts.
fn to<'c>(path: &str, callouts: &'c [SentCallout]) -> &'c SentCallout {
    callouts
        .iter()
        .find(|callout| callout.path.starts_with(path))
        .unwrap_or_else(|| panic!("none to {path}: {callouts:?}"))
}

#[test]
fn an_event_leaves_for_the_queue_alone_and_its_client_is_answered_once_the_queue_has_it() {
    let mut gateway = Gateway::open();
    assert_eq!(gateway.purchase(1), None, "it waits");
    assert_eq!(gateway.told_client(), None);
    let sent = gateway.settle(202);
    assert_eq!(sent.iter().map(|callout| callout.path.as_str()).collect::<Vec<_>>(), ["/events"]);
    assert_eq!(gateway.told_client(), Some(Reply::Success));
    let books = gateway.host.counts("Queue");
    assert_eq!((books.matched, books.delivered), (1, 1));
    assert_eq!((gateway.host.counts("FT").matched, gateway.host.counts("Pod").matched), (0, 0));
}

#[test]
fn the_queue_passes_it_on_to_all_others_with_what_the_gateway_knew_of_the_client() {
    let mut gateway = Gateway::open();
    gateway.purchase(1);
    let cloud_event = gateway.handed_off().remove(0);
    for private in ["198.51.100.9", "Visitor/1", "abc", "C0004", "other"] {
        assert!(!cloud_event.contains(private), "{private} is in the clear: {cloud_event}");
    }
    gateway.pass_on(&cloud_event);
    let sent = gateway.settle(200);
    assert_eq!(sent.len(), 2, "{sent:?}");
    let flashtalking = to("/container/1;2;3", &sent);
    for header in [("x-forwarded-for", "198.51.100.9"), ("user-agent", "Visitor/1"), ("cookie", "FTrack=abc")]
    {
        assert!(
            flashtalking.headers.contains(&(header.0.to_owned(), header.1.to_owned())),
            "{flashtalking:?}"
        );
    }
    let podsights: Value = serde_json::from_str(to("/v1/server", &sent).body.as_deref().unwrap()).unwrap();
    assert_eq!((&podsights["ip"], &podsights["id"]), (&json!("198.51.100.9"), &json!("a")));
    gateway.told_client();
    assert_eq!(gateway.told_queue(), (200, vec!["delivered".into(), "delivered".into()]));
}

#[test]
fn a_client_is_told_503_if_the_queue_has_not_accepted_in_time_and_what_it_sends_again_is_no_duplicate() {
    let mut gateway = Gateway::open();
    for status in [503, 401] {
        gateway.purchase(1);
        gateway.host.settle_all(&mut gateway.relay, Answer::status(status));
        gateway.wait(Duration::from_secs(3));
        gateway.host.settle_all(&mut gateway.relay, Answer::status(status));
        gateway.wait(Duration::from_millis(10));
        let told = gateway.told_client();
        assert!(matches!(told, Some(Reply::Unavailable { retry_after: 1.. })), "{status}: {told:?}");
    }
    gateway.wait(Duration::from_secs(10));
    gateway.host.take_record();
    gateway.purchase(1);
    assert_eq!(gateway.handed_off().len(), 1);
    assert_eq!(gateway.told_client(), Some(Reply::Success));
}

#[test]
fn an_event_that_nobody_may_have_or_wants_is_answered_and_leaves_for_nowhere() {
    let mut gateway = Gateway::open();
    let refused = [("sec-gpc", "1"), ("x-write-key", "k_shop")];
    gateway.send("/v1/t", &refused, &purchase(1).to_string());
    assert_eq!(gateway.told_client(), Some(Reply::Success));
    assert_eq!(gateway.dropped(), [("FT".into(), DropReason::Gpc), ("Pod".into(), DropReason::Gpc)]);
    gateway.send("/v1/t", &CLIENT, r#"{"event":"Nobody Wants This"}"#);
    assert_eq!(gateway.told_client(), Some(Reply::Success));
    assert_eq!((gateway.host.sent().count(), gateway.host.counts("Queue").matched), (0, 0));
}

#[test]
fn a_pixel_is_answered_at_once_and_its_event_is_handed_off_all_the_same() {
    let mut gateway = Gateway::open();
    let path = "/v1/pixel/track?wk=k_shop&e=Order%20Completed&p.order_id=1&aid=a";
    let answered = gateway.send(path, &CLIENT, "");
    assert_eq!(answered, Some(Reply::Success));
    gateway.settle(503);
    gateway.wait(Duration::from_secs(2));
    assert_eq!(gateway.handed_off().len(), 1, "it stays in the queue, and is sent again");
}

#[test]
fn more_clients_than_may_wait_are_told_so_and_the_others_are_answered() {
    let mut gateway = Gateway::open();
    assert_eq!([gateway.purchase(1), gateway.purchase(2)], [None, None]);
    assert_eq!(gateway.purchase(3), Some(Reply::Overloaded));
    gateway.settle(202);
    assert_eq!([gateway.told_client(), gateway.told_client()], [Some(Reply::Success); 2]);
    assert_eq!(gateway.purchase(3), None);
}

#[test]
fn with_queued_a_client_is_answered_at_once() {
    let mut gateway = Gateway::with(&json!({"endpoints": {"hand_off": {"answer_when": "queued"}}}));
    assert_eq!(gateway.purchase(1), Some(Reply::Success));
    assert_eq!(gateway.handed_off().len(), 1);
}

#[test]
fn a_second_try_waits_for_the_first_and_shares_its_end() {
    let mut gateway = Gateway::open();
    gateway.purchase(1);
    gateway.purchase(1);
    assert_eq!(gateway.told_client(), None);
    assert_eq!(gateway.handed_off().len(), 1);
    assert_eq!([gateway.told_client(), gateway.told_client()], [Some(Reply::Success); 2]);
    gateway.purchase(1);
    assert_eq!(gateway.told_client(), Some(Reply::Success), "a duplicate of what the queue has");
}

fn signature(timestamp: &str, body: &str) -> String {
    use hmac::{Hmac, KeyInit, Mac};
    let mac = Hmac::<sha2::Sha256>::new_from_slice(b"s_shop").unwrap();
    let mac = mac.chain_update(timestamp).chain_update(".").chain_update(body);
    format!("sha256={}", crate::codec::encode_hex(&mac.finalize().into_bytes()))
}

#[test]
fn a_signed_request_that_was_not_accepted_may_come_again_and_one_that_was_is_a_replay() {
    let mut gateway = Gateway::open();
    let mut event = purchase(1);
    event["context"] = json!({"consent": {"marketing": true}, "ip": "203.0.113.7", "userAgent": "Visitor/2"});
    let (body, timestamp) = (event.to_string(), gateway.host.wall_clock.to_string());
    let signature = signature(&timestamp, &body);
    let headers = [("x-signature", signature.as_str()), ("x-timestamp", timestamp.as_str())];
    assert_eq!(gateway.send("/v1/events", &headers, &body), None);
    let again = gateway.send("/v1/events", &headers, &body);
    assert_eq!(again, Some(Reply::Unavailable { retry_after: 1 }), "the first is not answered yet");
    gateway.host.settle_all(&mut gateway.relay, Answer::status(503));
    gateway.wait(Duration::from_secs(3));
    gateway.host.settle_all(&mut gateway.relay, Answer::status(503));
    gateway.wait(Duration::from_secs(1));
    assert!(matches!(gateway.told_client(), Some(Reply::Unavailable { .. })));
    gateway.wait(Duration::from_secs(10));
    gateway.host.take_record();
    assert_eq!(gateway.send("/v1/events", &headers, &body), None);
    let cloud_event = gateway.handed_off().remove(0);
    assert_eq!(gateway.told_client(), Some(Reply::Success));
    assert_eq!(gateway.send("/v1/events", &headers, &body), Some(Reply::Success));
    assert_eq!(gateway.handed_off().len(), 0, "it is a replay");
    gateway.pass_on(&cloud_event);
    let sent = gateway.settle(200);
    assert!(
        format!("{sent:?}").contains("203.0.113.7"),
        "what a verified signature vouched for is believed: {sent:?}"
    );
}
