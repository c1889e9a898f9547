//! The `consent` part of the configuration, compiled.

use serde::{Deserialize, Serialize};

use super::cookie_names::CookieNames;
use super::vocabulary::{Categories, Category, Requirement, Vocabulary};

/// What happens to an event for which no source states consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WhenAbsent {
    /// It is dropped as `consent_absent`.
    #[default]
    Deny,
    /// It is delivered.
    Allow,
}

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
#[derive(Clone, Debug)]
pub struct ConsentRules {
    /// What happens to an event for which no source states consent.
    pub when_absent: WhenAbsent,
    /// How many of an integration's categories must be granted.
    pub require: Require,
    /// Whether Global Privacy Control (`Sec-GPC: 1`) stops every delivery.
    pub respect_gpc: bool,
    /// The names of the cookies of consent tools.
    pub cookies: CookieNames,
    /// The known names and codes of categories, the configured aliases among them.
    pub vocabulary: Vocabulary,
}
