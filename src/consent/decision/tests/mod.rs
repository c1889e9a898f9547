mod basis;
mod documented;
mod properties;
mod visit;

use super::*;
use crate::consent::WhenAbsent;
use crate::consent::sources::tcf::tests::{Vendors, encode};
use visit::{
    ANALYTICS_CODES, FLASHTALKING, MARKETING_CODES, OWN_COOKIE, PODSIGHTS, SOURCES, Source, Visit, rules,
};

const DENIED: Result<(), DropReason> = Err(DropReason::ConsentDenied);

#[test]
fn each_source_in_each_spelling_decides_about_each_requirement() {
    let spellings = MARKETING_CODES.into_iter().flat_map(|m| ANALYTICS_CODES.map(|a| (m, a)));
    for (marketing, analytics) in spellings {
        for source in SOURCES {
            for (grants_marketing, grants_analytics) in
                [(false, false), (false, true), (true, false), (true, true)]
            {
                let visit =
                    Visit::saying(source, &[(marketing, grants_marketing), (analytics, grants_analytics)]);
                for (require, both) in [
                    (Require::All, grants_marketing && grants_analytics),
                    (Require::Any, grants_marketing || grants_analytics),
                ] {
                    let rules = rules(WhenAbsent::Allow, require, true);
                    for (required, granted) in [
                        (&[marketing][..], grants_marketing),
                        (&["advertising"], grants_marketing),
                        (&[analytics], grants_analytics),
                        (&["personalization"], false),
                        (&[marketing, analytics], both),
                        (&["necessary"], true),
                        (&[], true),
                    ] {
                        let expected = if granted { Ok(()) } else { DENIED };
                        let decided = visit.deliver(&rules, required, FLASHTALKING);
                        assert_eq!(decided, expected, "{required:?} {require:?} {visit:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_system_of_the_companys_own_is_asked_for_its_categories_and_for_no_opt_out() {
    let opted_out = |visit: Visit| visit.with_header("sec-gpc", "1").with_cookie("usprivacy", "1YYN");
    for when_absent in [WhenAbsent::Deny, WhenAbsent::Allow] {
        let rules = rules(when_absent, Require::All, true);
        for source in SOURCES {
            for granted in [true, false] {
                let visit = Visit::saying(source, &[("marketing", granted)]);
                let expected = visit.deliver(&rules, &["marketing"], PODSIGHTS);
                assert_eq!(expected.is_ok(), granted, "{visit:?}");
                let visit = opted_out(visit);
                let own = visit.ask(&rules, |event| event.for_own_system(Requirement::MARKETING).outcome);
                assert_eq!(own, expected, "{visit:?}");
                assert_eq!(
                    visit.deliver(&rules, &["marketing"], PODSIGHTS),
                    Err(DropReason::Gpc),
                    "{visit:?}"
                );
            }
        }
        let nothing_required = opted_out(Visit::default());
        let none = Requirement::compile(&[] as &[&str], &rules.vocabulary).unwrap();
        let own = nothing_required.ask(&rules, |event| event.for_own_system(none).outcome);
        assert_eq!(own, Ok(()));
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
    }
}

#[test]
fn a_header_of_the_gateway_decides_where_nothing_is_known_and_only_there() {
    let by_header = crate::settings::of_text(r#"{"header": "x-country", "allow": ["US"]}"#).unwrap();
    let rules = rules(by_header, Require::All, true);
    let from = |country| Visit::default().with_header("x-country", country);
    assert_eq!(from("US").deliver(&rules, &["marketing"], PODSIGHTS), Ok(()));
    for visit in [from("DE"), Visit::default(), from("US").with_header("x-country", "US")] {
        assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), Err(DropReason::ConsentAbsent));
    }
    let not_asked = from("US").with_cookie("CookieConsent", "-1").with_cookie("usprivacy", "1YNN");
    assert_eq!(not_asked.deliver(&rules, &["marketing"], PODSIGHTS), Ok(()));
    let refused = from("US").with_cookie("CookieConsent", "0");
    assert_eq!(refused.deliver(&rules, &["marketing"], PODSIGHTS), DENIED);
}

#[test]
fn any_refusal_denies_whichever_source_it_is_in_and_whatever_the_others_grant() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    for refusing in SOURCES {
        let mut visit = Visit::saying(refusing, &[("marketing", false)]);
        for granting in SOURCES.into_iter().filter(|source| *source != refusing) {
            visit.put(granting, granting.write(&[("marketing", true)]));
        }
        assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), DENIED, "{visit:?}");
    }
}

#[test]
fn of_two_cookies_of_one_name_the_one_that_refuses_wins() {
    let rules = rules(WhenAbsent::Deny, Require::All, true);
    for source in [Source::OneTrust, Source::Cookiebot, Source::Didomi, Source::Own, Source::Tcf] {
        let [granting, refusing] = [true, false].map(|granted| source.write(&[("marketing", granted)]));
        for values in [[&granting, &refusing], [&refusing, &granting]] {
            let mut visit = Visit::default();
            values.into_iter().for_each(|value| visit.put(source, value.clone()));
            assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), DENIED, "{visit:?}");
        }
        let mut visit = Visit::default();
        (0..2).for_each(|_| visit.put(source, granting.clone()));
        assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), Ok(()), "{visit:?}");
    }
}

#[test]
fn a_cookie_that_cannot_be_read_refuses_whatever_the_event_grants() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    let cookies =
        ["OptanonConsent", "CookieConsent", "didomi_token", OWN_COOKIE, "euconsent-v2", "__gpp", "usprivacy"];
    for cookie in cookies {
        for value in ["", "%ff", "garbage!", &"x".repeat(MAX_COOKIE_BYTES + 1)] {
            let visit = Visit::saying(Source::Flat, &[("marketing", true)]).with_cookie(cookie, value);
            assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), DENIED, "{cookie}={value}");
        }
    }
}

#[test]
fn a_cookie_of_more_than_4_kb_refuses() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    for (source, padding, fill) in [
        (Source::OneTrust, "&x=", "A"),
        (Source::Cookiebot, "", " "),
        (Source::Tcf, ".", "A"),
        (Source::Own, "", " "),
    ] {
        let mut value = source.write(&[("marketing", true)]) + padding;
        value.push_str(&fill.repeat(MAX_COOKIE_BYTES - value.len()));
        let mut longest = Visit::default();
        longest.put(source, value.clone());
        assert_eq!(longest.deliver(&rules, &["marketing"], FLASHTALKING), Ok(()), "{source:?}");
        let mut longer = Visit::default();
        longer.put(source, value + fill);
        assert_eq!(longer.deliver(&rules, &["marketing"], FLASHTALKING), DENIED, "{source:?}");
    }
}

#[test]
fn a_vendor_of_iabs_list_needs_consent_to_itself_and_podsights_the_purposes_only() {
    let rules = rules(WhenAbsent::Allow, Require::All, true);
    let tcf = encode(&[1, 2, 3, 4, 7], &Vendors::Ranges(vec![(1, Some(77)), (79, Some(900))]));
    let event_grants = Visit::saying(Source::Flat, &[("marketing", true)]);
    for visit in [Visit::default(), event_grants] {
        let visit = visit.with_cookie("euconsent-v2", &tcf);
        assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), Ok(()));
        assert_eq!(visit.deliver(&rules, &["marketing"], FLASHTALKING), DENIED);
    }
}

#[test]
fn the_american_signals_ask_for_no_consent_and_leave_it_to_when_absent() {
    for cookie in [
        ("usprivacy", "1YNN"),
        ("usprivacy", "1---"),
        ("OptanonConsent", "groups=SSPD_BG%3A1"),
        ("CookieConsent", "-1"),
    ] {
        let visit = Visit::default().with_cookie(cookie.0, cookie.1);
        let allow = rules(WhenAbsent::Allow, Require::All, true);
        assert_eq!(visit.deliver(&allow, &["marketing"], PODSIGHTS), Ok(()), "{cookie:?}");
        let deny = rules(WhenAbsent::Deny, Require::All, true);
        let decided = visit.deliver(&deny, &["marketing"], PODSIGHTS);
        assert_eq!(decided, Err(DropReason::ConsentAbsent), "{cookie:?}");
        let with_banner = visit.with_cookie("OptanonConsent", "groups=C0001%3A1");
        assert_eq!(with_banner.deliver(&allow, &["marketing"], PODSIGHTS), DENIED, "{cookie:?}");
    }
}

#[test]
fn an_opt_out_stops_every_delivery_and_every_cookie_of_ours() {
    let granted = Visit::saying(Source::Flat, &[("marketing", true)]);
    for (visit, reason) in [
        (granted.clone().with_header("sec-gpc", " 1 "), DropReason::Gpc),
        (granted.clone().with_header("sec-gpc", "0").with_header("sec-gpc", "1"), DropReason::Gpc),
        (granted.clone().with_cookie("OptanonConsent", "isGpcEnabled=1&groups=C0004%3A1"), DropReason::Gpc),
        (granted.clone().with_cookie("OptanonConsent", "groups=C0004:1,SSPD_BG:0"), DropReason::SaleOptOut),
        (granted.clone().with_cookie("usprivacy", "1YYN"), DropReason::SaleOptOut),
        (granted.clone().with_cookie("usprivacy", "1YYN").with_header("sec-gpc", "1"), DropReason::Gpc),
    ] {
        let respecting = rules(WhenAbsent::Allow, Require::All, true);
        for required in [&["marketing"][..], &[]] {
            assert_eq!(visit.deliver(&respecting, required, PODSIGHTS), Err(reason), "{visit:?}");
        }
        for required in [&["marketing"][..], &["analytics"]] {
            assert_eq!(visit.set_cookie(&respecting, required), Err(reason), "{visit:?}");
        }
        let ignoring = rules(WhenAbsent::Allow, Require::All, false);
        let opted_out = visit.cookies.iter().any(|(_, value)| value.contains("BG:0") || value == "1YYN");
        let expected = if opted_out { Err(DropReason::SaleOptOut) } else { Ok(()) };
        assert_eq!(visit.deliver(&ignoring, &["marketing"], PODSIGHTS), expected, "{visit:?}");
    }
    for harmless in [Visit::default().with_header("sec-gpc", "0"), Visit::default().with_header("dnt", "1")] {
        let visit = Visit { members: granted.members.clone(), ..harmless };
        let rules = rules(WhenAbsent::Deny, Require::All, true);
        assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), Ok(()));
    }
}

#[test]
fn a_cookie_of_ours_needs_all_of_its_categories() {
    let rules = rules(WhenAbsent::Deny, Require::Any, true);
    let visit = Visit::saying(Source::OneTrust, &[("C0004", true)]);
    assert_eq!(visit.set_cookie(&rules, &["marketing"]), Ok(()));
    assert_eq!(visit.set_cookie(&rules, &["marketing", "analytics"]), DENIED);
    assert_eq!(Visit::default().set_cookie(&rules, &["marketing"]), Err(DropReason::ConsentAbsent));
}

#[test]
fn null_in_the_event_says_nothing() {
    let rules = rules(WhenAbsent::Deny, Require::All, true);
    let mut visit = Visit::saying(Source::Rudder, &[("marketing", true)]);
    visit.put(Source::Flat, "null".to_owned());
    assert_eq!(visit.deliver(&rules, &["marketing"], PODSIGHTS), Ok(()));
    let nothing = Visit { members: vec![("consent", "null".to_owned())], ..Visit::default() };
    assert_eq!(nothing.deliver(&rules, &["marketing"], PODSIGHTS), Err(DropReason::ConsentAbsent));
}

#[test]
fn a_source_that_records_no_opt_outs_is_not_read_for_an_integration_that_needs_no_consent() {
    let visit = SOURCES.into_iter().fold(Visit::default(), |mut visit, source| {
        visit.put(source, source.write(&[("marketing", true)]));
        visit
    });
    let rules = rules(WhenAbsent::Deny, Require::All, true);
    let nothing = Requirement::compile::<&str>(&[], &rules.vocabulary).unwrap();
    for (requirement, expected) in [
        (nothing, &["OneTrust's cookie"][..]),
        (
            Requirement::MARKETING,
            &[
                "OneTrust's cookie",
                "Cookiebot's cookie",
                "Didomi's cookie",
                "the IAB TCF string",
                "the cookie my_consent",
            ],
        ),
    ] {
        let read = visit.ask(&rules, |event| {
            event.for_delivery(requirement, FLASHTALKING);
            let cookies = event.request.cookies.iter();
            let read = cookies.filter(|(_, cookie)| cookie.statement.get().is_some());
            read.map(|(source, _)| source.name().to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(read, expected);
    }
}
