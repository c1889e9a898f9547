//! The section `consent`: what counts as consent.

use std::collections::BTreeMap;

use serde::Deserialize;
use smart_default::SmartDefault;

use super::cookie_names::CookieNames;
use super::rules::{ConsentRules, Require, WhenAbsent};
use super::vocabulary::Vocabulary;
use crate::settings::Invalid;

/// What counts as consent.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Consent"))]
#[serde(deny_unknown_fields, default)]
pub struct ConsentSettings {
    /// What happens to an event if neither it nor a cookie states consent.
    pub when_absent: WhenAbsent,
    /// How many of an integration's `consent_categories` must be granted.
    pub require: Require,
    /// `Sec-GPC: 1` stops every delivery.
    #[default(true)]
    pub respect_gpc: bool,
    /// The names of the cookies of consent tools. An empty name turns off the source.
    pub cookies: CookieNames,
    /// Category names of your own, added to the built-in ones: `marketing: [my_ads]`.
    pub aliases: BTreeMap<String, Vec<String>>,
}

impl ConsentSettings {
    /// Compiles the section.
    pub fn rules(&self) -> Result<ConsentRules, Invalid> {
        let aliases =
            self.aliases.iter().map(|(name, codes)| (name.as_str(), codes.iter().map(String::as_str)));
        let vocabulary =
            Vocabulary::new(aliases).map_err(|error| Invalid::new("consent.aliases", error.to_string()))?;
        Ok(ConsentRules {
            when_absent: self.when_absent,
            require: self.require,
            respect_gpc: self.respect_gpc,
            cookies: self.cookies.clone(),
            vocabulary,
        })
    }
}
