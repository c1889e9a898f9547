//! A pixel's `:path`, with the event in its query.

use conversion_relay::event::EventType;
use conversion_relay::json::Json;
use conversion_relay::pixel;

pub const MEMORY: usize = 1 << 20;

/// Small, so that inputs reach it.
const MAX_BYTES: usize = 3000;

/// A pixel is refused or becomes a text of bounded size.
pub fn check(input: &[u8]) -> bool {
    let Ok(json) = pixel::event(input, Some(EventType::Track), MAX_BYTES) else { return false };
    // A percent-encoded byte that is no UTF-8 grows to three, a control character to six.
    assert!(json.len() <= 6 * MAX_BYTES, "{} bytes", json.len());
    Json::parse(&json).is_ok()
}
