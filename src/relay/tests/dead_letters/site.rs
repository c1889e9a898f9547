//! The surroundings of the tests: a gateway, its visitors, its vendors, and whoever posts letters.

use std::collections::BTreeSet;

use super::super::*;
use crate::testing::{Counts, SentCallout};

pub const SECRET: &str = "a secret of thirty-two bytes, yes";
pub const STREAM: u32 = 7;
pub const CLIENT: [(&str, &str); 4] = [
    ("user-agent", "Visitor/1"),
    ("cookie", "FTrack=abc; ajs_anonymous_id=anon-cookie"),
    ("referer", "https://shop.example/thanks?u=jane@example.com"),
    ("x-write-key", "k_shop"),
];

/// A gateway that keeps dead letters, with its visitors, vendors and queue.
pub struct Site {
    pub host: FakeHost,
    pub relay: Relay,
}

pub fn flashtalking() -> Value {
    json!({"name": "FT", "vendor": "flashtalking",
        "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}})
}

pub fn podsights(key: &str) -> Value {
    json!({"name": "Pod", "vendor": "podsights", "config": {"key": key}})
}

pub fn receiver(name: &str, path: &str) -> Value {
    json!({"name": name, "vendor": "webhook", "preset": "cloudevents",
        "config": {"cluster": "own", "authority": "own", "path": path, "purpose": "own"}})
}

/// A configuration with these integrations and the one for dead letters.
pub fn configured(integrations: &[Value], more: &Value) -> Value {
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

pub fn purchase(order: u32) -> Value {
    json!({
        "event": "Order Completed", "messageId": format!("m-{order}"), "anonymousId": "anon-event",
        "properties": {"order_id": format!("ORD-{order}"), "revenue": 5, "currency": "USD"},
    })
}

impl Site {
    pub fn open(integrations: &[Value]) -> Self {
        Self::with(&configured(integrations, &json!({})))
    }

    pub fn with(configuration: &Value) -> Self {
        let mut host = host();
        let relay = relay(configuration, &mut host);
        Self { host, relay }
    }

    pub fn configure(&mut self, configuration: &Value) {
        let config = Compiled::load(configuration.to_string().as_bytes(), &|_| None).unwrap();
        self.relay.configure(Rc::new(config), &mut self.host);
        work(&mut self.relay, &mut self.host);
    }

    pub fn request(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
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
    pub fn visit(&mut self, event: &Value) {
        let request = self.request("/v1/t", &CLIENT, event.to_string().as_bytes());
        self.relay.hand_over(request, &self.host);
        work(&mut self.relay, &mut self.host);
    }

    /// Somebody posts a body to the acknowledged route.
    pub fn post_with(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) {
        let headers: Vec<_> =
            [("x-write-key", "k_queue")].into_iter().chain(headers.iter().copied()).collect();
        let request = self.request(path, &headers, body);
        assert_eq!(self.relay.deliver(request, STREAM, &mut self.host), None);
        work(&mut self.relay, &mut self.host);
    }

    pub fn post(&mut self, body: &Value) {
        self.post_with("/v1/deliver", &[], body.to_string().as_bytes());
    }

    /// What the sender of a posted body is told: the status, and the outcomes of the deliveries.
    pub fn told(&mut self) -> (u32, Vec<String>) {
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
    pub fn answer(&mut self, status: u16, letters: u16) {
        while let Some(token) = self.host.next_unanswered() {
            let is_letter = self.host.sent().any(|(sent, callout)| sent == token && callout.path == "/lost");
            let status = if is_letter { letters } else { status };
            assert!(self.relay.settle(token, Answer::status(status), &mut self.host));
            work(&mut self.relay, &mut self.host);
        }
    }

    /// Answers the callout that waits longest, and no other.
    pub fn answer_first(&mut self, status: u16) {
        let token = self.host.next_unanswered().unwrap();
        assert!(self.relay.settle(token, Answer::status(status), &mut self.host));
        work(&mut self.relay, &mut self.host);
    }

    pub fn wait(&mut self, time: Duration) {
        wait(&mut self.relay, &mut self.host, time);
    }

    /// Time passes, and each second all callouts are answered as by [`Site::answer`].
    pub fn go_on(&mut self, seconds: u32, status: u16, letters: u16) {
        for _ in 0..seconds {
            self.wait(Duration::from_secs(1));
            self.answer(status, letters);
        }
    }

    /// What was sent to this path, in its order.
    pub fn sent_to(&self, path: &str) -> Vec<SentCallout> {
        let sent = self.host.sent().map(|(_, callout)| callout);
        sent.filter(|callout| callout.path.starts_with(path)).cloned().collect()
    }

    /// The letters that were sent, each once.
    pub fn letters(&self) -> Vec<Value> {
        let mut known = BTreeSet::new();
        let bodies = self.sent_to("/lost").into_iter().filter_map(|callout| callout.body);
        let letters = bodies.map(|body| serde_json::from_str::<Value>(&body).unwrap());
        letters.filter(|letter| known.insert(letter["id"].as_str().unwrap().to_owned())).collect()
    }

    pub fn letter(&self) -> Value {
        let mut letters = self.letters();
        assert_eq!(letters.len(), 1, "{letters:?}");
        letters.remove(0)
    }

    pub fn counts(&self, integration: &str) -> Counts {
        self.host.counts(integration)
    }

    pub fn check(&self) {
        self.host.check_counts(&self.relay).unwrap();
    }
}
