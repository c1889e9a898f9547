//! A body. The first byte of an input chooses the Content-Encoding, and the rest is the body as it was sent.

use conversion_relay::decode::{self, Undecodable};

pub const MEMORY: usize = 1 << 20;

/// Small, so that inputs reach it.
const MAX_BYTES: usize = 3000;

/// A body of any encoding is refused or stays within the cap.
pub fn check(input: &[u8]) -> bool {
    let Some((choice, body)) = input.split_first() else { return false };
    let encoding = match choice {
        b'g' => Some("gzip"),
        b'd' => Some("deflate"),
        b'i' => Some("identity"),
        b'b' => Some("br"),
        b'2' => Some("gzip, deflate"),
        _ => None,
    };
    match decode::body(body.to_vec(), encoding.map(str::as_bytes), MAX_BYTES) {
        Ok(text) => {
            assert!(text.chars().count() <= MAX_BYTES, "{} characters", text.chars().count());
            true
        }
        Err(Undecodable::Malformed | Undecodable::TooLarge) => false,
    }
}
