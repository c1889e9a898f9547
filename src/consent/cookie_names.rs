//! `consent.cookies`: the names of the cookies that sources of consent read. Keys, defaults and documentation come from the
//! table of sources.

use serde::de::{Deserialize, Deserializer};

use super::by_source::BySource;
use super::source::{ConsentSource, CookieSetting};
use super::sources::SOURCES;
use crate::settings::{OneOrMore, members_of_table};

/// The names of the cookies of consent tools: one or more for each. Without a name a source is turned off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieNames(BySource<Vec<String>>);

impl CookieNames {
    /// All settings, in the table's order.
    pub fn settings() -> impl Iterator<Item = CookieSetting> {
        SOURCES.iter().filter_map(|source| source.location().cookie())
    }

    /// Sets the names of a source's cookies by the key of its setting. Empty names are left out. Returns `false` if no setting
    /// has that key.
    pub fn set(&mut self, key: &str, names: Vec<String>) -> bool {
        let is_meant = |setting: CookieSetting| setting.key == key;
        let mut all = self.0.iter_mut();
        let found = all.find(|(source, _)| source.location().cookie().is_some_and(is_meant));
        let names = names.into_iter().filter(|name| !name.is_empty()).collect();
        found.and_then(|(_, known)| known).map(|known| *known = names).is_some()
    }

    /// The name of each cookie, with the source that reads it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static dyn ConsentSource, &str)> {
        self.0
            .iter()
            .flat_map(|(source, names)| names.into_iter().flatten().map(move |name| (source, name.as_str())))
    }
}

impl Default for CookieNames {
    fn default() -> Self {
        let names = |setting: CookieSetting| setting.defaults.iter().map(|name| (*name).to_owned()).collect();
        Self(BySource::of(|source| source.location().cookie().map(names)))
    }
}

impl<'de> Deserialize<'de> for CookieNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys: Vec<_> = Self::settings().map(|setting| setting.key).collect();
        let mut names = Self::default();
        members_of_table(deserializer, &keys, |key, OneOrMore(set)| _ = names.set(key, set))?;
        Ok(names)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for CookieNames {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cookies".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let property = |CookieSetting { key, defaults, documentation }| {
            let default = match defaults {
                [one] => serde_json::json!(one),
                several => serde_json::json!(several),
            };
            let schema = serde_json::json!({
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
                "default": default,
                "description": documentation,
            });
            (key.to_owned(), schema)
        };
        let properties: serde_json::Map<_, _> = CookieNames::settings().map(property).collect();
        schemars::json_schema!({
            "description": "The names of the cookies of consent tools: one, or a list. An empty name turns off the source.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::settings::of_text;

    fn listed(names: &CookieNames) -> Vec<&str> {
        names.iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn the_defaults_are_those_of_the_consent_tools() {
        let defaults = [
            "OptanonConsent",
            "CookieConsent",
            "didomi_token",
            "euconsent-v2",
            "__gpp",
            "OTGPPConsent",
            "usprivacy",
        ];
        assert_eq!(listed(&CookieNames::default()), defaults);
        assert_eq!(of_text::<CookieNames>("{}").unwrap(), CookieNames::default());
    }

    #[test]
    fn configured_names_replace_the_defaults_and_empty_ones_turn_the_source_off() {
        let names = of_text::<CookieNames>(
            r#"{"cookiebot": "", "didomi": [], "tcf": ["euconsent-v2", "tc"], "gpp": "__gpp", "us_privacy": [""]}"#,
        );
        let names = names.unwrap();
        assert_eq!(listed(&names), ["OptanonConsent", "euconsent-v2", "tc", "__gpp"]);
        let mut set = CookieNames::default();
        for (key, names) in [
            ("cookiebot", &[][..]),
            ("didomi", &[]),
            ("tcf", &["euconsent-v2", "tc"]),
            ("gpp", &["__gpp"]),
            ("us_privacy", &[""]),
        ] {
            assert!(set.set(key, names.iter().map(|name| (*name).to_owned()).collect()));
        }
        assert_eq!(set, names);
    }

    #[test]
    fn a_key_that_no_source_has_is_refused_with_those_there_are() {
        let refused = of_text::<CookieNames>(r#"{"foo": "bar"}"#).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "foo: unknown field: expected one of onetrust, cookiebot, didomi, tcf, gpp, us_privacy"
        );
        assert!(!CookieNames::default().set("foo", vec!["bar".to_owned()]));
    }

    #[test]
    fn no_two_sources_share_a_key_or_a_cookie() {
        let keys: BTreeSet<_> = CookieNames::settings().map(|setting| setting.key).collect();
        let defaults: Vec<_> = CookieNames::settings().flat_map(|setting| setting.defaults).collect();
        assert_eq!(keys.len(), CookieNames::settings().count());
        assert_eq!(defaults.iter().collect::<BTreeSet<_>>().len(), defaults.len());
    }
}
