//! At which of a stream's callbacks its request ends, and how.

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

fn status(status: u16) -> CollectorAnswer {
    CollectorAnswer { status: Some(status), by_route: false }
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
    let CaptureStep::HandOver(request, None) = capture.answer(status(200)) else { panic!() };
    assert_eq!(request.body, b"abc");
    assert!(matches!(capture.stream_ended(StreamEnd::ClientGone), CaptureStep::Nothing));
}

#[test]
fn an_answer_before_the_end_of_the_request_waits_for_that_end() {
    let mut capture = accepted();
    assert!(matches!(capture.answer(status(202)), CaptureStep::Nothing));
    assert!(matches!(capture.end_of_request(), CaptureStep::HandOver(_, None)));
}

#[test]
fn what_the_collector_refuses_is_not_relayed_unless_always_is_configured() {
    for status in [Some(400), Some(503), None] {
        let answer = CollectorAnswer { status, by_route: false };
        let mut capture = accepted();
        capture.end_of_request();
        assert!(
            matches!(capture.answer(answer), CaptureStep::Ignored(RequestIgnored::NotAccepted)),
            "{status:?}"
        );
    }
    let mut capture = begin(&Budget::default(), RelayWhen::Always, false);
    assert!(matches!(capture.end_of_request(), CaptureStep::HandOver(_, None)));
    assert!(matches!(capture.answer(status(503)), CaptureStep::Nothing));
}

#[test]
fn what_is_relayed_always_still_waits_for_an_answer_that_is_to_carry_a_cookie() {
    for code in [200, 503] {
        let mut capture = begin(&Budget::default(), RelayWhen::Always, true);
        assert!(matches!(capture.end_of_request(), CaptureStep::Nothing));
        assert!(matches!(capture.answer(status(code)), CaptureStep::HandOver(_, None)), "{code}");
    }
    let mut capture = begin(&Budget::default(), RelayWhen::Always, true);
    capture.end_of_request();
    assert!(matches!(
        capture.stream_ended(StreamEnd::ClientGone),
        CaptureStep::HandOver(_, Some(Note::ClientGone))
    ));
}

#[test]
fn a_client_that_leaves_after_its_whole_request_is_relayed_and_one_that_leaves_before_is_not() {
    let mut capture = accepted();
    capture.end_of_request();
    assert!(matches!(
        capture.stream_ended(StreamEnd::ClientGone),
        CaptureStep::HandOver(_, Some(Note::ClientGone))
    ));
    let mut capture = accepted();
    capture.body(b"a".to_vec());
    assert!(matches!(
        capture.stream_ended(StreamEnd::ClientGone),
        CaptureStep::Ignored(RequestIgnored::Aborted)
    ));
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

#[test]
fn how_a_stream_ended_is_read_from_envoys_details() {
    for (details, end) in [
        ("downstream_remote_disconnect", StreamEnd::ClientGone),
        ("http2.remote_reset", StreamEnd::ClientGone),
        ("http2.remote_refuse", StreamEnd::ClientGone),
        ("codec_error:The_user_callback_function_failed", StreamEnd::ClientGone),
        ("internal_redirect", StreamEnd::Redirected),
        ("downstream_local_disconnect", StreamEnd::CutOff),
        ("via_upstream", StreamEnd::CutOff),
        ("", StreamEnd::CutOff),
    ] {
        assert_eq!(StreamEnd::from_details(details.as_bytes()), end, "{details}");
    }
}

#[test]
fn what_ended_an_incomplete_request_is_told_apart() {
    for (answer, end, reason) in [
        (None, StreamEnd::ClientGone, RequestIgnored::Aborted),
        (None, StreamEnd::CutOff, RequestIgnored::CutOff),
        (Some(413), StreamEnd::CutOff, RequestIgnored::TooLarge),
        (Some(408), StreamEnd::CutOff, RequestIgnored::CutOff),
        (Some(200), StreamEnd::ClientGone, RequestIgnored::CutOff),
    ] {
        let mut capture = begin(&Budget::default(), RelayWhen::Always, false);
        if let Some(code) = answer {
            assert!(matches!(capture.answer(status(code)), CaptureStep::Nothing));
        }
        let step = capture.stream_ended(end);
        assert!(
            matches!(step, CaptureStep::Ignored(found) if found == reason),
            "{answer:?} {end:?}: {step:?}"
        );
    }
}

#[test]
fn a_complete_request_that_envoy_cuts_off_is_relayed_only_if_all_are() {
    let mut capture = accepted();
    capture.end_of_request();
    let step = capture.stream_ended(StreamEnd::CutOff);
    assert!(matches!(step, CaptureStep::Ignored(RequestIgnored::CutOff)));
    let mut capture = begin(&Budget::default(), RelayWhen::Always, true);
    capture.end_of_request();
    assert!(matches!(capture.stream_ended(StreamEnd::CutOff), CaptureStep::HandOver(_, None)));
}

#[test]
fn a_redirect_by_a_route_accepts_nothing_and_the_collectors_own_does() {
    for (code, by_route, accepts) in
        [(302, false, true), (302, true, false), (200, true, true), (404, true, false), (304, false, true)]
    {
        let answer = CollectorAnswer { status: Some(code), by_route };
        assert_eq!(answer.accepts(), accepts, "{answer:?}");
    }
}

#[test]
fn the_answer_in_the_stream_that_follows_decides_about_a_request_that_was_redirected() {
    let redirect = || {
        let mut capture = accepted();
        capture.body(b"ab".to_vec());
        capture.end_of_request();
        let CaptureStep::Redirected(Some(request)) = capture.stream_ended(StreamEnd::Redirected) else {
            panic!()
        };
        let mut capture = Capture::resume(Some(request), RelayWhen::Accepted);
        assert!(matches!(capture.body(b"another body".to_vec()), CaptureStep::Nothing));
        assert!(matches!(capture.end_of_request(), CaptureStep::Nothing));
        capture
    };
    let CaptureStep::HandOver(request, None) = redirect().answer(status(200)) else { panic!() };
    assert_eq!(request.body, b"ab");
    let refused = redirect().answer(status(403));
    assert!(matches!(refused, CaptureStep::Ignored(RequestIgnored::NotAccepted)));
    let left = redirect().stream_ended(StreamEnd::ClientGone);
    assert!(matches!(left, CaptureStep::HandOver(_, Some(Note::ClientGone))));
    assert!(matches!(redirect().stream_ended(StreamEnd::Redirected), CaptureStep::Redirected(Some(_))));
}

#[test]
fn a_request_that_was_handed_over_before_it_is_redirected_is_not_handed_over_again() {
    let mut capture = begin(&Budget::default(), RelayWhen::Always, false);
    assert!(matches!(capture.end_of_request(), CaptureStep::HandOver(_, None)) && !capture.is_over());
    assert!(matches!(capture.stream_ended(StreamEnd::Redirected), CaptureStep::Redirected(None)));
    let mut capture = Capture::resume(None, RelayWhen::Always);
    assert!(matches!(capture.answer(status(200)), CaptureStep::Nothing) && capture.is_over());
}

proptest! {
    #[test]
    fn whatever_happens_to_a_stream_its_request_ends_exactly_once_and_the_budget_is_given_back(
        callbacks in proptest::collection::vec(0u8..6, 0..8), code in 100u16..600, by_route: bool, always: bool,
        awaits: bool,
    ) {
        let budget = Budget::default();
        let relay_when = if always { RelayWhen::Always } else { RelayWhen::Accepted };
        let mut capture = begin(&budget, relay_when, awaits);
        let mut ends = 0;
        for callback in callbacks.into_iter().chain([3]) {
            let step = match callback {
                0 => capture.body(vec![0; 4]),
                1 => capture.end_of_request(),
                2 => capture.answer(CollectorAnswer { status: Some(code), by_route }),
                3 => capture.stream_ended(StreamEnd::ClientGone),
                4 => capture.stream_ended(StreamEnd::CutOff),
                _ => capture.stream_ended(StreamEnd::Redirected),
            };
            match step {
                CaptureStep::Nothing => {}
                CaptureStep::HandOver(..) | CaptureStep::Ignored(_) => ends += 1,
                CaptureStep::Redirected(request) => capture = Capture::resume(request, relay_when),
            }
        }
        prop_assert_eq!(ends, 1);
        prop_assert_eq!(budget.used(), 0);
    }
}
