//! The `consent` part of the configuration, compiled.

use super::cookie_names::CookieNames;
use super::vocabulary::{Categories, Category, Requirement, Vocabulary};
use crate::config::{Place, Read};

/// What happens to an event of which no source says anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(rename_all = "lowercase"))]
pub enum WhenAbsent {
    #[default]
    Deny,
    Allow,
}

impl Read for WhenAbsent {
    fn read(place: Place<'_>) -> Self {
        place.choice(&[("deny", Self::Deny), ("allow", Self::Allow)]).unwrap_or(Self::Deny)
    }
}

/// How many of an integration's categories must be granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(rename_all = "lowercase"))]
pub enum Require {
    #[default]
    All,
    Any,
}

impl Read for Require {
    fn read(place: Place<'_>) -> Self {
        place.choice(&[("all", Self::All), ("any", Self::Any)]).unwrap_or(Self::All)
    }
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
#[derive(Clone, Debug)]
pub struct ConsentRules {
    pub when_absent: WhenAbsent,
    pub require: Require,
    pub respect_gpc: bool,
    pub cookies: CookieNames,
    pub vocabulary: Vocabulary,
}
