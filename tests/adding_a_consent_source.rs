//! The source of docs/adding-a-consent-source.md: it compiles and reads its cookie, and the page shows this very code.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "adding_a_consent_source/acme_consent.rs"]
mod acme_consent;

use acme_consent::AcmeConsent;
use conversion_relay::consent::source::ConsentSource;
use conversion_relay::consent::statement::{Answer, OptOut, Statement};
use conversion_relay::consent::vocabulary::Vocabulary;
use conversion_relay::consent::{Categories, Category};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;

const PAGE: &str = include_str!("../docs/adding-a-consent-source.md");

fn read(value: &[u8]) -> Statement<'_> {
    let source: &dyn ConsentSource = &AcmeConsent;
    source.read(value, &Vocabulary::new([("marketing", ["my_ads"])]).unwrap())
}

#[test]
fn the_page_shows_the_code_that_is_tested_here() {
    let shown = include_str!("adding_a_consent_source/acme_consent.rs");
    assert!(PAGE.contains(shown), "docs/adding-a-consent-source.md lacks, or has otherwise:\n{shown}");
}

#[test]
fn a_purpose_is_granted_or_refused_and_one_that_was_not_asked_about_is_neither() {
    let plain = r#"{"purposes":{"advertising":"yes","statistics":"no","unknown":"yes"},"gpc":false}"#;
    let encoded = utf8_percent_encode(plain, NON_ALPHANUMERIC).to_string();
    for value in [plain, &encoded] {
        let statement = read(value.as_bytes());
        assert_eq!(statement.answer(Category::Marketing, None), Answer::Grants, "{value}");
        assert_eq!(statement.answer(Category::Analytics, None), Answer::Refuses, "{value}");
        assert_eq!(statement.answer(Category::Functional, None), Answer::Silent, "{value}");
        assert!(!statement.has_opt_out(OptOut::Gpc));
    }
}

#[test]
fn only_yes_grants_and_a_cookie_that_cannot_be_read_refuses() {
    for choice in [r#""YES""#, "true", "1", "null", r#"["yes"]"#] {
        let cookie = format!(r#"{{"purposes":{{"my_ads":{choice}}}}}"#);
        assert_eq!(read(cookie.as_bytes()).answer(Category::Marketing, None), Answer::Refuses, "{cookie}");
    }
    for unreadable in ["", "yes", "{", r#"{"gpc":false}"#, "%ff"] {
        assert_eq!(read(unreadable.as_bytes()).refused(Categories::NONE), Categories::ALL, "{unreadable}");
    }
}

#[test]
fn the_gpc_that_the_tool_recorded_is_read() {
    assert!(AcmeConsent.may_record_opt_out());
    for (value, recorded) in [("true", true), (r#""true""#, false), ("false", false)] {
        let cookie = format!(r#"{{"purposes":{{}},"gpc":{value}}}"#);
        assert_eq!(read(cookie.as_bytes()).has_opt_out(OptOut::Gpc), recorded, "{value}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_grant_nothing_without_a_yes(value in prop::collection::vec(any::<u8>(), 0..5000)) {
        prop_assert!(read(&value).granted(None).is_empty());
    }
}
