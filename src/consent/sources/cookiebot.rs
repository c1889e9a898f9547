//! Cookiebot's cookie (`CookieConsent`): a URL-encoded JavaScript object, bare keys and single quotes, so not JSON:
//! `{stamp:'..',necessary:true,preferences:false,statistics:true,marketing:false,method:'explicit',ver:1,utc:..,region:'fr'}`.

use crate::consent::category::Categories;
use crate::consent::cookie_value::{plain, trim_blanks};
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::Statement;
use crate::consent::vocabulary::{Choices, Vocabulary};

/// The cookie of Cookiebot.
pub struct Cookiebot;

impl ConsentSource for Cookiebot {
    fn name(&self) -> &str {
        "Cookiebot's cookie"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "cookiebot",
            defaults: &["CookieConsent"],
            documentation: "Cookiebot's cookie.",
        })
    }

    /// Only the bare word `true` grants, and only in the outermost object. `-1` is what Cookiebot sets outside the regions that
    /// need consent: the visitor was not asked. `0`, which it sets before the visitor accepts, and everything else refuses.
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        let value = plain(value);
        let value = trim_blanks(&value);
        match value {
            b"-1" => return Statement::not_asked(),
            b"0" | b"false" => return Statement::granting_only(Categories::NONE),
            _ => {}
        }
        match choices(value, vocabulary) {
            Some(choices) => Statement::granting_only(vocabulary.granted(&choices)),
            None => Statement::unreadable(),
        }
    }

    fn may_record_opt_out(&self) -> bool {
        false
    }
}

/// Reads the object. Returns `None` if it is not one whole object.
fn choices(value: &[u8], vocabulary: &Vocabulary) -> Option<Choices> {
    let members = value.strip_prefix(b"{")?.strip_suffix(b"}")?;
    let mut choices = Choices::default();
    let mut scanner = Scanner::default();
    for member in members.split(|byte| scanner.is_separator(*byte)) {
        let mut parts = member.splitn(2, |byte| *byte == b':');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else { continue };
        if let Some(code) = vocabulary.code(trim_blanks(key)) {
            choices.record(code, trim_blanks(value) == b"true");
        }
    }
    scanner.is_outside().then_some(choices)
}

/// Finds the commas between the members of the outermost object: those that are neither in a quoted text nor in an object or
/// list within it.
#[derive(Default)]
struct Scanner {
    /// The quote that the text at hand is in.
    quote: Option<u8>,
    escaped: bool,
    depth: usize,
    /// More was closed than was opened.
    unbalanced: bool,
}

impl Scanner {
    fn is_separator(&mut self, byte: u8) -> bool {
        if let Some(quote) = self.quote {
            let was_escaped = std::mem::take(&mut self.escaped);
            match byte {
                _ if was_escaped => {}
                b'\\' => self.escaped = true,
                _ if byte == quote => self.quote = None,
                _ => {}
            }
            return false;
        }
        match byte {
            b'\'' | b'"' => self.quote = Some(byte),
            b'{' | b'[' => self.depth = self.depth.saturating_add(1),
            b'}' | b']' if self.depth == 0 => self.unbalanced = true,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        byte == b',' && self.depth == 0
    }

    /// Whether everything that was opened is closed again.
    fn is_outside(&self) -> bool {
        self.quote.is_none() && self.depth == 0 && !self.unbalanced
    }
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::consent::category::Category;
    use crate::consent::sources::testing;

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
            let twice = utf8_percent_encode(&encoded, NON_ALPHANUMERIC).to_string();
            for value in [plain, encoded, twice] {
                assert_eq!(read(value.as_bytes()), Some(expected), "{value}");
            }
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
    fn only_the_outermost_object_counts() {
        for value in [
            "{necessary:true,more:{marketing:true}}",
            "{necessary:true,more:[1,{a:1},marketing:true]}",
            "{necessary:true,more:{x:'}',marketing:true},marketing:false}",
            "{necessary:true},{marketing:true}",
            "{necessary:true}}{marketing:true,x:{}",
            r"{necessary:true,stamp:'it\',marketing:true,x\''}",
        ] {
            assert!(!read(value.as_bytes()).unwrap().contains(Category::Marketing), "{value}");
        }
        assert!(read(b"{more:{marketing:false},marketing:true}").unwrap().contains(Category::Marketing));
    }

    #[test]
    fn blanks_may_have_become_plus_signs() {
        let value = |marketing| format!("+{{stamp:%27a+b%27%2C+necessary:true%2C+marketing:{marketing}+}}");
        assert!(read(value("true").as_bytes()).unwrap().contains(Category::Marketing));
        assert!(!read(value("false").as_bytes()).unwrap().contains(Category::Marketing));
    }

    #[test]
    fn a_category_that_is_there_twice_is_refused_by_one_of_them() {
        for value in ["{marketing:true,marketing:false}", "{marketing:false,marketing:true}"] {
            assert_eq!(read(value.as_bytes()), Some(Categories::NONE), "{value}");
        }
    }

    #[test]
    fn minus_one_is_outside_the_regions_that_need_consent() {
        for value in ["-1", "%2D1", " -1 "] {
            assert_eq!(read(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn what_is_no_object_of_categories_refuses() {
        for value in [
            "",
            "0",
            "false",
            "true",
            "1",
            "{}",
            "{",
            "{stamp:'x'}",
            "marketing:true",
            "{stamp:'x,marketing:true}",
        ] {
            assert_eq!(read(value.as_bytes()), Some(Categories::NONE), "{value}");
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
