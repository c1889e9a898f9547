//! The sources of consent. A new one is a file here, and a line in [`SOURCES`] beside its `mod`.

mod consent_management;
mod context_consent;
mod cookiebot;
mod onetrust;
pub(super) mod tcf;

use super::source::ConsentSource;

/// Every source of consent, in the order in which they are asked: the first that says anything decides.
pub const SOURCES: &[&dyn ConsentSource] = &[
    &context_consent::ContextConsent,
    &consent_management::ConsentManagement,
    &onetrust::OneTrust,
    &cookiebot::Cookiebot,
    &tcf::Tcf,
];
