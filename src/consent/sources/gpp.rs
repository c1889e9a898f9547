//! The IAB's GPP string (cookie `__gpp`), which may hold a TCF string for the EU, and sections of US states with opt-outs.

use super::tcf;
use crate::consent::gpp;
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
        statement(value)
    }
}

/// Reads a GPP string. Consent is only what a TCF string for the EU in it states; the sections for the US hold opt-outs.
pub fn statement(text: &[u8]) -> Statement<'_> {
    let Some(string) = gpp::read(text) else { return Statement::unreadable() };
    let consent = string.tcf().map_or_else(Statement::not_asked, tcf::statement);
    consent.with_opt_out(OptOut::Gpc, string.gpc()).with_opt_out(OptOut::Sale, string.sale_opt_out())
}
