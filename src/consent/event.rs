//! The consent that an event itself carries: `context.consent` and RudderStack's `context.consentManagement`.
//!
//! Only the JSON boolean `true` grants; every other value of a known category denies it. Whatever is present, but for
//! `null`, says something, and grants nothing that it does not grant in so many words: an empty object, an array or the
//! string "granted" deny. Categories that the vocabulary does not know mean nothing.

use super::vocabulary::{Answers, Categories, Category, Vocabulary};
use crate::json::{for_each_member, for_each_string};

/// The categories that the event grants, from the raw JSON text of `context.consent` and `context.consentManagement`.
/// The first that is there (and not `null`) counts. None: the event says nothing.
pub(super) fn granted(
    consent: Option<&str>,
    consent_management: Option<&str>,
    vocabulary: &Vocabulary,
) -> Option<Categories> {
    let present = |json: &&str| json.trim_ascii() != "null";
    if let Some(consent) = consent.filter(present) {
        return Some(of_consent(consent, vocabulary));
    }
    consent_management.filter(present).map(|consent| of_consent_management(consent, vocabulary))
}

/// Signal's and Segment's object: booleans right inside it, or in `canonical`, `categories` or `categoryPreferences`.
///
/// Where several of these shapes are in one object they are read together: a category is granted if one of them grants
/// it and none denies it. So no order of precedence can turn a denial into a grant. An empty shape denies everything.
fn of_consent(consent: &str, vocabulary: &Vocabulary) -> Categories {
    let mut flat = Answers::default();
    let mut granted = Categories::NONE;
    let mut denied = Categories::NONE;
    let well_formed = for_each_member(consent, &mut |key, value| match (&*key, value.as_str()) {
        ("canonical" | "categories" | "categoryPreferences", shape) if shape != "null" => {
            let (grants, denies) = of_shape(shape, vocabulary);
            granted = granted.union(grants);
            denied = denied.union(denies);
        }
        (name, value) => answer(&mut flat, name, value, vocabulary),
    });
    if !well_formed {
        return Categories::NONE;
    }
    granted.union(vocabulary.granted(&flat)).without(denied.union(vocabulary.denied(&flat)))
}

/// What one nested object of booleans grants, and what it denies.
fn of_shape(shape: &str, vocabulary: &Vocabulary) -> (Categories, Categories) {
    let mut answers = Answers::default();
    let mut members = 0_usize;
    let well_formed = for_each_member(shape, &mut |key, value| {
        members = members.saturating_add(1);
        answer(&mut answers, &key, value.as_str(), vocabulary);
    });
    if well_formed && members > 0 {
        (vocabulary.granted(&answers), vocabulary.denied(&answers))
    } else {
        (Categories::NONE, Category::ALL.into_iter().collect())
    }
}

fn answer(answers: &mut Answers, name: &str, value: &str, vocabulary: &Vocabulary) {
    if let Some(code) = vocabulary.code(name.as_bytes()) {
        answers.answer(code, value == "true");
    }
}

/// RudderStack's lists of ids. An id in both is denied. Its `resolutionStrategy` is about the ids that a destination
/// needs; here the configuration's `require` says that.
fn of_consent_management(consent: &str, vocabulary: &Vocabulary) -> Categories {
    let mut answers = Answers::default();
    let mut readable = true;
    let mut note = |list: &str, granted: bool| {
        readable &= for_each_string(list, &mut |id| {
            if let Some(code) = vocabulary.code(id.as_bytes()) {
                answers.answer(code, granted);
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
    if well_formed && readable { vocabulary.granted(&answers) } else { Categories::NONE }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vocabulary() -> Vocabulary {
        Vocabulary::new([("marketing", ["custom_ads"])]).unwrap()
    }

    fn grants(consent: &str) -> Option<Categories> {
        granted(Some(consent), None, &vocabulary())
    }

    fn grants_marketing(consent: &str) -> bool {
        grants(consent).unwrap().contains(Category::Marketing)
    }

    #[test]
    fn each_shape_grants_by_a_boolean_true() {
        for consent in [
            r#"{"marketing":true}"#,
            r#"{"analytics":false,"advertising":true,"functional":true}"#,
            r#" { "canonical" : { "marketing" : true } , "categories" : { "C0004" : true } } "#,
            r#"{"categories":{"C0004":true,"C0002":false}}"#,
            r#"{"categories":{"C0004":false,"C0005":true}}"#,
            r#"{"categories":{"custom_ads":true}}"#,
            r#"{"categoryPreferences":{"Advertising":true,"Analytics":false}}"#,
            r#"{"categoryPreferences":{"DataSharing":false,"TARGETING":true}}"#,
            r#"{"\u006darketing":true}"#,
        ] {
            assert!(grants_marketing(consent), "{consent}");
        }
    }

    #[test]
    fn nothing_but_a_boolean_true_grants() {
        for value in ["false", "null", "1", "0", r#""true""#, r#""granted""#, "[true]", r#"{"granted":true}"#]
        {
            for shape in ["canonical", "categories", "categoryPreferences"] {
                let consent = format!(r#"{{"{shape}":{{"marketing":{value},"C0004":{value}}}}}"#);
                assert!(!grants_marketing(&consent), "{consent}");
                assert!(!grants_marketing(&format!(r#"{{"{shape}":{value}}}"#)), "{shape}: {value}");
            }
            assert!(!grants_marketing(&format!(r#"{{"marketing":{value}}}"#)), "{value}");
        }
    }

    #[test]
    fn whatever_is_present_says_something_and_null_says_nothing() {
        for consent in
            ["{}", "[]", "true", "false", "1", r#""granted""#, r#"{"x":true}"#, r#"{"categories":{}}"#, "{"]
        {
            assert_eq!(grants(consent), Some(Categories::NONE), "{consent}");
            let lists = format!(r#"{{"allowedConsentIds":["C0004"],"deniedConsentIds":{consent}}}"#);
            let rudder = granted(Some("null"), Some(&lists), &vocabulary());
            assert_eq!(rudder.unwrap().contains(Category::Marketing), consent == "[]", "{lists}");
        }
        assert_eq!(grants(" null "), None);
        assert_eq!(granted(None, Some("null"), &vocabulary()), None);
    }

    #[test]
    fn a_denial_in_one_shape_outweighs_a_grant_in_another() {
        for consent in [
            r#"{"marketing":false,"categories":{"C0004":true}}"#,
            r#"{"categoryPreferences":{"Advertising":true},"canonical":{"marketing":false}}"#,
            r#"{"categoryPreferences":{"Advertising":true},"canonical":{}}"#,
            r#"{"categories":"none","marketing":true}"#,
            r#"{"marketing":true,"marketing":false}"#,
            r#"{"marketing":true,"MARKETING":false}"#,
        ] {
            assert!(!grants_marketing(consent), "{consent}");
        }
        assert!(grants_marketing(
            r#"{"marketing":true,"canonical":null,"categories":{"site_specific":true}}"#
        ));
    }

    #[test]
    fn rudders_allowed_ids_grant_unless_they_are_denied_too() {
        let marketing =
            |lists: &str| granted(None, Some(lists), &vocabulary()).unwrap().contains(Category::Marketing);
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
    fn context_consent_goes_before_consent_management() {
        let rudder = r#"{"allowedConsentIds":["marketing"]}"#;
        assert_eq!(granted(Some("{}"), Some(rudder), &vocabulary()), Some(Categories::NONE));
    }

    #[test]
    fn a_truncated_emoji_costs_neither_its_neighbours_nor_itself() {
        assert!(grants_marketing(r#"{"\ud83d":true,"note":"\ud83d","marketing":true}"#));
        assert!(grants_marketing(r#"{"categories":{"\ude00":"\ud83d\ud83d","C0004":true}}"#));
        let lists = r#"{"x\ud83d":1,"allowedConsentIds":["\ud83d","C0004"],"provider":"\ud83d"}"#;
        assert!(granted(None, Some(lists), &vocabulary()).unwrap().contains(Category::Marketing));
    }

    #[test]
    fn deep_nesting_is_passed_over_without_recursion() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(grants_marketing(&format!(r#"{{"x":{deep},"marketing":true}}"#)));
        assert_eq!(grants(&deep), Some(Categories::NONE));
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic_and_grants_nothing_without_a_true(text in "\\PC*") {
            let granted = granted(Some(&text), Some(&text), &vocabulary());
            prop_assert!(text.contains("true") || granted.is_none_or(Categories::is_empty));
        }
    }
}
