use proptest::prelude::*;
use serde_json::json;

use super::super::testing::{Sent, body_of, document_over, send};

const IDS: &str = "  - {name: ft, vendor: flashtalking, config: {advertiser_id: 1234567, spotlight_id: 987654, spotlight_group_id: 5}";

fn sent(event: &str) -> Option<Sent> {
    mapped("", event)
}

/// With this `field_mappings`.
fn mapped(mappings: &str, event: &str) -> Option<Sent> {
    let mappings = if mappings.is_empty() { String::new() } else { format!(", field_mappings: {mappings}") };
    send(&format!("{IDS}{mappings}}}"), event, &[])
}

/// The query behind the cachebuster.
fn query(sent: &Sent) -> &str {
    let (before, after) = sent.path.split_once("?cachebuster=").unwrap();
    assert_eq!(before, "/container/1234567;987654;5;num/");
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    assert!(digits > 5);
    &after[digits..]
}

/// docs.dataflysignal.com, Flashtalking, "Example: Purchase Event".
#[test]
fn the_documented_purchase_is_the_documented_request() {
    let sent = sent(
        r#"{"event":"Order Completed","properties":{"order_id":"ORD-001","revenue":129.99,"currency":"USD"}}"#,
    );
    let sent = sent.unwrap();
    assert_eq!(query(&sent), "&ftXRef=ORD-001&ftXValue=129.99&ftXCurrency=USD");
    assert_eq!((sent.method, sent.body), ("GET", None));
}

/// docs.dataflysignal.com, Flashtalking, "Default preset".
#[test]
fn the_other_events_of_the_preset_are_sent_as_the_table_says() {
    for (event, expected) in [
        (r#"{"type":"page","context":{"page":{"path":"/a b","url":"https://s/x"}}}"#, "&U1=%2Fa%20b"),
        (r#"{"type":"page","properties":{"url":"https://s.example/x?q#f"}}"#, "&U1=%2Fx"),
        (r#"{"event":"Signed Up","properties":{"method":"google"}}"#, "&U1=google"),
        (
            r#"{"event":"generate_lead","properties":{"value":"10.50","currency":"eur"}}"#,
            "&ftXValue=10.50&ftXCurrency=EUR",
        ),
        (r#"{"event":"Lead Generated","properties":{"revenue":1e2}}"#, "&ftXValue=100"),
        (
            r#"{"event":"purchase","properties":{"transaction_id":7,"value":0,"total":3}}"#,
            "&ftXRef=7&ftXValue=3",
        ),
    ] {
        assert_eq!(query(&sent(event).unwrap()), expected, "{event}");
    }
    assert!(sent(r#"{"event":"Lead Submitted"}"#).is_none());
}

#[test]
fn values_that_are_no_amount_or_currency_are_left_out_whatever_the_mapping_says() {
    let mappings = "{version: 2, events: {Order Completed: {mappings: [{source: properties.a, target: ftXValue}, {source: properties.b, target: ftXCurrency}]}}}";
    for (properties, expected, left_out) in [
        (r#"{"a":"1.50","b":"gbp"}"#, "&ftXValue=1.50&ftXCurrency=GBP", &[][..]),
        (
            r#"{"a":-1,"b":"pounds"}"#,
            "",
            &["ftXValue: -1 is below zero", r#"ftXCurrency: "pounds" is not a currency of three letters"#],
        ),
        (
            r#"{"a":"abc","b":5}"#,
            "",
            &[r#"ftXValue: "abc" is not a number"#, "ftXCurrency: 5 is not a currency of three letters"],
        ),
        (
            r#"{"a":[1,2],"b":{"c":"GBP"}}"#,
            "",
            &[
                "ftXValue: a list or an object, where a single value is expected",
                "ftXCurrency: a list or an object, where a single value is expected",
            ],
        ),
    ] {
        let sent =
            mapped(mappings, &format!(r#"{{"event":"Order Completed","properties":{properties}}}"#)).unwrap();
        assert_eq!(query(&sent), expected, "{properties}");
        assert_eq!(sent.left_out, left_out);
        assert_eq!(sent.notes, vec!["value_left_out"; left_out.len()]);
    }
}

#[test]
fn a_value_that_may_be_about_a_person_is_never_quoted() {
    let mappings = "{version: 2, events: {Order Completed: {mappings: [
        {source: traits.name, target: ftXValue}, {source: properties.customer_id, target: ftXNumItems},
        {source: properties.a, target: ftXCurrency, transform: sha256}, {source: properties.a, target: U1, transform: number},
        {source: properties.mail_to, target: U2}]}}}";
    let event = r#"{"event":"Order Completed","traits":{"name":"Jane Doe"},"properties":{"customer_id":"Doe","a":"Doe","mail_to":"jane@example.com"}}"#;
    let sent = mapped(mappings, event).unwrap();
    assert_eq!(
        sent.left_out,
        [
            "ftXValue: not a number",
            "ftXCurrency: not a currency of three letters",
            "ftXNumItems: not a number",
            "U1: not a number",
            "U2: an email address in it",
        ]
    );
}

#[test]
fn control_characters_emoji_and_right_to_left_text_leave_percent_encoded_and_a_lone_surrogate_as_fffd() {
    for (text, encoded) in [
        (r"a\r\nX: y", "a%0D%0AX%3A%20y"),
        (r"\u0000\u007f", "%00%7F"),
        (r"\ud83d\ude00", "%F0%9F%98%80"),
        (r"cut\ud83d", "cut%EF%BF%BD"),
        ("שלום", "%D7%A9%D7%9C%D7%95%D7%9D"),
        ("-_.!~*'()", "-_.!~*'()"),
        ("&=?#+%;/ ", "%26%3D%3F%23%2B%25%3B%2F%20"),
    ] {
        let event = format!(r#"{{"event":"Signed Up","properties":{{"method":"{text}"}}}}"#);
        assert_eq!(query(&sent(&event).unwrap()), format!("&U1={encoded}"), "{text}");
    }
}

#[test]
fn a_path_is_cut_at_8_kb_to_the_parameters_that_fit_in_their_order_and_counted() {
    let mappings = "{version: 2, events: {Signed Up: {mappings: [{source: properties.a, target: U2}, {source: properties.b, target: U3}, {source: properties.c, target: U4}]}}}";
    let (long, longest) = ("x".repeat(5_000), "y".repeat(100_000));
    let event = format!(
        r#"{{"event":"Signed Up","properties":{{"method":"m","a":"{longest}","b":"{long}","c":"{long}"}}}}"#
    );
    let sent = mapped(mappings, &event).unwrap();
    assert_eq!(query(&sent), format!("&U1=m&U3={long}"));
    assert!(sent.path.len() <= 8192);
    assert_eq!(sent.notes, ["path_cut", "path_cut"]);
    let no_room = "no room: a path has at most 8192 bytes";
    assert_eq!(sent.left_out, [format!("U2: {no_room}"), format!("U4: {no_room}")]);
}

#[test]
fn a_header_with_a_control_character_or_beyond_4_kb_is_not_forwarded() {
    let event = r#"{"event":"Signed Up","properties":{"method":"m"}}"#;
    for (agent, cookie, forwarded, left_out) in [
        ("Mozilla", "FTrack=ab", 2, &[][..]),
        ("Mozilla\u{1}", "FTrack=a\u{7}b", 0, &["the cookie FTrack: control characters in it"]),
        (
            &"m".repeat(5_000),
            &format!("FTrack={}", "c".repeat(5_000)),
            0,
            &["the cookie FTrack: longer than 4096 bytes"],
        ),
    ] {
        let sent = send(&format!("{IDS}}}"), event, &[("user-agent", agent), ("cookie", cookie)]).unwrap();
        assert_eq!(
            sent.headers.iter().filter(|(name, _)| *name != "x-forwarded-for").count(),
            forwarded,
            "{sent:?}"
        );
        assert_eq!(sent.left_out, left_out);
    }
}

proptest! {
    #[test]
    fn any_event_under_any_mapping_makes_a_valid_uri_in_which_our_own_parameters_stand_once(
        value in body_of(), document in document_over(&["ftXRef", "ftXValue", "ftXCurrency", "U1", "U20", "other"]),
    ) {
        let event = json!({"event": "Order Completed", "timestamp": value, "sentAt": value, "anonymousId": value, "context": {"page": {"url": value}},
            "properties": {"order_id": value, "revenue": value, "products": [value, {"price": value}], "x": [1, value]}});
        let sent = mapped(&document, &event.to_string()).unwrap();
        let uri: http::Uri = sent.path.parse().unwrap();
        prop_assert!(sent.path.len() <= 8192 && uri.query().is_some());
        prop_assert_eq!(sent.path.matches("cachebuster=").count(), 1);
        prop_assert!(sent.path.bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert!(sent.path.starts_with("/container/1234567;987654;5;num/?cachebuster="));
    }
}
