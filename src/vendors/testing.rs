//! For the vendors' tests: runs one event through the relay and returns the request that would be sent.

use std::rc::Rc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::config::Compiled;
use crate::endpoints::Endpoints;
use crate::mapping::transform::{self, DATE_FORMAT};
use crate::relay::Relay;
use crate::request::{Budget, Request};
use crate::testing::FakeHost;

/// A callout, with what was noted on the way to it.
#[derive(Debug)]
pub struct Sent {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
    pub notes: Vec<&'static str>,
    /// What was left out, in words.
    pub left_out: Vec<String>,
}

/// What becomes of one event at one integration, given in YAML, for a visitor at 203.0.113.50 who need not consent.
pub fn send(integration: &str, event: &str, headers: &[(&str, &str)]) -> Option<Sent> {
    send_to("/v1/t", integration, event, headers)
}

/// The same of the last event in a request to a path.
pub fn send_to(path: &str, integration: &str, body: &str, headers: &[(&str, &str)]) -> Option<Sent> {
    let config: Value = serde_saphyr::from_str(&format!("integrations:\n{integration}\n")).unwrap();
    let config = Rc::new(Compiled::load(config.to_string().as_bytes(), &|_| None).unwrap());
    let headers =
        headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    let budget = Budget::default();
    budget.set_limit(1 << 24);
    let request = Request {
        endpoint: Endpoints::new("").unwrap().find(path.as_bytes()).unwrap(),
        path: path.as_bytes().to_vec(),
        source_address: b"203.0.113.50:1".to_vec(),
        headers,
        body: body.as_bytes().to_vec(),
        lease: budget.lease(),
    };
    let mut host = FakeHost::new(1_709_210_096_000);
    host.explains = true;
    let mut relay = Relay::new("test".to_owned(), config, 1, &mut host);
    relay.hand_over(request, &host);
    relay.work(&mut host);
    let (_, callout) = host.sent().last()?;
    let callout = callout.clone();
    Some(Sent {
        method: callout.method,
        path: callout.path,
        headers: callout.headers,
        body: callout.body,
        notes: host.notes(),
        left_out: host.left_out().map(str::to_owned).collect(),
    })
}

/// Any JSON, with the strings that break things.
pub fn body_of() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        ".{0,30}",
        "[\r\n\u{0}-\u{1f}&=#?;%\"\\\\]{0,8}",
        Just("x".repeat(10_000)),
        Just("😀\u{202e}".to_owned())
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,3}|price|quantity|key|.{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Any valid `field_mappings` over these targets, as JSON, which is YAML.
pub fn document_over(targets: &'static [&'static str]) -> impl Strategy<Value = String> {
    const SOURCES: [&str; 10] = [
        "properties.order_id",
        "properties.products",
        "properties.products[*].price",
        "properties.x[1]",
        "event",
        "timestamp",
        "request.header.referer",
        "client.ip",
        "anonymous_id",
        "context.page.url",
    ];
    let plain: Vec<_> = transform::names().into_iter().filter(|name| *name != DATE_FORMAT).collect();
    let transforms = prop::collection::vec(prop::sample::select(plain), 0..3);
    let sources = prop::collection::vec(prop::sample::select(&SOURCES[..]), 1..3);
    let value_map = prop::option::of(prop::collection::btree_map("[a-z*]", "[A-Z]{1,3}|\r\n", 1..3));
    let mapping = (sources, transforms, value_map).prop_map(|(source, transform, map)| match map {
        Some(map) => json!({"source": source, "transform": transform, "value_map": map}),
        None => json!({"source": source, "transform": transform}),
    });
    prop::collection::btree_map(prop::sample::select(targets), mapping, 0..6).prop_map(|mappings| {
        let with_target = |(target, mut mapping): (&str, Value)| {
            mapping["target"] = target.into();
            mapping
        };
        let mappings: Vec<_> = mappings.into_iter().map(with_target).collect();
        json!({"version": 2, "global": {"mappings": mappings}}).to_string()
    })
}
