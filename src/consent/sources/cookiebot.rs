//! Cookiebot's cookie (`CookieConsent`): a URL-encoded JavaScript object, bare keys and single quotes, so not JSON:
//! `{stamp:'..',necessary:true,preferences:false,statistics:true,marketing:false,method:'explicit',ver:1,utc:..,region:'fr'}`.

use std::cell::Cell;

use crate::consent::cookie_value::percent_decoded;
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::Statement;
use crate::consent::vocabulary::{Categories, Choices, Vocabulary};

/// The cookie of Cookiebot.
pub struct Cookiebot;

impl ConsentSource for Cookiebot {
    fn name(&self) -> &'static str {
        "Cookiebot's cookie"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "cookiebot",
            default: "CookieConsent",
            documentation: "Cookiebot's cookie.",
        })
    }

    /// Only the bare word `true` grants. A value that is not such an object, or names no category, is silent. So is `-1`, which
    /// Cookiebot sets outside the regions that need consent: the visitor was not asked, so `when_absent` decides.
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        granted(value, vocabulary).map_or_else(Statement::silent, Statement::granting_only)
    }

    fn may_record_gpc(&self) -> bool {
        false
    }
}

fn granted(value: &[u8], vocabulary: &Vocabulary) -> Option<Categories> {
    let value = percent_decoded(value);
    let members = value.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?;
    let mut choices = Choices::default();
    let quoted = Cell::new(false);
    let separates = |byte: &u8| {
        quoted.set(quoted.get() != (*byte == b'\''));
        *byte == b',' && !quoted.get()
    };
    for member in members.split(separates) {
        let mut parts = member.splitn(2, |byte| *byte == b':');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let Some(code) = vocabulary.code(key.trim_ascii()) {
            choices.record(code, value.trim_ascii() == b"true");
        }
    }
    (!quoted.get() && !choices.is_empty()).then(|| vocabulary.granted(&choices))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::consent::sources::testing;
    use crate::consent::vocabulary::Category;

    /// What is granted; None where the cookie is silent.
    fn read(value: &[u8]) -> Option<Categories> {
        testing::granted(&Cookiebot, value, "ads")
    }

    fn cookie(marketing: &str) -> String {
        format!(
            "{{stamp:'Yz8J0A==',necessary:true,preferences:false,statistics:true,marketing:{marketing},method:'explicit',ver:1,utc:1700000000000,region:'fr'}}"
        )
    }

    #[test]
    fn categories_are_read_plain_and_encoded() {
        let with_marketing =
            [Category::Essential, Category::Analytics, Category::Marketing].into_iter().collect();
        let without: Categories = [Category::Essential, Category::Analytics].into_iter().collect();
        for (marketing, expected) in [("true", with_marketing), ("false", without)] {
            let plain = cookie(marketing);
            let encoded = utf8_percent_encode(&plain, NON_ALPHANUMERIC).to_string();
            assert_eq!(read(plain.as_bytes()), Some(expected));
            assert_eq!(read(encoded.as_bytes()), Some(expected));
        }
    }

    #[test]
    fn nothing_but_the_bare_word_true_grants() {
        for value in ["'true'", "\"true\"", "1", "True", "true1", "!false", "", "{a:true}", "true:false"] {
            assert!(!read(cookie(value).as_bytes()).unwrap().contains(Category::Marketing), "{value}");
        }
    }

    #[test]
    fn a_category_inside_a_quoted_text_is_none() {
        let granted = read(b"{stamp:'a,marketing:true,b',necessary:true}").unwrap();
        assert!(!granted.contains(Category::Marketing));
    }

    #[test]
    fn what_is_no_object_of_categories_says_nothing() {
        for value in
            ["", "-1", "0", "true", "{}", "{", "{stamp:'x'}", "marketing:true", "{stamp:'x,marketing:true}"]
        {
            assert_eq!(read(value.as_bytes()), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_grant_nothing_without_a_true(value in prop::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert!(read(&value).is_none_or(Categories::is_empty));
        }

        #[test]
        fn any_object_grants_marketing_only_by_a_member_that_is_true(text in "[{}a-z:,' ]{0,60}(marketing:[a-z]{0,5})?") {
            let granted = read(format!("{{{text}}}").as_bytes()).is_some_and(|it| it.contains(Category::Marketing));
            prop_assert!(!granted || text.contains(":true") || text.contains(": true"));
        }
    }
}
