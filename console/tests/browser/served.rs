//! A console that listens, and what the tests in a browser put into it.

use conversion_relay_console::console::Shared;
use conversion_relay_console::manage;
use conversion_relay_console::server;
use serde_json::{Value, json};

use crate::api::{self, Folder};
use crate::support::browser::Browser;

/// A console on a port of its own.
pub struct Served {
    pub console: Shared,
    address: std::net::SocketAddr,
    serving: tokio::task::JoinHandle<anyhow::Result<()>>,
    _folder: Folder,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Served {
    pub async fn start() -> Self {
        let folder = Folder::new();
        let console = api::open(&folder);
        let (ready, address) = tokio::sync::oneshot::channel();
        let serving = tokio::spawn(server::run(console.clone(), move |address| ready.send(address).unwrap()));
        Self { console, address: address.await.unwrap(), serving, _folder: folder }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A browser whose user has signed in with this token.
    pub async fn signed_in(&self, token: &str) -> Browser {
        let browser = Browser::start().await;
        browser.open(&self.url("/")).await;
        browser.page.fill("Token", token).await;
        browser.page.press("Sign in").await;
        browser.page.wait_for_text("Integrations").await;
        browser
    }

    /// Sends what a gateway sends: a record, and waits until it is kept.
    pub async fn record(&self, record: &Value) {
        let kept = || self.console.fleet.counts().records.kept;
        let before = kept();
        self.post("/v1/records", "application/json", &record.to_string()).await;
        while kept() == before {
            tokio::task::yield_now().await;
        }
    }

    async fn post(&self, path: &str, content_type: &str, body: &str) {
        use axum::http::Request;
        use tower::ServiceExt;
        let request = Request::post(path)
            .header("authorization", format!("Bearer {}", api::GATEWAY))
            .header("content-type", content_type)
            .body(axum::body::Body::from(body.to_owned()));
        let answer = server::app(self.console.clone()).oneshot(request.unwrap()).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
    }

    /// Adds a test source and a live one.
    pub async fn add_sources(&self) {
        for (id, dry_run) in [("src_test", true), ("src_live", false)] {
            self.create("sources", json!({"id": id, "keys": [format!("key-of-{id}")], "dry_run": dry_run}))
                .await;
        }
    }

    /// Adds an object, and returns its id.
    async fn create(&self, collection: &str, object: Value) -> String {
        use conversion_relay_console::configuration::Collection;
        let collection = if collection == "sources" { Collection::Sources } else { Collection::Integrations };
        let alice = self.console.tokens.find(api::ADMIN).unwrap();
        let object = object.as_object().unwrap().clone();
        manage::create(&self.console.store, alice, collection, object).unwrap().id().to_owned()
    }

    /// Puts something into each page, and returns the name and address of each.
    pub async fn filled(&self) -> Vec<(&'static str, String)> {
        self.add_sources().await;
        let flashtalking = json!({"name": "Flashtalking purchases", "vendor": "flashtalking", "source_id": "src_test",
            "events": ["Order Completed"], "consent_categories": ["marketing"],
            "config": {"advertiser_id": 1_234_567, "spotlight_id": 987_654, "spotlight_group_id": 5},
            "field_mappings": {"version": 2, "events": {"Order Completed": {"mappings": [{"source": "properties.coupon", "target": "U3"}]}}}});
        let id = self.create("integrations", flashtalking).await;
        let podsights = json!({"name": "Podsights Production", "vendor": "podsights", "enabled": false,
            "config": {"key": "0123456789abcdef0123456789abcdef"}});
        self.create("integrations", podsights).await;
        for line in include_str!("../../../docs/examples/records.ndjson").lines() {
            self.record(&serde_json::from_str(line).unwrap()).await;
        }
        for number in 1..=3 {
            self.post("/v1/dead-letters", "application/cloudevents+json", &letter(number).to_string()).await;
        }
        let fixed = [
            ("integrations", "/integrations"),
            ("add-integration", "/integrations/new"),
            ("add-flashtalking", "/integrations/new/flashtalking"),
            ("add-webhook", "/integrations/new/webhook"),
            ("events", "/events"),
            ("event", "/events/20"),
            ("event-ignored", "/events/17"),
            ("search", "/events?order=ORD-004"),
            ("search-nothing", "/events?order=no-such-order"),
            ("dead-letters", "/dead-letters"),
            ("gateways", "/gateways"),
            ("sources", "/sources"),
            ("source", "/sources/src_live"),
            ("add-source", "/new-source"),
            ("settings", "/settings"),
            ("revisions", "/revisions"),
            ("revision", "/revisions/4"),
            ("roll-back", "/revisions/4/rollback"),
            ("not-found", "/no-such-page"),
        ];
        let of_one = [("integration", ""), ("promote", "/promote"), ("delete", "/delete")];
        let of_one = of_one.map(|(name, rest)| (name, format!("/integrations/{id}{rest}")));
        fixed.map(|(name, path)| (name, path.to_owned())).into_iter().chain(of_one).collect()
    }
}

/// A record of a delivery that ended well.
pub fn delivered(integration: &str, order: &str) -> Value {
    json!({"version": 1, "time": "2026-11-29T11:00:51.700Z", "gateway": "gateway-1", "plugin": "conversion-relay", "what": "ended",
        "source": "shop", "integration": integration, "vendor": "flashtalking", "outcome": "delivered",
        "event": {"type": "track", "name": "Order Completed", "message_id": format!("m-{order}"), "order_id": order},
        "consent": "granted by the event's context.consent",
        "identity": {"anonymous_id": true, "email": true, "ip": true, "user_agent": true, "vendor_cookie": false},
        "request": {"method": "GET", "authority": "servedby.flashtalking.com", "path": format!("/container/1;2;3;num/?ftXRef={order}"),
            "headers": {"cookie": "<text, 12 characters>"}},
        "attempts": [{"status": 200, "ms": 6, "answer": "<html></html>"}], "explanation": "the vendor accepted it"})
}

/// A record with the same text in each field.
pub fn of_one_text(text: &str) -> Value {
    json!({"version": 1, "time": text, "gateway": text, "plugin": text, "what": "ended", "source": text, "integration": text,
        "vendor": text, "consent": text, "outcome": text, "reason": text, "explanation": text, "left_out": [text],
        "event": {"type": text, "name": text, "message_id": text, "order_id": text},
        "request": {"method": text, "authority": text, "path": text, "headers": {text: text}, "body": {text: text}},
        "attempts": [{"status": text, "ms": 1, "answer": text}]})
}

/// A dead letter as a gateway hands it in. What it was about is sealed.
fn letter(number: u32) -> Value {
    json!({"specversion": "1.0", "id": format!("letter-{number}"), "source": "conversion-relay",
        "type": "conversion_relay.delivery.lost", "integration": "Flashtalking purchases", "vendor": "flashtalking",
        "event": "Order Completed", "reason": "rejected", "attempts": number, "laststatus": "404",
        "datacontenttype": "application/octet-stream", "data_base64": "c2VhbGVk"})
}
