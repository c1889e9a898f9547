//! Capturing a stream: decides at which of its callbacks the request is handed over, or ends without being relayed.
//!
//! A request is handed over when it has ended and the collector has answered below 400, whichever comes last. Nothing here
//! ever delays or changes the stream.

use crate::accounting::{Note, RequestIgnored};
use crate::endpoints::{CaptureLimits, RelayWhen};
use crate::request::Request;

/// One stream that carries a tracking request.
#[derive(Debug)]
pub struct Capture {
    request: Option<Request>,
    complete: bool,
    /// Whether the collector answered below 400; `None`: it has not answered yet.
    accepted: Option<bool>,
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
            accepted: None,
            relay_when,
            awaits_answer,
            body_bytes: limits.body_bytes,
        })
    }

    /// The next part of the body.
    pub fn body(&mut self, chunk: Vec<u8>) -> CaptureStep {
        let Some(request) = &mut self.request else { return CaptureStep::Nothing };
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
    pub fn answer(&mut self, status: Option<u16>) -> CaptureStep {
        let accepted = status.is_some_and(|status| status < 400);
        self.accepted = Some(accepted);
        if !accepted && self.relay_when == RelayWhen::Accepted {
            return self.ignore(RequestIgnored::NotAccepted);
        }
        self.hand_over()
    }

    /// The stream has ended. If a complete request has no answer, its client has left, as happens when a visitor navigates
    /// away after a purchase.
    pub fn stream_ended(&mut self) -> CaptureStep {
        if !self.complete {
            return self.ignore(RequestIgnored::Aborted);
        }
        match self.request.take() {
            Some(request) => CaptureStep::HandOver(request, Some(Note::ClientGone)),
            None => CaptureStep::Nothing,
        }
    }

    fn hand_over(&mut self) -> CaptureStep {
        let decided = match self.relay_when {
            RelayWhen::Accepted => self.accepted == Some(true),
            RelayWhen::Always => !self.awaits_answer || self.accepted.is_some(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoints::Endpoints;
    use crate::request::Budget;
    use proptest::prelude::*;
    use std::time::Duration;

    const LIMITS: CaptureLimits =
        CaptureLimits { body_bytes: 10, events: 1, captured_bytes: 100, event_age: Duration::MAX };

    fn begin(budget: &Budget, relay_when: RelayWhen, awaits_answer: bool) -> Capture {
        budget.set_limit(LIMITS.captured_bytes);
        let request = Request {
            endpoint: Endpoints::new("").unwrap().find(b"/v1/t").unwrap(),
            path: b"/v1/t".to_vec(),
            source_address: Vec::new(),
            headers: vec![("user-agent".to_owned(), b"x".to_vec())],
            body: Vec::new(),
            lease: budget.lease(),
        };
        Capture::begin(request, relay_when, awaits_answer, &LIMITS).unwrap()
    }

    fn accepted() -> Capture {
        begin(&Budget::default(), RelayWhen::Accepted, false)
    }

    #[test]
    fn a_request_is_handed_over_when_the_collector_has_accepted_it() {
        let mut capture = accepted();
        assert!(matches!(capture.body(b"ab".to_vec()), CaptureStep::Nothing));
        assert!(matches!(capture.body(b"c".to_vec()), CaptureStep::Nothing));
        assert!(matches!(capture.end_of_request(), CaptureStep::Nothing));
        let CaptureStep::HandOver(request, None) = capture.answer(Some(200)) else { panic!() };
        assert_eq!(request.body, b"abc");
        assert!(matches!(capture.stream_ended(), CaptureStep::Nothing));
    }

    #[test]
    fn an_answer_before_the_end_of_the_request_waits_for_that_end() {
        let mut capture = accepted();
        assert!(matches!(capture.answer(Some(202)), CaptureStep::Nothing));
        assert!(matches!(capture.end_of_request(), CaptureStep::HandOver(_, None)));
    }

    #[test]
    fn what_the_collector_refuses_is_not_relayed_unless_always_is_configured() {
        for status in [Some(400), Some(503), None] {
            let mut capture = accepted();
            capture.end_of_request();
            assert!(
                matches!(capture.answer(status), CaptureStep::Ignored(RequestIgnored::NotAccepted)),
                "{status:?}"
            );
        }
        let mut capture = begin(&Budget::default(), RelayWhen::Always, false);
        assert!(matches!(capture.end_of_request(), CaptureStep::HandOver(_, None)));
        assert!(matches!(capture.answer(Some(503)), CaptureStep::Nothing));
    }

    #[test]
    fn what_is_relayed_always_still_waits_for_an_answer_that_is_to_carry_a_cookie() {
        for status in [200, 503] {
            let mut capture = begin(&Budget::default(), RelayWhen::Always, true);
            assert!(matches!(capture.end_of_request(), CaptureStep::Nothing));
            assert!(matches!(capture.answer(Some(status)), CaptureStep::HandOver(_, None)), "{status}");
        }
        let mut capture = begin(&Budget::default(), RelayWhen::Always, true);
        capture.end_of_request();
        assert!(matches!(capture.stream_ended(), CaptureStep::HandOver(_, Some(Note::ClientGone))));
    }

    #[test]
    fn a_client_that_leaves_after_its_whole_request_is_relayed_and_one_that_leaves_before_is_not() {
        let mut capture = accepted();
        capture.end_of_request();
        assert!(matches!(capture.stream_ended(), CaptureStep::HandOver(_, Some(Note::ClientGone))));
        let mut capture = accepted();
        capture.body(b"a".to_vec());
        assert!(matches!(capture.stream_ended(), CaptureStep::Ignored(RequestIgnored::Aborted)));
    }

    #[test]
    fn a_body_over_the_limit_or_the_budget_is_let_go_at_once() {
        let budget = Budget::default();
        let mut capture = begin(&budget, RelayWhen::Accepted, false);
        assert!(matches!(capture.body(vec![0; 11]), CaptureStep::Ignored(RequestIgnored::TooLarge)));
        assert_eq!(budget.used(), 0);
        let mut capture = begin(&budget, RelayWhen::Accepted, false);
        budget.set_limit(budget.used() + 5);
        assert!(matches!(capture.body(vec![0; 6]), CaptureStep::Ignored(RequestIgnored::Overloaded)));
        assert_eq!(budget.used(), 0);
    }

    proptest! {
        #[test]
        fn whatever_happens_to_a_stream_its_request_ends_exactly_once_and_the_budget_is_given_back(
            callbacks in proptest::collection::vec(0u8..4, 0..8), status in 100u16..600, always: bool, awaits: bool,
        ) {
            let budget = Budget::default();
            let relay_when = if always { RelayWhen::Always } else { RelayWhen::Accepted };
            let mut capture = begin(&budget, relay_when, awaits);
            let mut ends = 0;
            for callback in callbacks.into_iter().chain([3]) {
                let step = match callback {
                    0 => capture.body(vec![0; 4]),
                    1 => capture.end_of_request(),
                    2 => capture.answer(Some(status)),
                    _ => capture.stream_ended(),
                };
                ends += usize::from(!matches!(step, CaptureStep::Nothing));
            }
            prop_assert_eq!(ends, 1);
            prop_assert_eq!(budget.used(), 0);
        }
    }
}
