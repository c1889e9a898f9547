//! What clients send in other forms than the documented ones, and what their sources say of them.

use super::*;
use crate::accounting::DropReason;
use crate::testing::Recorded;

/// Two sources: a shop's, which takes events of its own pages only, and one for test events.
fn two_sources() -> Value {
    let mut configuration = configuration(json!({}), &[]);
    configuration["sources"] = json!([
        {"id": "shop", "keys": ["k1"], "origins": ["shop.example"]},
        {"id": "test", "keys": ["k2"], "dry_run": true},
    ]);
    configuration
}

fn purchase(key: &str) -> Value {
    json!({"event": "Order Completed", "writeKey": key, "anonymousId": "a", "properties": {"order_id": "1"}})
}

fn dropped(host: &FakeHost, reason: DropReason) -> usize {
    let is_it = |recorded: &&Recorded| matches!(recorded, Recorded::Delivery { integration, outcome: Outcome::Dropped(why) } if integration == "FT" && *why == reason);
    host.record().iter().filter(is_it).count()
}

fn unauthorized(host: &FakeHost) -> usize {
    let count = |recorded: &Recorded| match recorded {
        Recorded::EventsIgnored { reason: EventIgnored::Unauthorized, count } => *count,
        _ => 0,
    };
    host.record().iter().map(count).sum()
}

fn send(configuration: &Value, headers: &[(&str, &str)], body: &Value) -> FakeHost {
    let mut host = host();
    let mut relay = relay(configuration, &mut host);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    let path = if body.get("batch").is_some() { "/v1/batch" } else { "/v1/t" };
    relay.hand_over(request(&relay, path, &headers, &body.to_string()), &host);
    work(&mut relay, &mut host);
    host
}

#[test]
fn an_event_of_a_page_that_is_not_its_sources_is_unauthorized_and_the_others_of_its_batch_are_not() {
    let batch = json!({"batch": [purchase("k1"), purchase("k2")]});
    for (origin, shops) in [("https://shop.example", 1), ("https://evil.example", 0)] {
        let host = send(&two_sources(), &[("origin", origin)], &batch);
        assert_eq!(host.counts("FT").matched, shops + 1, "{origin}");
        assert_eq!(unauthorized(&host), 1 - shops, "{origin}");
    }
}

#[test]
fn events_of_a_dry_run_source_are_shown_and_never_sent_whatever_the_integration() {
    let host = send(&two_sources(), &[], &purchase("k2"));
    assert!(host.sent().next().is_none());
    for integration in ["FT", "Pod", "Dry"] {
        let counts = host.counts(integration);
        assert_eq!((counts.matched, counts.dry_run, counts.delivered), (1, 1, 0), "{integration}");
    }
}

#[test]
fn a_message_id_and_times_may_be_numbers() {
    let numbered = |timestamp: u64, sent_at: u64| {
        let mut event = purchase("");
        event["messageId"] = json!(7);
        event["timestamp"] = json!(timestamp);
        json!({"batch": [event, event], "sentAt": sent_at})
    };
    let configuration = configuration(json!({}), &[]);
    // An hour and two days, in seconds and in milliseconds.
    let host = send(&configuration, &[], &numbered(1_700_000_000, 1_700_003_600_000));
    assert_eq!(dropped(&host, DropReason::Duplicate), 1);
    let host = send(&configuration, &[], &numbered(1_700_000_000_000, 1_700_172_800));
    assert_eq!(dropped(&host, DropReason::Stale), 2);
}

/// What the vendors get: Flashtalking's forwarded address, and Podsights' body.
fn addresses(headers: &[(&str, &str)], context: &Value) -> (Option<String>, Value) {
    let mut configuration = configuration(json!({}), &[]);
    configuration["integrations"][1]["field_mappings"] =
        json!({"version": 2, "global": {"mappings": [{"source": "context.ip", "target": "stated"}]}});
    let mut event = purchase("");
    event["context"] = context.clone();
    let host = send(&configuration, headers, &event);
    let callout =
        |method| host.sent().map(|(_, callout)| callout).find(|callout| callout.method == method).unwrap();
    let forwarded = callout("GET").headers.iter().find(|(name, _)| *name == "x-forwarded-for");
    let body: Value = serde_json::from_str(callout("POST").body.as_deref().unwrap()).unwrap();
    assert_eq!(body["ip"].as_str(), forwarded.map(|(_, ip)| ip.as_str()), "both vendors get the same");
    (forwarded.map(|(_, ip)| ip.clone()), body["stated"].clone())
}

#[test]
fn no_vendor_gets_more_of_an_address_than_the_site_wishes() {
    let stated = json!({"ip": "198.51.100.9"});
    let of = |policy: &str, context: &Value| addresses(&[("x-ip-policy", policy)], context);
    assert_eq!(of("keep", &stated), (Some("203.0.113.50".to_owned()), json!("198.51.100.9")));
    assert_eq!(of("stripLastOctet", &stated), (Some("203.0.113.0".to_owned()), json!("198.51.100.0")));
    assert_eq!(of("remove", &stated), (None, Value::Null));
    assert_eq!(addresses(&[], &json!({"ip": "203.0.113.0"})).0.as_deref(), Some("203.0.113.0"));
}

#[test]
fn a_server_library_at_the_visitors_is_no_server() {
    let context = |direct: Value| json!({"library": {"name": "analytics-go"}, "direct": direct});
    assert_eq!(addresses(&[], &context(json!(true))).0.as_deref(), Some("203.0.113.50"));
    for no in [json!(false), json!("true"), json!(1), Value::Null] {
        assert_eq!(addresses(&[], &context(no)).0, None);
    }
}
