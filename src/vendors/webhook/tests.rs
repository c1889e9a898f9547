//! What a webhook's requests look like.

mod configuration;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::privacy::email_in;
use crate::vendors::testing::{Sent, body_of, document_over, send, send_to};

const CONFIG: &str = "cluster: queue, authority: queue.internal, path: /events";
// Computed with sha256sum.
const JANE: &str = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d";

fn mapped(mappings: &str) -> String {
    format!(
        "  - {{name: Q, vendor: webhook, config: {{{CONFIG}}}, field_mappings: {{version: 2, defaults: {{action: send}}, \
         global: {{mappings: {mappings}}}}}}}"
    )
}

fn whole() -> String {
    format!("  - {{name: Q, vendor: webhook, preset: cloudevents, config: {{{CONFIG}}}}}")
}

fn json_of(sent: &Sent) -> Value {
    serde_json::from_str(sent.body.as_deref().unwrap()).unwrap()
}

fn data_of(path: &str, body: &str, headers: &[(&str, &str)]) -> Value {
    json_of(&send_to(path, &whole(), body, headers).unwrap())["data"].take()
}

#[test]
fn without_a_preset_the_mappings_alone_make_the_body() {
    let mappings = "[{source: event, target: event}, {source: properties.total, target: order.value, transform: number}, \
                    {value: web, target: order.channel}, {source: client.ip, target: ip}, {source: properties.items, target: key}]";
    let event = r#"{"event":"Order Completed","properties":{"total":"9.90","items":[{"sku":7},null]}}"#;
    let sent = send(&mapped(mappings), event, &[]).unwrap();
    assert_eq!((sent.method, sent.path.as_str()), ("POST", "/events"));
    assert_eq!(sent.headers, [("content-type".to_owned(), "application/json".to_owned())]);
    assert_eq!(
        sent.body.as_deref().unwrap(),
        r#"{"event":"Order Completed","order":{"value":9.90,"channel":"web"},"ip":"203.0.113.50","key":[{"sku":7}]}"#
    );
}

#[test]
fn a_part_of_a_target_with_0_in_brackets_is_a_list_of_one_item() {
    let mappings = "[{source: event, target: 'data[0].name'}, {source: properties.email, target: 'data[0].user.em[0]', \
                    transform: [trim, lowercase, sha256]}, {value: 1, target: version}]";
    let event = r#"{"event":"e","properties":{"email":" Jane@Example.com"}}"#;
    let sent = send(&mapped(mappings), event, &[]).unwrap();
    let expected = format!(r#"{{"data":[{{"name":"e","user":{{"em":["{JANE}"]}}}}],"version":1}}"#);
    assert_eq!(sent.body.as_deref(), Some(expected.as_str()));
}

#[test]
fn a_mapped_email_address_is_left_out_wherever_it_stands() {
    let mappings = "[{source: properties.email, target: email}, {source: traits.all, target: all}]";
    let event = r#"{"event":"e","properties":{"email":"jane@example.com"},"traits":{"all":{"a":["x jane@example.com",1],
        "jane@example.com":1,"url":"https://shop.example/?m=jane%40example.com&x=1"}}}"#;
    let sent = send(&mapped(mappings), event, &[]).unwrap();
    assert_eq!(sent.body.as_deref(), Some(r#"{"all":{"a":[1],"url":"https://shop.example/?x=1"}}"#));
    assert_eq!(sent.notes.iter().filter(|note| **note == "value_left_out").count(), 4);
}

#[test]
fn a_cloud_event_holds_the_event_as_it_came() {
    let event = r#"{"messageId":"m-1","event":"Order Completed","type":"track","userId":7,
        "properties":{"total":12.50,"big":12345678901234567890,"list":[1,[2,{"a":null}],"x"],"text":"\"é\ud83d\n"}}"#;
    let sent = send(&whole(), event, &[]).unwrap();
    let media_type = "application/cloudevents+json".to_owned();
    assert_eq!(sent.headers, [("content-type".to_owned(), media_type)]);
    assert_eq!(
        sent.body.as_deref().unwrap(),
        "{\"specversion\":\"1.0\",\"id\":\"m-1\",\"source\":\"test\",\"type\":\"conversion_relay.event\",\
         \"datacontenttype\":\"application/json\",\"data\":{\"messageId\":\"m-1\",\"event\":\"Order Completed\",\
         \"type\":\"track\",\"userId\":7,\"properties\":{\"total\":12.50,\"big\":12345678901234567890,\
         \"list\":[1,[2,{\"a\":null}],\"x\"],\"text\":\"\\\"é\u{fffd}\\n\"}}}"
    );
}

#[test]
fn an_event_without_a_usable_message_id_has_a_random_uuid() {
    for id in ["", r#""messageId":" ","#, r#""messageId":"jane@example.com","#] {
        let sent = send(&whole(), &format!("{{{id}\"event\":\"e\"}}"), &[]).unwrap();
        let id = json_of(&sent)["id"].as_str().unwrap().to_owned();
        assert!(id.len() == 36 && id.as_bytes()[14] == b'4', "{id}");
    }
}

#[test]
fn an_event_of_a_batch_is_complete_by_itself() {
    let batch = r#"{"writeKey":"k","sentAt":"2024-02-29T12:34:56Z","context":{"library":{"name":"js"},"ip":"1.2.3.4"},
        "batch":[{"writeKey":"k","event":"e","context":{"ip":"5.6.7.8"}}]}"#;
    let expected = json!({"event": "e", "type": "track", "sentAt": "2024-02-29T12:34:56Z",
        "context": {"library": {"name": "js"}, "ip": "5.6.7.8"}});
    assert_eq!(data_of("/v1/batch", batch, &[]), expected);
    assert_eq!(data_of("/v1/p", r#"{"name":"Home"}"#, &[]), json!({"name": "Home", "type": "page"}));
}

#[test]
fn an_event_of_a_pixel_is_one_too() {
    let data = data_of("/v1/pixel/track?e=Signed%20Up&p.plan=pro&aid=a1&wk=key1", "", &[]);
    assert_eq!(data["event"], "Signed Up");
    assert_eq!(data["properties"]["plan"], "pro");
    assert!(!data.to_string().contains("key1"), "{data}");
}

#[test]
fn an_email_address_becomes_its_digest_under_the_same_key() {
    let event = r#"{"event":"e","properties":{"email":" Jane@Example.com","Email":"jane@example.com","contacts":["jane@example.com"],
        "account":{"login":"JANE@example.com"}},"context":{"traits":{"email":"jane@intranet"}},"userId":"jane@example.com"}"#;
    let data = data_of("/v1/t", event, &[]);
    let intranet = crate::identity::email::hash("jane@intranet").unwrap();
    let expected = json!({"event": "e", "type": "track", "userId": JANE,
        "properties": {"email": JANE, "Email": JANE, "contacts": [JANE], "account": {"login": JANE}},
        "context": {"traits": {"email": intranet.as_str()}}});
    assert_eq!(data, expected);
}

#[test]
fn what_holds_an_address_beside_other_text_is_left_out_and_so_is_a_key_that_holds_one() {
    let event = r#"{"event":"e","a jane@example.com":{"x":[{"y":1}]},"properties":{"jane@example.com":[1,2],"note":"mail jane@example.com",
        "two":"a@example.com,b@example.com","encoded":"jane%40example.com","json":"{\"email\":\"jane@example.com\"}",
        "list":["<jane@example.com>",{"mailto:jane@example.com":1,"k":2}],"url":"https://u@shop.example/jane@example.com/x"}}"#;
    let sent = send(&whole(), event, &[]).unwrap();
    let expected = json!({"event": "e", "type": "track",
        "properties": {"list": [{"k": 2}], "url": "https://shop.example/x"}});
    assert_eq!(json_of(&sent)["data"], expected);
    assert!(
        sent.left_out.contains(&"data.properties.note left out: an email address".to_owned()),
        "{:?}",
        sent.left_out
    );
    assert!(!sent.left_out.iter().any(|line| line.contains("jane")), "{:?}", sent.left_out);
}

#[test]
fn an_ip_address_is_sent_as_far_as_the_site_allows_it() {
    let ip =
        |event: &str, policy: &str| data_of("/v1/t", event, &[("x-ip-policy", policy)])["context"].take();
    let event = r#"{"event":"e","context":{"ip":"203.0.113.77","a":1}}"#;
    assert_eq!(ip(event, "keep"), json!({"ip": "203.0.113.77", "a": 1}));
    assert_eq!(ip(event, "stripLastOctet"), json!({"ip": "203.0.113.0", "a": 1}));
    assert_eq!(ip(event, "remove"), json!({"a": 1}));
    for odd in [r#"["203.0.113.77"]"#, r#"{"v4":"203.0.113.77"}"#, "3405803853"] {
        let event = format!(r#"{{"event":"e","context":{{"ip":{odd},"a":1}}}}"#);
        assert_eq!(ip(&event, "remove"), json!({"a": 1}), "{odd}");
    }
}

#[test]
fn a_number_that_no_receiver_reads_is_left_out() {
    let sent = send(&whole(), r#"{"event":"e","properties":{"a":1e999,"b":-1.50e3}}"#, &[]).unwrap();
    assert!(sent.body.unwrap().contains(r#""properties":{"b":-1.50e3}"#));
}

#[test]
fn a_member_that_no_longer_fits_is_left_out_and_told() {
    let big = "x".repeat(400_000);
    let event =
        format!(r#"{{"event":"e","properties":{{"a":"{big}"}},"traits":{{"b":"{big}"}},"userId":"u"}}"#);
    let sent = send(&whole(), &event, &[]);
    assert!(sent.is_none(), "too large to be parsed");
    let integration = format!("{}\nendpoints: {{max_body_bytes: 1000000}}", whole());
    let sent = send(&integration, &event, &[]).unwrap();
    let data = json_of(&sent)["data"].take();
    assert!(data["traits"].is_null() && data["userId"] == "u" && data["properties"]["a"].is_string());
    assert_eq!(sent.left_out, ["data.traits left out: no room: a body has at most 524288 bytes"]);
    let sent = send(
        &format!(
            "{}\nendpoints: {{max_body_bytes: 1000000}}",
            mapped("[{source: traits.b, target: t}, {source: properties.a, target: p}]")
        ),
        &event,
        &[],
    )
    .unwrap();
    assert_eq!(sent.left_out, ["p left out: no room: a body has at most 524288 bytes"]);
}

#[test]
fn nesting_without_an_end_is_no_recursion() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let sent = send(&whole(), &format!(r#"{{"event":"e","type":"track","properties":{{"a":{deep}}}}}"#), &[])
        .unwrap();
    assert!(sent.body.unwrap().contains(&deep));
}

/// All strings and keys of a value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => {
            for (key, value) in members {
                found.push(key.clone());
                texts(value, found);
            }
        }
        _ => {}
    }
}

/// JSON with email addresses among its strings and keys.
fn json_with_emails() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("jane@example.com".to_owned()),
        Just(" Jane@Example.COM ".to_owned()),
        Just("jane%40example.com".to_owned()),
        Just("https://a.example/jane@example.com?x=jane@example.com#y".to_owned()),
        Just("\u{ff20} jane\u{ff20}example.com".to_owned()),
        "[a-z@.%40 \"\\\\{}]{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(
                (prop_oneof![text.clone(), Just("email".to_owned()), Just("ip".to_owned())], inner),
                0..4
            )
            .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_a_cloud_event_is_json_without_an_address(properties in json_with_emails(), context in json_with_emails(), batch in json_with_emails()) {
        let body = json!({"context": batch, "batch": [{"event": "e", "properties": properties, "context": context}]}).to_string();
        let sent = send_to("/v1/batch", &whole(), &body, &[]).unwrap();
        let mut found = Vec::new();
        texts(&json_of(&sent), &mut found);
        for text in found {
            prop_assert!(!email_in(text.as_bytes()), "{text:?} in {:?}", sent.body);
        }
    }

    #[test]
    fn what_holds_no_address_comes_out_as_it_went_in(properties in body_of(), white in "[ \n\t]{0,2}") {
        prop_assume!(!email_in(properties.to_string().as_bytes()));
        let body = format!("{{{white}\"event\"{white}:\"e\",\"type\":\"track\",\"properties\":{white}{:#}}}", properties);
        let data = data_of("/v1/t", &body, &[]);
        // Read from text, as what is compared with is: serde_json rounds some numbers when it reads them.
        let properties: Value = serde_json::from_str(&properties.to_string()).unwrap();
        let mut expected = json!({"event": "e", "type": "track"});
        expected["properties"] = properties;
        // URLs among the texts are none of this property's business.
        prop_assume!(!body.contains("//") && !body.contains("\"/"));
        prop_assert_eq!(data, expected);
    }

    #[test]
    fn any_mappings_make_json(mappings in document_over(&["a", "b.c", "b.d[0]", "e[0].f", "key"]), body in body_of()) {
        let mut document: Value = serde_json::from_str(&mappings).unwrap();
        document["defaults"] = json!({"action": "send"});
        let integration = format!("  - {{name: Q, vendor: webhook, config: {{{CONFIG}}}, field_mappings: {document}}}");
        let event = json!({"event": "e", "properties": body}).to_string();
        let sent = send(&integration, &event, &[]).unwrap();
        prop_assert!(json_of(&sent).is_object());
    }
}
