//! A whole request, from a client to the vendors. See `http` for what an input looks like.

use conversion_relay::json::Json;
use serde_json::Value;

use super::email::has_email;
use super::http;
use super::refusal;
use super::world::{self, MARKETING, Sent};

pub const MEMORY: usize = 16 << 20;

/// Whatever a client sends, the books balance, every callout is legal, no email address leaves, and nothing leaves against a
/// plain refusal.
pub fn check(input: &[u8]) -> bool {
    let Some(request) = http::parse(input) else { return false };
    let refusal = refusal::of_marketing(&request);
    let mut left = false;
    for sent in world::relay(&request) {
        is_legal(&sent);
        if let Some(refusal) = refusal {
            assert!(sent.cluster != MARKETING, "delivered against {refusal}: {sent:?}");
        }
        left = true;
    }
    left
}

/// Checks that nothing of what a client sent has broken a request to a vendor.
fn is_legal(sent: &Sent) {
    let callout = &sent.callout;
    assert!(callout.path.len() <= 8192, "the path has {} bytes", callout.path.len());
    assert!(callout.path.bytes().all(|byte| byte.is_ascii_graphic()), "{}", callout.path);
    assert!(!has_email(&callout.path), "{}", callout.path);
    for (name, value) in &callout.headers {
        assert!(value.len() <= 8192 && !value.chars().any(char::is_control), "{name}: {value:?}");
        assert!(!has_email(value), "{name}: {value}");
    }
    if let Some(body) = &callout.body {
        let is_podsights = sent.cluster == world::PODSIGHTS;
        let most = if is_podsights { 64 * 1024 } else { 512 * 1024 };
        assert!(body.len() <= most, "the body has {} bytes", body.len());
        assert!(Json::parse(body).is_ok(), "the body is no JSON: {body}");
        // A whole event may be nested deeper than serde_json reads.
        let Ok(body) = serde_json::from_str::<Value>(body) else { return assert!(!is_podsights, "{body}") };
        // Text by text: the quote that begins one is no part of an address.
        assert!(!any_text(&body, &has_email), "{body}");
        assert!(!is_podsights || body["key"] == world::PODSIGHTS_KEY, "{body}");
    }
}

/// Whether a text of this JSON, a key included, is one that is looked for.
fn any_text(json: &Value, is: &dyn Fn(&str) -> bool) -> bool {
    match json {
        Value::String(text) => is(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, is)),
        Value::Object(members) => members.iter().any(|(key, value)| is(key) || any_text(value, is)),
        _ => false,
    }
}
