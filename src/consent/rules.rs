//! The `consent` part of the configuration, compiled.

use serde::{Deserialize, Serialize};

use super::category::{Categories, Category};
use super::cookie_sources::CookieSources;
use super::vocabulary::{Requirement, Vocabulary};
use super::when_absent::WhenAbsent;

/// The header of Global Privacy Control, in lowercase.
pub(super) const GPC_HEADER: &str = "sec-gpc";

/// How many of an integration's categories must be granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Require {
    /// All of them.
    #[default]
    All,
    /// At least one.
    Any,
}

impl Require {
    /// Returns whether enough of what is required is granted. Essential always is.
    pub(super) fn is_met(self, requirement: Requirement, granted: Categories) -> bool {
        let required = requirement.categories();
        let granted = granted.with(Category::Essential);
        match self {
            Require::All => granted.contains_all(required),
            Require::Any => required.is_empty() || granted.intersects(required),
        }
    }
}

/// What counts as consent, for every request.
#[derive(Debug)]
pub struct ConsentRules {
    /// What happens to an event if nothing is known of the visitor's consent.
    pub when_absent: WhenAbsent,
    /// How many of an integration's categories must be granted.
    pub require: Require,
    /// Whether Global Privacy Control stops every delivery.
    pub respect_gpc: bool,
    /// The cookies that are read.
    pub cookies: CookieSources,
    /// The known names and codes of categories, the configured aliases among them.
    pub vocabulary: Vocabulary,
}

impl ConsentRules {
    /// Returns the request headers that a decision depends on beside the cookies, by their names in lowercase.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        std::iter::once(GPC_HEADER).chain(self.when_absent.header())
    }
}
