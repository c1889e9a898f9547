//! OneTrust's cookie (`OptanonConsent`): a query string with its fields in any order, such as
//! `isGpcEnabled=0&groups=C0001%3A1%2CC0004%3A0&AwaitingReconsent=false`.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::MAX_COOKIE_BYTES;
use super::vocabulary::{Answers, Categories, Code, Vocabulary};

/// What OneTrust's cookie says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OneTrust {
    /// The categories that it grants. None: it says nothing about categories, or is not OneTrust's.
    pub(super) granted: Option<Categories>,
    /// `isGpcEnabled=1`: OneTrust saw the browser's Global Privacy Control.
    pub(super) gpc: bool,
}

/// Reads a cookie's value: any bytes, of which more than 4 KB are no cookie that a browser sent.
///
/// `groups` without a known group denies everything, and so does `AwaitingReconsent=true`: the banner is open again, and
/// the groups are those of a consent that has lapsed. Only `1` grants a group.
pub(super) fn read(value: &[u8], vocabulary: &Vocabulary) -> OneTrust {
    let mut read = OneTrust::default();
    if value.len() > MAX_COOKIE_BYTES {
        return read;
    }
    // Some frameworks encode a cookie's value once more as they write it.
    let value: Cow<[u8]> = if value.contains(&b'=') { value.into() } else { percent_decode(value).into() };
    let mut awaiting = false;
    for field in value.split(|byte| *byte == b'&') {
        let (name, value) = split_once(field, b'=');
        let decoded = || Cow::<[u8]>::from(percent_decode(value));
        match name {
            b"groups" => read.granted = Some(groups(&decoded(), vocabulary)),
            b"isGpcEnabled" => read.gpc |= *decoded() == *b"1",
            b"AwaitingReconsent" => awaiting |= decoded().eq_ignore_ascii_case(b"true"),
            _ => {}
        }
    }
    if awaiting {
        read.granted = Some(Categories::NONE);
    }
    read
}

fn groups(list: &[u8], vocabulary: &Vocabulary) -> Categories {
    let mut answers = Answers::default();
    for group in list.split(|byte| *byte == b',') {
        let (id, granted) = split_once(group, b':');
        if let Some(code) = code(id, vocabulary) {
            answers.answer(code, granted == b"1");
        }
    }
    vocabulary.granted(&answers)
}

/// Old installations number the default groups 1 to 4 instead of C0001 to C0004.
fn code(id: &[u8], vocabulary: &Vocabulary) -> Option<Code> {
    match id {
        [number @ b'1'..=b'4'] => vocabulary.code(&[b'C', b'0', b'0', b'0', *number]),
        _ => vocabulary.code(id),
    }
}

/// What stands before and after the first separator; nothing stands after one that is not there.
fn split_once(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == separator);
    (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::vocabulary::Category;
    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new([("marketing", ["BG12"])]).unwrap()
    }

    fn marketing(value: &str) -> Option<bool> {
        read(value.as_bytes(), &vocabulary()).granted.map(|granted| granted.contains(Category::Marketing))
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
        assert!(read(b"isGpcEnabled=1&groups=C0004%3A1", &vocabulary()).gpc);
        assert!(!read(b"isGpcEnabled=0&groups=C0004%3A1", &vocabulary()).gpc);
    }

    #[test]
    fn more_than_4_kb_are_not_read() {
        let fits = format!("groups=C0004%3A1&x={}", "x".repeat(MAX_COOKIE_BYTES - 19));
        assert_eq!(marketing(&fits), Some(true));
        assert_eq!(marketing(&format!("{fits}x")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_without_groups_grant_nothing(value in prop::collection::vec(any::<u8>(), 0..5000)) {
            let read = read(&value, &vocabulary());
            prop_assert!(read.granted.is_none_or(Categories::is_empty));
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
