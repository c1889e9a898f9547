//! A timestamp as text.

use conversion_relay::timestamp::{parse_timestamp, rfc3339};

pub const MEMORY: usize = 64 << 10;

/// A timestamp is refused, or read as a time after 1970 that can be written again.
pub fn check(input: &[u8]) -> bool {
    let Some(at) = parse_timestamp(&String::from_utf8_lossy(input)) else { return false };
    assert!(at >= 0, "{at}");
    if let Some(written) = rfc3339(at) {
        assert_eq!(parse_timestamp(&written), Some(at), "{written}");
    }
    true
}
