//! The IAB's GPP string (cookie `__gpp`), which may hold a TCF string for the EU, and sections of US states with opt-outs.

use std::borrow::Cow;

use super::tcf;
use crate::consent::cookie_value::plain;
use crate::consent::gpp::{self, GppString};
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::{OptOut, Statement};
use crate::consent::vocabulary::Vocabulary;

/// The cookie that holds the GPP string.
pub struct Gpp;

impl ConsentSource for Gpp {
    fn name(&self) -> &str {
        "the IAB GPP string"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "gpp",
            defaults: &["__gpp", "OTGPPConsent"],
            documentation: "The cookie of the IAB GPP string: the IAB's own, and OneTrust's.",
        })
    }

    fn read<'a>(&self, value: &'a [u8], _: &Vocabulary) -> Statement<'a> {
        statement_of(Cow::Borrowed(value))
    }
}

/// Reads a GPP string, percent-encoded or not. Consent is only what a TCF string for the EU in it states; the sections for the US
/// hold opt-outs, which count even if another section can't be read.
pub fn statement_of(text: Cow<'_, [u8]>) -> Statement<'_> {
    let encoded = match text {
        Cow::Borrowed(text) => match plain(text) {
            Cow::Borrowed(text) => return of_string(gpp::read(text), tcf::statement),
            Cow::Owned(text) => text,
        },
        Cow::Owned(text) => plain(&text).into_owned(),
    };
    of_string(gpp::read(&encoded), |tcf| tcf::statement_of(Cow::Owned(tcf.to_vec())))
}

fn of_string<'t, 'a>(
    string: Option<GppString<'t>>,
    tcf: impl FnOnce(&'t [u8]) -> Statement<'a>,
) -> Statement<'a> {
    let Some(string) = string else { return Statement::unreadable() };
    let consent = match string.tcf() {
        _ if string.has_unreadable_section() => Statement::unreadable(),
        Some(text) => tcf(text),
        None => Statement::not_asked(),
    };
    consent.with_opt_out(OptOut::Gpc, string.gpc()).with_opt_out(OptOut::Sale, string.sale_opt_out())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent::category::{Categories, Category};
    use crate::consent::sources::tcf::tests::{Vendors, encode};
    use crate::consent::statement::Answer;

    fn statement(text: &[u8]) -> Statement<'_> {
        statement_of(Cow::Borrowed(text))
    }

    #[test]
    fn a_string_is_read_percent_encoded_and_in_quotes() {
        for text in [
            "DBABLA~BVQVAAAAAgA.QA",
            "DBABLA%7EBVQVAAAAAgA.QA",
            "DBABLA%257EBVQVAAAAAgA.QA",
            "\"DBABLA~BVQVAAAAAgA.QA\"",
        ] {
            assert!(statement(text.as_bytes()).has_opt_out(OptOut::Sale), "{text}");
        }
        assert!(statement_of(Cow::Owned(b"DBABLA~BVQVAAAAAgA.QA".to_vec())).has_opt_out(OptOut::Sale));
    }

    #[test]
    fn the_european_section_grants_the_vendors_that_it_lists_encoded_or_not() {
        let tcf = encode(&[1, 2, 3, 4, 7], &Vendors::Ranges(vec![(78, None)]));
        for text in [format!("DBABMA~{tcf}"), format!("DBABMA%7E{tcf}")] {
            let statement = statement(text.as_bytes());
            for (vendor, expected) in
                [(Some(78), Answer::Grants), (Some(79), Answer::Refuses), (None, Answer::Grants)]
            {
                assert_eq!(statement.answer(Category::Marketing, vendor), expected, "{text} {vendor:?}");
            }
        }
    }

    #[test]
    fn an_opt_out_counts_beside_a_section_that_cannot_be_read() {
        // Section 6 opts out, section 7 is cut.
        let statement = statement(b"DBABzw~1YYN~BV");
        assert!(statement.has_opt_out(OptOut::Sale));
        assert_eq!(statement.refused(Categories::NONE), Categories::ALL);
    }

    #[test]
    fn a_string_states_consent_by_its_european_section_alone() {
        assert!(!statement(b"DBAA").was_asked() && !statement(b"DBABzw~1YNN~BVQqAAAACgA.QA").was_asked());
        for unreadable in ["", "DBAA~1YNN", "DBABzw~1YNN", "DBABzw~1YNN~BV"] {
            assert_eq!(
                statement(unreadable.as_bytes()).refused(Categories::NONE),
                Categories::ALL,
                "{unreadable}"
            );
        }
    }
}
