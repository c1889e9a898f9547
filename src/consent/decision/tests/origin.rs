//! Every decision names the source that made it.

use super::super::*;
use super::visit::{FLASHTALKING, PODSIGHTS, SOURCES, Source, Visit, rules};

#[test]
fn a_grant_and_a_refusal_carry_the_name_of_the_source_that_decided() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    for (first, source) in SOURCES.into_iter().enumerate() {
        for (granted, outcome) in [(true, Ok(())), (false, Err(DropReason::ConsentDenied))] {
            let mut visit = Visit::saying(source, &[("marketing", granted)]);
            for later in &SOURCES[first + 1..] {
                visit.put(*later, later.write(&[("marketing", !granted)]));
            }
            let expected = Decision { outcome, source: Some(source.name()) };
            assert_eq!(visit.decide(&rules, &["marketing"], FLASHTALKING), expected, "{visit:?}");
            let cookie = visit.ask(&rules, |event| event.for_cookie(Requirement::MARKETING));
            assert_eq!(cookie, expected, "{visit:?}");
        }
    }
}

#[test]
fn a_source_that_cannot_be_read_does_not_decide() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    let mut visit = Visit::saying(Source::Cookiebot, &[("marketing", true)]);
    visit.onetrust = Some("landingPath=NotLandingPage".into());
    let decided = visit.decide(&rules, &["marketing"], PODSIGHTS);
    assert_eq!(decided, Decision { outcome: Ok(()), source: Some("Cookiebot's cookie") });
}

#[test]
fn a_decision_that_no_source_made_names_none() {
    for (when_absent, outcome) in
        [(WhenAbsent::Allow, Ok(())), (WhenAbsent::Deny, Err(DropReason::ConsentAbsent))]
    {
        let rules = rules(when_absent, Require::All, true);
        let decided = Visit::default().decide(&rules, &["marketing"], PODSIGHTS);
        assert_eq!(decided, Decision { outcome, source: None });
        let denied = Visit::saying(Source::OneTrust, &[("marketing", false)]);
        let decided = denied.decide(&rules, &["essential"], PODSIGHTS);
        assert_eq!(decided, Decision { outcome: Ok(()), source: None }, "essential needs no source");
    }
}

#[test]
fn gpc_is_the_headers_or_that_of_the_tool_that_recorded_it() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    let mut visit = Visit::saying(Source::Flat, &[("marketing", true)]);
    visit.onetrust = Some("isGpcEnabled=1&groups=C0004%3A1".into());
    for (sec_gpc, source) in [(None, "OneTrust's cookie"), (Some("1"), "the Sec-GPC header")] {
        visit.sec_gpc = sec_gpc;
        let expected = Decision { outcome: Err(DropReason::Gpc), source: Some(source) };
        assert_eq!(visit.decide(&rules, &[], PODSIGHTS), expected);
        assert_eq!(visit.ask(&rules, |event| event.for_cookie(Requirement::MARKETING)), expected);
    }
}
