//! Every decision says in words what it is based on, and names the source.

use super::*;

fn allowing() -> ConsentRules {
    rules(WhenAbsent::Allow, Require::All, true)
}

#[test]
fn a_grant_and_a_refusal_name_their_source() {
    for source in SOURCES {
        let name = source.name();
        for (granted, expected) in
            [(true, format!("granted by {name}")), (false, format!("{name} refuses marketing"))]
        {
            let visit = Visit::saying(source, &[("marketing", granted)]);
            assert_eq!(visit.explain(&allowing(), FLASHTALKING), expected, "{visit:?}");
        }
    }
}

#[test]
fn a_refusal_is_named_whichever_source_grants() {
    let visit = Visit::saying(Source::Flat, &[("marketing", true)]).with_cookie("CookieConsent", "0");
    let expected = "Cookiebot's cookie refuses marketing";
    assert_eq!(visit.explain(&allowing(), PODSIGHTS), expected);
}

#[test]
fn a_value_that_cannot_be_read_is_told_from_a_refusal() {
    let visit = Visit::default().with_cookie("didomi_token", "***");
    let expected = "Didomi's cookie can't be read, so it refuses marketing";
    assert_eq!(visit.explain(&allowing(), PODSIGHTS), expected);
}

#[test]
fn a_refusal_of_one_vendor_says_so() {
    let tcf = encode(&[1, 2, 3, 4, 7], &Vendors::Ranges(vec![(1, Some(77))]));
    let visit = Visit::default().with_cookie("euconsent-v2", &tcf);
    let expected = "the IAB TCF string grants marketing, but not to this vendor";
    assert_eq!(visit.explain(&allowing(), FLASHTALKING), expected);
    assert_eq!(visit.explain(&allowing(), PODSIGHTS), "granted by the IAB TCF string");
}

#[test]
fn a_denial_that_no_source_states_names_the_one_that_is_silent() {
    let visit = Visit::default().with_cookie("OptanonConsent", "groups=C0001%3A1");
    let expected = "nothing grants marketing: OneTrust's cookie doesn't mention it";
    assert_eq!(visit.explain(&allowing(), PODSIGHTS), expected);
}

#[test]
fn an_opt_out_names_where_it_is_recorded() {
    let visit = Visit::saying(Source::Flat, &[("marketing", true)]);
    let onetrust = visit.clone().with_cookie("OptanonConsent", "isGpcEnabled=1&groups=C0004%3A1");
    let header = onetrust.clone().with_header("sec-gpc", "1");
    let sale = visit.with_cookie("usprivacy", "1YYN");
    for (visit, expected) in [
        (onetrust, "Global Privacy Control is on, says OneTrust's cookie"),
        (header, "Global Privacy Control is on, says the Sec-GPC header"),
        (
            sale,
            "the visitor has opted out of the sale or sharing of personal data, says the US Privacy string",
        ),
    ] {
        assert_eq!(visit.explain(&allowing(), PODSIGHTS), expected);
    }
}

#[test]
fn where_nothing_is_known_when_absent_is_named() {
    for when_absent in [WhenAbsent::Allow, WhenAbsent::Deny] {
        let rules = rules(when_absent, Require::All, true);
        let expected = "nothing is known of the visitor's consent, so consent.when_absent decides";
        assert_eq!(Visit::default().explain(&rules, PODSIGHTS), expected);
    }
}

#[test]
fn what_needs_no_consent_names_no_source() {
    let visit = Visit::saying(Source::OneTrust, &[("marketing", false)]);
    let rules = allowing();
    for required in [&["essential"][..], &[]] {
        let requirement = Requirement::compile(required, &rules.vocabulary).unwrap();
        let basis = visit.ask(&rules, |event| event.for_delivery(requirement, PODSIGHTS).basis.to_string());
        assert_eq!(basis, "no consent needed");
    }
}
