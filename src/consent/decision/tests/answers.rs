//! The answer of each source in the table for each category, and when it is read.

use super::super::*;
use super::visit::{FLASHTALKING, SOURCES, Source, Visit, rules};
use crate::consent::statement::Answer;

/// Has a source of the table read a value, and gives its answers by category.
fn answers(source: Source, value: &str) -> [Answer; 5] {
    let rules = rules(WhenAbsent::Deny, Require::All, true);
    let known = crate::consent::SOURCES.iter().find(|known| known.name() == source.name()).unwrap();
    let statement = known.read(value.as_bytes(), &rules.vocabulary);
    Category::ALL.map(|category| statement.answer(category, FLASHTALKING))
}

#[test]
fn a_source_that_says_anything_refuses_every_category_that_it_does_not_grant() {
    for source in SOURCES {
        for (granted, marketing) in [(true, Answer::Grants), (false, Answer::Refuses)] {
            let answers = answers(source, &source.write(&[("marketing", granted)]));
            for (category, answer) in Category::ALL.into_iter().zip(answers) {
                let expected = match category {
                    Category::Marketing => marketing,
                    // Cookiebot's cookie always has `necessary:true`.
                    Category::Essential if source == Source::Cookiebot => Answer::Grants,
                    _ => Answer::Refuses,
                };
                assert_eq!(answer, expected, "{source:?} {category:?}");
            }
        }
    }
}

#[test]
fn a_source_that_says_nothing_is_silent_on_every_category() {
    for (source, value) in [
        (Source::Flat, "null"),
        (Source::Rudder, "null"),
        (Source::OneTrust, "isGpcEnabled=1"),
        (Source::Cookiebot, "-1"),
        (Source::Tcf, "COv"),
    ] {
        assert_eq!(answers(source, value), [Answer::Silent; 5], "{source:?}");
    }
}

#[test]
fn a_cookie_is_read_only_when_a_decision_needs_it() {
    let mut visit = Visit::saying(Source::OneTrust, &[("marketing", true)]);
    visit.put(Source::Cookiebot, Source::Cookiebot.write(&[]));
    visit.put(Source::Tcf, Source::Tcf.write(&[]));
    let own = Visit { consent: Some("{}".into()), ..visit.clone() };
    let onetrust = "OneTrust's cookie";
    for (visit, respect_gpc, expected) in [
        // OneTrust's may have recorded GPC, whoever decides about consent.
        (&own, true, &[onetrust][..]),
        (&own, false, &[]),
        (&visit, true, &[onetrust]),
        (&visit, false, &[onetrust]),
    ] {
        let rules = rules(WhenAbsent::Deny, Require::All, respect_gpc);
        let read = visit.ask(&rules, |event| {
            event.for_delivery(Requirement::MARKETING, FLASHTALKING);
            let cookies = event.request.cookies.iter();
            let read = cookies.filter(|(_, cookie)| cookie.is_some_and(|it| it.statement.get().is_some()));
            read.map(|(source, _)| source.name()).collect::<Vec<_>>()
        });
        assert_eq!(read, expected, "respect_gpc {respect_gpc}");
    }
}
