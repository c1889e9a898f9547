//! Didomi's cookie (`didomi_token`): base64 of JSON that lists purposes by their ids, such as
//! `{"user_id":"..","purposes":{"enabled":["cookies","select_basic_ads"],"disabled":[]},"vendors":{..},"version":2}`.
//!
//! The ids of the standard purposes are those of Didomi's documentation ("Purposes and vendors"). On a site that uses the IAB
//! TCF the token lists only purposes of the site's own, and the standard ones are in `euconsent-v2` ("Didomi cookies: storage").

use crate::codec;
use crate::consent::category::{Categories, Category};
use crate::consent::cookie_value::plain;
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::Statement;
use crate::consent::vocabulary::{Choices, Vocabulary};
use crate::json::{Json, NotJson, for_each_item, for_each_member};

/// Didomi's standard purposes, each with the category that needs it. Those of the IAB TCF need what they need there. One more,
/// `analytics`, is in every vocabulary.
const PURPOSES: [(&str, Category); 11] = [
    ("advertising_personalization", Category::Marketing),
    ("ad_delivery", Category::Marketing),
    ("select_basic_ads", Category::Marketing),
    ("create_ads_profile", Category::Marketing),
    ("select_personalized_ads", Category::Marketing),
    ("measure_ad_performance", Category::Marketing),
    ("measure_content_performance", Category::Analytics),
    ("market_research", Category::Analytics),
    ("create_content_profile", Category::Functional),
    ("content_personalization", Category::Personalization),
    ("select_personalized_content", Category::Personalization),
];

/// The purpose of storing anything on the visitor's device, which all others depend on.
const STORAGE: &str = "cookies";

/// The cookie of Didomi.
pub struct Didomi;

impl ConsentSource for Didomi {
    fn name(&self) -> &str {
        "Didomi's cookie"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "didomi",
            defaults: &["didomi_token"],
            documentation: "Didomi's cookie.",
        })
    }

    /// A category is granted if one of its purposes is enabled and none is disabled; what is not granted is refused. A token
    /// that enables purposes of the site's own and has no other is silent: then the standard purposes are in the TCF string.
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        let Some(json) = codec::decode_any_base64(&plain(value)) else {
            return Statement::unreadable();
        };
        let token = std::str::from_utf8(&json).map_err(|_| NotJson).and_then(Json::parse);
        let mut purposes = Purposes::default();
        let readable = token.is_ok_and(|token| purposes.read(token, vocabulary));
        if !readable {
            return Statement::unreadable();
        }
        purposes.statement(vocabulary)
    }

    fn may_record_opt_out(&self) -> bool {
        false
    }
}

/// The purposes of a token.
#[derive(Default)]
struct Purposes {
    enabled: Categories,
    disabled: Categories,
    /// By the codes that the vocabulary knows, such as a site's own in `consent.aliases`.
    choices: Choices,
    any_known: bool,
    /// Whether a purpose of the site's own is enabled.
    own_enabled: bool,
}

impl Purposes {
    /// Reads the lists of a token. Returns `false` if they can't be read.
    fn read(&mut self, token: Json<'_>, vocabulary: &Vocabulary) -> bool {
        let mut found = false;
        let readable = for_each_member(token.as_str(), &mut |key, lists| {
            if key != "purposes" {
                return;
            }
            found = true;
            let well_formed = for_each_member(lists.as_str(), &mut |key, ids| {
                let enabled = match &*key {
                    "enabled" => true,
                    "disabled" => false,
                    _ => return,
                };
                let mut take = |id: Json<'_>| {
                    if let Some(id) = id.text() {
                        self.add(&id, enabled, vocabulary);
                    }
                };
                found &= ids.is_absent() || for_each_item(ids.as_str(), &mut take);
            });
            found &= well_formed;
        });
        readable && found
    }

    fn add(&mut self, id: &str, enabled: bool, vocabulary: &Vocabulary) {
        if id == STORAGE {
            self.any_known = true;
            if !enabled {
                self.disabled = Categories::ALL;
            }
        }
        if let Some((_, category)) = PURPOSES.iter().find(|(known, _)| *known == id) {
            self.any_known = true;
            let categories = if enabled { &mut self.enabled } else { &mut self.disabled };
            *categories = categories.with(*category);
        } else if let Some(code) = vocabulary.code(id.as_bytes()) {
            self.any_known = true;
            self.choices.record(code, enabled);
        } else {
            self.own_enabled |= enabled && id != STORAGE;
        }
    }

    fn statement<'a>(&self, vocabulary: &Vocabulary) -> Statement<'a> {
        if !self.any_known && self.own_enabled {
            return Statement::undecided();
        }
        let granted = self.enabled.union(vocabulary.granted(&self.choices));
        let denied = self.disabled.union(vocabulary.denied(&self.choices));
        Statement::granting_only(granted.without(denied))
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::consent::statement::Answer;

    /// The answer about marketing of a token with these lists of purposes.
    fn marketing(purposes: &str) -> Answer {
        answer(&BASE64_STANDARD.encode(token(purposes)), Category::Marketing)
    }

    fn token(purposes: &str) -> String {
        format!(
            r#"{{"user_id":"1784114c","created":"2021-03-17T16:46:32.344Z","version":2,"purposes":{purposes},"vendors":{{"enabled":["google"]}}}}"#
        )
    }

    fn answer(value: &str, category: Category) -> Answer {
        let vocabulary = Vocabulary::new([("marketing", ["ads-T1Rgm7"])]).unwrap();
        Didomi.read(value.as_bytes(), &vocabulary).answer(category, None)
    }

    #[test]
    fn an_enabled_purpose_grants_unless_another_of_its_category_is_disabled() {
        for granting in [
            r#"{"enabled":["cookies","select_basic_ads","create_ads_profile"],"disabled":["analytics"]}"#,
            r#"{"enabled":["advertising_personalization"]}"#,
            r#"{"enabled":["ads-T1Rgm7"],"disabled":null}"#,
            r#"{"disabled":[],"enabled":["x",7,"marketing"]}"#,
        ] {
            assert_eq!(marketing(granting), Answer::Grants, "{granting}");
        }
        for refusing in [
            r#"{"enabled":["select_basic_ads"],"disabled":["create_ads_profile"]}"#,
            r#"{"disabled":["select_basic_ads"],"enabled":["select_basic_ads"]}"#,
            r#"{"enabled":["select_basic_ads"],"disabled":["cookies"]}"#,
            r#"{"enabled":["select_basic_ads"],"disabled":["ads-T1Rgm7"]}"#,
            r#"{"enabled":["cookies","analytics"],"disabled":[]}"#,
            r#"{"enabled":["cookies"]}"#,
            r#"{"enabled":[],"disabled":[]}"#,
            r#"{"enabled":[],"disabled":["p4em9a8m"]}"#,
        ] {
            assert_eq!(marketing(refusing), Answer::Refuses, "{refusing}");
        }
    }

    /// The token of Didomi's documentation, with purposes of a site's own only.
    #[test]
    fn a_token_without_a_known_purpose_leaves_the_answer_to_the_tcf_string() {
        let documented = "eyJ1c2VyX2lkIjoiMTc4NDExNGMtZjhiMy02NTkwLWE2ZGYtYjlmYjI0MGJkZWE1IiwiY3JlYXRlZCI6IjIwMjEtMDMtMTdUMTY6NDY6MzIuMzQ0WiIsInVwZGF0ZWQiOiIyMDIxLTAzLTE3VDE2OjQ2OjMyLjM0NFoiLCJ2ZW5kb3JzIjp7ImVuYWJsZWQiOlsiYW1hem9uIiwiZ29vZ2xlIiwiYzpyZXNlYXV4c28tVkZlcEtyTFIiLCJjOnBhcnRlbmFpcmUtWDlTRFdrZzIiLCJjOnBlcnNvbm5hbGktWDNWY3h6UkQiLCJjOmdvb2dsZWFuYS1oN0tjM2U3WSIsImM6cHVibGljaXRlLXRGUkY0ZDM5Il19LCJwdXJwb3NlcyI6eyJlbmFibGVkIjpbInA0ZW05YThtIiwicGFydGVuYWlyZS1jQXNEZThqQyIsIkNMLVQxUmdtNyIsIk05TlJISmUzRyIsInE0emxKcWRjRCJdfSwidmVuZG9yc19saSI6eyJlbmFibGVkIjpbImdvb2dsZSJdfSwidmVyc2lvbiI6Mn0=";
        for category in Category::ALL {
            assert_eq!(answer(documented, category), Answer::Silent);
        }
    }

    #[test]
    fn every_spelling_of_base64_is_read() {
        let json = token(r#"{"enabled":["select_basic_ads"],"disabled":["ÿ?>~"]}"#);
        let standard = BASE64_STANDARD.encode(&json);
        let encoded = utf8_percent_encode(&standard, NON_ALPHANUMERIC).to_string();
        for value in
            [standard.trim_end_matches('='), &standard, &encoded, &BASE64_URL_SAFE_NO_PAD.encode(&json)]
        {
            assert_eq!(answer(value, Category::Marketing), Answer::Grants, "{value}");
        }
    }

    #[test]
    fn a_token_that_cannot_be_read_refuses() {
        for json in
            ["", "{}", "[]", "1", r#"{"purposes":[]}"#, r#"{"purposes":{"enabled":"select_basic_ads"}}"#]
        {
            assert_eq!(answer(&BASE64_STANDARD.encode(json), Category::Marketing), Answer::Refuses, "{json}");
        }
        for value in ["", "1", "***", "%ff"] {
            assert_eq!(answer(value, Category::Marketing), Answer::Refuses, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_grant_nothing_without_an_enabled_purpose(json in "\\PC{0,200}", value: Vec<u8>) {
            let vocabulary = Vocabulary::new([("marketing", ["x"])]).unwrap();
            prop_assert!(Didomi.read(&value, &vocabulary).granted(None).is_empty());
            let encoded = BASE64_STANDARD.encode(&json);
            let granted = Didomi.read(encoded.as_bytes(), &vocabulary).granted(None);
            prop_assert!(granted.is_empty() || json.contains("enabled"));
        }
    }
}
