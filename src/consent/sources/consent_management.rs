//! The consent that an event itself carries in RudderStack's `context.consentManagement`.
//!
//! Every value except `null` grants only what it grants explicitly. Ids that the vocabulary does not know are ignored.

use crate::consent::context_member;
use crate::consent::source::{ConsentSource, Location};
use crate::consent::statement::Statement;
use crate::consent::vocabulary::{Choices, Vocabulary};
use crate::json::{Json, Kind, for_each_item, for_each_member};

/// The `context.consentManagement` of an event.
pub struct ConsentManagement;

impl ConsentSource for ConsentManagement {
    fn name(&self) -> &str {
        "the event's context.consentManagement"
    }

    fn location(&self) -> Location {
        Location::Context(&["consentManagement", "consent_management"])
    }

    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        context_member::statement(value, |json| read(json, vocabulary))
    }

    fn may_record_opt_out(&self) -> bool {
        false
    }
}

/// RudderStack's ids. One that is both allowed and denied is denied. Its `resolutionStrategy` is about the ids that a
/// destination needs; here the configuration's `require` determines that.
fn read<'a>(consent: &str, vocabulary: &Vocabulary) -> Statement<'a> {
    let mut choices = Choices::default();
    let mut readable = true;
    let (mut has_allowed, mut has_denied) = (false, false);
    let well_formed = for_each_member(consent, &mut |key, value| {
        let granted = match (&*key, value.as_str()) {
            (_, "null") => return,
            ("allowedConsentIds", _) => true,
            ("deniedConsentIds", _) => false,
            _ => return,
        };
        // A list that is there twice contradicts itself.
        let is_repeated = std::mem::replace(if granted { &mut has_allowed } else { &mut has_denied }, true);
        readable &= !is_repeated;
        readable &= for_each_id(value, &mut |id, is_listed| {
            if let Some(code) = vocabulary.code(id.as_bytes()) {
                choices.record(code, granted && is_listed);
            }
        });
    });
    if well_formed && readable {
        Statement::granting_only(vocabulary.granted(&choices))
    } else {
        Statement::unreadable()
    }
}

/// Calls `take` with each id of a list, or of an object from id to name, which RudderStack's older browser SDK sends, and with
/// whether it clearly is on the list: in an object only by a name or `true`. Returns `false` if the value is neither.
fn for_each_id(ids: Json<'_>, take: &mut dyn FnMut(&str, bool)) -> bool {
    if ids.kind() == Kind::Object {
        let is_listed = |value: Json<'_>| matches!(value.kind(), Kind::String | Kind::Bool(true));
        return for_each_member(ids.as_str(), &mut |id, value| take(&id, is_listed(value)));
    }
    for_each_item(ids.as_str(), &mut |id| {
        if let Some(id) = id.text_or_number() {
            take(&id, true);
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::consent::category::{Categories, Category};
    use crate::consent::sources::testing;

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
        assert!(marketing(r#"{"allowedConsentIds":{"C0001":"Strictly necessary","C0004":"Targeting"}}"#));
        assert!(marketing(r#"{"deniedConsentIds":null,"allowedConsentIds":["Custom_Ads"]}"#));
        for denied in [
            "{}",
            r#"{"provider":"oneTrust","resolutionStrategy":"or"}"#,
            r#"{"allowedConsentIds":[],"deniedConsentIds":[]}"#,
            r#"{"allowedConsentIds":["C0002"]}"#,
            r#"{"allowedConsentIds":"C0004"}"#,
            r#"{"deniedConsentIds":["C0002"]}"#,
            r#"{"allowedConsentIds":{"C0004":"Targeting"},"deniedConsentIds":{"C0004":"Targeting"}}"#,
            r#"{"allowedConsentIds":{"C0002":"Performance"}}"#,
            r#"{"allowedConsentIds":{"C0004":false}}"#,
            r#"{"allowedConsentIds":["C0004"],"allowedConsentIds":["C0001"]}"#,
            r#"{"allowedConsentIds":["C0001"],"allowedConsentIds":["C0004"]}"#,
            r#"{"allowedConsentIds":["C0004"],"deniedConsentIds":{"C0004":false}}"#,
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
            // Lists and objects of ids that deny nothing.
            let denies_nothing = ["[]", "{}", r#"{"x":true}"#, r#"{"categories":{}}"#].contains(&consent);
            assert_eq!(marketing(&lists), denies_nothing, "{lists}");
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
