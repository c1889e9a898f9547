//! The last stage before the queue: ensures that no raw email address is sent to any vendor.
//!
//! It checks the values of a finished request, whatever mapping they come from. [`email_in`] detects addresses; [`scrub`]
//! removes them from a value. Only a Podsights body's `key` and `em` are exempt: the first is the customer's own, the second is
//! already a digest.

mod address;
mod encoded;
mod scrubbed;
mod url;

#[cfg(test)]
mod tests;

pub use address::email_in;
pub use scrubbed::Scrubbed;

/// Removes email addresses from a value that is about to be sent.
///
/// `value` is the decoded text: JSON escapes resolved, not yet percent-encoded for the request. A URL (`scheme://...`,
/// `//host...` or `/path...`) loses its user information, and those path segments, query parameters and the fragment
/// that hold an address, as it is or in base64. Any other value with an address in it is dropped whole.
///
/// The result never contains an address: `email_in` is false for a `Clean` value and for the text of a `Cut`.
pub fn scrub(value: &str) -> Scrubbed {
    let found = email_in(value.as_bytes());
    match url::of(value) {
        Some(url) if found || url::is_private(&url) => url::without_email(&url),
        None if found => Scrubbed::Dropped,
        _ => Scrubbed::Clean,
    }
}

/// Whether [`scrub`] drops a value whole.
pub fn is_dropped(value: &str) -> bool {
    address::can_hold_one(value.as_bytes()) && scrub(value) == Scrubbed::Dropped
}
