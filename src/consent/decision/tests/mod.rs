mod answers;
mod origin;
mod properties;
mod visit;

use super::*;
use crate::consent::sources::tcf::tests::{Vendors, encode};
use visit::{ANALYTICS_CODES, FLASHTALKING, MARKETING_CODES, PODSIGHTS, SOURCES, Source, Visit, rules};

#[test]
fn the_matrix_of_sources_spellings_gpc_absence_and_requirement() {
    let spellings = MARKETING_CODES.into_iter().flat_map(|m| ANALYTICS_CODES.map(|a| (m, a)));
    for (marketing, analytics) in spellings {
        for source in SOURCES {
            for (grants_marketing, grants_analytics) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let mut visit =
                    Visit::saying(source, &[(marketing, grants_marketing), (analytics, grants_analytics)]);
                for when_absent in [WhenAbsent::Deny, WhenAbsent::Allow] {
                    for (require, both) in [
                        (Require::All, grants_marketing && grants_analytics),
                        (Require::Any, grants_marketing || grants_analytics),
                    ] {
                        let rules = rules(when_absent, require, true);
                        let denied_unless =
                            |granted: bool| if granted { Ok(()) } else { Err(DropReason::ConsentDenied) };
                        for (required, granted) in [
                            (&[marketing][..], grants_marketing),
                            (&["advertising"], grants_marketing),
                            (&[analytics], grants_analytics),
                            (&["personalization"], false),
                            (&[marketing, analytics], both),
                            (&["necessary"], true),
                            (&[], true),
                        ] {
                            for (sec_gpc, gpc) in [(None, false), (Some("0"), false), (Some("1"), true)] {
                                visit.sec_gpc = sec_gpc;
                                let expected =
                                    if gpc { Err(DropReason::Gpc) } else { denied_unless(granted) };
                                let decided = visit.deliver(&rules, required, FLASHTALKING);
                                assert_eq!(decided, expected, "{required:?} {require:?} {visit:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn without_any_source_when_absent_decides() {
    let visit = Visit::default();
    for require in [Require::All, Require::Any] {
        let deny = rules(WhenAbsent::Deny, require, true);
        assert_eq!(visit.deliver(&deny, &["marketing"], PODSIGHTS), Err(DropReason::ConsentAbsent));
        assert_eq!(visit.deliver(&deny, &[], PODSIGHTS), Ok(()));
        assert_eq!(visit.deliver(&deny, &["essential"], PODSIGHTS), Ok(()));
        let allow = rules(WhenAbsent::Allow, require, true);
        assert_eq!(visit.deliver(&allow, &["marketing"], PODSIGHTS), Ok(()));
        let gpc = Visit { sec_gpc: Some("1"), ..Visit::default() };
        assert_eq!(gpc.deliver(&allow, &["marketing"], PODSIGHTS), Err(DropReason::Gpc));
        assert_eq!(gpc.deliver(&allow, &[], PODSIGHTS), Err(DropReason::Gpc));
    }
}

#[test]
fn the_first_source_that_speaks_decides_and_the_others_are_not_heard() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    for (first, source) in SOURCES.into_iter().enumerate() {
        for granted in [false, true] {
            let mut visit = Visit::saying(source, &[("marketing", granted)]);
            for later in &SOURCES[first + 1..] {
                visit.put(*later, later.write(&[("marketing", !granted)]));
            }
            let expected = if granted { Ok(()) } else { Err(DropReason::ConsentDenied) };
            assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), expected, "{visit:?}");
        }
    }
}

#[test]
fn a_cookie_that_cannot_be_read_leaves_the_word_to_the_next() {
    let rules = rules(WhenAbsent::Deny, Require::All, true);
    let mut visit = Visit::saying(Source::Tcf, &[("marketing", true)]);
    visit.onetrust = Some("landingPath=NotLandingPage".into());
    visit.cookiebot = Some("-1".into());
    assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), Ok(()));
    visit.tcf = Some("COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEE".into());
    assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), Err(DropReason::ConsentAbsent));
}

#[test]
fn a_vendor_of_iabs_list_needs_consent_to_itself_and_podsights_the_purposes_only() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    let tcf = Some(encode(&[1, 2, 3, 4, 7], &Vendors::Ranges(vec![(1, Some(77)), (79, Some(900))])));
    let visit = Visit { tcf, ..Visit::default() };
    assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), Ok(()));
    assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), Err(DropReason::ConsentDenied));
}

#[test]
fn gpc_holds_unless_it_is_switched_off_and_onetrust_may_be_its_witness() {
    let granted = Visit::saying(Source::Flat, &[("marketing", true)]);
    let onetrust = Some("isGpcEnabled=1&groups=C0004%3A1".to_owned());
    for visit in [Visit { sec_gpc: Some(" 1 "), ..granted.clone() }, Visit { onetrust, ..granted }] {
        let respecting = rules(WhenAbsent::Deny, Require::All, true);
        assert_eq!(visit.deliver(&respecting, &["marketing"], PODSIGHTS), Err(DropReason::Gpc));
        let ignoring = rules(WhenAbsent::Deny, Require::All, false);
        assert_eq!(visit.deliver(&ignoring, &["marketing"], PODSIGHTS), Ok(()));
    }
}

#[test]
fn a_cookie_of_ours_needs_all_of_its_categories_and_marketing_yields_to_gpc() {
    let rules = rules(WhenAbsent::Deny, Require::Any, true);
    let both = Requirement::compile(&["marketing", "analytics"], &rules.vocabulary).unwrap();
    let analytics = Requirement::compile(&["analytics"], &rules.vocabulary).unwrap();
    let cookie =
        |visit: &Visit, requirement| visit.ask(&rules, |event| event.for_cookie(requirement).outcome);

    let mut visit = Visit::saying(Source::OneTrust, &[("C0004", true)]);
    assert_eq!(cookie(&visit, Requirement::MARKETING), Ok(()));
    assert_eq!(cookie(&visit, both), Err(DropReason::ConsentDenied));
    visit.sec_gpc = Some("1");
    assert_eq!(cookie(&visit, Requirement::MARKETING), Err(DropReason::Gpc));
    assert_eq!(cookie(&visit, analytics), Err(DropReason::ConsentDenied));
    assert_eq!(cookie(&Visit::default(), Requirement::MARKETING), Err(DropReason::ConsentAbsent));
}

#[test]
fn a_source_without_a_cookie_name_is_not_asked() {
    let mut rules = rules(WhenAbsent::Deny, Require::All, true);
    assert!(rules.cookies.set("onetrust", String::new()));
    let request = rules.request(None, |name| {
        assert!(!name.is_empty());
        None
    });
    let decided = request.event(&BySource::of(|_| None)).for_delivery(Requirement::MARKETING, PODSIGHTS);
    assert_eq!(decided.outcome, Err(DropReason::ConsentAbsent));
}

#[test]
fn context_consent_goes_before_consent_management() {
    let rules = rules(WhenAbsent::Deny, Require::All, true);
    let rudder = Some(r#"{"allowedConsentIds":["marketing"]}"#.to_owned());
    let denied =
        Visit { consent: Some("{}".to_owned()), consent_management: rudder.clone(), ..Visit::default() };
    assert_eq!(denied.deliver(&rules, &["marketing"], PODSIGHTS), Err(DropReason::ConsentDenied));
    let null = Visit { consent: Some("null".to_owned()), consent_management: rudder, ..Visit::default() };
    assert_eq!(null.deliver(&rules, &["marketing"], PODSIGHTS), Ok(()));
}

#[test]
fn no_source_is_asked_about_a_cookie_of_more_than_4_kb() {
    let rules = rules(WhenAbsent::Deny, Require::All, true);
    for (source, padding) in
        [(Source::OneTrust, "&x="), (Source::Cookiebot, "                "), (Source::Tcf, ".")]
    {
        let mut value = source.write(&[("marketing", true)]) + padding;
        let fill = if source == Source::Cookiebot { " " } else { "A" };
        value.push_str(&fill.repeat(MAX_COOKIE_BYTES - value.len()));
        let mut longest = Visit::default();
        longest.put(source, value.clone());
        assert_eq!(longest.deliver(&rules, &["marketing"], FLASHTALKING), Ok(()), "{source:?}");
        let mut longer = Visit::default();
        longer.put(source, value + fill);
        let decided = longer.deliver(&rules, &["marketing"], FLASHTALKING);
        assert_eq!(decided, Err(DropReason::ConsentAbsent), "{source:?}");
    }
}
