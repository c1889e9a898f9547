use std::time::Instant;

use serde_json::json;

use super::letters::LetterQuery;
use super::*;
use crate::testing::Folder;

fn record(number: u32) -> NewRecord {
    let (integration, reason) = if number.is_multiple_of(2) { ("FT", None) } else { ("PS", Some("gpc")) };
    let text = json!({
        "what": "ended",
        "gateway": "gw-1",
        "integration": integration,
        "event": {
            "name": "Order Completed",
            "order_id": format!("ORD-{}", number / 2),
            "message_id": format!("m-{}", number / 2),
        },
        "outcome": if reason.is_some() { "dropped" } else { "delivered" },
        "reason": reason,
        "number": number,
    });
    NewRecord { facts: RecordFacts::of(&text).unwrap(), text: text.to_string() }
}

fn numbers(found: &[StoredRecord]) -> Vec<i64> {
    found.iter().map(|record| record.number).collect()
}

fn query(edit: impl FnOnce(&mut RecordQuery)) -> RecordQuery {
    let mut query = RecordQuery { limit: 100, ..RecordQuery::default() };
    edit(&mut query);
    query
}

#[test]
fn records_are_found_newest_first_by_what_they_say_and_page_by_page() {
    let folder = Folder::new();
    let store = folder.open();
    let records: Vec<NewRecord> = (0..10).map(record).collect();
    assert_eq!(store.add_records(&records, 5).unwrap(), 1);
    let found = |query: RecordQuery| {
        let matching: Vec<i64> = (1..)
            .zip(&records)
            .filter(|(_, one)| query.matches(&one.facts))
            .map(|(number, _)| number)
            .collect();
        let found = numbers(&store.records(&query).unwrap());
        if query.before.is_none() && query.limit == 100 {
            assert_eq!(found, matching.into_iter().rev().collect::<Vec<_>>(), "{query:?}");
        }
        found
    };
    assert_eq!(found(query(|query| query.order = Some("ORD-2".into()))), [6, 5]);
    assert_eq!(found(query(|query| query.integration = Some("FT".into()))), [9, 7, 5, 3, 1]);
    for outcome in ["dropped", "gpc"] {
        assert_eq!(found(query(|query| query.outcome = Some(outcome.into()))), [10, 8, 6, 4, 2]);
    }
    assert!(found(query(|query| query.outcome = Some("lost".into()))).is_empty());
    assert!(found(query(|query| query.gateway = Some("gw-2".into()))).is_empty());
    assert_eq!(found(query(|query| query.limit = 3)), [10, 9, 8]);
    assert_eq!(found(query(|query| (query.limit, query.before) = (3, Some(8)))), [7, 6, 5]);
    assert_eq!(numbers(&store.story(6).unwrap()), [5, 6]);
    assert_eq!(store.record(6).unwrap().record["number"], 5);
    assert!(matches!(store.record(11), Err(Rejection::NotFound(_))));
}

#[test]
fn records_go_by_age_and_by_number_and_their_numbers_are_never_used_again() {
    let folder = Folder::new();
    let store = folder.open();
    for at in 1..=10 {
        store.add_records(&[record(0)], at).unwrap();
    }
    let all = query(|_| ());
    assert_eq!(store.remove_old_records(3, 100).unwrap(), 2);
    assert_eq!(store.remove_old_records(3, 5).unwrap(), 3);
    assert_eq!(store.remove_old_records(3, 5).unwrap(), 0);
    assert_eq!(numbers(&store.records(&all).unwrap()), [10, 9, 8, 7, 6]);
    assert_eq!(store.remove_old_records(100, 5).unwrap(), 5);
    assert_eq!(store.add_records(&[record(0)], 11).unwrap(), 11);
    let bytes = i64::try_from(record(0).text.len()).unwrap();
    assert_eq!(store.sizes.records.load(std::sync::atomic::Ordering::Relaxed), bytes);
}

#[test]
fn a_search_among_all_records_that_are_kept_by_default_takes_less_than_a_second() {
    let folder = Folder::new();
    let store = folder.open();
    let records: Vec<NewRecord> = (0..10_000)
        .map(|number| NewRecord { text: json!({"body": "x".repeat(1_000)}).to_string(), ..record(number) })
        .collect();
    for _ in 0..10 {
        store.add_records(&records, 1).unwrap();
    }
    let start = Instant::now();
    assert!(store.records(&query(|query| query.event = Some("nothing".into()))).unwrap().is_empty());
    assert!(start.elapsed().as_secs_f64() < 1.0, "{:?}", start.elapsed());
}

fn letter(id: u32, integration: &str) -> NewLetter {
    let facts = LetterFacts {
        id: format!("letter-{id}"),
        integration: Some(integration.to_owned()),
        reason: Some("expired".to_owned()),
        ..LetterFacts::default()
    };
    NewLetter { facts, text: format!("{{\"id\":\"letter-{id}\"}}") }
}

#[test]
fn a_letter_that_comes_twice_is_kept_once() {
    let folder = Folder::new();
    let store = folder.open();
    assert_eq!(store.add_letters(&[letter(1, "PS"), letter(1, "FT"), letter(2, "PS")], 1).unwrap(), 2);
    assert_eq!(store.add_letters(&[letter(2, "PS")], 2).unwrap(), 0);
    let found = store.letters(&LetterQuery { limit: 10, ..LetterQuery::default() }).unwrap();
    let ids: Vec<&str> = found.iter().map(|letter| letter.facts.id.as_str()).collect();
    assert_eq!(ids, ["letter-2", "letter-1"]);
    assert_eq!(found[1].facts.integration.as_deref(), Some("PS"));
}

#[test]
fn a_letter_asked_for_by_its_id_is_replayed_before_the_others_and_what_is_delivered_is_not_asked_for_again() {
    let folder = Folder::new();
    let store = folder.open();
    let letters: Vec<NewLetter> = (1..=4).map(|id| letter(id, if id == 4 { "FT" } else { "PS" })).collect();
    store.add_letters(&letters, 1).unwrap();
    let ps = LetterQuery { integration: Some("PS".into()), ..LetterQuery::default() };
    assert_eq!(store.want_replays(&ps, "alice").unwrap(), 3);
    store.want_replay("letter-2", "bob").unwrap();
    assert!(matches!(store.want_replay("letter-9", "bob"), Err(Rejection::NotFound(_))));
    let mut order = Vec::new();
    while let Some(next) = store.next_replay().unwrap() {
        order.push((next.number, next.is_single));
        store.replayed(next.number, Outcome::Delivered, "delivered", true).unwrap();
    }
    assert_eq!(order, [(2, true), (1, false), (3, false)]);
    let replay = store.letter("letter-2").unwrap().replay.unwrap();
    assert_eq!((replay.by.as_str(), replay.outcome), ("bob", Outcome::Delivered));
    assert_eq!(store.want_replays(&ps, "alice").unwrap(), 0);
    assert_eq!(store.letter("letter-4").unwrap().replay, None);
}

#[test]
fn replays_that_are_wanted_are_still_wanted_when_the_console_starts_again() {
    let folder = Folder::new();
    let store = folder.open();
    store.add_letters(&[letter(1, "PS")], 1).unwrap();
    store.want_replay("letter-1", "alice").unwrap();
    drop(store);
    let store = folder.open();
    assert_eq!(store.replays_wanted().unwrap(), 1);
    assert_eq!(store.unwant_replays().unwrap(), 1);
    assert_eq!(store.next_replay().unwrap(), None);
}

#[test]
fn letters_go_by_age() {
    let folder = Folder::new();
    let store = folder.open();
    store.add_letters(&[letter(1, "PS")], 1).unwrap();
    store.add_letters(&[letter(2, "PS")], 5).unwrap();
    assert_eq!(store.remove_old_letters(3).unwrap(), (1, 0));
    assert_eq!(store.remove_old_letters(3).unwrap(), (0, 0));
    assert!(store.letter("letter-1").is_err() && store.letter("letter-2").is_ok());
}
