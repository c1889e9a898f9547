//! The section `consent`: what counts as consent.

use std::collections::BTreeMap;

use serde::Deserialize;
use smart_default::SmartDefault;

use super::cookie_names::CookieNames;
use super::cookie_sources::CookieSources;
use super::custom_cookie::{CustomCookie, CustomCookieSettings};
use super::rules::{ConsentRules, Require};
use super::vocabulary::Vocabulary;
use super::when_absent::WhenAbsent;
use crate::settings::Invalid;

/// What counts as consent.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Consent"))]
#[serde(deny_unknown_fields, default)]
pub struct ConsentSettings {
    /// What happens to an event if nothing is known of the visitor's consent: `deny`, `allow`, or by a header that the gateway
    /// sets, `{header: x-country, allow: [US]}`.
    pub when_absent: WhenAbsent,
    /// How many of an integration's `consent_categories` must be granted.
    pub require: Require,
    /// Global Privacy Control stops every delivery but those to webhooks of `purpose: own`: `Sec-GPC: 1`, or a consent tool's record
    /// of it.
    #[default(true)]
    pub respect_gpc: bool,
    /// The names of the cookies of consent tools: one, or a list. An empty name turns off the source.
    pub cookies: CookieNames,
    /// Consent cookies of the site's own: `[{cookie: my_consent, format: list, granted: {marketing: [ads]}}]`.
    pub custom: Vec<CustomCookieSettings>,
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
            when_absent: self.when_absent.clone(),
            require: self.require,
            respect_gpc: self.respect_gpc,
            cookies: CookieSources::new(&self.cookies, self.custom_cookies(&vocabulary)?),
            vocabulary,
        })
    }

    fn custom_cookies(&self, vocabulary: &Vocabulary) -> Result<Vec<CustomCookie>, Invalid> {
        let mut compiled: Vec<CustomCookie> = Vec::new();
        for (nth, settings) in self.custom.iter().enumerate() {
            let at = format!("consent.custom[{nth}]");
            let cookie = CustomCookie::compile(settings, vocabulary, &at)?;
            let of_tool = self.cookies.iter().find(|(_, name)| *name == cookie.cookie());
            let problem = match of_tool {
                Some((source, name)) => {
                    format!(
                        "{name} is read as {} too: give that another name under consent.cookies, or \"\"",
                        source.name()
                    )
                }
                None if compiled.iter().any(|other| other.cookie() == cookie.cookie()) => {
                    format!("{} is described twice", cookie.cookie())
                }
                None => {
                    compiled.push(cookie);
                    continue;
                }
            };
            return Err(Invalid::new(format!("{at}.cookie"), problem));
        }
        Ok(compiled)
    }
}
