//! What is read of a request, how often, and what a change of configuration between two of its events means.

use super::super::reading::{HEADERS_READ, ITEMS_READ};
use super::*;
use crate::accounting::RequestIgnored;
use crate::testing::Recorded;

fn consenting() -> Value {
    json!({"consent": {"marketing": true, "analytics": true}})
}

fn purchase(nth: usize) -> Value {
    json!({
        "type": "track", "event": "Order Completed", "messageId": format!("m-{nth}"), "anonymousId": "jane",
        "context": consenting(), "properties": {"order_id": nth.to_string()},
    })
}

fn batch(relay: &Relay, events: &[Value]) -> Request {
    let cookie = "theme=dark; OptanonConsent=groups=C0004%3A1".to_owned();
    let body = json!({"batch": events, "context": {"library": {"name": "analytics.js"}}});
    request(relay, "/v1/batch", &[("cookie", cookie)], &body.to_string())
}

/// Room for many deliveries, and one source for local replies.
fn roomy() -> Value {
    let mut configuration = configuration(json!({}), &["marketing"]);
    configuration["delivery"]["queue"]["max_deliveries"] = json!(10_000);
    configuration["sources"] = json!([{"id": "shop", "keys": ["k"]}]);
    configuration
}

fn with_key(mut event: Value) -> Value {
    event["writeKey"] = json!("k");
    event
}

/// What a request is given to the relay for.
#[derive(Clone, Copy, Debug)]
enum Way {
    HandedOver,
    HandedOverAnswered,
    Answered,
}

impl Way {
    const ALL: [Self; 3] = [Self::HandedOver, Self::HandedOverAnswered, Self::Answered];

    fn give(self, request: Request, relay: &mut Relay, host: &mut FakeHost) {
        match self {
            Self::HandedOver => relay.hand_over(request, host),
            Self::HandedOverAnswered => assert!(relay.hand_over_answered(request, host).is_empty()),
            Self::Answered => {
                let success = Answered::Reply { reply: Reply::Success, cookies: Vec::new() };
                assert_eq!(relay.answer(request, 1, host), Some(success));
            }
        }
    }
}

/// How many items of a request have been run, by what the books say of an integration that wants them all.
fn matched(host: &FakeHost) -> usize {
    host.counts("Dry").matched
}

#[test]
fn the_headers_of_a_batch_are_read_once_and_each_of_its_events_once_whatever_the_answer_needs() {
    for way in Way::ALL {
        let mut host = host();
        let mut relay = relay(&roomy(), &mut host);
        let events: Vec<_> = (0..100).map(purchase).map(with_key).collect();
        let request = batch(&relay, &events);
        let before = (HEADERS_READ.get(), ITEMS_READ.get());
        way.give(request, &mut relay, &mut host);
        work(&mut relay, &mut host);
        assert_eq!(matched(&host), 100, "{way:?}");
        assert_eq!((HEADERS_READ.get() - before.0, ITEMS_READ.get() - before.1), (1, 100), "{way:?}");
        assert_eq!(relay.budget().used(), 0, "{way:?}");
    }
}

#[test]
fn a_single_event_is_read_once_and_verified_on_the_way() {
    let event = purchase(1).to_string();
    let inner = event.trim_end_matches('}');
    let good = [event.clone(), format!("\n {event}\t"), event.replace("\"event\"", "\"ev\\u0065nt\"")];
    let mut bad = ["\u{c}", "[", "{", "1", ","].map(|before| format!("{before}{event}")).to_vec();
    bad.extend(["\u{c}", "x", "}", "]", ",{}"].map(|after| format!("{event}{after}")));
    bad.extend([inner.to_owned(), format!("[{event}]"), event.replace("\"event\"", "\"\u{1}\":1,\"event\"")]);
    bad.extend(["", " ", "null", "\"text\"", "7"].map(str::to_owned));
    bad.push(event.replace("\"type\"", "\"a\":01,\"type\""));
    bad.push(event.replace("\"type\"", "\"\\u00\":1,\"type\""));
    let bodies = good.iter().map(|body| (body, 1)).chain(bad.iter().map(|body| (body, 0)));
    for ((body, events), way) in bodies.flat_map(|body| Way::ALL.map(|way| (body, way))) {
        let mut host = host();
        let mut configuration = roomy();
        configuration.as_object_mut().unwrap().remove("sources");
        let mut relay = relay(&configuration, &mut host);
        let before = ITEMS_READ.get();
        let request = request(&relay, "/v1/track", &[], body);
        match (way, events) {
            (Way::Answered, 0) => {
                let refused = Answered::Reply { reply: Reply::Malformed, cookies: Vec::new() };
                assert_eq!(relay.answer(request, 1, &mut host), Some(refused), "{body}");
            }
            _ => way.give(request, &mut relay, &mut host),
        }
        work(&mut relay, &mut host);
        assert_eq!(matched(&host), events, "{way:?} {body}");
        assert_eq!(ITEMS_READ.get() - before, events, "{way:?} {body}");
        let malformed = Recorded::RequestIgnored(RequestIgnored::Malformed);
        assert_eq!(host.record().contains(&malformed), events == 0, "{way:?} {body}");
        assert_eq!(relay.budget().used(), 0, "{way:?} {body}");
    }
}

#[test]
fn what_the_answer_needed_is_kept_only_where_the_budget_has_room_and_read_again_otherwise() {
    let mut host = host();
    let mut relay = relay(&roomy(), &mut host);
    let events: Vec<_> = (0..10).map(purchase).map(with_key).collect();
    let request = batch(&relay, &events);
    let items_read = ITEMS_READ.get();
    relay.budget().set_limit(relay.budget().used());
    Way::Answered.give(request, &mut relay, &mut host);
    assert_eq!(relay.budget().used(), 0);
    work(&mut relay, &mut host);
    assert_eq!(matched(&host), 10);
    // The first was looked at for the reply, all for the cookies, and all were run.
    assert_eq!(ITEMS_READ.get() - items_read, 1 + 10 + 10);
}

#[test]
fn what_was_read_for_the_answer_counts_as_held_until_the_request_is_done() {
    let mut host = host();
    let mut relay = relay(&roomy(), &mut host);
    let request = batch(&relay, &[with_key(purchase(1))]);
    Way::Answered.give(request, &mut relay, &mut host);
    assert!(relay.budget().used() > 0);
    work(&mut relay, &mut host);
    assert_eq!(relay.budget().used(), 0);
}

/// The hash of an address as vendors get it.
fn is_told(host: &FakeHost, email: &str) -> bool {
    use sha2::Digest;
    let hash: String = sha2::Sha256::digest(email).iter().map(|byte| format!("{byte:02x}")).collect();
    host.sent().any(|(_, callout)| {
        callout.path.contains(&hash) || callout.body.as_ref().is_some_and(|body| body.contains(&hash))
    })
}

#[test]
fn the_email_of_an_identify_is_that_of_a_later_event_in_another_tick_and_under_another_configuration() {
    for reconfigure in [false, true] {
        let mut host = host();
        let mut configuration = roomy();
        configuration.as_object_mut().unwrap().remove("sources");
        let mut relay = relay(&configuration, &mut host);
        let mut events = vec![json!({
            "type": "identify", "anonymousId": "jane", "traits": {"email": "jane@example.com"},
            "context": consenting(),
        })];
        events.extend(vec![json!({"event": "Unknown"}); MAX_EVENTS_PER_STEP]);
        events.push(purchase(1));
        let request = batch(&relay, &events);
        relay.hand_over(request, &host);
        host.now += COLLECT_INTERVAL;
        relay.work(&mut host);
        assert!(!relay.inbox.is_empty() && matched(&host) == 0);
        if reconfigure {
            let config = Compiled::load(configuration.to_string().as_bytes(), &|_| None).unwrap();
            relay.configure(Rc::new(config), &mut host);
        }
        work(&mut relay, &mut host);
        assert_eq!(matched(&host), 1);
        assert!(is_told(&host, "jane@example.com"), "{:?}", host.record());
    }
}

#[test]
fn a_change_of_configuration_between_two_ticks_holds_for_the_events_that_were_not_run_yet() {
    for way in Way::ALL {
        let mut host = host();
        let mut relay = relay(&roomy(), &mut host);
        let mut events: Vec<_> = (0..50).map(purchase).map(with_key).collect();
        for event in &mut events {
            event.as_object_mut().unwrap().remove("context");
        }
        let request = batch(&relay, &events);
        way.give(request, &mut relay, &mut host);
        host.now += COLLECT_INTERVAL;
        relay.work(&mut host);
        let before = matched(&host);
        assert!((1..50).contains(&before), "{way:?}: {before}");
        let pod = host.counts("Pod");
        assert_eq!((pod.matched, pod.dropped), (before, 0), "{way:?}");
        // Other integrations, so that the same fields have other slots; and the cookie of OneTrust counts no longer.
        let mut other = roomy();
        other["consent"] = json!({"cookies": {"onetrust": ""}});
        other["integrations"] = json!([
            {"name": "New", "vendor": "podsights", "dry_run": true, "config": {"key": "n"}},
            {"name": "Strict", "vendor": "podsights", "consent_categories": ["marketing"], "config": {"key": "s"}},
        ]);
        let config = Compiled::load(other.to_string().as_bytes(), &|_| None).unwrap();
        relay.configure(Rc::new(config), &mut host);
        host.take_record();
        let items_read = ITEMS_READ.get();
        work(&mut relay, &mut host);
        assert_eq!(matched(&host), before, "{way:?}");
        assert_eq!(host.counts("New").dry_run, 50 - before, "{way:?}");
        assert_eq!(host.counts("Strict").dropped, 50 - before, "{way:?}");
        // None is taken from what the old configuration had read ahead.
        assert_eq!(ITEMS_READ.get() - items_read, 50 - before, "{way:?}");
        let shown = host.record().iter().filter(|it| matches!(it, Recorded::DryRun { .. }));
        for (nth, shown) in shown.enumerate() {
            let order = (before + nth).to_string();
            assert!(format!("{shown:?}").contains(&order), "{order}: {shown:?}");
        }
    }
}
