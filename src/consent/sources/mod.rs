//! The sources of consent. A new one is a file here, a `mod` line, and an entry in [`SOURCES`].

mod consent_management;
mod context_consent;
mod cookiebot;
mod didomi;
mod gpp;
mod onetrust;
pub(super) mod tcf;
#[cfg(test)]
mod testing;
mod us_privacy;

use super::source::ConsentSource;

/// All sources of consent, but for a site's own cookies. Explanations name the first in this order that refuses, or that grants.
pub const SOURCES: &[&dyn ConsentSource] = &[
    &context_consent::ContextConsent,
    &consent_management::ConsentManagement,
    &onetrust::OneTrust,
    &cookiebot::Cookiebot,
    &didomi::Didomi,
    &tcf::Tcf,
    &gpp::Gpp,
    &us_privacy::UsPrivacy,
];
