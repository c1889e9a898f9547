//! OneTrust's cookie (`OptanonConsent`): a query string with its fields in any order, such as
//! `isGpcEnabled=0&groups=C0001%3A1%2CC0004%3A0&AwaitingReconsent=false`.

use std::borrow::Cow;

use crate::consent::category::Categories;
use crate::consent::cookie_value::{plain, split_once, trim_blanks, unquoted};
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::{OptOut, Statement};
use crate::consent::vocabulary::{Choices, Code, Vocabulary};

/// The groups of OneTrust's templates for the US: the sale of personal data, its sale and sharing, and both with targeted
/// advertising.
const SALE_GROUPS: [&[u8]; 3] = [b"SPD_BG", b"SSPD_BG", b"OSSTA_BG"];

/// The cookie of OneTrust.
pub struct OneTrust;

impl ConsentSource for OneTrust {
    fn name(&self) -> &str {
        "OneTrust's cookie"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "onetrust",
            defaults: &["OptanonConsent"],
            documentation: "OneTrust's cookie.",
        })
    }

    /// Only `1` grants a group. The cookie is silent on a category without a group. Without `groups`, or with a list that is cut, it
    /// can't be read. `AwaitingReconsent=true` refuses everything: the banner is open again, and the groups are those of a consent
    /// that has expired. `isGpcEnabled=1` and `browserGpcFlag=1` record the browser's Global Privacy Control.
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        // Some frameworks encode a cookie's value once more as they write it.
        let value = unquoted(value);
        let value: Cow<[u8]> = if value.contains(&b'=') { value.into() } else { plain(value) };
        let mut groups = Groups::default();
        let (mut refused, mut gpc) = (false, false);
        for field in value.split(|byte| *byte == b'&') {
            let (name, value) = split_once(field, b'=');
            match trim_blanks(name) {
                b"groups" => groups.read(&plain(value), vocabulary),
                b"isGpcEnabled" | b"browserGpcFlag" => gpc |= *plain(value) == *b"1",
                b"AwaitingReconsent" => refused |= plain(value).eq_ignore_ascii_case(b"true"),
                _ => {}
            }
        }
        let consent = groups.statement(vocabulary);
        let statement = if refused { Statement::granting_only(Categories::NONE) } else { consent };
        statement.with_opt_out(OptOut::Gpc, gpc).with_opt_out(OptOut::Sale, groups.sale_denied)
    }
}

/// The groups of a cookie.
#[derive(Default)]
struct Groups {
    choices: Choices,
    sale_allowed: bool,
    sale_denied: bool,
    /// Whether there is any other group, or a list without a group.
    others: bool,
    malformed: bool,
}

impl Groups {
    /// Reads a list like `C0001:1,C0004:0`.
    fn read(&mut self, list: &[u8], vocabulary: &Vocabulary) {
        self.others |= list.is_empty();
        for group in list.split(|byte| *byte == b',').filter(|group| !group.is_empty()) {
            let (id, choice) = split_once(group, b':');
            let (id, choice) = (trim_blanks(id), trim_blanks(choice));
            self.malformed |= id.len() == group.len() || !choice.iter().all(u8::is_ascii_alphanumeric);
            let granted = choice == b"1";
            if SALE_GROUPS.iter().any(|sale| sale.eq_ignore_ascii_case(id)) {
                self.sale_allowed |= granted;
                self.sale_denied |= !granted;
                continue;
            }
            self.others = true;
            if let Some(code) = code(id, vocabulary) {
                self.choices.record(code, granted);
            }
        }
    }

    /// A template for the US asks for no consent: if there are groups for sale and sharing only, the visitor was not asked.
    fn statement<'a>(&self, vocabulary: &Vocabulary) -> Statement<'a> {
        let only_sale = !self.others && (self.sale_allowed || self.sale_denied);
        if self.malformed || !(self.others || only_sale) {
            Statement::unreadable()
        } else if only_sale {
            Statement::not_asked()
        } else {
            Statement::new(vocabulary.granted(&self.choices), vocabulary.denied(&self.choices))
        }
    }
}

/// Old installations number the default groups 1 to 4 instead of C0001 to C0004.
fn code(id: &[u8], vocabulary: &Vocabulary) -> Option<Code> {
    match id {
        [number @ b'1'..=b'4'] => vocabulary.code(&[b'C', b'0', b'0', b'0', *number]),
        _ => vocabulary.code(id),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::consent::category::Category;
    use crate::consent::statement::Answer;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new([("marketing", ["BG12"])]).unwrap()
    }

    fn read(value: &[u8]) -> Statement<'_> {
        OneTrust.read(value, &vocabulary())
    }

    /// Whether marketing is granted; None where the cookie is silent.
    fn marketing(value: &str) -> Option<bool> {
        match read(value.as_bytes()).answer(Category::Marketing, None) {
            Answer::Grants => Some(true),
            Answer::Refuses => Some(false),
            Answer::Silent => None,
        }
    }

    #[test]
    fn groups_grant_and_deny_in_any_order_of_the_fields() {
        for (value, expected) in [
            ("groups=C0001%3A1%2CC0002%3A0%2CC0004%3A1", Some(true)),
            (
                "isGpcEnabled=0&datestamp=Mon+Jan+01&version=6.33.0&groups=C0001%3A1%2CC0004%3A0&hosts=",
                Some(false),
            ),
            ("groups=C0004:1&AwaitingReconsent=false", Some(true)),
            ("groups=C0001%3A1", None),
            ("groups=C0004%3A0%2CC0005%3A1", Some(false)),
            ("groups=C0004%3A1%2CC0005%3A0", Some(true)),
            ("groups=C0001%3A1%2CC0005%3A1", Some(true)),
            ("groups=C0004%3A1&groups=C0004%3A0", Some(false)),
            ("groups=C0004%3A1%2CC0004%3A0", Some(false)),
            ("groups=4%3A0%2CC0004%3A1", Some(false)),
            ("groups=C0001%3A1%2CV2STACK42%3A1", None),
            ("groups=1%3A1%2C2%3A1%2C4%3A1", Some(true)),
            ("groups=1:1,2:1,4:0", Some(false)),
            ("groups=BG12%3A1", Some(true)),
            ("isGpcEnabled%3D0%26groups%3DC0001%253A1%252CC0004%253A1", Some(true)),
            ("groups=", None),
            ("datestamp=x&hosts=C0004%3A1", Some(false)),
            ("isGpcEnabled=0&groups=C0001%253A1%252CC0004%253A1", Some(true)),
            ("isGpcEnabled=0&groups=C0001%253A1%252CC0004%253A0", Some(false)),
            ("groups=C0001:1, C0004:1", Some(true)),
            ("groups=C0001%3A1%2C+C0004%3A0", Some(false)),
            ("datestamp=x& groups=C0004:0", Some(false)),
            ("\"groups=C0004:1,C0001:1\"", Some(true)),
            ("\"groups=C0004:0,C0001:1\"", Some(false)),
        ] {
            assert_eq!(marketing(value), expected, "{value}");
        }
    }

    #[test]
    fn only_the_digit_one_grants_a_group() {
        for granted in ["1", "%31", " 1 "] {
            assert_eq!(marketing(&format!("groups=C0004:{granted}")), Some(true), "{granted}");
        }
        for denied in ["", "0", "2", "11", "true", "1;", "-1"] {
            assert_eq!(marketing(&format!("groups=C0004:{denied}")), Some(false), "{denied}");
        }
    }

    #[test]
    fn a_consent_that_waits_to_be_given_again_grants_nothing() {
        assert_eq!(marketing("groups=C0004%3A1&AwaitingReconsent=true"), Some(false));
        assert_eq!(marketing("AwaitingReconsent=TRUE&groups=C0004%3A1"), Some(false));
    }

    #[test]
    fn a_cookie_without_groups_or_with_a_list_that_is_cut_cannot_be_read_and_refuses() {
        for value in [
            "",
            "%ff",
            "true",
            "{}",
            "a=b",
            "isGpcEnabled=0&geolocation=FR",
            "groups=C0001%3A1%2CC000",
            "groups=C0001%3A1%3BC0004%3A0",
            "groups=[object%20Object]",
        ] {
            assert_eq!(marketing(value), Some(false), "{value}");
        }
    }

    #[test]
    fn the_gpc_that_onetrust_saw_is_read() {
        for field in ["isGpcEnabled", "browserGpcFlag"] {
            let (on, off) = (format!("{field}=1&groups=C0004%3A1"), format!("{field}=0&groups=C0004%3A1"));
            assert!(read(on.as_bytes()).has_opt_out(OptOut::Gpc), "{on}");
            assert!(!read(off.as_bytes()).has_opt_out(OptOut::Gpc), "{off}");
            let alone = format!("{field}=1");
            assert!(read(alone.as_bytes()).has_opt_out(OptOut::Gpc), "{alone}");
        }
    }

    #[test]
    fn a_group_for_sale_or_sharing_that_is_off_is_an_opt_out() {
        for group in ["SSPD_BG", "SPD_BG", "OSSTA_BG", "sspd_bg"] {
            for (granted, opted_out) in [("0", true), ("1", false), ("", true)] {
                let value = format!("groups=C0001%3A1%2C{group}%3A{granted}%2CC0004%3A1");
                let statement = read(value.as_bytes());
                assert_eq!(statement.has_opt_out(OptOut::Sale), opted_out, "{value}");
                assert_eq!(statement.answer(Category::Marketing, None), Answer::Grants, "{value}");
            }
        }
        let both = read(b"groups=SPD_BG:1&groups=SPD_BG:0");
        assert!(both.has_opt_out(OptOut::Sale));
    }

    #[test]
    fn a_cookie_with_groups_for_sale_only_is_of_a_visitor_who_was_not_asked() {
        assert!(!read(b"isGpcEnabled=0&groups=SSPD_BG%3A1").was_asked());
        for asked in ["groups=C0001%3A1%2CSSPD_BG%3A1", "groups=V2STACK42%3A0", "groups="] {
            assert!(read(asked.as_bytes()).was_asked(), "{asked}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_without_groups_grant_nothing(value in prop::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert!(read(&value).granted(None).is_empty());
        }

        #[test]
        fn any_groups_grant_marketing_only_by_a_marketing_code(
            groups in prop::collection::vec(("C000[1-9]|[0-9]|marketing", "[01]?"), 0..8),
        ) {
            let given = |codes: &[&str], granted: bool| {
                groups.iter().any(|(code, value)| codes.contains(&code.as_str()) && (value == "1") == granted)
            };
            let names = ["C0004", "4", "marketing"];
            let expected = match (given(&names, false), given(&names, true)) {
                (true, _) => Some(false),
                (false, true) => Some(true),
                (false, false) if given(&["C0005"], false) => Some(false),
                (false, false) => given(&["C0005"], true).then_some(true),
            };
            let list: Vec<String> = groups.iter().map(|(code, granted)| format!("{code}%3A{granted}")).collect();
            prop_assert_eq!(marketing(&format!("groups={}", list.join("%2C"))), expected);
        }
    }
}
