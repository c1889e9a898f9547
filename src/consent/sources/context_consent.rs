//! The consent that an event itself carries in `context.consent`.
//!
//! Only the JSON boolean `true` grants; every other value of a known category denies it. Every value of the member except
//! `null` grants only what it grants explicitly: an empty object, an array or the string "granted" deny everything. Categories
//! that the vocabulary does not know are ignored.

use super::{gpp, tcf};
use crate::consent::category::Categories;
use crate::consent::context_member;
use crate::consent::source::{ConsentSource, Location};
use crate::consent::statement::Statement;
use crate::consent::vocabulary::{Choices, Vocabulary};
use crate::json::{Json, for_each_member};
use std::borrow::Cow;

/// The `context.consent` of an event.
pub struct ContextConsent;

impl ConsentSource for ContextConsent {
    fn name(&self) -> &str {
        "the event's context.consent"
    }

    fn location(&self) -> Location {
        Location::Context(&["consent"])
    }

    fn read<'a>(&self, value: &'a [u8], vocabulary: &Vocabulary) -> Statement<'a> {
        context_member::statement(value, |json| read(json, vocabulary))
    }
}

/// Signal's and Segment's object: booleans directly inside it, or in `canonical`, `categories` or `categoryPreferences`; and the
/// IAB's strings in `tcf` and `gpp`.
///
/// If one object has several of these formats, they are combined: a category is granted if one of them grants it and none
/// denies it. So no order of precedence can turn a denial into a grant. An empty format denies everything.
fn read<'a>(consent: &'a str, vocabulary: &Vocabulary) -> Statement<'a> {
    let mut flat = Choices::default();
    let mut of_formats: Option<(Categories, Categories)> = None;
    let mut of_strings: Option<Statement<'a>> = None;
    let mut formats: Vec<Cow<'_, str>> = Vec::new();
    let well_formed = for_each_member(consent, &mut |key, value| match (&*key, value.as_str()) {
        (_, "null") if vocabulary.code(key.as_bytes()).is_none() => {}
        ("canonical" | "categories" | "categoryPreferences", format) => {
            let (granted, denied) = of_formats.unwrap_or_default();
            let (grants, mut denies) = of_format(format, vocabulary);
            // Segment's lists what is allowed, and so refuses what it leaves out. So does a format that is there twice.
            let is_repeated = formats.contains(&key);
            if key == "categoryPreferences" || is_repeated {
                denies = Categories::ALL.without(grants);
            }
            of_formats = Some((granted.union(grants), denied.union(denies)));
            formats.push(key);
        }
        ("tcf", _) => add(&mut of_strings, string(value).map(tcf::statement_of)),
        ("gpp", _) => add(&mut of_strings, string(value).map(gpp::statement_of)),
        (name, value) => record(&mut flat, name, value, vocabulary),
    });
    if !well_formed {
        return Statement::unreadable();
    }
    if !flat.is_empty() {
        let (granted, denied) = of_formats.unwrap_or_default();
        of_formats = Some((granted.union(vocabulary.granted(&flat)), denied.union(vocabulary.denied(&flat))));
    }
    let of_formats = of_formats.map(|(granted, denied)| Statement::granting_only(granted.without(denied)));
    match (of_formats, of_strings) {
        (Some(of_formats), Some(of_strings)) => of_formats.and(of_strings),
        (Some(only), None) | (None, Some(only)) => only,
        // Not a word that is known.
        (None, None) => Statement::unreadable(),
    }
}

/// The text of a consent string, or `None` for another kind of value.
fn string(value: Json<'_>) -> Option<Cow<'_, [u8]>> {
    Some(match value.text()? {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

fn add<'a>(to: &mut Option<Statement<'a>>, statement: Option<Statement<'a>>) {
    let statement = statement.unwrap_or_else(Statement::unreadable);
    *to = Some(match to.take() {
        Some(other) => other.and(statement),
        None => statement,
    });
}

/// What one nested object of booleans grants, and what it denies.
fn of_format(format: &str, vocabulary: &Vocabulary) -> (Categories, Categories) {
    let mut choices = Choices::default();
    let mut members = 0_usize;
    let well_formed = for_each_member(format, &mut |key, value| {
        members = members.saturating_add(1);
        record(&mut choices, &key, value.as_str(), vocabulary);
    });
    if well_formed && members > 0 {
        (vocabulary.granted(&choices), vocabulary.denied(&choices))
    } else {
        (Categories::NONE, Categories::ALL)
    }
}

fn record(choices: &mut Choices, name: &str, value: &str, vocabulary: &Vocabulary) {
    if let Some(code) = vocabulary.code(name.as_bytes()) {
        choices.record(code, value == "true");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::consent::category::Category;
    use crate::consent::sources::testing;

    /// What is granted; None where the event is silent.
    fn grants(consent: &str) -> Option<Categories> {
        testing::granted(&ContextConsent, consent.as_bytes(), "custom_ads")
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
            r#"{"categories":{"C0004":true,"C0005":false}}"#,
            r#"{"categories":{"C0005":true}}"#,
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
        }
        assert_eq!(grants(" null "), None);
    }

    #[test]
    fn a_denial_in_one_shape_outweighs_a_grant_in_another() {
        for consent in [
            r#"{"marketing":false,"categories":{"C0004":true}}"#,
            r#"{"categoryPreferences":{"Advertising":true},"canonical":{"marketing":false}}"#,
            r#"{"categoryPreferences":{"Advertising":true},"canonical":{}}"#,
            r#"{"categories":"none","marketing":true}"#,
            r#"{"marketing":true,"marketing":false}"#,
            r#"{"marketing":false,"marketing":true}"#,
            r#"{"marketing":true,"MARKETING":false}"#,
            r#"{"marketing":true,"advertising":false}"#,
            r#"{"categories":{"C0004":false,"C0005":true}}"#,
            r#"{"categories":{"C0004":true},"categories":{"C0004":false}}"#,
            r#"{"canonical":{"marketing":true},"canonical":{"analytics":true}}"#,
            r#"{"marketing":true,"categoryPreferences":{"Analytics":true}}"#,
            r#"{"categoryPreferences":{"Analytics":true},"canonical":{"marketing":true}}"#,
        ] {
            assert!(!grants_marketing(consent), "{consent}");
        }
        assert!(grants_marketing(
            r#"{"marketing":true,"canonical":null,"categories":{"site_specific":true}}"#
        ));
    }

    #[test]
    fn a_truncated_emoji_costs_neither_its_neighbours_nor_itself() {
        assert!(grants_marketing(r#"{"\ud83d":true,"note":"\ud83d","marketing":true}"#));
        assert!(grants_marketing(r#"{"categories":{"\ude00":"\ud83d\ud83d","C0004":true}}"#));
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
            prop_assert!(text.contains("true") || grants(&text).is_none_or(Categories::is_empty));
        }
    }
}
