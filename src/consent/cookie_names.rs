//! `consent.cookies`: the names of the cookies that sources of consent read. Keys, defaults and documentation come from the
//! table of sources.

use serde::de::{Deserialize, Deserializer};

use super::by_source::BySource;
use super::source::CookieSetting;
use super::sources::SOURCES;
use crate::settings::members_of_table;

/// The names of the cookies of consent tools. An empty name turns off the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieNames(BySource<String>);

impl CookieNames {
    /// All settings, in the order in which their sources are consulted.
    pub fn settings() -> impl Iterator<Item = CookieSetting> {
        SOURCES.iter().filter_map(|source| source.location().cookie())
    }

    /// Sets the name of a cookie by the key of its setting. Returns `false` if no setting has that key.
    pub fn set(&mut self, key: &str, name: String) -> bool {
        let is_meant = |setting: CookieSetting| setting.key == key;
        let mut names = self.0.iter_mut();
        let found = names.find(|(source, _)| source.location().cookie().is_some_and(is_meant));
        found.and_then(|(_, known)| known).map(|known| *known = name).is_some()
    }

    /// Looks up the cookie of each source, except where its name is empty.
    pub(super) fn find<T>(&self, mut cookie: impl FnMut(&str) -> Option<T>) -> BySource<T> {
        self.0.and_then(|name| if name.is_empty() { None } else { cookie(name) })
    }
}

impl Default for CookieNames {
    fn default() -> Self {
        Self(BySource::of(|source| Some(source.location().cookie()?.default.to_owned())))
    }
}

impl<'de> Deserialize<'de> for CookieNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let keys: Vec<_> = Self::settings().map(|setting| setting.key).collect();
        let mut names = Self::default();
        members_of_table(deserializer, &keys, |key, name| _ = names.set(key, name))?;
        Ok(names)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for CookieNames {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cookies".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let property = |CookieSetting { key, default, documentation }| {
            let schema =
                serde_json::json!({"type": "string", "default": default, "description": documentation});
            (key.to_owned(), schema)
        };
        let properties: serde_json::Map<_, _> = CookieNames::settings().map(property).collect();
        schemars::json_schema!({
            "description": "The names of the cookies of consent tools; an empty name: that tool is not asked.",
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

    /// The names that are looked up, in order.
    fn looked_up(names: &CookieNames) -> Vec<String> {
        let mut looked_up = Vec::new();
        names.find(|name| {
            looked_up.push(name.to_owned());
            None::<()>
        });
        looked_up
    }

    #[test]
    fn the_defaults_are_those_of_the_consent_tools() {
        let defaults = ["OptanonConsent", "CookieConsent", "euconsent-v2"];
        assert_eq!(looked_up(&CookieNames::default()), defaults);
        assert_eq!(of_text::<CookieNames>("{}").unwrap(), CookieNames::default());
    }

    #[test]
    fn a_configured_name_replaces_the_default_and_an_empty_one_is_not_looked_up() {
        let names = of_text::<CookieNames>(r#"{"cookiebot": "", "tcf": "tc"}"#).unwrap();
        assert_eq!(looked_up(&names), ["OptanonConsent", "tc"]);
        let mut set = CookieNames::default();
        assert!(set.set("cookiebot", String::new()) && set.set("tcf", "tc".to_owned()));
        assert_eq!(set, names);
    }

    #[test]
    fn a_key_that_no_source_has_is_refused_with_those_there_are() {
        let refused = of_text::<CookieNames>(r#"{"foo": "bar"}"#).unwrap_err();
        assert_eq!(refused.to_string(), "foo: unknown field: expected one of onetrust, cookiebot, tcf");
        assert!(!CookieNames::default().set("foo", "bar".to_owned()));
    }

    #[test]
    fn no_two_sources_share_a_key_or_a_cookie() {
        let keys: BTreeSet<_> = CookieNames::settings().map(|setting| setting.key).collect();
        let defaults: BTreeSet<_> = CookieNames::settings().map(|setting| setting.default).collect();
        assert_eq!((keys.len(), defaults.len()), (CookieNames::settings().count(), keys.len()));
    }
}
