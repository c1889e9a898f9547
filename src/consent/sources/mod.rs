//! The sources of consent. A new one is a file here, a `mod` line, and an entry in [`SOURCES`].

mod consent_management;
mod context_consent;
mod cookiebot;
mod onetrust;
pub(super) mod tcf;
#[cfg(test)]
mod testing;

use super::source::ConsentSource;

/// All sources of consent, in order of precedence: the first that states a choice decides.
pub const SOURCES: &[&dyn ConsentSource] = &[
    &context_consent::ContextConsent,
    &consent_management::ConsentManagement,
    &onetrust::OneTrust,
    &cookiebot::Cookiebot,
    &tcf::Tcf,
];
