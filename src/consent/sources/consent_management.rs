//! The consent that an event itself carries in RudderStack's `context.consentManagement`.
//!
//! Every value except `null` states a choice, and grants only what it grants explicitly. Ids that the vocabulary does not know
//! are ignored.

use crate::consent::context_member;
use crate::consent::source::{ConsentSource, Location};
use crate::consent::statement::Statement;
use crate::consent::vocabulary::{Categories, Choices, Vocabulary};
use crate::json::{for_each_member, for_each_string};

/// The `context.consentManagement` of an event.
pub struct ConsentManagement;

impl ConsentSource for ConsentManagement {
    fn name(&self) -> &'static str {
        "the event's context.consentManagement"
    }

    fn location(&self) -> Location {
        Location::Context(&["consentManagement", "consent_management"])
    }

    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        context_member::statement(value, |json| granted(json, vocabulary))
    }

    fn may_record_gpc(&self) -> bool {
        false
    }
}

/// RudderStack's lists of ids. An id in both is denied. Its `resolutionStrategy` is about the ids that a destination
/// needs; here the configuration's `require` determines that.
fn granted(consent: &str, vocabulary: &Vocabulary) -> Categories {
    let mut choices = Choices::default();
    let mut readable = true;
    let mut note = |list: &str, granted: bool| {
        readable &= for_each_string(list, &mut |id| {
            if let Some(code) = vocabulary.code(id.as_bytes()) {
                choices.record(code, granted);
            }
        });
    };
    // The denied ids have the last word, whichever list is written first.
    let mut denied_ids = None;
    let well_formed = for_each_member(consent, &mut |key, value| match (&*key, value.as_str()) {
        (_, "null") => {}
        ("allowedConsentIds", list) => note(list, true),
        ("deniedConsentIds", list) => denied_ids = Some(list),
        _ => {}
    });
    if let Some(list) = denied_ids {
        note(list, false);
    }
    if well_formed && readable { vocabulary.granted(&choices) } else { Categories::NONE }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::consent::sources::testing;
    use crate::consent::vocabulary::Category;

    /// What is granted; None where the event is silent.
    fn grants(consent: &str) -> Option<Categories> {
        testing::granted(&ConsentManagement, consent.as_bytes(), "custom_ads")
    }

    fn marketing(lists: &str) -> bool {
        grants(lists).unwrap().contains(Category::Marketing)
    }

    #[test]
    fn rudders_allowed_ids_grant_unless_they_are_denied_too() {
        assert!(marketing(r#"{"allowedConsentIds":["C0004"],"deniedConsentIds":["C0002"]}"#));
        assert!(marketing(
            r#"{"deniedConsentIds":["C0005"],"allowedConsentIds":[1,"x","c0004"],"provider":"oneTrust"}"#
        ));
        assert!(marketing(r#"{"deniedConsentIds":null,"allowedConsentIds":["Custom_Ads"]}"#));
        for denied in [
            "{}",
            r#"{"provider":"oneTrust","resolutionStrategy":"or"}"#,
            r#"{"allowedConsentIds":[],"deniedConsentIds":[]}"#,
            r#"{"allowedConsentIds":["C0002"]}"#,
            r#"{"allowedConsentIds":"C0004"}"#,
            r#"{"allowedConsentIds":{"C0004":true}}"#,
            r#"{"allowedConsentIds":["C0004"],"deniedConsentIds":["c0004"]}"#,
            r#"{"deniedConsentIds":["C0004"],"allowedConsentIds":["C0004"]}"#,
        ] {
            assert!(!marketing(denied), "{denied}");
        }
    }

    #[test]
    fn whatever_is_present_says_something_and_null_says_nothing() {
        for consent in
            ["{}", "[]", "true", "false", "1", r#""granted""#, r#"{"x":true}"#, r#"{"categories":{}}"#, "{"]
        {
            assert_eq!(grants(consent), Some(Categories::NONE), "{consent}");
            let lists = format!(r#"{{"allowedConsentIds":["C0004"],"deniedConsentIds":{consent}}}"#);
            assert_eq!(marketing(&lists), consent == "[]", "{lists}");
        }
        assert_eq!(grants("null"), None);
    }

    #[test]
    fn a_truncated_emoji_costs_neither_its_neighbours_nor_itself() {
        assert!(marketing(r#"{"x\ud83d":1,"allowedConsentIds":["\ud83d","C0004"],"provider":"\ud83d"}"#));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_grants_nothing_without_an_allowed_id(text in "\\PC*") {
            prop_assert!(text.contains("allowedConsentIds") || grants(&text).is_none_or(Categories::is_empty));
        }
    }
}
