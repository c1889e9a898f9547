//! A site's own consent cookie, as `consent.custom` describes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::category::{Categories, Category};
use super::cookie_value::{plain, split_once, trim_blanks};
use super::source::{ConsentSource, Location};
use super::statement::Statement;
use super::vocabulary::Vocabulary;
use crate::json::{Json, Kind, NotJson, for_each_item, for_each_member};
use crate::settings::Invalid;

/// The most steps of an id like `categories.ads`.
const MAX_STEPS: usize = 8;

/// A consent cookie of the site's own.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CustomCookie"))]
#[serde(deny_unknown_fields)]
pub struct CustomCookieSettings {
    /// The name of the cookie.
    pub cookie: String,
    /// How the value of the cookie is written.
    pub format: Format,
    /// The cookie's ids for each category: `marketing: [ads, "3"]`. An id that is granted grants the category, unless another of
    /// its ids is refused. The cookie is silent on categories that are not listed.
    pub granted: BTreeMap<String, Vec<String>>,
}

/// How the value of a custom cookie is written, percent-encoded or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A JSON object from ids to choices, or a list of the ids that are granted. A dotted id, `categories.ads`, is one in an
    /// object or list within the object.
    Json,
    /// The ids that are granted, separated by commas; or ids with choices, `ads:yes,stats:no`.
    List,
    /// A query string, `ads=1&stats=0`.
    Query,
}

/// A custom cookie, compiled.
#[derive(Debug)]
pub struct CustomCookie {
    cookie: Box<str>,
    /// For explanations.
    name: Box<str>,
    format: Format,
    ids: Vec<(Box<str>, Category)>,
    /// Those that are listed.
    categories: Categories,
}

impl CustomCookie {
    /// Compiles a cookie's settings. `at` is their path, for errors.
    pub fn compile(
        settings: &CustomCookieSettings,
        vocabulary: &Vocabulary,
        at: &str,
    ) -> Result<Self, Invalid> {
        let bad = |path: &str, problem: String| Err(Invalid::new(format!("{at}.{path}"), problem));
        let cookie = settings.cookie.trim();
        if cookie.is_empty() || cookie.contains(['=', ';', ',', ' ']) {
            return bad("cookie", format!("expected the name of a cookie, got {cookie:?}"));
        }
        let mut ids: Vec<(Box<str>, Category)> = Vec::new();
        for (key, listed) in &settings.granted {
            let Some(category) = vocabulary.category(key.trim().as_bytes()) else {
                let expected = "use essential, functional, analytics, marketing or personalization";
                return bad("granted", format!("unknown consent category `{key}`: {expected}"));
            };
            for id in listed {
                let steps = id.split('.').count();
                if id.trim().is_empty() || steps > MAX_STEPS {
                    let expected = format!("expected ids of at most {MAX_STEPS} steps, got {id:?}");
                    return bad(&format!("granted.{key}"), expected);
                }
                ids.push((id.trim().into(), category));
            }
        }
        if ids.is_empty() {
            let expected = "expected the cookie's ids of at least one category, e.g. `{marketing: [ads]}`";
            return bad("granted", expected.to_owned());
        }
        Ok(Self {
            cookie: cookie.into(),
            name: format!("the cookie {cookie}").into(),
            format: settings.format,
            categories: ids.iter().map(|(_, category)| *category).collect(),
            ids,
        })
    }

    /// The name of the cookie.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Reads a value that is not encoded any more. Returns `None` if it can't be read.
    fn choices(&self, value: &[u8]) -> Option<OwnChoices<'_>> {
        let mut choices = OwnChoices { ids: &self.ids, granted: Categories::NONE, refused: Categories::NONE };
        let readable = match self.format {
            Format::Json => choices.read_json(value),
            Format::List => choices.read_pairs(value, b',', b":="),
            Format::Query => choices.read_pairs(value, b'&', b"="),
        };
        readable.then_some(choices)
    }
}

impl ConsentSource for CustomCookie {
    fn name(&self) -> &str {
        &self.name
    }

    fn location(&self) -> Location {
        Location::CustomCookie
    }

    /// What is not granted is refused, among the categories that are listed.
    fn read<'a>(&self, value: &'a [u8], _: &Vocabulary) -> Statement<'a> {
        // No id and no choice has a percent sign.
        let value = plain(value);
        let read = self.choices(&value);
        let granted = read.map_or(Categories::NONE, |choices| choices.granted.without(choices.refused));
        Statement::new(granted, self.categories.without(granted))
    }

    fn may_record_opt_out(&self) -> bool {
        false
    }
}

/// The visitor's choices, by the cookie's own ids.
struct OwnChoices<'c> {
    ids: &'c [(Box<str>, Category)],
    granted: Categories,
    refused: Categories,
}

impl OwnChoices<'_> {
    fn record(&mut self, id: &[u8], granted: bool) {
        for (_, category) in self.ids.iter().filter(|(known, _)| known.as_bytes() == id) {
            let categories = if granted { &mut self.granted } else { &mut self.refused };
            *categories = categories.with(*category);
        }
    }

    /// Reads ids or pairs of id and choice. An id without a choice is granted in a list, and says nothing in a query.
    fn read_pairs(&mut self, value: &[u8], separator: u8, assigns: &[u8]) -> bool {
        let is_list = separator == b',';
        for pair in value.split(|byte| *byte == separator) {
            let assign = pair.iter().copied().find(|byte| assigns.contains(byte));
            let (id, choice) = split_once(pair, assign.unwrap_or(separator));
            if assign.is_some() || is_list {
                self.record(trim_blanks(id), assign.is_none() || is_affirmative(choice));
            }
        }
        value.is_ascii()
    }

    fn read_json(&mut self, value: &[u8]) -> bool {
        let json = std::str::from_utf8(value).map_err(|_| NotJson).and_then(Json::parse);
        match json {
            Ok(json) if json.kind() == Kind::Array => self.read_array(json, ""),
            Ok(json) if json.kind() == Kind::Object => self.read_object(json, "", 1),
            _ => return false,
        }
        true
    }

    /// Reads the choices of an object; those of objects and lists within it have dotted ids.
    fn read_object(&mut self, object: Json<'_>, prefix: &str, steps: usize) {
        for_each_member(object.as_str(), &mut |key, value| {
            let id = format!("{prefix}{key}");
            match value.kind() {
                Kind::Object if steps < MAX_STEPS => {
                    self.read_object(value, &format!("{id}."), steps.saturating_add(1));
                }
                Kind::Array => self.read_array(value, &format!("{id}.")),
                Kind::String => self
                    .record(id.as_bytes(), value.text().is_some_and(|text| is_affirmative(text.as_bytes()))),
                _ => self.record(id.as_bytes(), is_affirmative(value.as_str().as_bytes())),
            }
        });
    }

    /// Reads a list of ids that are granted.
    fn read_array(&mut self, array: Json<'_>, prefix: &str) {
        for_each_item(array.as_str(), &mut |item| {
            if let Some(id) = item.text_or_number() {
                self.record(format!("{prefix}{id}").as_bytes(), true);
            }
        });
    }
}

/// Whether a choice is one of the words for yes, in any case.
fn is_affirmative(choice: &[u8]) -> bool {
    let choice = trim_blanks(choice);
    [&b"true"[..], b"1", b"granted", b"yes"].iter().any(|yes| choice.eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;
    use crate::consent::statement::Answer;
    use crate::settings::of_text;

    fn compiled(format: &str, granted: &str) -> CustomCookie {
        let settings = format!(r#"{{"cookie": "my_consent", "format": "{format}", "granted": {granted}}}"#);
        compile(&settings).unwrap()
    }

    fn compile(settings: &str) -> Result<CustomCookie, String> {
        let settings = of_text::<CustomCookieSettings>(settings).map_err(|error| error.to_string())?;
        CustomCookie::compile(&settings, &vocabulary(), "consent.custom[0]")
            .map_err(|error| error.to_string())
    }

    fn vocabulary() -> Vocabulary {
        Vocabulary::new(std::iter::empty::<(&str, [&str; 0])>()).unwrap()
    }

    /// The answer about marketing, whose ids are `ads`, `3` and `categories.promo`.
    fn marketing(format: &str, value: &str) -> Answer {
        let cookie =
            compiled(format, r#"{"marketing": ["ads", "3", "categories.promo"], "analytics": ["stats"]}"#);
        let encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
        let twice = utf8_percent_encode(&encoded, NON_ALPHANUMERIC).to_string();
        let [plain, once, twice] = [value, &encoded, &twice]
            .map(|value| cookie.read(value.as_bytes(), &vocabulary()).answer(Category::Marketing, None));
        assert_eq!([once, twice], [plain; 2], "{value}");
        plain
    }

    #[test]
    fn a_list_grants_the_ids_that_it_has() {
        for value in [
            "ads",
            "stats,3",
            " ads , stats",
            "stats,+ads",
            "\"ads,stats\"",
            "ads,ads",
            "consent:yes,ads:yes,stats:no",
            "ads=1",
        ] {
            assert_eq!(marketing("list", value), Answer::Grants, "{value}");
        }
        for value in ["", "stats", "ad", "ads:no", "ads,ads:no", "ads:yes,3:no", "stats:yes", "ads ads", "0"]
        {
            assert_eq!(marketing("list", value), Answer::Refuses, "{value}");
        }
    }

    #[test]
    fn a_query_grants_an_id_by_a_word_for_yes() {
        for value in ["ads=1", "stats=0&ads=true", "3=YES", "ads=granted&x"] {
            assert_eq!(marketing("query", value), Answer::Grants, "{value}");
        }
        for value in ["", "ads", "ads=", "ads=0", "ads=2", "ads=1&ads=0", "ads=1&3=0", "stats=1", "ads:1"] {
            assert_eq!(marketing("query", value), Answer::Refuses, "{value}");
        }
    }

    #[test]
    fn json_grants_by_a_choice_in_an_object_or_by_an_id_in_a_list() {
        for value in [
            r#"{"ads":true}"#,
            r#"{"stats":false,"ads":"granted"}"#,
            r#"{"3":1}"#,
            r#"{"ads":"1"}"#,
            r#"["stats","ads"]"#,
            "[3]",
            r#"{"categories":["necessary","promo"],"revision":0}"#,
            r#"{"categories":{"promo":"yes"}}"#,
        ] {
            assert_eq!(marketing("json", value), Answer::Grants, "{value}");
        }
        for value in [
            "",
            "{}",
            "[]",
            "true",
            r#""ads""#,
            r#"{"ads":false}"#,
            r#"{"ads":null}"#,
            r#"{"ads":{"x":true}}"#,
            r#"{"ads":[1]}"#,
            r#"{"ads":true,"ads":false}"#,
            r#"{"ads":true,"3":"no"}"#,
            r#"{"refused":["ads"]}"#,
            r#"{"categories":["ads"]}"#,
            r#"{"ads":true"#,
        ] {
            assert_eq!(marketing("json", value), Answer::Refuses, "{value}");
        }
    }

    #[test]
    fn a_category_that_is_not_listed_is_passed_over_in_silence() {
        let cookie = compiled("list", r#"{"Advertising": ["ads"]}"#);
        for value in ["ads", "stats", ""] {
            let statement = cookie.read(value.as_bytes(), &vocabulary());
            assert_eq!(statement.answer(Category::Analytics, None), Answer::Silent, "{value}");
        }
        assert_eq!(cookie.name(), "the cookie my_consent");
    }

    #[test]
    fn settings_that_grant_nothing_are_refused_with_path_and_fix() {
        for (settings, expected) in [
            (
                r#"{"cookie": "a=b", "format": "list", "granted": {"marketing": ["x"]}}"#,
                "consent.custom[0].cookie: expected the name of a cookie",
            ),
            (
                r#"{"cookie": "a", "format": "list", "granted": {}}"#,
                "consent.custom[0].granted: expected the cookie's ids",
            ),
            (
                r#"{"cookie": "a", "format": "list", "granted": {"ads": ["x"]}}"#,
                "consent.custom[0].granted: unknown consent category `ads`",
            ),
            (
                r#"{"cookie": "a", "format": "list", "granted": {"marketing": [" "]}}"#,
                "consent.custom[0].granted.marketing: expected ids",
            ),
            (r#"{"cookie": "a", "format": "xml", "granted": {"marketing": ["x"]}}"#, "format"),
        ] {
            let error = compile(settings).unwrap_err();
            assert!(error.contains(expected), "{settings}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_grant_nothing_without_an_id(value: Vec<u8>, format in "json|list|query") {
            let cookie = compiled(&format, r#"{"marketing": ["an-id-of-the-site"]}"#);
            prop_assert!(cookie.read(&value, &vocabulary()).granted(None).is_empty());
        }
    }
}
