//! Requests whose stream ended because Envoy follows a redirect of the collector's (`internal_redirect_policy`).
//!
//! Envoy then makes another stream for the same client, usually in the same moment, whose request has the header
//! `x-envoy-original-url`. Its method, path and body may be different, and its answer is the collector's.

use std::collections::VecDeque;
use std::time::Duration;

use crate::delivery::Instant;
use crate::request::Request;

/// How long the stream that follows may take. Filters in front of this one may hold it back.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(5);

/// What tells the stream that follows from others.
#[derive(Debug, PartialEq, Eq)]
pub struct StreamKey {
    /// Envoy's `source.address`.
    pub source_address: Vec<u8>,
    /// The header `x-request-id`, which Envoy keeps when it follows a redirect; empty if there is none.
    pub request_id: Vec<u8>,
}

/// Requests that wait for the stream that follows, oldest first.
#[derive(Debug, Default)]
pub struct Redirects(VecDeque<(Instant, StreamKey, Option<Request>)>);

impl Redirects {
    /// Adds a stream that was redirected, with its request unless that was handed over already.
    pub fn add(&mut self, key: StreamKey, request: Option<Request>, now: Instant) {
        self.0.push_back((now.saturating_add(FOLLOWED_WITHIN), key, request));
    }

    /// Removes and returns the request of the stream that this one follows. `None`: it follows none.
    pub fn take(&mut self, key: &StreamKey) -> Option<Option<Request>> {
        // The newest first: usually it was added a moment ago.
        let at = self.0.iter().rposition(|(_, known, _)| known == key)?;
        self.0.remove(at).map(|(_, _, request)| request)
    }

    /// Removes and returns a request that no stream has followed in time.
    pub fn pop_overdue(&mut self, now: Instant) -> Option<Request> {
        while self.next_due().is_some_and(|due| due <= now) {
            if let Some((_, _, Some(request))) = self.0.pop_front() {
                return Some(request);
            }
        }
        None
    }

    /// Returns when the first of them is overdue.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.front().map(|(due, _, _)| *due)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str, id: &str) -> StreamKey {
        StreamKey { source_address: address.into(), request_id: id.into() }
    }

    #[test]
    fn a_stream_follows_that_of_the_same_client_and_request_id_once() {
        let mut redirects = Redirects::default();
        redirects.add(key("10.0.0.1:1", "a"), None, Duration::ZERO);
        assert!(redirects.take(&key("10.0.0.1:1", "b")).is_none());
        assert!(redirects.take(&key("10.0.0.1:2", "a")).is_none());
        assert!(redirects.take(&key("10.0.0.1:1", "a")).is_some());
        assert!(redirects.take(&key("10.0.0.1:1", "a")).is_none() && redirects.is_empty());
    }

    #[test]
    fn what_was_handed_over_before_is_forgotten_when_it_is_overdue() {
        let mut redirects = Redirects::default();
        redirects.add(key("10.0.0.1:1", "a"), None, Duration::ZERO);
        assert!(redirects.pop_overdue(FOLLOWED_WITHIN - Duration::from_millis(1)).is_none());
        assert!(!redirects.is_empty());
        assert!(redirects.pop_overdue(FOLLOWED_WITHIN).is_none() && redirects.is_empty());
    }
}
