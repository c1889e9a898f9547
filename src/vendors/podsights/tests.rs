use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::testing::{Sent, body_of, document_over, send};

const PIXEL: &str = "  - {name: ps, vendor: podsights, config: {key: ps_pixel_key_abc123}";

fn mapped(mappings: &str, event: &str) -> Option<Sent> {
    let mappings = if mappings.is_empty() { String::new() } else { format!(", field_mappings: {mappings}") };
    send(&format!("{PIXEL}{mappings}}}"), event, &[("user-agent", "Mozilla/5.0 ...")])
}

/// The body, without what every body has.
fn fields(sent: &Sent) -> Value {
    let mut body: Value = serde_json::from_str(sent.body.as_deref().unwrap()).unwrap();
    let members = body.as_object_mut().unwrap();
    assert_eq!(members.remove("key"), Some("ps_pixel_key_abc123".into()));
    assert_eq!(members.remove("ip"), Some("203.0.113.50".into()));
    members.remove("user_agent");
    body
}

/// docs.dataflysignal.com, Podsights, "Example: Purchase Event"; the digest is sha256("jane.doe@example.com").
#[test]
fn the_documented_purchase_is_the_documented_body() {
    let sent = mapped(
        "",
        r#"{"event":"Order Completed","anonymousId":"anon_abc123def456","properties":
            {"order_id":"ORD-001","revenue":129.99,"currency":"USD","email":"jane.doe@example.com"}}"#,
    );
    let sent = sent.unwrap();
    assert_eq!((sent.method, sent.path.as_str()), ("POST", "/v1/server"));
    assert_eq!(
        sent.body.as_deref().unwrap(),
        r#"{"key":"ps_pixel_key_abc123","event":"purchase","id":"anon_abc123def456","em":"86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d","ip":"203.0.113.50","user_agent":"Mozilla/5.0 ...","order_id":"ORD-001","value":129.99,"currency":"USD"}"#
    );
}

#[test]
fn ids_that_are_numbers_or_that_rudderstack_wrapped_are_texts() {
    let mappings = "{version: 2, global: {mappings: [{source: user_id, target: custom.user}, \
        {source: message_id, target: custom.message}, {source: properties.number, target: order_id}]}}";
    let event = |user: Value| json!({"event": "Lead Submitted", "anonymousId": 12, "userId": user, "messageId": 34, "properties": {"number": 56}});
    let sent = mapped(mappings, &event(json!("RS_ENC_v3_InVzZXItNyI=")).to_string()).unwrap();
    let custom = json!({"user": "user-7", "message": "34"});
    assert_eq!(fields(&sent), json!({"event": "lead", "id": "12", "custom": custom, "order_id": "56"}));
    let sent = mapped(mappings, &event(json!(78)).to_string()).unwrap();
    assert_eq!(fields(&sent)["custom"]["user"], "78");
    let sent = mapped(mappings, &event(json!("RudderEncrypt:U2FsdGVkX1")).to_string()).unwrap();
    assert_eq!(fields(&sent)["custom"].get("user"), None);
    // Not even a mapping of its own makes a number of an id.
    let mappings = "{version: 2, global: {mappings: [{source: properties.number, target: id}]}}";
    assert_eq!(fields(&mapped(mappings, &event(json!(1)).to_string()).unwrap())["id"], "56");
}

/// The event fields of the public pixel, as RudderStack's documentation maps them.
#[test]
fn a_purchase_in_segments_and_in_ga4s_words_has_all_fields() {
    let item = json!({"value": 10.5, "quantity": 2, "product_id": "p1", "product_name": "Cap", "product_type": "hats",
        "product_vendor": "Acme", "variant_id": "v1", "variant_name": "red"});
    let expected = json!({"event": "purchase", "order_id": "9", "value": 21, "currency": "EUR", "discount_code": "SPRING",
        "is_new_customer": true, "quantity": 3, "line_items": [item, {"product_id": "p2", "quantity": 1}]});
    for event in [
        json!({"event": "Order Completed", "properties": {"order_id": 9, "revenue": "21", "currency": "eur",
            "discount_code": "SPRING", "is_new_customer": true, "products": [
                {"price": 10.5, "quantity": 2, "productId": "p1", "name": "Cap", "category": "hats", "brand": "Acme",
                    "variant_id": "v1", "variant": "red"},
                {"sku": "p2", "quantity": 1}]}}),
        json!({"event": "purchase", "properties": {"transaction_id": "9", "value": 21, "currency": "EUR",
            "coupon": "SPRING", "new_customer": "true", "items": [
                {"price": 10.5, "quantity": 2, "item_id": "p1", "item_name": "Cap", "category": "hats", "brand": "Acme",
                    "variantId": "v1", "variant": "red"},
                {"item_id": "p2", "quantity": 1}]}}),
    ] {
        assert_eq!(fields(&mapped("", &event.to_string()).unwrap()), expected, "{event}");
    }
}

#[test]
fn the_other_events_of_the_preset_are_sent_as_the_table_says() {
    for (event, expected) in [
        (
            r#"{"event":"Lead Submitted","properties":{"value":5,"currency":"usd","type":"demo","category":"b2b"}}"#,
            json!({"event":"lead","value":5,"currency":"USD","type":"demo","category":"b2b"}),
        ),
        (
            r#"{"event":"add_to_cart","properties":{"currency":"USD","items":[{"item_id":"p","item_name":"Cap","price":3,"quantity":2}]}}"#,
            json!({"event":"addtocart","value":3,"currency":"USD","product_id":"p","product_name":"Cap","quantity":2}),
        ),
        (
            r#"{"event":"Product Added","properties":{"price":"3.00","sku":"p","name":"Cap","quantity":"2"}}"#,
            json!({"event":"addtocart","value":3.00,"product_id":"p","product_name":"Cap","quantity":2}),
        ),
        (r#"{"event":"Signed Up","properties":{}}"#, json!({"event":"signup"})),
    ] {
        assert_eq!(fields(&mapped("", event).unwrap()), expected, "{event}");
    }
    assert!(mapped("", r#"{"event":"Lead Generated"}"#).is_none());
    assert!(mapped("", r#"{"type":"page"}"#).is_none());
}

#[test]
fn an_order_without_a_list_of_products_has_no_line_items_and_nothing_is_counted_as_left_out() {
    let sent = mapped(
        "",
        r#"{"event":"Order Completed","properties":{"products":[],"items":[{"sku":"a"},null,{}]}}"#,
    );
    let sent = sent.unwrap();
    assert_eq!(fields(&sent), json!({"event": "purchase", "line_items": [{"product_id": "a"}]}));
    assert_eq!(sent.notes, [""; 0]);
}

#[test]
fn a_body_stays_below_64_kb_and_what_does_not_fit_is_counted() {
    let long = "\\u0001".repeat(70_000);
    let event = format!(r#"{{"event":"Order Completed","properties":{{"order_id":"{long}","revenue":1}}}}"#);
    let sent = mapped("", &event).unwrap();
    assert_eq!(fields(&sent), json!({"event": "purchase", "value": 1}));
    assert_eq!(sent.notes, ["value_left_out"]);
    assert_eq!(sent.left_out, ["order_id left out: no room: a body has at most 65536 bytes"]);
}

#[test]
fn only_a_digest_stands_at_em_and_no_address_anywhere_else() {
    let mappings = "{version: 2, events: {Order Completed: {mappings: [{source: properties.who, target: em}, {source: properties.nested, target: custom.all}]}}}";
    let sent = mapped(
        mappings,
        r#"{"event":"Order Completed","properties":{"who":"jane@example.com","nested":{"a":"jane@example.com","b":["x",{"jane@example.com":1}]}}}"#,
    );
    let sent = sent.unwrap();
    let digest = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d"; // sha256("jane@example.com")
    assert_eq!(
        fields(&sent),
        json!({"event": "purchase", "em": digest, "custom": {"all": {"b": ["x", {}]}}})
    );
    assert_eq!(sent.left_out, ["custom.all left out: an email address"; 2]);
}

#[test]
fn lists_that_cannot_be_used_and_nesting_that_is_too_deep_are_explained() {
    let mappings = "{version: 2, events: {Order Completed: {mappings: [
        {source: properties.products, target: line_items, each: [{source: sku, target: product_id}]},
        {source: 'properties.products[*].price', target: value, transform: sum},
        {source: properties.plan, target: custom.plan, value_map: {a: b}}, {source: properties.deep, target: custom.deep}]}}}";
    let deep = format!("{}1{}", "[".repeat(20), "]".repeat(20));
    let event = format!(
        r#"{{"event":"Order Completed","properties":{{"products":[{{"price":"5 EUR"}},7],"plan":"c","deep":{deep}}}}}"#
    );
    let sent = mapped(mappings, &event).unwrap();
    assert_eq!(
        sent.left_out,
        [
            "value left out: the list has an item that cannot be added up",
            "an item of line_items left out: not an object",
            "line_items left out: the list has no item that can be used",
            "custom.plan left out: not in value_map",
            "custom.deep left out: lists and objects in it are nested deeper than 16 levels",
        ]
    );
}

#[test]
fn what_is_left_out_of_line_items_is_told_and_quoted_where_it_is_an_amount() {
    let sent = mapped(
        "",
        r#"{"event":"Order Completed","properties":{"items":[
            {"sku":"jane@example.com","item_id":"a","price":"9,90","value":9.9},{"quantity":-1,"name":"Cap"},7]}}"#,
    );
    let sent = sent.unwrap();
    let items = json!([{"value": 9.9, "product_id": "a"}, {"product_name": "Cap"}]);
    assert_eq!(fields(&sent), json!({"event": "purchase", "line_items": items}));
    assert_eq!(
        sent.left_out,
        [
            "quantity left out: the list has an item that cannot be added up",
            r#"line_items.value passed over: "9,90" is not a number"#,
            "line_items.product_id passed over: an email address",
            "line_items.quantity left out: -1 is below zero",
            "an item of line_items left out: not an object",
        ]
    );
    assert_eq!(sent.notes, ["value_left_out"; 3]);
}

#[test]
fn of_two_lists_the_first_with_an_item_that_can_be_used_wins() {
    let event = r#"{"event":"Order Completed","properties":{"products":["a"],"items":[{"sku":"b"}]}}"#;
    let sent = mapped("", event).unwrap();
    assert_eq!(fields(&sent), json!({"event": "purchase", "line_items": [{"product_id": "b"}]}));
    let told = [
        "an item of line_items passed over: not an object",
        "line_items passed over: the list has no item that can be used",
    ];
    assert_eq!((sent.left_out, sent.notes), (told.map(str::to_owned).to_vec(), vec![]));
}

#[test]
fn an_email_that_is_none_is_told_but_not_quoted_and_does_not_hide_the_next_one() {
    let digest = "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d"; // sha256("jane@example.com")
    let left_out = ["em left out: not an email address"];
    let passed_over = ["em passed over: not an email address"];
    let mapped_email = "{version: 2, events: {Order Completed: {mappings: [{source: [properties.who, traits.mail], target: em}]}}}";
    for (mappings, members, em, told) in [
        ("", r#""properties":{"email":"n/a"}"#, None, &left_out[..]),
        ("", r#""properties":{"email":7}"#, None, &left_out),
        (
            "",
            r#""properties":{"email":"n/a"},"traits":{"email":"jane@example.com"}"#,
            Some(digest),
            &passed_over,
        ),
        (mapped_email, r#""properties":{"who":"n/a"}"#, None, &left_out),
        (
            mapped_email,
            r#""properties":{"who":"n/a"},"traits":{"mail":"jane@example.com"}"#,
            Some(digest),
            &passed_over,
        ),
        (mapped_email, r#""properties":{"who":"n/a","email":"jane@example.com"}"#, Some(digest), &left_out),
    ] {
        let sent = mapped(mappings, &format!(r#"{{"event":"Order Completed",{members}}}"#)).unwrap();
        assert_eq!(fields(&sent)["em"], json!(em), "{members}");
        assert_eq!(sent.left_out, told, "{members}");
    }
}

#[test]
fn an_identity_that_cannot_be_sent_is_told_but_not_quoted() {
    let believed = format!("{PIXEL}}}\nidentity: {{client_from_context: always}}");
    let context = r#""context":{"ip":"unknown","userAgent":"a\u0007"}"#;
    for (id, cookie, reason) in [
        ("a".repeat(300), "", "longer than 256 bytes"),
        ("a\\u0000".to_owned(), "", "control characters"),
        (String::new(), "_dfid=%00", "its cookie cannot be read, or is no longer valid"),
    ] {
        let event = format!(r#"{{"event":"Signed Up","anonymousId":"{id}",{context}}}"#);
        let sent = send(&believed, &event, &[("cookie", cookie)]).unwrap();
        let told = [
            format!("id left out: {reason}"),
            "ip passed over: not an IP address".to_owned(),
            "user_agent left out: control characters".to_owned(),
        ];
        assert_eq!(sent.left_out, told);
    }
    let event = r#"{"event":"Signed Up","anonymousId":["a"]}"#;
    let sent = send(&believed, event, &[("cookie", "_dfid=b")]).unwrap();
    let told = "id passed over: a list or an object, where a single value is expected";
    assert_eq!((&fields(&sent)["id"], sent.left_out), (&json!("b"), vec![told.to_owned()]));
    let unknown = r#"{"event":"Signed Up","properties":{"value":1}}"#;
    assert_eq!(send(&believed, unknown, &[]).unwrap().left_out, [""; 0]);
}

#[test]
fn a_number_in_an_object_that_is_not_finite_is_told() {
    let mappings =
        "{version: 2, events: {Order Completed: {mappings: [{source: properties.all, target: custom.all}]}}}";
    let event = r#"{"event":"Order Completed","properties":{"all":{"a":1e999,"b":null,"c":1}}}"#;
    let sent = mapped(mappings, event).unwrap();
    assert_eq!(fields(&sent), json!({"event": "purchase", "custom": {"all": {"c": 1}}}));
    assert_eq!(sent.left_out, ["custom.all left out: too large a number"]);
}

proptest! {
    #[test]
    fn any_event_under_any_mapping_makes_valid_json_in_which_our_own_members_stand_unchanged(
        value in body_of(), document in document_over(&["order_id", "value", "currency", "id", "em", "custom.a", "custom.b"]),
    ) {
        let event = json!({"event": "Order Completed", "timestamp": value, "sentAt": value, "context": {"page": {"url": value}},
            "properties": {"order_id": value, "products": [value, {"price": value}], "x": [value, {"key": value, "event": value}]}});
        let sent = mapped(&document, &event.to_string()).unwrap();
        let body = sent.body.as_deref().unwrap();
        prop_assert!(body.len() <= 65_536);
        prop_assert!(body.bytes().all(|byte| byte >= b' '));
        let body: Value = serde_json::from_str(body).unwrap();
        prop_assert_eq!(&body["key"], "ps_pixel_key_abc123");
        prop_assert_eq!(&body["event"], "purchase");
        prop_assert_eq!(&body["ip"], "203.0.113.50");
        prop_assert_eq!(&body["user_agent"], "Mozilla/5.0 ...");
    }
}
