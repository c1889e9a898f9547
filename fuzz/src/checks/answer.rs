//! A vendor's answer, or one that Envoy made. An input has three lines: status, Retry-After, Location or the body that Envoy made.

use std::time::{Duration, UNIX_EPOCH};

use conversion_relay::delivery::{Answer, CalloutResponse, Redirects, Verdict};

pub const MEMORY: usize = 64 << 10;

/// An answer of any bytes has a verdict, and only a 2xx, or a redirect where it counts, is a delivery.
pub fn check(input: &[u8]) -> bool {
    let mut lines = input.splitn(3, |byte| *byte == b'\n').map(Some).chain(std::iter::repeat(None));
    let (status, retry_after, location) =
        (lines.next().flatten(), lines.next().flatten(), lines.next().flatten());
    let mut read = false;
    for (from_upstream, num_headers) in [(true, 3), (false, 3), (false, 0)] {
        let response = CalloutResponse {
            num_headers,
            status,
            from_upstream,
            envoys_body: location,
            retry_after,
            location,
        };
        let answer = Answer::read(&response, || UNIX_EPOCH + Duration::from_secs(1_767_225_700));
        let _ = answer.callout_status();
        if let Answer::Status { location_host: Some(host), .. } = answer {
            assert!(!host.contains(['/', '?', '#', '@']), "{host:?} is more than a host");
        }
        for redirects in [Redirects::Delivered, Redirects::Rejected] {
            let code = status.and_then(|status| std::str::from_utf8(status).ok()?.parse::<u16>().ok());
            let may_be_delivered = num_headers > 0
                && code.is_some_and(|code| {
                    code / 100 == 2 || (code / 100 == 3 && redirects == Redirects::Delivered)
                });
            let delivered = matches!(answer.verdict(redirects), Verdict::Delivered);
            assert!(!delivered || may_be_delivered, "{answer:?} is taken for a delivery");
        }
        read |= matches!(answer, Answer::Status { .. });
    }
    read
}
