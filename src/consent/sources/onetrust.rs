//! OneTrust's cookie (`OptanonConsent`): a query string with its fields in any order, such as
//! `isGpcEnabled=0&groups=C0001%3A1%2CC0004%3A0&AwaitingReconsent=false`.

use std::borrow::Cow;

use crate::consent::cookie_value::{percent_decoded, split_once};
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::Statement;
use crate::consent::vocabulary::{Categories, Choices, Code, Vocabulary};

/// The cookie of OneTrust.
pub struct OneTrust;

impl ConsentSource for OneTrust {
    fn name(&self) -> &'static str {
        "OneTrust's cookie"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "onetrust",
            default: "OptanonConsent",
            documentation: "OneTrust's cookie.",
        })
    }

    /// `groups` without a known group denies everything, and so does `AwaitingReconsent=true`: the banner is open again,
    /// and the groups are those of a consent that has expired. Only `1` grants a group. Without either the cookie is silent
    /// about categories. `isGpcEnabled=1`: OneTrust saw the browser's Global Privacy Control, which some browsers expose to
    /// scripts only.
    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        // Some frameworks encode a cookie's value once more as they write it.
        let value: Cow<[u8]> = if value.contains(&b'=') { value.into() } else { percent_decoded(value) };
        let (mut granted, mut awaiting, mut gpc) = (None, false, false);
        for field in value.split(|byte| *byte == b'&') {
            let (name, value) = split_once(field, b'=');
            match name {
                b"groups" => granted = Some(groups(&percent_decoded(value), vocabulary)),
                b"isGpcEnabled" => gpc |= *percent_decoded(value) == *b"1",
                b"AwaitingReconsent" => awaiting |= percent_decoded(value).eq_ignore_ascii_case(b"true"),
                _ => {}
            }
        }
        if awaiting {
            granted = Some(Categories::NONE);
        }
        granted.map_or_else(Statement::silent, Statement::granting_only).with_gpc(gpc)
    }
}

fn groups(list: &[u8], vocabulary: &Vocabulary) -> Categories {
    let mut choices = Choices::default();
    for group in list.split(|byte| *byte == b',') {
        let (id, granted) = split_once(group, b':');
        if let Some(code) = code(id, vocabulary) {
            choices.record(code, granted == b"1");
        }
    }
    vocabulary.granted(&choices)
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
    use crate::consent::statement::Answer;
    use crate::consent::vocabulary::Category;

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
            ("groups=C0001%3A1", Some(false)),
            ("groups=C0004%3A0%2CC0005%3A1", Some(true)),
            ("groups=1%3A1%2C2%3A1%2C4%3A1", Some(true)),
            ("groups=1:1,2:1,4:0", Some(false)),
            ("groups=BG12%3A1", Some(true)),
            ("isGpcEnabled%3D0%26groups%3DC0001%253A1%252CC0004%253A1", Some(true)),
            ("groups=", Some(false)),
            ("groups", Some(false)),
            ("", None),
            ("datestamp=x&hosts=C0004%3A1", None),
        ] {
            assert_eq!(marketing(value), expected, "{value}");
        }
    }

    #[test]
    fn only_the_digit_one_grants_a_group() {
        for granted in ["", "0", "2", "11", "true", "1 ", "%31"] {
            assert_eq!(marketing(&format!("groups=C0004:{granted}")), Some(granted == "%31"), "{granted}");
        }
    }

    #[test]
    fn a_consent_that_waits_to_be_given_again_grants_nothing() {
        assert_eq!(marketing("groups=C0004%3A1&AwaitingReconsent=true"), Some(false));
        assert_eq!(marketing("AwaitingReconsent=TRUE&groups=C0004%3A1"), Some(false));
    }

    #[test]
    fn the_gpc_that_onetrust_saw_is_read() {
        assert!(read(b"isGpcEnabled=1&groups=C0004%3A1").gpc());
        assert!(!read(b"isGpcEnabled=0&groups=C0004%3A1").gpc());
        assert!(read(b"isGpcEnabled=1").gpc() && read(b"isGpcEnabled=1").is_silent());
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
            let is_marketing = |code: &str| ["C0004", "C0005", "4", "marketing"].contains(&code);
            let last = |code: &str| groups.iter().rev().find(|(other, _)| {
                other == code || matches!((other.as_str(), code), ("4", "C0004") | ("C0004", "4"))
            });
            let expected = groups.iter().any(|(code, _)| is_marketing(code) && last(code).is_some_and(|(_, v)| v == "1"));
            let list: Vec<String> = groups.iter().map(|(code, granted)| format!("{code}%3A{granted}")).collect();
            prop_assert_eq!(marketing(&format!("groups={}", list.join("%2C"))), Some(expected));
        }
    }
}
