//! Gateways whose records go to the stand-in, a visitor with much to hide, and what must stand in no record.

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::orders::{configuration, flashtalking, podsights};
use crate::support::{Gateway, Options, PODSIGHTS_KEY, Request};

/// The id of the gateway's node.
pub const GATEWAY: &str = "gateway-1";
const EMAIL: &str = "jane.roe@private.example";
const ADDRESS: &str = "203.0.113.77";
const ANONYMOUS_ID: &str = "anon-private-4711";
const COOKIE: &str = "ft-private-cookie-4711";
const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 Private/4711";
/// What must stand in no record, however it is written.
const PRIVATE: [&str; 7] = [EMAIL, ADDRESS, ANONYMOUS_ID, COOKIE, USER_AGENT, "Private/4711", PODSIGHTS_KEY];

/// FT, which requires consent for advertising, and PS, which requires it for marketing. Records of all go to the stand-in.
pub fn file(delivery: Value) -> Value {
    let [mut flashtalking, mut podsights] = [flashtalking(), podsights()];
    flashtalking["consent_categories"] = json!(["advertising"]);
    podsights["consent_categories"] = json!(["marketing"]);
    let mut file = configuration(&[flashtalking, podsights], delivery);
    file["records"] = json!({"cluster": "records"});
    file
}

/// A gateway with this configuration, and what it differs in otherwise.
pub fn options(file: Value) -> Options {
    Options::new().configuration(file).with_records().trusted_hops(1).arguments(&["--service-node", GATEWAY])
}

/// A purchase with this order id by a visitor who allows everything. Its messageId is `m-` and the order.
pub fn purchase(order: &str) -> Value {
    json!({
        "type": "track", "event": "Order Completed", "messageId": format!("m-{order}"), "anonymousId": ANONYMOUS_ID,
        "properties": {"order_id": order, "revenue": 129.99, "currency": "USD", "email": EMAIL},
        "context": {"consent": {"advertising": true, "marketing": true}, "page": {"url": "https://shop.example/thanks"}},
    })
}

/// What the visitor's browser sends with an event.
pub fn visit(event: &Value) -> Request {
    Request::post("/v1/t", event.to_string())
        .header("user-agent", USER_AGENT)
        .header("cookie", cookie(""))
        .header("x-forwarded-for", ADDRESS)
}

/// The Cookie header of the visitor, with one more cookie.
pub fn cookie(more: &str) -> String {
    format!("FTrack={COOKIE}; {more}")
}

/// The records that have all of this, once there are `count` of them. They are checked.
pub fn records(gateway: &Gateway, query: &str, count: usize) -> Vec<Value> {
    let records = gateway.wait_for_records(query, count);
    records.iter().for_each(check);
    records
}

/// The one record that has all of this, once it is there. It is checked.
pub fn record(gateway: &Gateway, query: &str) -> Value {
    let mut records = records(gateway, query, 1);
    assert_eq!(records.len(), 1, "{query}: {records:#?}");
    records.remove(0)
}

/// Checks every record that has come, whoever has looked at it.
pub fn check_all(gateway: &Gateway) {
    let all = gateway.records("");
    assert!(!all.is_empty(), "there is no record to check");
    all.iter().for_each(check);
}

/// What every record has, and what none has.
fn check(record: &Value) {
    let text = record.to_string();
    let missing = ["time", "plugin", "what", "explanation"]
        .into_iter()
        .find(|member| record[*member].as_str().is_none_or(str::is_empty));
    assert_eq!(missing, None, "{text}");
    assert_eq!((&record["version"], &record["gateway"]), (&json!(1), &json!(GATEWAY)), "{text}");
    assert_nothing_private(&text);
}

/// Nothing of the visitor's stands in the text: as it is, percent-encoded, in base64, or as its SHA-256.
pub fn assert_nothing_private(text: &str) {
    let text = text.to_lowercase();
    for private in PRIVATE {
        let digest: String = Sha256::digest(private).iter().map(|byte| format!("{byte:02x}")).collect();
        let forms = [
            private.to_owned(),
            utf8_percent_encode(private, NON_ALPHANUMERIC).to_string(),
            BASE64_STANDARD_NO_PAD.encode(private),
            BASE64_URL_SAFE_NO_PAD.encode(private),
            digest,
        ];
        let found = forms.iter().find(|form| text.contains(&form.to_lowercase()));
        assert_eq!(found, None, "{private} is in {text}");
    }
}

/// What a vendor may say of a request that it has refused or failed: all of it.
pub fn echo() -> String {
    format!("cannot take {EMAIL} {PODSIGHTS_KEY} {ANONYMOUS_ID} of {ADDRESS} with {USER_AGENT} and {COOKIE}")
}
