//! What the filter writes as a record is what the JSON Schema of records says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::rc::Rc;

use conversion_relay::accounting::{DropReason, Outcome, RequestIgnored};
use conversion_relay::config::{Compiled, schema};
use conversion_relay::delivery::Answer;
use conversion_relay::endpoints::Endpoints;
use conversion_relay::records::{Record, What};
use conversion_relay::relay::Relay;
use conversion_relay::request::{Budget, Request};
use conversion_relay::testing::FakeHost;
use serde_json::{Value, json};

/// The records of these events, each of whose callouts is answered so.
fn records_of(events: &[Value], answers: &[u16]) -> Vec<Value> {
    let config = json!({
        "consent": {"when_absent": "allow"},
        "delivery": {"max_attempts": 2},
        "integrations": [
            {"name": "FT", "vendor": "flashtalking", "consent_categories": ["marketing"],
             "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
            {"name": "Pod", "vendor": "podsights", "config": {"key": "k"}},
            {"name": "Dry", "vendor": "podsights", "dry_run": true, "config": {"key": "k"}},
            {"name": "Hook", "vendor": "webhook", "preset": "cloudevents",
             "config": {"cluster": "hook", "authority": "hook", "path": "/?token=t0ken"}},
        ],
    });
    let config = Rc::new(Compiled::load(config.to_string().as_bytes(), &|_| None).unwrap());
    let mut host = FakeHost::new(1_767_225_600_000);
    host.wants_records = true;
    let mut relay = Relay::new("test".to_owned(), config, 1, &mut host);
    let budget = Budget::default();
    budget.set_limit(1 << 20);
    for event in events {
        let endpoint = Endpoints::new("").unwrap().find(b"/v1/t").unwrap();
        let request =
            Request { body: event.to_string().into_bytes(), ..Request::empty(endpoint, budget.lease()) };
        relay.hand_over(request, &host);
    }
    for answer in answers {
        for _ in 0..100 {
            host.now += std::time::Duration::from_millis(100);
            relay.work(&mut host);
            host.settle_all(&mut relay, Answer::status(*answer));
        }
    }
    host.records
}

#[test]
fn whatever_becomes_of_an_event_its_records_are_valid() {
    let validator = jsonschema::draft7::new(&schema::of_record()).unwrap();
    let purchase = |id: &str, consent: Value| {
        json!({"event": "Order Completed", "messageId": id, "properties": {"order_id": id, "revenue": "x", "total": 5},
               "context": {"consent": consent, "page": {"url": "https://shop.example/thanks?x=1"}}})
    };
    let events = [
        purchase("1", json!({"marketing": true})),
        purchase("2", json!({"marketing": false})),
        purchase("1", json!({"marketing": true})),
        json!({"event": "Nobody Wants This"}),
        json!({"no": "event"}),
    ];
    let mut records = records_of(&events, &[503, 200]);
    records.extend(records_of(&events, &[400]));
    for what in ["ended", "attempt", "ignored"] {
        assert!(records.iter().any(|record| record["what"] == what), "{what} never happened");
    }
    for outcome in Outcome::all().chain([Outcome::DeadLettered]) {
        let mut record = Record::new(What::Ended);
        record.set_outcome(outcome);
        records.push(serde_json::from_str(&record.line()).unwrap());
    }
    for reason in RequestIgnored::ALL {
        records.push(serde_json::from_str(&Record::ignored_request(*reason).line()).unwrap());
    }
    for record in &records {
        let errors: Vec<String> = validator.iter_errors(record).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}: {record:#}");
    }
    assert!(!validator.is_valid(&json!({"version": 1})), "a schema that takes anything proves nothing");
    assert!(records.iter().any(|record| record["reason"] == DropReason::ConsentDenied.label()));
}
