use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::accounting::{CalloutStatus, Outcome};
use crate::config::Compiled;
use crate::settings::Secret;

const SECRET: &str = "a secret of thirty-two bytes, yes";
const END: End = End {
    outcome: Outcome::Dropped(DropReason::Rejected),
    attempts: 2,
    last_status: Some(CalloutStatus::ClientError),
};

fn keys(secrets: &[&str]) -> Keys {
    let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
    Keys::derive(b"tests\0", &secrets).unwrap()
}

fn facts(event: &str) -> LetterFacts {
    LetterFacts {
        id: None,
        name: "Pod".into(),
        vendor: "podsights",
        event: event.into(),
        order_digest: Some([0xab; 32]),
        rank: Rank::Conversion,
    }
}

fn parcel() -> Parcel {
    Parcel {
        content: r#","event":"purchase","ip":"198.51.100.9"}"#.into(),
        content_type: "application/json".into(),
        forwarded_for: Some("198.51.100.9".into()),
        user_agent: Some("Visitor/1".into()),
        cookie: None,
    }
}

/// The CloudEvent of a letter.
fn written(facts: &LetterFacts, parcel: &Parcel, random: u8) -> Value {
    let keys = keys(&[SECRET]);
    let letter = facts.written(parcel, END, DropReason::Rejected, "shop", &keys, [random; RANDOM]).unwrap();
    assert_eq!(letter.content_type, "application/cloudevents+json");
    serde_json::from_str(&letter.content).unwrap()
}

fn sealed(letter: &Value) -> Vec<u8> {
    codec::decode_base64(letter["data_base64"].as_str().unwrap()).unwrap()
}

#[test]
fn a_letter_says_in_the_clear_what_was_lost_and_why_and_nothing_else() {
    let mut letter = written(&facts("Order Completed"), &parcel(), 1);
    let data = letter.as_object_mut().unwrap().remove("data_base64").unwrap();
    assert!(data.as_str().unwrap().len() > 100);
    let expected = json!({
        "specversion": "1.0", "id": "01010101-0101-4101-8101-010101010101", "source": "shop",
        "type": "conversion_relay.delivery.lost", "datacontenttype": "application/octet-stream",
        "integration": "Pod", "vendor": "podsights", "event": "Order Completed", "reason": "rejected", "attempts": 2,
        "laststatus": "4xx", "orderdigest": "ab".repeat(32),
    });
    assert_eq!(letter, expected);
}

#[test]
fn what_is_not_known_or_may_not_stand_in_the_clear_is_left_out() {
    let never_sent = End { last_status: None, attempts: 0, ..END };
    let without_order = LetterFacts { order_digest: None, ..facts("jane@example.com") };
    let keys = keys(&[SECRET]);
    let letter =
        without_order.written(&parcel(), never_sent, DropReason::QueueFull, "", &keys, [1; RANDOM]).unwrap();
    let letter: Value = serde_json::from_str(&letter.content).unwrap();
    for absent in ["event", "laststatus", "orderdigest"] {
        assert_eq!(letter.get(absent), None, "{absent}: {letter}");
    }
    assert_eq!((&letter["attempts"], &letter["source"]), (&json!(0), &json!("conversion-relay")));
    for text in
        ["jane@example.com", "jane%40example.com", "/a?e=jane@example.com", "a\nb", "", &"x".repeat(257)]
    {
        assert_eq!(in_the_clear(text), None, "{text:?}");
    }
    assert_eq!(in_the_clear("Käufe @home"), Some("Käufe @home"));
}

#[test]
fn what_another_secret_has_sealed_is_told_from_what_was_changed_or_cut() {
    let bytes = sealed(&written(&facts("e"), &parcel(), 1));
    let other = keys(&["another secret of 32 bytes or more"]);
    assert_eq!(Letter::open(&bytes, Some(&other)), Err(Unopened::UnknownSecret));
    assert_eq!(Letter::open(&bytes, None), Err(Unopened::UnknownSecret));
    let rotated = keys(&["another secret of 32 bytes or more", SECRET]);
    assert!(Letter::open(&bytes, Some(&rotated)).is_ok());
    let own = keys(&[SECRET]);
    for cut in 4..bytes.len() {
        assert_eq!(Letter::open(&bytes[..cut], Some(&own)), Err(Unopened::Altered), "{cut}");
    }
    // Bytes of the right key that are no letter: nobody but a gateway can make them, and a later version might.
    let foreign = own.seal_named(b"{}\ncontent", b"", [1; NONCE]).unwrap();
    assert_eq!(Letter::open(&foreign, Some(&own)), Err(Unopened::Altered));
}

#[test]
fn a_letter_is_for_the_integration_of_its_id_or_else_of_its_name() {
    let config = json!({"integrations": [
        {"id": "int_1", "name": "Renamed", "vendor": "podsights", "config": {"key": "k"}},
        {"name": "Pod", "vendor": "podsights", "config": {"key": "k"}},
        {"id": "int_2", "name": "FT", "vendor": "flashtalking",
         "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
    ]});
    let config = Compiled::load(config.to_string().as_bytes(), &|_| None).unwrap();
    let takers = |id: Option<&str>, name: &str| {
        let facts = LetterFacts { id: id.map(Into::into), name: name.into(), ..facts("e") };
        let letter = Letter::open(&sealed(&written(&facts, &parcel(), 1)), Some(&keys(&[SECRET]))).unwrap();
        let takers = config.integrations.iter().filter(|integration| letter.is_for(integration));
        takers.map(|integration| integration.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(takers(Some("int_1"), "Old name"), ["Renamed"]);
    assert_eq!(takers(None, "Pod"), ["Pod"]);
    assert_eq!(takers(Some("int_3"), "Pod"), ["Pod"], "it had an id before");
    assert_eq!(takers(Some("int_3"), "Renamed"), [""; 0], "another one that took the name");
    assert_eq!(takers(Some("int_2"), "FT"), [""; 0], "another vendor's");
}

proptest! {
    #[test]
    fn whatever_was_lost_comes_out_of_its_letter_as_it_was(
        content: String, content_type: String, headers in [proptest::option::of(".*"), proptest::option::of(".*"), proptest::option::of(".*")],
        name: String, event: String, id: Option<String>, conversion: bool, random: u8,
    ) {
        let [forwarded_for, user_agent, cookie] = headers.map(|text| text.map(Into::into));
        let parcel = Parcel {
            content: content.into(), content_type: content_type.into(), forwarded_for, user_agent, cookie,
        };
        let rank = if conversion { Rank::Conversion } else { Rank::Ordinary };
        let facts = LetterFacts {
            id: id.map(Into::into), name: name.as_str().into(), rank, ..facts(&event)
        };
        let letter = written(&facts, &parcel, random);
        let opened = Letter::open(&sealed(&letter), Some(&keys(&[SECRET]))).unwrap();
        prop_assert_eq!(&*opened.id, letter["id"].as_str().unwrap());
        prop_assert_eq!((&*opened.integration, opened.integration_id), (&*name, facts.id));
        prop_assert_eq!((opened.rank, opened.parcel), (rank, parcel));
    }
}
