//! Each reason for which a delivery is dropped, and the other ends that are none of a delivery to a vendor.

use std::collections::BTreeSet;

use conversion_relay::accounting::DropReason;
use serde_json::{Value, json};

use crate::kit::{self, check_all, cookie, file, options, purchase, record, visit};
use crate::support::orders::{FT, PS};
use crate::support::{Flashtalking, Gateway, Podsights, Request};

/// How an event becomes unwanted: its reason, the sentence in the record, and what is special about the request.
struct Unwanted {
    reason: DropReason,
    explanation: &'static str,
    event: fn(&mut Value),
    header: Option<(&'static str, String)>,
}

fn by_event(reason: DropReason, explanation: &'static str, event: fn(&mut Value)) -> Unwanted {
    Unwanted { reason, explanation, event, header: None }
}

fn by_header(reason: DropReason, explanation: &'static str, name: &'static str, value: String) -> Unwanted {
    Unwanted { reason, explanation, event: |_| {}, header: Some((name, value)) }
}

/// What an event, or its request, says for itself.
fn unwanted() -> Vec<Unwanted> {
    vec![
        by_event(
            DropReason::DisabledByEvent,
            "the event's own integrations object excludes the integration",
            |event| event["integrations"] = json!({"All": false}),
        ),
        by_header(
            DropReason::Gpc,
            "Global Privacy Control is on, says the Sec-GPC header",
            "sec-gpc",
            "1".into(),
        ),
        by_header(
            DropReason::SaleOptOut,
            "the visitor has opted out of the sale or sharing of personal data, says the US Privacy string",
            "cookie",
            cookie("usprivacy=1YYN"),
        ),
        by_event(DropReason::ConsentDenied, "the event's context.consent refuses marketing", |event| {
            event["context"]["consent"] = json!({"advertising": false, "marketing": false})
        }),
        by_event(
            DropReason::ConsentAbsent,
            "nothing is known of the visitor's consent, so consent.when_absent decides",
            |event| {
                event["context"].as_object_mut().unwrap().remove("consent");
            },
        ),
        by_header(
            DropReason::OptedOut,
            "the visitor has the vendor's own opt-out cookie",
            "cookie",
            cookie("flashtalkingad1=\"optout=1\""),
        ),
        by_header(
            DropReason::Bot,
            "the User-Agent is a bot's, or missing",
            "user-agent",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)".into(),
        ),
        by_event(DropReason::Stale, "the event is older than max_event_age", |event| {
            event["timestamp"] = json!("2020-01-01T00:00:00Z");
        }),
    ]
}

/// What comes again: `first` is delivered, and the same with this change is dropped.
fn repeated() -> Vec<Unwanted> {
    vec![
        by_event(
            DropReason::Duplicate,
            "the same messageId is on its way to the integration, or was delivered to it",
            |event| event["messageId"] = json!("m-first"),
        ),
        by_event(
            DropReason::DuplicateOrder,
            "the same order is on its way to the integration, or was delivered to it, in another message",
            |event| event["properties"]["order_id"] = json!("first"),
        ),
    ]
}

impl Unwanted {
    /// Sends it, and returns the order id that its record has.
    fn send(&self, gateway: &Gateway) -> String {
        let mut event = purchase(self.reason.label());
        (self.event)(&mut event);
        let order = event["properties"]["order_id"].as_str().unwrap().to_owned();
        let mut request = Request::post("/v1/t", event.to_string());
        match &self.header {
            Some((name, value)) => {
                request = request.header(name, value).header("x-forwarded-for", "203.0.113.77");
                if *name != "user-agent" {
                    request = request.header("user-agent", "Mozilla/5.0 Firefox/140.0");
                }
            }
            None => request = visit(&event),
        }
        assert_eq!(gateway.send(request).status, 200, "{}", self.reason.label());
        order
    }
}

#[test]
fn what_is_not_wanted_or_comes_again_has_a_record_that_says_why() {
    let mut file = file(json!({}));
    file["bots"] = json!({"action": "drop"});
    let gateway = Gateway::start(options(file));
    assert_eq!(gateway.send(visit(&purchase("first"))).status, 200);
    for integration in [FT, PS] {
        record(&gateway, &format!("order=first&outcome=delivered&integration={integration}"));
    }
    for one in unwanted().iter().chain(&repeated()) {
        let (order, reason) = (one.send(&gateway), one.reason.label());
        let found = record(&gateway, &format!("order={order}&integration={FT}&reason={reason}"));
        assert_eq!((&found["what"], &found["outcome"]), (&json!("ended"), &json!("dropped")));
        assert_eq!(found["explanation"], one.explanation, "{reason}");
        assert_eq!(
            (found.get("request"), found.get("attempts")),
            (None, None),
            "{reason}: nothing was built"
        );
    }
    assert_eq!(gateway.requests(Flashtalking).len(), 1, "the first alone");
    check_all(&gateway);
}

#[test]
fn each_way_to_lose_a_delivery_has_a_record_with_what_was_built_and_what_the_vendor_said() {
    let gateway = Gateway::start(options(file(json!({"max_attempts": 2}))));
    let lost = |order: &str, integration: &str, reason: &str| {
        let found = record(&gateway, &format!("order={order}&integration={integration}&outcome=dropped"));
        assert_eq!(found["reason"], reason);
        found
    };
    let attempts = |record: &Value| {
        let attempts = record["attempts"].as_array().cloned().unwrap_or_default();
        attempts.iter().map(|attempt| attempt["status"].clone()).collect::<Vec<_>>()
    };
    let buy = |order: &str| assert_eq!(gateway.send(visit(&purchase(order))).status, 200);

    gateway.behave(Podsights, json!({"status": 400, "body": kit::echo()}));
    buy("rejected");
    let found = lost("rejected", PS, "rejected");
    assert_eq!(found["explanation"], "the vendor gave a final answer other than success");
    assert_eq!(
        (attempts(&found), &found["request"]["body"]["event"]),
        (vec![json!(400)], &json!("purchase"))
    );
    assert!(found["attempts"][0]["answer"].as_str().unwrap().starts_with("cannot take ***"), "{found}");
    assert_eq!(gateway.records("order=rejected&what=attempt"), [] as [Value; 0], "it is not repeated");

    gateway.behave(Podsights, json!({"status": 503}));
    buy("exhausted");
    let found = lost("exhausted", PS, "retries_exhausted");
    assert_eq!(found["explanation"], "the last of max_attempts attempts failed");
    assert_eq!(attempts(&found), [503, 503]);
    assert_eq!(
        kit::records(&gateway, "order=exhausted&what=attempt", 1).len(),
        1,
        "the last is not repeated"
    );

    // Both have a place for one delivery each.
    let one_each = json!({"max_attempts": 2, "queue": {"max_deliveries": 2}});
    assert!(gateway.reconfigure(file(one_each)));
    gateway.behave(Podsights, json!({"hold": true}));
    buy("held");
    gateway.wait_for(Podsights, 4);
    buy("too-much");
    let found = lost("too-much", PS, "queue_full");
    assert_eq!(found["explanation"], "the integration's share of the queue was full");
    assert!(attempts(&found).is_empty() && found["request"]["method"] == "POST", "{found}");

    let mut without_podsights = file(json!({}));
    without_podsights["integrations"].as_array_mut().unwrap().pop();
    assert!(gateway.reconfigure(without_podsights));
    gateway.behave(Podsights, json!({"status": 503}));
    let found = lost("held", PS, "removed");
    assert_eq!(
        (&found["explanation"], attempts(&found)),
        (&json!("the integration was removed or disabled"), vec![json!(503)])
    );

    let mut short = file(json!({"max_age": "1s", "max_attempts": 1000}));
    short["integrations"][0]["config"]["cluster"] = json!("nowhere");
    assert!(gateway.reconfigure(short));
    buy("late");
    let found = lost("late", PS, "expired");
    assert_eq!(found["explanation"], "it became older than max_age");
    assert!(attempts(&found).len() > 1 && attempts(&found).iter().all(|status| *status == 503), "{found}");
    let found = lost("late", FT, "misconfigured");
    assert_eq!(
        found["explanation"],
        "it became older than max_age, and Envoy did not know the integration's cluster"
    );
    assert!(attempts(&found).is_empty(), "nothing has left: {found}");
    check_all(&gateway);
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn the_tests_here_are_about_every_reason_that_there_is() {
    let lost = ["queue_full", "rejected", "retries_exhausted", "expired", "misconfigured", "removed"];
    let unwanted: Vec<_> = unwanted().iter().chain(&repeated()).map(|one| one.reason.label()).collect();
    let tested: BTreeSet<&str> = unwanted.into_iter().chain(lost).collect();
    let all: BTreeSet<&str> = DropReason::ALL.iter().map(|reason| reason.label()).collect();
    assert_eq!(tested, all);
}
