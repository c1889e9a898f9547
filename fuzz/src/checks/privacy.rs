//! A value on its way to a vendor.

use conversion_relay::privacy::{self, Scrubbed};

use super::email::has_email;

pub const MEMORY: usize = 1 << 20;

/// No text keeps an email address through the last station.
pub fn check(input: &[u8]) -> bool {
    let value = String::from_utf8_lossy(input).into_owned();
    let kept = match privacy::scrub(&value) {
        Scrubbed::Clean => value,
        Scrubbed::Cut(rest) => rest,
        Scrubbed::Dropped => return false,
    };
    assert!(!has_email(&kept), "{kept:?}");
    true
}
