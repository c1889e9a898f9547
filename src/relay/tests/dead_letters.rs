//! Dead letters: what is told of a delivery that is lost, and what becomes of a letter that somebody posts.

mod property;
mod replayed;

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::*;
use crate::codec;
use crate::testing::{Counts, Recorded, SentCallout};

const SECRET: &str = "a secret of thirty-two bytes, yes";
const STREAM: u32 = 7;
const CLIENT: [(&str, &str); 4] = [
    ("user-agent", "Visitor/1"),
    ("cookie", "FTrack=abc; ajs_anonymous_id=anon-cookie"),
    ("referer", "https://shop.example/thanks?u=jane@example.com"),
    ("x-write-key", "k_shop"),
];
/// In the clear, beside the letter's sealed data.
const ATTRIBUTES: [&str; 12] = [
    "specversion",
    "id",
    "source",
    "type",
    "datacontenttype",
    "integration",
    "vendor",
    "event",
    "reason",
    "attempts",
    "laststatus",
    "orderdigest",
];

/// A gateway that keeps dead letters, with its visitors, vendors and queue.
struct Site {
    host: FakeHost,
    relay: Relay,
}

fn flashtalking() -> Value {
    json!({"name": "FT", "vendor": "flashtalking",
        "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}})
}

fn podsights(key: &str) -> Value {
    json!({"name": "Pod", "vendor": "podsights", "config": {"key": key}})
}

fn receiver(name: &str, path: &str) -> Value {
    json!({"name": name, "vendor": "webhook", "preset": "cloudevents",
        "config": {"cluster": "own", "authority": "own", "path": path, "purpose": "own"}})
}

/// A configuration with these integrations and the one for dead letters.
fn configured(integrations: &[Value], more: &Value) -> Value {
    let mut configuration = json!({
        "endpoints": {"deliver": {"within": "8s"}},
        "sources": [
            {"id": "shop", "keys": ["k_shop"]},
            {"id": "queue", "keys": ["k_queue"], "deliver": true, "client_from_context": "always"},
        ],
        "dead_letters": {"integration": "Lost", "secrets": [SECRET]},
        "delivery": {"backoff": {"base": "1s", "max": "10s"}, "max_attempts": 3, "max_age": "60s"},
    });
    configuration["integrations"] = integrations.iter().cloned().chain([receiver("Lost", "/lost")]).collect();
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}

fn purchase(order: u32) -> Value {
    json!({
        "event": "Order Completed", "messageId": format!("m-{order}"), "anonymousId": "anon-event",
        "properties": {"order_id": format!("ORD-{order}"), "revenue": 5, "currency": "USD"},
    })
}

impl Site {
    fn open(integrations: &[Value]) -> Self {
        Self::with(&configured(integrations, &json!({})))
    }

    fn with(configuration: &Value) -> Self {
        let mut host = host();
        let relay = relay(configuration, &mut host);
        Self { host, relay }
    }

    fn configure(&mut self, configuration: &Value) {
        let config = Compiled::load(configuration.to_string().as_bytes(), &|_| None).unwrap();
        self.relay.configure(Rc::new(config), &mut self.host);
        work(&mut self.relay, &mut self.host);
    }

    fn request(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
        let config = self.relay.config();
        let kept = |(name, value): &(&str, &str)| {
            config.keeps_header(name).then(|| ((*name).to_owned(), value.as_bytes().to_vec()))
        };
        Request {
            endpoint: config.endpoints.find(path.as_bytes()).unwrap(),
            path: path.as_bytes().to_vec(),
            source_address: b"198.51.100.9:1234".to_vec(),
            headers: headers.iter().filter_map(kept).collect(),
            body: body.to_vec(),
            lease: self.relay.budget().lease(),
        }
    }

    /// A visitor sends an event, which the collector accepts.
    fn visit(&mut self, event: &Value) {
        let request = self.request("/v1/t", &CLIENT, event.to_string().as_bytes());
        self.relay.hand_over(request, &self.host);
        work(&mut self.relay, &mut self.host);
    }

    /// Somebody posts a body to the acknowledged route.
    fn post_with(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let headers: Vec<_> =
            [("x-write-key", "k_queue")].into_iter().chain(headers.iter().copied()).collect();
        let request = self.request(path, &headers, body);
        assert_eq!(self.relay.deliver(request, STREAM, &mut self.host), None);
        work(&mut self.relay, &mut self.host);
    }

    fn post(&mut self, body: &Value) {
        self.post_with("/v1/deliver", &[], body.to_string().as_bytes());
    }

    /// What the sender of a posted body is told: the status, and the outcomes of the deliveries.
    fn told(&mut self) -> (u32, Vec<String>) {
        let Some((STREAM, Answered::Acknowledgement(answer))) = self.relay.take_settled() else {
            panic!("nobody is told anything")
        };
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let outcomes = body["deliveries"].as_array().unwrap().iter();
        let outcomes = outcomes.map(|one| one["outcome"].as_str().unwrap().to_owned()).collect();
        self.check();
        (answer.status, outcomes)
    }

    /// All callouts are answered, until none is left: those with letters with the second status, the others with the first.
    fn answer(&mut self, status: u16, letters: u16) {
        while let Some(token) = self.host.next_unanswered() {
            let is_letter = self.host.sent().any(|(sent, callout)| sent == token && callout.path == "/lost");
            let status = if is_letter { letters } else { status };
            assert!(self.relay.settle(token, Answer::status(status), &mut self.host));
            work(&mut self.relay, &mut self.host);
        }
    }

    /// Answers the callout that waits longest, and no other.
    fn answer_first(&mut self, status: u16) {
        let token = self.host.next_unanswered().unwrap();
        assert!(self.relay.settle(token, Answer::status(status), &mut self.host));
        work(&mut self.relay, &mut self.host);
    }

    fn wait(&mut self, time: Duration) {
        let until = self.host.now + time;
        while let Some(due) = self.relay.next_due().filter(|due| *due <= until) {
            self.host.now = self.host.now.max(due);
            self.relay.work(&mut self.host);
        }
        self.host.now = until;
    }

    /// Time passes, and each second all callouts are answered as by [`Site::answer`].
    fn go_on(&mut self, seconds: u32, status: u16, letters: u16) {
        for _ in 0..seconds {
            self.wait(Duration::from_secs(1));
            self.answer(status, letters);
        }
    }

    /// What was sent to this path, in its order.
    fn sent_to(&self, path: &str) -> Vec<SentCallout> {
        let sent = self.host.sent().map(|(_, callout)| callout);
        sent.filter(|callout| callout.path.starts_with(path)).cloned().collect()
    }

    /// The letters that were sent, each once.
    fn letters(&self) -> Vec<Value> {
        let mut known = BTreeSet::new();
        let bodies = self.sent_to("/lost").into_iter().filter_map(|callout| callout.body);
        let letters = bodies.map(|body| serde_json::from_str::<Value>(&body).unwrap());
        letters.filter(|letter| known.insert(letter["id"].as_str().unwrap().to_owned())).collect()
    }

    fn letter(&self) -> Value {
        let mut letters = self.letters();
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    fn counts(&self, integration: &str) -> Counts {
        self.host.counts(integration)
    }

    fn check(&self) {
        self.host.check_counts(&self.relay).unwrap();
    }
}

/// A site whose only vendor refuses one purchase, and the letter about it.
fn refused() -> (Site, Value) {
    let mut site = Site::open(&[podsights("k")]);
    site.visit(&purchase(1));
    site.answer(400, 202);
    let letter = site.letter();
    site.host.take_record();
    (site, letter)
}

#[test]
fn a_delivery_that_is_refused_makes_one_letter_which_is_a_delivery_of_its_own() {
    let (site, letter) = refused();
    let digest = codec::encode_hex(&Sha256::digest("ORD-1"));
    for (attribute, value) in [
        ("type", "conversion_relay.delivery.lost"),
        ("source", "test"),
        ("integration", "Pod"),
        ("vendor", "podsights"),
        ("event", "Order Completed"),
        ("reason", "rejected"),
        ("laststatus", "4xx"),
        ("orderdigest", &digest),
    ] {
        assert_eq!(letter[attribute], value, "{attribute}");
    }
    assert_eq!(letter["attempts"], 1);
    let lost = Counts { matched: 1, dropped: 1, dead_lettered: 1, ..Counts::default() };
    assert_eq!(site.counts("Pod"), lost);
    assert_eq!(site.counts("Lost"), Counts { matched: 1, delivered: 1, ..Counts::default() });
    site.check();
}

/// Loses one delivery of Podsights for a reason, in one of the ways there are.
fn lose(reason: &str) -> Site {
    let small = json!({"delivery": {"queue": {"max_deliveries": 2}}});
    let mut site = match reason {
        "queue_full" => Site::with(&configured(&[podsights("k")], &small)),
        _ => Site::open(&[podsights("k")]),
    };
    if reason == "queue_full" {
        site.visit(&purchase(2));
    }
    site.host.refusal = match reason {
        "expired" => Some(Refusal::NoHost),
        "misconfigured" => Some(Refusal::UnknownCluster),
        _ => None,
    };
    site.visit(&purchase(1));
    match reason {
        "rejected" => site.answer(404, 202),
        "retries_exhausted" => site.go_on(30, 503, 202),
        "expired" | "misconfigured" => {
            site.wait(Duration::from_secs(60));
            site.host.refusal = None;
            site.go_on(20, 200, 202);
        }
        "removed" => {
            site.configure(&configured(&[], &json!({})));
            site.answer(503, 202);
        }
        _ => {}
    }
    site.answer(200, 202);
    site
}

#[test]
fn every_loss_makes_one_letter_that_says_why() {
    for (reason, attempts, last_status) in [
        ("queue_full", 0, None),
        ("rejected", 1, Some("4xx")),
        ("retries_exhausted", 3, Some("5xx")),
        ("expired", 0, Some("refused")),
        ("misconfigured", 0, Some("refused")),
        ("removed", 1, Some("5xx")),
    ] {
        let site = lose(reason);
        let letter = site.letter();
        let told = (&letter["reason"], &letter["attempts"], letter.get("laststatus").and_then(Value::as_str));
        assert_eq!(told, (&json!(reason), &json!(attempts), last_status));
        assert_eq!((site.counts("Pod").dropped, site.counts("Pod").dead_lettered), (1, 1), "{reason}");
        site.check();
    }
}

#[test]
fn what_ends_otherwise_makes_none() {
    let mut site = Site::open(&[podsights("k")]);
    site.visit(&purchase(1));
    site.answer(200, 202);
    site.visit(&purchase(1));
    let mut denied = purchase(2);
    denied["integrations"] = json!({"All": false});
    site.visit(&denied);
    // Its sender has it.
    site.post(&purchase(3));
    site.answer(503, 202);
    site.go_on(10, 503, 202);
    assert_eq!(site.told(), (503, vec!["given_back".to_owned()]));
    assert_eq!((site.letters().len(), site.counts("Lost").matched, site.counts("Pod").given_back), (0, 0, 1));
}

#[test]
fn a_refusal_on_the_acknowledged_route_makes_one_too() {
    let mut site = Site::open(&[podsights("k")]);
    site.post(&purchase(1));
    site.answer(400, 202);
    assert_eq!(site.told(), (422, vec!["rejected".to_owned()]));
    assert_eq!(site.letter()["reason"], "rejected");
}

#[test]
fn without_the_setting_nothing_is_kept() {
    let mut configuration = configured(&[podsights("k")], &json!({}));
    configuration.as_object_mut().unwrap().remove("dead_letters");
    let mut site = Site::with(&configuration);
    site.visit(&json!({"event": "Product Added", "properties": {"product_id": "1"}}));
    site.answer(400, 202);
    assert_eq!(site.counts("Pod"), Counts { matched: 1, dropped: 1, ..Counts::default() });
}

#[test]
fn a_letter_that_is_lost_makes_no_further_one() {
    let mut site = Site::open(&[podsights("k")]);
    site.visit(&purchase(1));
    site.answer(400, 400);
    site.go_on(100, 200, 200);
    assert_eq!((site.letters().len(), site.host.callouts()), (1, 2));
    assert_eq!(site.counts("Lost"), Counts { matched: 1, dropped: 1, ..Counts::default() });
    assert_eq!(site.counts("Pod").dead_lettered, 1, "it was in the queue");
    site.check();
}

#[test]
fn letters_that_find_no_room_are_dropped_and_conversions_go_first() {
    // Two for each lane.
    let small = json!({"delivery": {"queue": {"max_deliveries": 4}}});
    let mut site = Site::with(&configured(&[podsights("k")], &small));
    let cart = json!({"event": "Product Added", "properties": {"product_id": "1"}});
    for event in [&cart, &cart, &purchase(1), &purchase(2), &purchase(3)] {
        site.visit(event);
        // Envoy takes no letter.
        site.host.refusal = Some(Refusal::NoHost);
        site.answer_first(400);
        site.host.refusal = None;
        site.check();
    }
    assert_eq!(site.counts("Pod").dead_lettered, 4, "the third purchase found two others");
    site.go_on(30, 200, 202);
    let digests: Vec<_> = site.letters().into_iter().map(|letter| letter["orderdigest"].clone()).collect();
    assert_eq!(digests, ["ORD-1", "ORD-2"].map(|order| codec::encode_hex(&Sha256::digest(order))));
    assert_eq!(site.counts("Lost"), Counts { matched: 5, delivered: 2, dropped: 3, ..Counts::default() });
}

#[test]
fn nothing_of_a_visitor_stands_in_the_clear_wherever_it_came_from() {
    let private = [
        "jane@example.com",
        "jane%40example.com",
        "198.51.100.9",
        "203.0.113.7",
        "Visitor/1",
        "Visitor/2",
        "abc",
        "anon-event",
        "anon-cookie",
        "user-7",
        "ORD-1",
        "+15550100",
        "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d",
    ];
    let own = json!({"name": "Own", "vendor": "webhook", "config": {"cluster": "own", "authority": "own", "path": "/own"},
    "field_mappings": {"version": 2, "defaults": {"action": "send"}, "global": {"mappings": [
        {"source": "client.ip", "target": "ip"}, {"source": "properties.email", "target": "mail", "transform": "sha256"},
        {"source": "userId", "target": "user"}, {"source": "properties.phone", "target": "phone"},
    ]}}});
    let mut site = Site::open(&[flashtalking(), podsights("k"), own, receiver("Warehouse", "/warehouse")]);
    let mut seen = 0;
    for name in ["Order Completed", "Signed Up", "bought by jane@example.com", "to 198.51.100.9"] {
        let everything = json!({
            "email": "jane@example.com", "phone": "+15550100", "order_id": "ORD-1", "coupon": "jane@example.com",
            "url": "https://a.example/?e=jane%40example.com", "method": "user-7", "product_id": "anon-event",
        });
        site.visit(&json!({
            "event": name, "messageId": "jane@example.com", "anonymousId": "anon-event", "userId": "user-7",
            "properties": everything, "traits": everything,
            "context": {"ip": "203.0.113.7", "userAgent": "Visitor/2", "traits": everything, "page": everything},
        }));
        site.answer(400, 202);
        site.wait(Duration::from_secs(1));
        for letter in site.letters() {
            let mut clear = letter.clone();
            let data = clear.as_object_mut().unwrap().remove("data_base64").unwrap();
            let sealed = codec::decode_base64(data.as_str().unwrap()).unwrap();
            // The name of an event is what the site chose, and stays but for an address.
            clear.as_object_mut().unwrap().remove("event").filter(|event| *event == "to 198.51.100.9");
            let (clear, sealed) = (clear.to_string(), String::from_utf8_lossy(&sealed).into_owned());
            for text in private {
                assert!(!clear.contains(text), "{text}: {clear}");
                assert!(!sealed.contains(text), "{text} is not sealed");
            }
            let names = letter.as_object().unwrap().keys();
            for name in names.filter(|name| *name != "data_base64") {
                assert!(ATTRIBUTES.contains(&name.as_str()), "{name}");
            }
            assert_ne!(letter.get("event"), Some(&json!("bought by jane@example.com")));
            seen += 1;
        }
    }
    assert!(seen >= 8, "{seen}");
}

#[test]
fn the_letters_integration_gets_no_events_and_its_full_queue_turns_no_client_away() {
    let more = json!({"endpoints": {"reply": "local"}, "delivery": {"queue": {"max_deliveries": 2}}});
    let mut site = Site::with(&configured(&[podsights("k")], &more));
    site.visit(&purchase(1));
    assert_eq!(site.counts("Lost").matched, 0);
    site.answer_first(400);
    assert_eq!(site.relay.pending().map(|(_, held)| held).collect::<Vec<_>>(), [0, 1]);
    let request = site.request("/v1/t", &CLIENT, purchase(2).to_string().as_bytes());
    let answered = site.relay.answer(request, STREAM, &mut site.host);
    assert!(matches!(answered, Some(Answered::Reply { reply: Reply::Success, .. })), "{answered:?}");
}

#[test]
fn a_dry_run_of_the_letters_integration_shows_a_letter_and_sends_none() {
    let mut lost = receiver("Lost", "/lost");
    lost["dry_run"] = json!(true);
    let mut configuration = configured(&[podsights("k")], &json!({}));
    configuration["integrations"][1] = lost;
    let mut site = Site::with(&configuration);
    site.visit(&purchase(1));
    site.answer(400, 202);
    assert!(
        site.host
            .record()
            .iter()
            .any(|one| matches!(one, Recorded::DryRun { integration, .. } if integration == "Lost"))
    );
    assert_eq!((site.counts("Lost").dry_run, site.counts("Pod").dead_lettered), (1, 0));
    site.check();
}
