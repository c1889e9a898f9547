//! Letters that come back.

use base64::prelude::{BASE64_STANDARD, Engine};

use super::*;
use crate::accounting::DropReason;

fn one(outcome: &str) -> Vec<String> {
    vec![outcome.to_owned()]
}

fn body_of(callout: &SentCallout) -> Value {
    serde_json::from_str(callout.body.as_deref().unwrap()).unwrap()
}

fn changed(letter: &Value, change: impl Fn(&mut Value)) -> Value {
    let mut letter = letter.clone();
    change(&mut letter);
    letter
}

#[test]
fn a_letter_that_is_replayed_twice_is_delivered_once_as_it_was_mapped_and_under_todays_key() {
    let mut site = Site::open(&[podsights("an old key")]);
    site.visit(&purchase(1));
    let first = body_of(&site.sent_to("/v1/server")[0]);
    site.answer(400, 202);
    let letter = site.letter();
    site.configure(&configured(&[podsights("a new key")], &json!({})));
    site.host.take_record();
    site.post(&letter);
    site.answer(200, 202);
    assert_eq!(site.told(), (200, one("delivered")));
    let sent = site.sent_to("/v1/server");
    let again = changed(&first, |body| body["key"] = json!("a new key"));
    assert_eq!((sent.len(), body_of(&sent[0])), (1, again));
    assert_eq!((first["key"].as_str(), first["ip"].as_str()), (Some("an old key"), Some("198.51.100.9")));
    for _ in 0..2 {
        site.post(&letter);
        assert_eq!(site.told(), (200, one("duplicate")));
    }
    let all = Counts { matched: 4, delivered: 1, dropped: 3, dead_lettered: 1, ..Counts::default() };
    assert_eq!(site.counts("Pod"), all);
}

#[test]
fn headers_and_ids_of_the_vendor_are_put_in_anew() {
    let mut site = Site::open(&[flashtalking()]);
    site.visit(&purchase(1));
    site.answer(404, 202);
    let letter = site.letter();
    let mut moved = flashtalking();
    moved["config"]["spotlight_id"] = json!(99);
    site.configure(&configured(&[moved], &json!({})));
    site.post(&letter);
    let sent = site.sent_to("/container/1;99;3");
    assert!(sent[0].path.contains("ftXRef=ORD-1"), "{sent:?}");
    for header in [("x-forwarded-for", "198.51.100.9"), ("user-agent", "Visitor/1"), ("cookie", "FTrack=abc")]
    {
        let header = (header.0.to_owned(), header.1.to_owned());
        assert!(sent[0].headers.contains(&header), "{sent:?}");
    }
}

#[test]
fn a_letter_is_judged_by_its_own_id_and_not_by_its_message_or_order() {
    let (mut site, letter) = refused();
    site.wait(Duration::from_secs(1));
    site.visit(&purchase(1));
    site.answer(200, 202);
    assert_eq!(site.counts("Pod").delivered, 1, "what was lost is no duplicate");
    site.post(&letter);
    site.answer(200, 202);
    assert_eq!(site.told(), (200, one("delivered")));
    site.visit(&purchase(1));
    assert_eq!(site.counts("Pod").delivered, 2);
}

#[test]
fn two_at_the_same_time_are_sent_once_and_share_their_end() {
    let (mut site, letter) = refused();
    site.post(&letter);
    site.post(&letter);
    assert_eq!(site.sent_to("/v1/server").len(), 1);
    site.answer(200, 202);
    assert_eq!([site.told(), site.told()], [(200, one("delivered")), (200, one("duplicate"))]);
}

#[test]
fn a_letter_that_is_refused_again_makes_no_further_one_and_may_come_again() {
    let (mut site, letter) = refused();
    site.post(&letter);
    site.answer(400, 202);
    assert_eq!(site.told(), (422, one("rejected")));
    site.post(&letter);
    site.answer(503, 202);
    site.go_on(10, 503, 202);
    assert_eq!(site.told(), (503, one("given_back")));
    assert_eq!((site.letters().len(), site.counts("Lost").matched), (0, 1));
    site.wait(Duration::from_secs(10));
    site.post(&letter);
    site.answer(200, 202);
    assert_eq!(site.told(), (200, one("delivered")));
}

#[test]
fn each_form_in_which_a_queue_pushes_is_read() {
    let (_, letter) = refused();
    let message = json!({"data": BASE64_STANDARD.encode(letter.to_string())});
    for (form, body) in [
        ("structured", letter.clone()),
        ("a list", json!([letter])),
        ("a batch", json!({"batch": [letter]})),
        ("Pub/Sub", json!({"message": message, "subscription": "projects/p"})),
    ] {
        let (mut site, _) = refused();
        site.post(&body);
        site.answer(200, 202);
        assert_eq!(site.told(), (200, one("delivered")), "{form}");
    }
    let (mut site, letter) = refused();
    let sealed = codec::decode_base64(letter["data_base64"].as_str().unwrap()).unwrap();
    let binary = [("ce-type", "conversion_relay.delivery.lost"), ("ce-specversion", "1.0")];
    site.post_with("/v1/deliver", &binary, &sealed);
    site.answer(200, 202);
    assert_eq!(site.told(), (200, one("delivered")), "binary");
    site.post_with("/v1/deliver", &binary, letter.to_string().as_bytes());
    assert_eq!(site.told().0, 503, "its first bytes name no secret");
}

#[test]
fn letters_among_events_are_each_counted_at_their_places() {
    let (mut site, letter) = refused();
    site.post(&json!([purchase(2), letter, 7, letter]));
    site.answer(200, 202);
    let outcomes = ["delivered", "delivered", "malformed", "duplicate"].map(String::from);
    assert_eq!(site.told(), (200, outcomes.to_vec()));
}

#[test]
fn what_is_forged_cut_or_sealed_by_others_reaches_nobody() {
    let (mut site, letter) = refused();
    let data = letter["data_base64"].as_str().unwrap();
    let bytes = codec::decode_base64(data).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let malformed = [
        changed(&letter, |letter| letter["data_base64"] = json!(BASE64_STANDARD.encode(&flipped))),
        changed(&letter, |letter| {
            letter["data_base64"] = json!(BASE64_STANDARD.encode(&bytes[..bytes.len() - 1]))
        }),
        changed(&letter, |letter| letter["data_base64"] = json!("")),
        changed(&letter, |letter| letter["data_base64"] = json!("?")),
        changed(&letter, |letter| {
            *letter = json!({"specversion": "1.0", "type": letter["type"], "data": purchase(2)})
        }),
    ];
    for forgery in malformed {
        site.post(&forgery);
        assert_eq!(site.told(), (400, one("malformed")), "{forgery}");
    }
    for secrets in
        [json!({"integration": "Lost", "secrets": ["another secret of 32 bytes or more"]}), Value::Null]
    {
        let mut configuration = configured(&[podsights("k")], &json!({}));
        configuration["dead_letters"] = secrets;
        let mut other = Site::with(&configuration);
        other.post(&letter);
        assert_eq!(other.told(), (503, one("unauthorized")));
        assert_eq!((other.host.notes(), other.counts("Pod").matched), (vec!["unknown_secret"], 0));
    }
    assert_eq!((site.host.sent().count(), site.counts("Pod").matched), (0, 1));
}

#[test]
fn what_stands_in_the_clear_is_not_believed() {
    let mut site = Site::open(&[flashtalking(), podsights("k")]);
    site.visit(&json!({"event": "Product Added", "properties": {"product_id": "1"}}));
    site.answer(400, 202);
    let letter = changed(&site.letter(), |letter| {
        letter["integration"] = json!("FT");
        letter["vendor"] = json!("flashtalking");
        letter["id"] = json!("another");
    });
    site.host.take_record();
    site.post(&letter);
    site.answer(200, 202);
    assert_eq!((site.told(), site.sent_to("/v1/server").len()), ((200, one("delivered")), 1));
    site.post(&letter);
    assert_eq!(site.told(), (200, one("duplicate")));
}

#[test]
fn a_letter_for_an_integration_that_is_not_here_stays_with_its_sender() {
    let (mut site, letter) = refused();
    site.configure(&configured(&[flashtalking()], &json!({})));
    let before = site.counts("Pod");
    site.post(&letter);
    assert_eq!(site.told(), (503, one("given_back")));
    assert_eq!((site.counts("Pod"), site.counts("FT")), (before, Counts::default()));
    site.configure(&configured(&[podsights("k")], &json!({})));
    site.post(&letter);
    site.answer(200, 202);
    assert_eq!(site.told(), (200, one("delivered")));
}

#[test]
fn a_sender_can_narrow_a_replay_and_a_dry_run_shows_it() {
    let (mut site, letter) = refused();
    site.configure(&configured(&[podsights("k"), flashtalking()], &json!({})));
    let body = letter.to_string();
    site.post_with("/v1/deliver?integration=FT", &[], body.as_bytes());
    assert_eq!(site.told(), (200, one("unmapped")));
    site.post_with("/v1/deliver?integration=FT&integration=Pod", &[], body.as_bytes());
    site.answer(200, 202);
    assert_eq!(site.told(), (200, one("delivered")));
    let mut dry = podsights("k");
    dry["dry_run"] = json!(true);
    let (mut site, letter) = refused();
    site.configure(&configured(&[dry], &json!({})));
    site.post(&letter);
    assert_eq!(site.told(), (200, one("dry_run")));
    assert_eq!(site.host.sent().count(), 0);
}

#[test]
fn a_lost_hand_off_comes_back_into_its_own_lane_and_no_letter_is_handed_off() {
    let more = json!({"secrets": [SECRET],
        "endpoints": {"deliver": {}, "hand_off": {"integration": "Queue"}}});
    let configuration = configured(&[podsights("k"), receiver("Queue", "/events")], &more);
    let mut site = Site::with(&configuration);
    site.visit(&purchase(1));
    site.answer(400, 202);
    let letter = site.letter();
    assert_eq!((&letter["integration"], &letter["event"]), (&json!("Queue"), &json!("Order Completed")));
    let first = site.sent_to("/events").remove(0);
    site.host.take_record();
    site.post(&letter);
    site.answer(202, 202);
    assert_eq!((site.told(), site.sent_to("/events")), ((200, one("delivered")), vec![first.clone()]));
    // The queue passes it on, the vendor refuses it, and its letter goes to the vendor and not to the queue.
    site.host.take_record();
    site.post(&body_of(&first));
    site.answer(400, 202);
    assert_eq!(site.told(), (422, one("rejected")));
    let letter = site.letter();
    site.host.take_record();
    site.post(&letter);
    site.answer(200, 202);
    assert_eq!((site.told(), site.sent_to("/events").len()), ((200, one("delivered")), 0));
    let dropped = |one: &Recorded| {
        matches!(one, Recorded::Delivery { outcome: Outcome::Dropped(DropReason::Rejected), .. })
    };
    assert!(!site.host.record().iter().any(dropped));
}

proptest! {
    #[test]
    fn no_bytes_but_a_gateways_reach_a_vendor(bytes: Vec<u8>, at: prop::sample::Index, binary: bool) {
        let (mut site, letter) = refused();
        let mut sealed = codec::decode_base64(letter["data_base64"].as_str().unwrap()).unwrap();
        let at = at.index(sealed.len());
        sealed.splice(at.., bytes.iter().copied());
        prop_assume!(Some(&sealed) != codec::decode_base64(letter["data_base64"].as_str().unwrap()).as_ref());
        if binary {
            site.post_with("/v1/deliver", &[("ce-type", "conversion_relay.delivery.lost")], &sealed);
        } else {
            site.post(&changed(&letter, |letter| letter["data_base64"] = json!(BASE64_STANDARD.encode(&sealed))));
        }
        let (status, outcomes) = site.told();
        let expected = if outcomes == one("malformed") { 400 } else { 503 };
        prop_assert_eq!((status, site.host.sent().count()), (expected, 0));
    }
}
