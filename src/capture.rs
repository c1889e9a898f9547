//! Capturing a stream: decides at which of its callbacks the request is handed over, or ends without being relayed.
//!
//! A request is handed over when it has ended and the collector has answered below 400, whichever comes last. Nothing here
//! ever delays or changes the stream.
//!
//! Whatever answers in the collector's place, because a route or a filter of the gateway says so, counts as the collector; but a
//! redirect by a route is no acceptance, for the client asks again elsewhere. How streams end was measured: see decision 24.

#[cfg(test)]
mod tests;

use crate::accounting::{Note, RequestIgnored};
use crate::endpoints::{CaptureLimits, RelayWhen};
use crate::request::Request;

/// One stream that carries a tracking request.
#[derive(Debug)]
pub struct Capture {
    request: Option<Request>,
    complete: bool,
    /// The collector's answer; `None`: it has not answered yet.
    answer: Option<CollectorAnswer>,
    relay_when: RelayWhen,
    /// The answer may carry a cookie, so the request waits for it, even if requests are always relayed.
    awaits_answer: bool,
    body_bytes: usize,
}

/// What a callback of the stream means for its request. At most one callback of a stream has an effect.
#[derive(Debug)]
pub enum CaptureStep {
    /// The request is still on its way, or was settled by an earlier callback.
    Nothing,
    /// The relay takes the request, with the anomaly to count if there was one.
    HandOver(Request, Option<Note>),
    /// The request is dropped and counted under this reason.
    Ignored(RequestIgnored),
    /// Envoy follows a redirect of the collector's in another stream, whose answer decides; `None`: the request was handed over
    /// before.
    Redirected(Option<Request>),
}

/// How a stream ended that was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The client went away, or broke the connection's protocol.
    ClientGone,
    /// Envoy follows a redirect of the collector's.
    Redirected,
    /// Envoy ended it, for whatever reason.
    CutOff,
}

impl StreamEnd {
    /// Returns how it ended by Envoy's property `response.code_details`.
    pub fn from_details(details: &[u8]) -> Self {
        match details {
            b"internal_redirect" => Self::Redirected,
            b"downstream_remote_disconnect" | b"downstream_remote_reset" => Self::ClientGone,
            b"http2.remote_reset" | b"http2.remote_refuse" | b"http3.remote_reset" => Self::ClientGone,
            details if details.starts_with(b"codec_error") => Self::ClientGone,
            _ => Self::CutOff,
        }
    }

    /// Why an incomplete request is not relayed. `status`: the answer that ended it, if there was one.
    pub fn of_incomplete(self, status: Option<u16>) -> RequestIgnored {
        match (self, status) {
            (_, Some(413)) => RequestIgnored::TooLarge,
            (_, Some(_)) | (Self::CutOff | Self::Redirected, None) => RequestIgnored::CutOff,
            (Self::ClientGone, None) => RequestIgnored::Aborted,
        }
    }
}

/// An answer, on its way to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectorAnswer {
    /// `None` if it can't be read.
    pub status: Option<u16>,
    /// Envoy made it because its route says so.
    pub by_route: bool,
}

impl CollectorAnswer {
    /// Whether the answer can be a route's redirect, so that it matters who made it.
    pub fn is_redirect(status: Option<u16>) -> bool {
        status.is_some_and(|status| (300..400).contains(&status))
    }

    /// Whether `details`, Envoy's property `response.code_details`, are those of an answer that a route makes.
    pub fn is_by_route(details: &[u8]) -> bool {
        details == b"direct_response"
    }

    /// Whether it accepts the request.
    pub fn accepts(self) -> bool {
        self.status.is_some_and(|status| status < 400) && !(self.by_route && Self::is_redirect(self.status))
    }
}

impl Capture {
    /// Begins with the request's headers, which count against the worker's budget like the body. `awaits_answer`: the
    /// request is not handed over before the collector's answer.
    pub fn begin(
        mut request: Request,
        relay_when: RelayWhen,
        awaits_answer: bool,
        limits: &CaptureLimits,
    ) -> Result<Self, RequestIgnored> {
        if !request.lease_head() {
            return Err(RequestIgnored::Overloaded);
        }
        Ok(Self {
            request: Some(request),
            complete: false,
            answer: None,
            relay_when,
            awaits_answer,
            body_bytes: limits.body_bytes,
        })
    }

    /// Goes on with the request of a stream that was redirected, in the stream that follows; `None`: it was handed over. That
    /// stream's own body is of no interest.
    pub fn resume(request: Option<Request>, relay_when: RelayWhen) -> Self {
        Self { request, complete: true, answer: None, relay_when, awaits_answer: true, body_bytes: 0 }
    }

    /// Whether the request was handed over or is not relayed.
    pub fn is_settled(&self) -> bool {
        self.request.is_none()
    }

    /// Whether no later callback matters. A request that was handed over without an answer can still be redirected.
    pub fn is_over(&self) -> bool {
        self.request.is_none() && (self.relay_when == RelayWhen::Accepted || self.answer.is_some())
    }

    /// The next part of the body.
    pub fn body(&mut self, chunk: Vec<u8>) -> CaptureStep {
        let Some(request) = self.request.as_mut().filter(|_| !self.complete) else {
            return CaptureStep::Nothing;
        };
        if request.body.len().saturating_add(chunk.len()) > self.body_bytes {
            return self.ignore(RequestIgnored::TooLarge);
        }
        if !request.lease.grow(chunk.len()) {
            return self.ignore(RequestIgnored::Overloaded);
        }
        if request.body.is_empty() {
            request.body = chunk;
        } else {
            request.body.extend_from_slice(&chunk);
        }
        CaptureStep::Nothing
    }

    /// The request is there as a whole.
    pub fn end_of_request(&mut self) -> CaptureStep {
        self.complete = true;
        self.hand_over()
    }

    /// The collector answered, maybe before the request had ended.
    pub fn answer(&mut self, answer: CollectorAnswer) -> CaptureStep {
        self.answer = Some(answer);
        if !answer.accepts() && self.relay_when == RelayWhen::Accepted {
            return self.ignore(RequestIgnored::NotAccepted);
        }
        self.hand_over()
    }

    /// The stream has ended. A complete request whose client has left before the answer is relayed: that happens when a visitor
    /// navigates away after a purchase.
    pub fn stream_ended(&mut self, end: StreamEnd) -> CaptureStep {
        if !self.complete {
            return self.ignore(end.of_incomplete(self.answer.and_then(|answer| answer.status)));
        }
        if self.answer.is_none() && end == StreamEnd::Redirected {
            return CaptureStep::Redirected(self.request.take());
        }
        if end == StreamEnd::CutOff && self.relay_when == RelayWhen::Accepted {
            return self.ignore(RequestIgnored::CutOff);
        }
        let note = (end == StreamEnd::ClientGone).then_some(Note::ClientGone);
        self.request.take().map_or(CaptureStep::Nothing, |request| CaptureStep::HandOver(request, note))
    }

    fn hand_over(&mut self) -> CaptureStep {
        let decided = match self.relay_when {
            RelayWhen::Accepted => self.answer.is_some_and(CollectorAnswer::accepts),
            RelayWhen::Always => !self.awaits_answer || self.answer.is_some(),
        };
        if !self.complete || !decided {
            return CaptureStep::Nothing;
        }
        match self.request.take() {
            Some(request) => CaptureStep::HandOver(request, None),
            None => CaptureStep::Nothing,
        }
    }

    fn ignore(&mut self, reason: RequestIgnored) -> CaptureStep {
        if self.request.take().is_some() { CaptureStep::Ignored(reason) } else { CaptureStep::Nothing }
    }
}
