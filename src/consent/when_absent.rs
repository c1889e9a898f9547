//! `consent.when_absent`: what happens to an event of a visitor whose consent nothing is known of.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};

/// What happens to an event if nothing is known of the visitor's consent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenAbsent {
    /// It is dropped as `consent_absent`.
    #[default]
    Deny,
    /// It is delivered.
    Allow,
    /// It is delivered if a header that the gateway sets has a certain value.
    #[serde(untagged)]
    ByHeader(AllowedByHeader),
}

/// A header of the request, and the values with which events are delivered.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AllowedByHeader {
    /// The name of a request header that the gateway sets, for example to the visitor's country. The gateway must remove the
    /// header from what clients send.
    #[serde(deserialize_with = "header_name")]
    pub header: String,
    /// The values with which events are delivered, compared in any case. Without the header, with it on two lines, or with
    /// another value they are dropped as `consent_absent`.
    #[serde(deserialize_with = "values")]
    pub allow: Vec<String>,
}

/// Reads the name of a header, in lowercase.
fn header_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?.to_ascii_lowercase();
    let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_token {
        return Err(D::Error::custom(format!("expected the name of a header like x-country, got {name:?}")));
    }
    Ok(name)
}

fn values<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let values = Vec::<String>::deserialize(deserializer)?;
    if values.is_empty() || values.iter().any(|value| value.trim().is_empty()) {
        return Err(D::Error::custom(
            "expected at least one value, and none of them empty: to allow none, write deny",
        ));
    }
    Ok(values)
}

impl WhenAbsent {
    /// Returns the name of the request header that decides, in lowercase.
    pub fn header(&self) -> Option<&str> {
        match self {
            WhenAbsent::Deny | WhenAbsent::Allow => None,
            WhenAbsent::ByHeader(by) => Some(&by.header),
        }
    }

    /// Returns whether events are delivered, given the request's headers by their names in lowercase.
    ///
    /// A header that is there twice was not set by the gateway alone, so it allows nothing.
    pub(super) fn allows<'h>(&self, mut headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> bool {
        match self {
            WhenAbsent::Deny => false,
            WhenAbsent::Allow => true,
            WhenAbsent::ByHeader(AllowedByHeader { header, allow }) => {
                let mut lines = headers.by_ref().filter(|(name, _)| name == header).map(|(_, value)| value);
                let (Some(value), None) = (lines.next(), lines.next()) else { return false };
                let is_value =
                    |allowed: &String| value.trim_ascii().eq_ignore_ascii_case(allowed.trim().as_bytes());
                allow.iter().any(is_value)
            }
        }
    }
}

impl<'de> Deserialize<'de> for WhenAbsent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhenAbsentVisitor)
    }
}

struct WhenAbsentVisitor;

impl<'de> Visitor<'de> for WhenAbsentVisitor {
    type Value = WhenAbsent;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("deny, allow or an object like {header: x-country, allow: [US]}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<WhenAbsent, E> {
        match text {
            "deny" => Ok(WhenAbsent::Deny),
            "allow" => Ok(WhenAbsent::Allow),
            other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<WhenAbsent, A::Error> {
        AllowedByHeader::deserialize(MapAccessDeserializer::new(members)).map(WhenAbsent::ByHeader)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for WhenAbsent {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WhenAbsent".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let by_header = generator.subschema_for::<AllowedByHeader>();
        schemars::json_schema!({
            "anyOf": [
                {"enum": ["deny", "allow"]},
                by_header,
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::of_text;

    fn allows(setting: &str, headers: &[(&str, &str)]) -> bool {
        let headers = headers.iter().map(|(name, value)| (*name, value.as_bytes()));
        of_text::<WhenAbsent>(setting).unwrap().allows(headers)
    }

    #[test]
    fn deny_and_allow_ask_no_header() {
        for headers in [&[][..], &[("x-country", "US")]] {
            assert!(!allows(r#""deny""#, headers) && allows(r#""allow""#, headers));
        }
        assert_eq!(of_text::<WhenAbsent>(r#""allow""#).unwrap().header(), None);
    }

    #[test]
    fn a_header_allows_by_one_of_its_listed_values_and_by_nothing_else() {
        let setting = r#"{"header": "X-Country", "allow": ["US", " ca "]}"#;
        assert_eq!(of_text::<WhenAbsent>(setting).unwrap().header(), Some("x-country"));
        for allowed in ["US", "us", " US ", "CA"] {
            assert!(allows(setting, &[("other", "DE"), ("x-country", allowed)]), "{allowed}");
        }
        for denied in ["", "DE", "US,DE", "U"] {
            assert!(!allows(setting, &[("x-country", denied)]), "{denied}");
        }
        assert!(!allows(setting, &[]));
    }

    #[test]
    fn a_header_on_two_lines_allows_nothing_because_a_client_may_have_added_one() {
        let setting = r#"{"header": "x-country", "allow": ["US"]}"#;
        assert!(!allows(setting, &[("x-country", "US"), ("x-country", "US")]));
    }

    #[test]
    fn a_setting_that_could_allow_nothing_or_reads_no_header_is_refused_with_the_fix() {
        for (setting, expected) in [
            (r#""never""#, "expected deny, allow or an object like {header: x-country, allow: [US]}"),
            ("true", "expected deny, allow or an object like {header: x-country, allow: [US]}"),
            (r#"{"header": "x country", "allow": ["US"]}"#, "expected the name of a header like x-country"),
            (r#"{"header": "x-country", "allow": []}"#, "expected at least one value"),
            (r#"{"header": "x-country"}"#, "allow"),
            (r#"{"header": "x-country", "allow": ["US"], "deny": ["DE"]}"#, "deny"),
        ] {
            let error = of_text::<WhenAbsent>(setting).unwrap_err().to_string();
            assert!(error.contains(expected), "{setting}: {error}");
        }
    }
}
