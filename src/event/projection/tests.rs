use super::*;
use proptest::prelude::*;

fn read<'a>(projection: &Projection, text: &'a str) -> Slots<'a> {
    let mut slots = projection.empty();
    projection.read(Json::parse(text).unwrap(), &mut slots).unwrap();
    slots
}

#[test]
fn a_path_asked_for_twice_has_one_slot_and_both_spellings_fill_it() {
    let mut projection = Projection::new();
    let user = projection.slot(&[&["user_id", "userId"]]);
    assert_eq!(projection.slot(&[&["user_id", "userId"]]), user);
    assert_eq!(read(&projection, r#"{"userId":"u1"}"#).get(user).unwrap().as_str(), r#""u1""#);
    assert_eq!(read(&projection, r#"{"user_id":"u2"}"#).get(user).unwrap().as_str(), r#""u2""#);
}

#[test]
fn a_value_is_found_as_a_whole_and_below_itself() {
    let mut projection = Projection::new();
    let page = projection.slot(&[&["context"], &["page"]]);
    let url = projection.slot(&[&["context"], &["page"], &["url"]]);
    let slots = read(&projection, r#"{"x":[{}],"context":{"page":{"url":"https://a/"}}}"#);
    assert_eq!(slots.get(page).unwrap().as_str(), r#"{"url":"https://a/"}"#);
    assert_eq!(slots.get(url).unwrap().as_str(), r#""https://a/""#);
}

#[test]
fn null_and_the_empty_string_count_as_absent() {
    let mut projection = Projection::new();
    let slot = projection.slot(&[&["a"]]);
    assert!(read(&projection, r#"{"a":null}"#).get(slot).is_none());
    assert!(read(&projection, r#"{"a":""}"#).get(slot).is_none());
}

#[test]
fn a_field_that_should_be_an_object_and_is_not_costs_nothing_else() {
    let mut projection = Projection::new();
    let deep = projection.slot(&[&["properties"], &["a"]]);
    let other = projection.slot(&[&["event"]]);
    for odd in ["1", "-1", "1.5", "true", "null", "\"x\"", "[1,{\"a\":2}]"] {
        let text = format!(r#"{{"properties":{odd},"event":"e"}}"#);
        let slots = read(&projection, &text);
        assert!(slots.get(deep).is_none() && slots.get(other).is_some(), "{odd}");
    }
}

#[test]
fn of_two_objects_under_one_key_nothing_of_the_first_is_left() {
    let mut projection = Projection::new();
    let a = projection.slot(&[&["context"], &["consent"], &["a"]]);
    let b = projection.slot(&[&["context"], &["consent"], &["b"]]);
    let slots = read(&projection, r#"{"context":{"consent":{"a":1},"consent":{"b":2}}}"#);
    assert!(slots.get(a).is_none() && slots.get(b).is_some());
}

#[test]
fn a_statement_that_is_made_twice_is_none_that_can_be_read() {
    let mut projection = Projection::new();
    let consent = projection.statement_slot(&[&["context"], &["consent", "Consent"]]);
    let read = |text| read(&projection, text).get(consent).map(Json::as_str);
    assert_eq!(read(r#"{"context":{"consent":{"a":1}}}"#), Some(r#"{"a":1}"#));
    assert_eq!(read(r#"{"context":{"consent":null,"consent":{"a":1},"consent":""}}"#), Some(r#"{"a":1}"#));
    for twice in [
        r#"{"context":{"consent":{"a":0},"consent":{"a":1}}}"#,
        r#"{"context":{"consent":1,"Consent":2}}"#,
        r#"{"context":{"consent":1},"context":{"consent":2}}"#,
        r#"{"context":{"consent":1,"consent":2,"consent":3}}"#,
    ] {
        assert_eq!(read(twice), Some(STATED_TWICE), "{twice}");
    }
}

#[test]
fn a_statement_of_an_item_replaces_that_of_its_batch_unless_it_is_null() {
    let mut projection = Projection::new();
    let consent = projection.statement_slot(&[&["context"], &["consent"]]);
    let mut batch = projection.empty();
    projection.read_member("context", Json::parse(r#"{"consent":{"a":0}}"#).unwrap(), &mut batch);
    for (item, expected) in [
        ("{}", r#"{"a":0}"#),
        (r#"{"context":{"consent":null}}"#, r#"{"a":0}"#),
        (r#"{"context":{"consent":{"a":1}}}"#, r#"{"a":1}"#),
    ] {
        let mut slots = batch.clone();
        projection.read(Json::parse(item).unwrap(), &mut slots).unwrap();
        assert_eq!(slots.get(consent).unwrap().as_str(), expected, "{item}");
    }
}

#[test]
fn white_space_and_escapes_in_keys_change_nothing() {
    let mut projection = Projection::new();
    let url = projection.slot(&[&["context"], &["page"], &["url"]]);
    for text in [
        "{ \"context\" : { \"page\" :\n{\t\"url\" :\r\"u\" } } }",
        r#"{"context":{"p\u0061ge":{"url":"u"}}}"#,
        r#"{"\u0063ontext" : {"page":{"\u0075rl":"u"}}}"#,
        r#"{"\ud83d":{"a":"\ud83d"},"context":{"\ude00":1,"page":{"url":"u","\ud83dx":[]}}}"#,
    ] {
        assert_eq!(read(&projection, text).get(url).unwrap().as_str(), "\"u\"", "{text}");
    }
}

#[test]
fn half_an_emoji_in_a_key_is_a_replacement_character() {
    let mut projection = Projection::new();
    let slot = projection.slot(&[&["properties"], &["a\u{FFFD}b"]]);
    assert!(read(&projection, r#"{"properties":{"a\ud83db":1}}"#).get(slot).is_some());
    assert!(read(&projection, r#"{"properties":{"a\\ud83db":1}}"#).get(slot).is_none());
}

#[test]
fn deep_nesting_below_a_field_is_no_recursion() {
    let mut projection = Projection::new();
    let slot = projection.slot(&[&["properties"], &["a"]]);
    let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
    let text = format!(r#"{{"x":{deep},"properties":{{"a":{deep}}}}}"#);
    assert_eq!(read(&projection, &text).get(slot).unwrap().as_str(), deep);
}

proptest! {
    /// Nearly JSON: a document in which one character is left out or replaced.
    #[test]
    fn what_is_read_unverified_is_json_and_reads_as_it_does_once_it_is_known_to_be(
        at in 0usize..200, with in proptest::option::of("[\\[\\]{}\",:0a\\\\\u{1}\u{7f}é -]"),
    ) {
        let whole = r#" {"event":"e","a\u0062":{"x":[1,-2.5e3,"\n\u00e9"]},"properties":{"a":{"b":"q"},"c":null,"c":7}} "#;
        let mut text: Vec<char> = whole.chars().collect();
        text.splice(at % text.len()..=at % text.len(), with.iter().flat_map(|with| with.chars()));
        let text = [text.iter().collect(), whole.replace("\\u0062", "b")].into_iter();
        for text in text.chain([whole.to_owned()]) {
            let mut projection = Projection::new();
            let paths: [&[&[&str]]; 4] =
                [&[&["event"]], &[&["properties"], &["a"], &["b"]], &[&["properties"], &["c"]], &[&["ab"], &["x"]]];
            let slots = paths.map(|path| projection.slot(path));
            let mut found = projection.empty();
            if projection.read_unverified(&text, &mut found) {
                let json = Json::parse(&text);
                prop_assert!(json.is_ok(), "{text}");
                prop_assert!(json.unwrap().kind() == Kind::Object, "{text}");
                let expected = read(&projection, &text);
                for slot in slots {
                    prop_assert_eq!(found.get(slot).map(Json::as_str), expected.get(slot).map(Json::as_str));
                }
            } else if !text.contains('\\') {
                prop_assert!(!Json::parse(&text).is_ok_and(|json| json.kind() == Kind::Object), "{text}");
            }
        }
    }

    #[test]
    fn reading_agrees_with_serde_jsons_own_value(a in "[a-c]{1}", b in "[a-c]{1}", text in "\\{(\"[a-c]\":(1|\"x\"|\\{\"[a-c]\":2\\}),?){0,4}") {
        let text = format!("{}}}", text.trim_end_matches(','));
        let Ok(whole) = serde_json::from_str::<serde_json::Value>(&text) else { return Ok(()) };
        let mut projection = Projection::new();
        let slot = projection.slot(&[&[a.as_str()], &[b.as_str()]]);
        // Duplicate keys at the root merge here (a batch's context does); keep those out of the comparison.
        prop_assume!(text.matches(&format!("\"{a}\":")).count() <= 1);
        let slots = read(&projection, &text);
        prop_assert_eq!(slots.get(slot).map(|json| json.as_str().to_owned()), whole.get(&a).and_then(|v| v.get(&b)).map(|v| v.to_string()));
    }
}
