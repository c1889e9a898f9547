//! The answer to a callout, and what it means for the delivery.

use std::time::{Duration, SystemTime};

use crate::accounting::{CalloutStatus, RetryReason};
use crate::url::Url;

/// The facts that the host reports when a callout ends; nothing in it is trusted.
#[derive(Debug, Clone, Copy, Default)]
pub struct CalloutResponse<'a> {
    /// Number of response headers. 0: there is no response, and none of its headers may be read.
    pub num_headers: usize,
    /// `:status`.
    pub status: Option<&'a [u8]>,
    /// Whether `x-envoy-upstream-service-time` is present. Envoy adds it to an upstream's answer, but not to one that it
    /// generates itself.
    pub from_upstream: bool,
    /// The beginning of the body of an answer that Envoy generated, in which it says what happened to the request.
    pub envoys_body: Option<&'a [u8]>,
    /// `retry-after`.
    pub retry_after: Option<&'a [u8]>,
    /// `location`.
    pub location: Option<&'a [u8]>,
}

/// The answer to one callout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The vendor answered.
    Status {
        /// The HTTP status.
        code: u16,
        /// The vendor's Retry-After, from now, without an upper bound.
        retry_after: Option<Duration>,
        /// The host that a redirect points to. Never the whole URL: it can contain the visitor's input.
        location_host: Option<&'a str>,
    },
    /// Envoy gave up waiting for the vendor.
    Timeout,
    /// No connection: the vendor has received nothing.
    Unreached,
    /// No answer: the connection ended, or no callback came at all. The vendor may have received the request.
    Transport,
    /// The vendor answered, and Envoy could not use the answer: it was not HTTP, had too many or too large headers, broke off or
    /// was too large.
    Unusable,
}

impl<'a> Answer<'a> {
    /// Interprets the facts. Envoy generates a 504 for a timeout, a 502 for an answer that breaks the protocol, and a 503 for
    /// whatever else ends a request without an answer. An answer that ended before it was complete has no headers at all.
    ///
    /// `wall_clock` is called if there is a Retry-After, which may be a date.
    pub fn read(facts: &CalloutResponse<'a>, wall_clock: impl FnOnce() -> SystemTime) -> Self {
        if facts.num_headers == 0 {
            return Self::Unusable;
        }
        let Some(code) = facts.status.and_then(status_code) else { return Self::Unusable };
        if !facts.from_upstream && code >= 300 {
            return match code {
                502 => Self::Unusable,
                504 => Self::Timeout,
                _ if facts.envoys_body.is_some_and(says_unreached) => Self::Unreached,
                _ => Self::Transport,
            };
        }
        Self::Status {
            code,
            retry_after: facts.retry_after.and_then(|value| retry_after(value, wall_clock())),
            location_host: facts.location.and_then(location_host),
        }
    }

    /// Returns the answer as it is after a wait of `took`. One that ended before it was complete tells not why: if the wait was as
    /// long as `timeout`, Envoy gave up waiting for the rest of it. Envoy's clock and the filter's differ by some milliseconds.
    pub(super) fn after(self, took: Duration, timeout: Duration) -> Self {
        let gave_up = self == Self::Unusable && took >= timeout.mul_f64(0.9);
        if gave_up { Self::Timeout } else { self }
    }

    /// Whether the vendor may have received the request, and counted the conversion.
    pub fn may_be_a_hit(&self) -> bool {
        *self != Self::Unreached
    }

    /// The answer to a callout whose vendor sent a plain `code`.
    pub fn status(code: u16) -> Self {
        Self::Status { code, retry_after: None, location_host: None }
    }

    /// What the answer means for the delivery, and so for its lane.
    pub fn verdict(&self, redirects: Redirects) -> Verdict {
        match *self {
            Self::Timeout => Verdict::Retry(RetryReason::Timeout),
            Self::Unreached => Verdict::Retry(RetryReason::Unreached),
            Self::Transport => Verdict::Retry(RetryReason::Transport),
            Self::Unusable => Verdict::Retry(RetryReason::Unusable),
            Self::Status { code, .. } => match code {
                200..=299 => Verdict::Delivered,
                300..=399 if redirects == Redirects::Delivered => Verdict::Delivered,
                // Not implemented, HTTP version not supported: the next attempt would be answered the same.
                501 | 505 => Verdict::Rejected,
                408 | 429 | 500..=599 => Verdict::Retry(RetryReason::Status(code)),
                _ => Verdict::Rejected,
            },
        }
    }

    /// The label under which the callout is counted.
    pub fn callout_status(&self) -> CalloutStatus {
        match *self {
            Self::Timeout => CalloutStatus::Timeout,
            Self::Unreached | Self::Transport => CalloutStatus::Transport,
            Self::Unusable => CalloutStatus::Unusable,
            Self::Status { code, .. } => match code {
                200..=299 => CalloutStatus::Success,
                300..=399 => CalloutStatus::Redirect,
                429 => CalloutStatus::TooManyRequests,
                400..=499 => CalloutStatus::ClientError,
                _ => CalloutStatus::ServerError,
            },
        }
    }

    /// Returns the vendor's Retry-After, from the time of its answer.
    pub fn retry_after(&self) -> Option<Duration> {
        match *self {
            Self::Status { retry_after, .. } => retry_after,
            Self::Timeout | Self::Unreached | Self::Transport | Self::Unusable => None,
        }
    }
}

/// What a vendor means by a 3xx.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// The conversion was counted, and the redirect leads to a third party's pixel (Flashtalking).
    Delivered,
    /// The endpoint has moved, and nothing was accepted (Podsights).
    Rejected,
}

/// What an answer means for a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The vendor accepted it.
    Delivered,
    /// It should be retried.
    Retry(RetryReason),
    /// The vendor is available and rejects it: final.
    Rejected,
}

fn status_code(value: &[u8]) -> Option<u16> {
    let code = std::str::from_utf8(value).ok()?.parse().ok()?;
    (200..=599).contains(&code).then_some(code)
}

/// Whether Envoy's own words for a failed request say that it had no connection to send it on, or that the vendor refused the HTTP/2
/// stream, which promises that it did nothing with it (RFC 9113, section 8.7). They are those of Envoy's
/// `Http::Utility::resetReasonToString`, and `no healthy upstream` of its router.
fn says_unreached(body: &[u8]) -> bool {
    const UNREACHED: [&str; 5] = [
        "connection failure",
        "connection timeout",
        "refused stream reset",
        "reset reason: overflow",
        "no healthy upstream",
    ];
    let body = String::from_utf8_lossy(body);
    UNREACHED.iter().any(|reason| body.contains(reason))
}

/// Returns how long a Retry-After asks to wait: seconds, or until an HTTP-date in any of its three forms (RFC 9110, sections
/// 10.2.3 and 5.6.7). A date that has passed means now. A date that isn't in the calendar, its day of the week included,
/// is `None`, and so is any other text.
fn retry_after(value: &[u8], wall_clock: SystemTime) -> Option<Duration> {
    let value = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a u64 holds still mean: not for a very long time.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    Some(httpdate::parse_http_date(value).ok()?.duration_since(wall_clock).unwrap_or_default())
}

/// Returns the host of an absolute or scheme-relative URL, without user and port. No other text from a vendor gets into a
/// log line.
fn location_host(url: &[u8]) -> Option<&str> {
    // Who follows a redirect takes a backslash for a slash, so it ends a host.
    let url = std::str::from_utf8(url).ok()?.split('\\').next()?;
    let host = Url::split(url).host_name();
    let valid = (1..=253).contains(&host.len())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    valid.then_some(host)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    /// `date -u -d '1994-11-06 12:00' +%s`.
    const NOON: Duration = Duration::from_secs(784_123_200);

    fn read(status: &str, from_upstream: bool) -> Answer<'_> {
        let status = Some(status.as_bytes());
        Answer::read(
            &CalloutResponse { num_headers: 5, status, from_upstream, ..CalloutResponse::default() },
            || UNIX_EPOCH,
        )
    }

    /// The answer that Envoy generates for a request that was reset.
    fn read_reset(reason: &str) -> Answer<'static> {
        let body =
            format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}");
        let facts = CalloutResponse {
            num_headers: 3,
            status: Some(b"503"),
            envoys_body: Some(body.as_bytes()),
            ..CalloutResponse::default()
        };
        match Answer::read(&facts, || UNIX_EPOCH) {
            Answer::Unreached => Answer::Unreached,
            Answer::Transport => Answer::Transport,
            other => panic!("{other:?}"),
        }
    }

    fn read_retry_after(value: &str, wall_clock: SystemTime) -> Option<Duration> {
        retry_after(value.as_bytes(), wall_clock)
    }

    #[test]
    fn an_answer_that_envoy_made_is_told_from_the_vendors_own() {
        assert_eq!(read("502", false), Answer::Unusable);
        assert_eq!(read("503", false), Answer::Transport);
        assert_eq!(read("504", false), Answer::Timeout);
        assert_eq!(read("401", false), Answer::Transport, "of some filter of the cluster's");
        for status in [302, 401, 502, 503, 504] {
            assert_eq!(read(&status.to_string(), true), Answer::status(status));
        }
        assert_eq!(read("200", false), Answer::status(200));
    }

    #[test]
    fn what_envoy_could_not_even_send_is_told_from_what_the_vendor_may_have() {
        for reason in [
            "local connection failure",
            "remote connection failure",
            "remote connection failure, transport failure reason: delayed connect error: Connection refused",
            "connection timeout",
            "remote refused stream reset",
            "overflow",
        ] {
            assert_eq!(read_reset(reason), Answer::Unreached, "{reason}");
        }
        for reason in ["connection termination", "remote reset", "local reset", "", "\u{fffd}"] {
            assert_eq!(read_reset(reason), Answer::Transport, "{reason}");
        }
    }

    #[test]
    fn an_answer_that_ended_early_was_given_up_if_it_took_as_long_as_the_timeout() {
        let [soon, late, timeout] = [4000, 4996, 5000].map(Duration::from_millis);
        assert_eq!(Answer::Unusable.after(soon, timeout), Answer::Unusable);
        assert_eq!(Answer::Unusable.after(late, timeout), Answer::Timeout);
        assert_eq!(Answer::status(503).after(late, timeout), Answer::status(503));
    }

    #[test]
    fn a_response_without_headers_or_without_a_sane_status_cannot_be_used() {
        let nothing =
            CalloutResponse { status: Some(b"200"), from_upstream: true, ..CalloutResponse::default() };
        assert_eq!(Answer::read(&nothing, || UNIX_EPOCH), Answer::Unusable);
        for status in ["", "abc", "0", "100", "101", "600", "99999", "-200", "2 00"] {
            assert_eq!(read(status, true), Answer::Unusable, "{status}");
        }
    }

    #[test]
    fn exactly_the_statuses_that_may_pass_are_retried() {
        let retried: Vec<u16> = (200..600)
            .filter(|&code| matches!(Answer::status(code).verdict(Redirects::Rejected), Verdict::Retry(_)))
            .collect();
        let expected = [408, 429].into_iter().chain((500..600).filter(|code| ![501, 505].contains(code)));
        assert_eq!(retried, expected.collect::<Vec<_>>());
        for failure in [Answer::Timeout, Answer::Unreached, Answer::Transport, Answer::Unusable] {
            assert!(matches!(failure.verdict(Redirects::Rejected), Verdict::Retry(_)));
        }
    }

    #[test]
    fn a_redirect_is_delivered_or_rejected_as_the_vendor_has_it() {
        assert_eq!(Answer::status(302).verdict(Redirects::Delivered), Verdict::Delivered);
        assert_eq!(Answer::status(302).verdict(Redirects::Rejected), Verdict::Rejected);
        assert_eq!(Answer::status(204).verdict(Redirects::Rejected), Verdict::Delivered);
        assert_eq!(Answer::status(404).verdict(Redirects::Delivered), Verdict::Rejected);
    }

    #[test]
    fn every_callout_status_has_the_label_of_its_class() {
        let labels = [200, 302, 404, 408, 429, 503].map(|code| Answer::status(code).callout_status().label());
        assert_eq!(labels, ["2xx", "3xx", "4xx", "4xx", "429", "5xx"]);
        let failures = [Answer::Timeout, Answer::Unreached, Answer::Transport, Answer::Unusable];
        let labels = failures.map(|failure| failure.callout_status().label());
        assert_eq!(labels, ["timeout", "transport", "transport", "unusable"]);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let noon = UNIX_EPOCH + NOON;
        assert_eq!(read_retry_after("120", noon), Some(Duration::from_secs(120)));
        assert_eq!(read_retry_after(" 7 ", noon), Some(Duration::from_secs(7)));
        assert_eq!(read_retry_after("Sun, 06 Nov 1994 12:00:37 GMT", noon), Some(Duration::from_secs(37)));
        assert_eq!(read_retry_after("Sun, 06 Nov 1994 11:59:59 GMT", noon), Some(Duration::ZERO));
        assert_eq!(read_retry_after("9".repeat(50).as_str(), noon), Some(Duration::from_secs(u64::MAX)));
        for nonsense in [
            "",
            "-1",
            "+5",
            "1.5",
            "soon",
            "Sun, 06 Nov 1994",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 12:00:37 CET",
            "Mon, 06 Nov 1994 12:00:37 GMT",
            "a b c d e f g",
        ] {
            assert_eq!(read_retry_after(nonsense, noon), None, "{nonsense}");
        }
    }

    #[test]
    fn a_date_is_read_in_each_form_of_http() {
        let noon = UNIX_EPOCH + NOON;
        for date in
            ["Sun, 06 Nov 1994 12:00:37 GMT", "Sunday, 06-Nov-94 12:00:37 GMT", "Sun Nov  6 12:00:37 1994"]
        {
            assert_eq!(read_retry_after(date, noon), Some(Duration::from_secs(37)), "{date}");
        }
        let last = read_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", UNIX_EPOCH);
        assert_eq!(last, Some(Duration::from_secs(253_402_300_799)));
    }

    #[test]
    fn of_a_location_only_the_host_is_kept() {
        let host = |url: &'static str| location_host(url.as_bytes());
        assert_eq!(host("https://ads.example.com:8443/a?email=jane@example.org"), Some("ads.example.com"));
        assert_eq!(host("//jane:secret@ads.example.com#x"), Some("ads.example.com"));
        assert_eq!(host("https://ads.example.com\\@b.example/"), Some("ads.example.com"));
        for url in [
            "/relative",
            "/login?next=https://ads.example.com",
            "https://",
            "https://a\nb/",
            "https://b\u{fc}cher.example/",
            "https://[::1]:80/",
        ] {
            assert_eq!(host(url), None, "{url}");
        }
    }

    proptest! {
        #[test]
        fn no_header_that_a_vendor_sends_can_do_harm(
            status: Vec<u8>, date in "\\PC*|[A-Z][a-z]{2}, [0-9 A-Za-z:-]{0,30}", location: Vec<u8>, num_headers: usize,
            from_upstream: bool, body: Option<Vec<u8>>,
        ) {
            let facts = CalloutResponse {
                num_headers,
                status: Some(&status),
                from_upstream,
                envoys_body: body.as_deref(),
                retry_after: Some(date.as_bytes()),
                location: Some(&location),
            };
            Answer::read(&facts, || UNIX_EPOCH);
            for status in [b"429", b"503"] {
                Answer::read(&CalloutResponse { status: Some(status), num_headers: 1, ..facts }, || UNIX_EPOCH);
            }
        }
    }
}
