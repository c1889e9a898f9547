//! Dead letters: what is told of a delivery that is lost, and what becomes of a letter that somebody posts.

mod property;
mod replayed;
mod site;

use sha2::{Digest, Sha256};

use super::*;
use crate::codec;
use crate::testing::{Counts, Recorded, SentCallout};
use site::*;

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
fn what_was_queued_for_an_integration_that_sends_the_letters_by_now_makes_none() {
    let mut site = Site::open(&[receiver("Warehouse", "/warehouse")]);
    site.visit(&purchase(1));
    let mut configuration = configured(&[receiver("Warehouse", "/warehouse")], &json!({}));
    configuration["dead_letters"]["integration"] = json!("Warehouse");
    site.configure(&configuration);
    site.answer(400, 400);
    assert_eq!(site.counts("Warehouse"), Counts { matched: 1, dropped: 1, ..Counts::default() });
    assert_eq!(site.host.callouts(), 1);
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
