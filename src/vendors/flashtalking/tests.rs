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
            &[
                "ftXValue left out: -1 is below zero",
                r#"ftXCurrency left out: "pounds" is not a currency of three letters"#,
            ],
        ),
        (
            r#"{"a":"abc","b":5}"#,
            "",
            &[
                r#"ftXValue left out: "abc" is not a number"#,
                "ftXCurrency left out: 5 is not a currency of three letters",
            ],
        ),
        (
            r#"{"a":[1,2],"b":{"c":"GBP"}}"#,
            "",
            &[
                "ftXValue left out: a list or an object, where a single value is expected",
                "ftXCurrency left out: a list or an object, where a single value is expected",
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
            "ftXValue left out: not a number",
            "ftXCurrency left out: not a currency of three letters",
            "ftXNumItems left out: not a number",
            "U1 left out: not a number",
            "U2 left out: an email address",
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
    assert_eq!(sent.left_out, [format!("U2 left out: {no_room}"), format!("U4 left out: {no_room}")]);
}

#[test]
fn a_header_with_a_control_character_or_beyond_4_kb_is_not_forwarded() {
    let event = r#"{"event":"Signed Up","properties":{"method":"m"}}"#;
    for (agent, cookie, forwarded, left_out) in [
        ("Mozilla", "FTrack=ab", 2, &[][..]),
        (
            "Mozilla\u{1}",
            "FTrack=a\u{7}b",
            0,
            &[
                "the header User-Agent left out: control characters",
                "the cookie FTrack left out: control characters",
            ],
        ),
        (
            &"m".repeat(5_000),
            &format!("FTrack={}", "c".repeat(5_000)),
            0,
            &[
                "the header User-Agent left out: longer than 4096 bytes",
                "the cookie FTrack left out: longer than 4096 bytes",
            ],
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

#[test]
fn the_first_configured_cookie_that_can_be_forwarded_is_and_an_opt_out_in_any_of_them_counts() {
    let ids = IDS.replace("config: {", "config: {ftrack_cookies: [a, b], ");
    let event = r#"{"event":"Signed Up","properties":{"method":"m"}}"#;
    let sent = send(&format!("{ids}}}"), event, &[("cookie", "a=\u{7}; b=2")]).unwrap();
    assert!(sent.headers.contains(&("cookie".to_owned(), "b=2".to_owned())), "{sent:?}");
    assert_eq!(sent.left_out, ["the cookie a left out: control characters"]);
    assert!(send(&format!("{ids}}}"), event, &[("cookie", "a=1; b=optout=1")]).is_none());
    let sent = send(&format!("{ids}}}"), event, &[("cookie", "a=; b=2")]).unwrap();
    assert!(
        sent.headers.contains(&("cookie".to_owned(), "b=2".to_owned())),
        "an empty cookie is as none: {sent:?}"
    );
}

#[test]
fn an_opt_out_counts_in_each_cookie_of_a_name_and_percent_encoded() {
    let ids = IDS.replace("config: {", "config: {ftrack_cookies: [a], ");
    let event = r#"{"event":"Signed Up","properties":{"method":"m"}}"#;
    for cookies in [
        "flashtalkingad1=x; flashtalkingad1=optout=1",
        "flashtalkingad1=optout=1; flashtalkingad1=x",
        "flashtalkingad1=GUID%3D1%7Coptout%3D1",
        "a=1; a=optout=1",
        "a=optout%3D1",
    ] {
        assert!(send(&format!("{ids}}}"), event, &[("cookie", cookies)]).is_none(), "{cookies}");
    }
}

#[test]
fn a_value_that_cannot_be_used_does_not_hide_the_next_source() {
    let mappings = "{version: 2, events: {Order Completed: {mappings: [
        {source: [properties.coupon, properties.code], target: U3}, {source: [properties.list, properties.one], target: U4},
        {source: [properties.plan, properties.tier], target: U5, value_map: {pro: P}}]}}}";
    for (properties, expected, told, notes) in [
        (
            r#"{"revenue":"4,245.42","total":4245.42}"#,
            "&ftXValue=4245.42",
            &[r#"ftXValue passed over: "4,245.42" is not a number"#][..],
            0,
        ),
        (
            r#"{"revenue":-1,"total":"n/a","value":null,"subtotal":""}"#,
            "",
            &["ftXValue left out: -1 is below zero", r#"ftXValue left out: "n/a" is not a number"#],
            2,
        ),
        (
            r#"{"revenue":1e999,"total":"","value":7}"#,
            "&ftXValue=7",
            &["ftXValue passed over: too large a number"],
            0,
        ),
        (
            r#"{"order_id":"jane@example.com","orderId":"7"}"#,
            "&ftXRef=7",
            &["ftXRef passed over: an email address"],
            0,
        ),
        (r#"{"order_id":"jane@example.com"}"#, "", &["ftXRef left out: an email address"], 1),
        (r#"{"coupon":"to jane@example.com","code":"A"}"#, "&U3=A", &["U3 passed over: an email address"], 0),
        (
            r#"{"list":[1],"one":1}"#,
            "&U4=1",
            &["U4 passed over: a list or an object, where a single value is expected"],
            0,
        ),
        (r#"{"plan":"free","tier":"pro"}"#, "&U5=P", &["U5 passed over: not in value_map"], 0),
    ] {
        let event = format!(r#"{{"event":"Order Completed","properties":{properties}}}"#);
        let sent = mapped(mappings, &event).unwrap();
        assert_eq!(query(&sent), expected, "{properties}");
        assert_eq!(sent.left_out, told, "{properties}");
        assert_eq!(sent.notes, vec!["value_left_out"; notes], "{properties}");
    }
}

#[test]
fn amounts_are_read_as_the_languages_of_shops_write_them() {
    for (revenue, expected) in [
        ("27964.0000000000036379788070917129516601562", "&ftXValue=27964.000000000004"), // PHP
        (r#""0.1000000000000000055511151231257827""#, "&ftXValue=0.1"),                  // PHP
        ("1.2345678E7", "&ftXValue=12345678"),                                           // Java
        (r#""1.2345678E7""#, "&ftXValue=12345678"),
        (r#""49,90""#, ""),
        (r#""49.90 EUR""#, ""),
    ] {
        let event = format!(r#"{{"event":"Order Completed","properties":{{"revenue":{revenue}}}}}"#);
        let sent = sent(&event).unwrap();
        assert_eq!(query(&sent), expected, "{revenue}");
        let left_out = format!("ftXValue left out: {revenue} is not a number");
        assert_eq!(sent.left_out, if expected.is_empty() { vec![left_out] } else { vec![] });
    }
}

#[test]
fn a_page_leaves_without_an_email_address_in_base64() {
    let event = r#"{"type":"page","context":{"page":{"url":"https://shop.example/a/amFuZS5kb2VAZXhhbXBsZS5jb20=?x"}}}"#;
    let page = sent(event).unwrap();
    assert_eq!(query(&page), "&U1=%2Fa");
    assert_eq!(page.left_out, ["U1 left out: the part of the URL with an email address or a user name"]);
    let referer = "https://shop.example/a/amFuZS5kb2VAZXhhbXBsZS5jb20=";
    let page = send(&format!("{IDS}}}"), r#"{"type":"page"}"#, &[("referer", referer)]).unwrap();
    assert_eq!(query(&page), "&U1=%2Fa");
}

/// What a client may have under a name for the amount, and what is sent of it, if anything.
fn amounts() -> impl Strategy<Value = (&'static str, Option<&'static str>)> {
    prop::sample::select(vec![
        ("null", None),
        (r#""""#, None),
        (r#""4,245.42""#, None),
        ("-5", None),
        ("1e15", None),
        ("[1]", None),
        ("1e999", None),
        (r#""jane@example.com""#, None),
        ("0", Some("0")),
        ("12.50", Some("12.50")),
        (r#"" 7 ""#, Some("7")),
    ])
}

proptest! {
    #[test]
    fn the_amount_is_that_of_the_first_source_with_a_usable_one_and_each_other_before_it_is_told(
        values in prop::collection::vec(amounts(), 5),
    ) {
        const SOURCES: [&str; 5] = ["revenue", "total", "value", "subtotal", "price"];
        let members = SOURCES.iter().zip(&values).map(|(name, (json, _))| format!("\"{name}\":{json}"));
        let members = members.collect::<Vec<_>>().join(",");
        let sent = sent(&format!(r#"{{"event":"Order Completed","properties":{{{members}}}}}"#)).unwrap();
        let used = values.iter().position(|(_, amount)| amount.is_some());
        let expected = used.and_then(|used| values[used].1).map(|amount| format!("&ftXValue={amount}"));
        prop_assert_eq!(query(&sent), expected.unwrap_or_default());
        let before = values[..used.unwrap_or(5)].iter();
        let refused = before.filter(|(json, _)| !matches!(*json, "null" | r#""""#)).count();
        let fate = if used.is_some() { "ftXValue passed over: " } else { "ftXValue left out: " };
        prop_assert_eq!(sent.left_out.len(), refused);
        prop_assert!(sent.left_out.iter().all(|told| told.starts_with(fate) && !told.contains("jane")));
        prop_assert_eq!(sent.notes.len(), if used.is_some() { 0 } else { refused });
    }

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
