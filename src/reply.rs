//! The filter's own answers to tracking requests, if it takes the place of a collector (`reply: local`).
//!
//! SDKs expect the status 200 and parse the body. A pixel is an image in a page or email: the answer is always an image,
//! whether or not its event was accepted. On the acknowledged route the answer says what became of each delivery.

mod acknowledgement;

use std::borrow::Cow;
use std::time::Duration;

use crate::accounting::RequestIgnored;
use acknowledgement::retry_after;
pub use acknowledgement::{Acknowledgement, Settled, SettledDelivery};

/// The answer to a tracking request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Success,
    /// Not JSON, or not an event or a batch of events.
    Malformed,
    /// None of its events has a source's write key, or its signature is invalid.
    Unauthorized,
    /// More bytes or events than are read.
    TooLarge,
    /// The worker has reached its limits: the client should retry.
    Overloaded,
    /// The queue that the events are handed off to has not accepted them: the client should retry after so many seconds.
    Unavailable {
        /// At least one.
        retry_after: u64,
    },
}

/// An answer as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Rendered {
    pub status: u32,
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    pub body: &'static [u8],
}

/// In seconds. By then a worker has sent some of what it holds.
const RETRY_AFTER: &str = "2";

impl Reply {
    /// The answer to a client whose events are not accepted within the time that it waits. `pause`: how long the queue is not asked.
    pub fn unavailable(pause: Duration) -> Self {
        Self::Unavailable { retry_after: retry_after(pause) }
    }

    pub fn render(self, is_pixel: bool) -> Rendered {
        if is_pixel {
            let headers = PIXEL_HEADERS.map(|(name, value)| (name, Cow::Borrowed(value))).into();
            return Rendered { status: 200, headers, body: PIXEL };
        }
        let mut headers = vec![("content-type", Cow::Borrowed("application/json"))];
        let (status, body): (u32, &'static str) = match self {
            Reply::Success => (200, r#"{"success":true}"#),
            Reply::Malformed => (
                400,
                r#"{"error":{"code":"INVALID_PAYLOAD","message":"expected one event or a batch of events as JSON"}}"#,
            ),
            Reply::Unauthorized => (
                401,
                r#"{"error":{"code":"INVALID_PIPELINE_KEY","message":"the key or signature is of no known source"}}"#,
            ),
            Reply::TooLarge => (
                413,
                r#"{"error":{"code":"PAYLOAD_TOO_LARGE","message":"too many bytes or events in one request: send smaller batches"}}"#,
            ),
            Reply::Overloaded => {
                headers.push(("retry-after", Cow::Borrowed(RETRY_AFTER)));
                (
                    429,
                    r#"{"error":{"code":"RATE_LIMITED","message":"too busy: try again after Retry-After seconds"}}"#,
                )
            }
            Reply::Unavailable { retry_after } => {
                headers.push(("retry-after", Cow::Owned(retry_after.to_string())));
                (
                    503,
                    r#"{"error":{"code":"UNAVAILABLE","message":"not accepted yet: send it again after Retry-After seconds"}}"#,
                )
            }
        };
        Rendered { status, headers, body: body.as_bytes() }
    }
}

impl From<RequestIgnored> for Reply {
    fn from(reason: RequestIgnored) -> Self {
        match reason {
            RequestIgnored::TooLarge | RequestIgnored::TooManyEvents => Reply::TooLarge,
            RequestIgnored::Overloaded => Reply::Overloaded,
            RequestIgnored::Malformed
            | RequestIgnored::NotAccepted
            | RequestIgnored::Aborted
            | RequestIgnored::CutOff => Reply::Malformed,
        }
    }
}

/// From Signal's documentation of its pixel.
const PIXEL_HEADERS: [(&str, &str); 4] = [
    ("content-type", "image/gif"),
    ("cache-control", "no-store, no-cache, must-revalidate"),
    ("pragma", "no-cache"),
    ("expires", "0"),
];

/// A transparent GIF of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_but_the_pixels_is_json_with_the_documented_status() {
        let replies = [
            (Reply::Success, 200),
            (Reply::Malformed, 400),
            (Reply::Unauthorized, 401),
            (Reply::TooLarge, 413),
            (Reply::Overloaded, 429),
            (Reply::unavailable(Duration::from_millis(1500)), 503),
        ];
        for (reply, status) in replies {
            let rendered = reply.render(false);
            assert_eq!(rendered.status, status);
            let body: serde_json::Value = serde_json::from_slice(rendered.body).unwrap();
            assert_eq!(body["success"] == true, status == 200, "{body}");
            assert_eq!(body["error"]["code"].is_string(), status != 200, "{body}");
            let retry_after = rendered.headers.iter().find(|(name, _)| *name == "retry-after");
            assert_eq!(
                retry_after.map(|(_, seconds)| seconds.parse::<u32>().is_ok()),
                [429, 503].contains(&status).then_some(true)
            );
        }
    }

    #[test]
    fn a_pixel_gets_its_image_whatever_became_of_its_event() {
        for reply in [Reply::Success, Reply::Malformed, Reply::Unauthorized, Reply::Overloaded] {
            let rendered = reply.render(true);
            assert_eq!((rendered.status, &rendered.body[..6]), (200, &b"GIF89a"[..]));
        }
    }
}
