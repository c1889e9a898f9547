//! Reads the configuration's types from a JSON value, with errors that name the place.
//!
//! serde's derived code is compiled once for every type and deserializer. `serde_path_to_error` wraps each of them, and
//! with `serde_json::Value`'s own deserializer below it that was a fifth of the module that Envoy compiles at every start.
//! This one knows only what the configuration needs and tracks the path itself, on the way out of an error: that keeps
//! what is compiled per type to a few calls. Its messages are ours, too: in the terms of the configuration, not of Rust.

use std::fmt::Display;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value, map};

use super::load::{Invalid, join, push_key};

/// Reads a value into its type. The path of an error is relative to `value`; it may show what was there, except of a
/// wrong type.
pub fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Invalid> {
    T::deserialize(Node(value)).map_err(|Failure(invalid)| *invalid)
}

/// Boxed, so that the results that carry it stay small.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Failure(Box<Invalid>);

impl Failure {
    fn of(problem: String) -> Self {
        Self(Box::new(Invalid::new("", problem)))
    }

    fn mismatch(expected: &dyn Expected, got: &str) -> Self {
        let expected = expected.to_string();
        let expected = match expected.as_str() {
            "u32" | "u64" | "usize" => "a whole number",
            "a sequence" => "a list",
            "a map" => "an object",
            record if record.starts_with("struct ") => "an object",
            other => other,
        };
        Self::of(format!("expected {expected}, got {got}"))
    }

    fn below_key(mut self, key: &str) -> Self {
        let mut path = String::new();
        push_key(&mut path, key);
        self.0.path = join(&path, &self.0.path);
        self
    }

    fn below_index(mut self, index: usize) -> Self {
        self.0.path = join(&format!("[{index}]"), &self.0.path);
        self
    }
}

impl serde::de::Error for Failure {
    fn custom<T: Display>(problem: T) -> Self {
        Self::of(problem.to_string())
    }

    fn invalid_type(got: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(expected, kind(got))
    }

    fn invalid_value(got: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match got {
            Unexpected::Signed(number) => Self::mismatch(expected, &number.to_string()),
            Unexpected::Unsigned(number) => Self::mismatch(expected, &number.to_string()),
            other => Self::mismatch(expected, kind(other)),
        }
    }

    fn unknown_variant(got: &str, expected: &'static [&'static str]) -> Self {
        Self::of(format!("expected {}, got {got:?}", expected.join(" or ")))
    }

    // The path names the field.
    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::of(format!("unknown field: expected one of {}", expected.join(", ")))
    }

    fn missing_field(name: &'static str) -> Self {
        Self::of(format!("{name} is missing: it is required"))
    }
}

/// What kind of value it is. Not which: the type of a secret may be wrong, too.
fn kind(unexpected: Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Seq => "a list",
        Unexpected::Map | Unexpected::StructVariant => "an object",
        _ => "a string",
    }
}

/// One value of the configuration.
#[derive(Clone, Copy)]
struct Node<'v>(&'v Value);

impl Node<'_> {
    fn mismatch(self, expected: &dyn Expected) -> Failure {
        Failure::invalid_type(
            match self.0 {
                Value::Null => Unexpected::Unit,
                Value::Bool(value) => Unexpected::Bool(*value),
                Value::Number(number) if number.is_f64() => Unexpected::Float(0.0),
                Value::Number(_) => Unexpected::Unsigned(0),
                Value::String(text) => Unexpected::Str(text),
                Value::Array(_) => Unexpected::Seq,
                Value::Object(_) => Unexpected::Map,
            },
            expected,
        )
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Value::Number(number) = self.0 else { return Err(self.mismatch(&visitor)) };
        if let Some(number) = number.as_u64() {
            visitor.visit_u64(number)
        } else if let Some(number) = number.as_i64() {
            visitor.visit_i64(number)
        } else {
            visitor.visit_f64(number.as_f64().unwrap_or_default())
        }
    }
}

/// Each method calls only the visitor's method of its own kind: what is never called is not compiled.
impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Failure;

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(_) => self.number(visitor),
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items(items.iter().enumerate())),
            Value::Object(members) => visitor.visit_map(Members::of(members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Value::Bool(value) = self.0 else { return Err(self.mismatch(&visitor)) };
        visitor.visit_bool(*value)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.number(visitor)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.number(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Value::String(text) = self.0 else { return Err(self.mismatch(&visitor)) };
        visitor.visit_str(text)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Value::Array(items) = self.0 else { return Err(self.mismatch(&visitor)) };
        visitor.visit_seq(Items(items.iter().enumerate()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        let Value::Object(members) = self.0 else { return Err(self.mismatch(&visitor)) };
        visitor.visit_map(Members::of(members))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    /// An enum without data, by its name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let Value::String(name) = self.0 else { return Err(self.mismatch(&"a string")) };
        visitor.visit_enum(StrDeserializer::new(name))
    }
}

struct Items<'v>(std::iter::Enumerate<std::slice::Iter<'v, Value>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Failure;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some((index, item)) = self.0.next() else { return Ok(None) };
        seed.deserialize(Node(item)).map(Some).map_err(|failure| failure.below_index(index))
    }
}

struct Members<'v> {
    rest: map::Iter<'v>,
    /// The member whose key was read last.
    at: (&'v str, &'v Value),
}

impl<'v> Members<'v> {
    fn of(members: &'v Map<String, Value>) -> Self {
        Self { rest: members.iter(), at: ("", &Value::Null) }
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Failure;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Failure> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.at = (key, value);
        let key = StrDeserializer::new(key);
        seed.deserialize(key).map(Some).map_err(|failure: Failure| failure.below_key(self.at.0))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Failure> {
        let (key, value) = self.at;
        seed.deserialize(Node(value)).map_err(|failure| failure.below_key(key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::types::Config;

    fn config(changed: &Value) -> Value {
        let mut config = json!({"integrations": [{"name": "a", "vendor": "podsights"}]});
        let (Value::Object(config), Value::Object(changed)) = (&mut config, changed) else { panic!() };
        config.extend(changed.clone());
        Value::Object(config.clone())
    }

    fn integration(changed: &Value) -> Value {
        let mut integration = json!({"name": "b", "vendor": "flashtalking"});
        let (Value::Object(members), Value::Object(changed)) = (&mut integration, changed) else { panic!() };
        members.extend(changed.clone());
        json!({"integrations": [{"name": "a", "vendor": "podsights"}, integration]})
    }

    #[test]
    fn an_error_names_the_place_the_problem_and_what_is_expected() {
        let mapping = |mapping: Value| {
            integration(&json!({"field_mappings": {"version": 2, "global": {"mappings": [mapping]}}}))
        };
        let table = [
            (json!([]), "expected an object, got a list"),
            (json!({}), "integrations is missing: it is required"),
            (config(&json!({"integrations": {}})), "integrations: expected a list, got an object"),
            (config(&json!({"integrations": ["a"]})), "integrations[0]: expected an object, got a string"),
            (
                config(&json!({"integrations": [{"name": "a"}]})),
                "integrations[0]: vendor is missing: it is required",
            ),
            (config(&json!({"endpoints": null})), "endpoints: expected an object, got null"),
            (
                config(&json!({"delivery": {"backoff": {"bass": "1s"}}})),
                "delivery.backoff.bass: unknown field: expected one of base, max",
            ),
            (
                config(&json!({"delivery": {"a key": 1}})),
                "delivery[\"a key\"]: unknown field: expected one of timeout, max_attempts",
            ),
            (
                config(&json!({"delivery": {"max_attempts": -1}})),
                "delivery.max_attempts: expected a whole number, got -1",
            ),
            (
                config(&json!({"delivery": {"max_attempts": 4_294_967_296_u64}})),
                "delivery.max_attempts: expected a whole number, got 4294967296",
            ),
            (
                config(&json!({"delivery": {"max_attempts": 1.5}})),
                "delivery.max_attempts: expected a whole number, got a number with a fraction",
            ),
            (
                config(&json!({"delivery": {"max_attempts": "8"}})),
                "delivery.max_attempts: expected a whole number, got a string",
            ),
            (
                config(&json!({"delivery": {"timeout": 5}})),
                "delivery.timeout: expected a string, got a number",
            ),
            (
                config(&json!({"delivery": {"timeout": "soon"}})),
                "delivery.timeout: expected a duration like 500ms, 5s, 10m, 1h or 400d, got \"soon\"",
            ),
            (
                config(&json!({"endpoints": {"relay_when": "never"}})),
                "endpoints.relay_when: expected accepted or always, got \"never\"",
            ),
            (
                config(&json!({"endpoints": {"relay_when": {"always": 1}}})),
                "endpoints.relay_when: expected a string, got an object",
            ),
            (
                config(&json!({"consent": {"aliases": {"my ads": [1]}}})),
                "consent.aliases[\"my ads\"][0]: expected a string, got a number",
            ),
            (
                integration(&json!({"enabled": "yes"})),
                "integrations[1].enabled: expected a boolean, got a string",
            ),
            (integration(&json!({"preset": 1})), "integrations[1].preset: expected a string, got a number"),
            (
                integration(&json!({"field_mappings": {"version": 1}})),
                "integrations[1].field_mappings.version: expected 2, got 1",
            ),
            (
                mapping(json!({"target": "a", "source": 1})),
                "integrations[1].field_mappings.global.mappings[0].source: expected a string or a list of strings, \
                 got a number",
            ),
            (
                mapping(json!({"target": "a", "source": ["b", null]})),
                "integrations[1].field_mappings.global.mappings[0].source[1]: expected a string, got null",
            ),
            (
                mapping(json!({"target": "a", "value": [1]})),
                "integrations[1].field_mappings.global.mappings[0].value: expected a string, a number or a boolean, \
                 got a list",
            ),
        ];
        for (value, message) in table {
            let refused = read::<Config>(&value).err().map(|invalid| invalid.to_string()).unwrap_or_default();
            assert!(refused.starts_with(message), "{value}\n{refused}\n{message}");
        }
    }

    #[test]
    fn every_kind_of_setting_is_read() {
        let read = read::<Config>(&json!({
            "endpoints": {"relay_when": "always", "max_events": 7},
            "consent": {"respect_gpc": false, "aliases": {"marketing": ["my_ads", "ours"]}},
            "delivery": {"timeout": "2s"},
            "integrations": [{
                "name": "a", "vendor": "podsights", "source_id": "src_1", "preset": null, "events": ["Order Completed"],
                "config": {"key": "k", "deep": [1, -1, 1.5, true, null, {"a": "b"}]},
                "field_mappings": {"version": 2, "events": {"Signed Up": {"mappings": [
                    {"target": "plan", "value": -1.5, "value_map": {"a": true, "*": 3}},
                    {"target": "items", "source": ["a", "b"], "each": [{"target": "id", "source": "sku"}]}
                ]}}}
            }]
        }));
        let config = read.unwrap();
        assert_eq!(config.endpoints.max_events, 7);
        assert!(!config.consent.respect_gpc);
        assert_eq!(config.delivery.timeout.as_secs(), 2);
        let integration = &config.integrations[0];
        assert!(integration.enabled && integration.preset.is_none());
        assert_eq!(
            Value::Object(integration.config.clone()),
            json!({"key": "k", "deep": [1, -1, 1.5, true, null, {"a": "b"}]})
        );
        let document = format!("{:?}", integration.field_mappings.as_ref().unwrap());
        assert!(document.contains("OneOrMore([\"a\", \"b\"])") && document.contains("-1.5"), "{document}");
    }
}
