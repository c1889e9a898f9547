//! A mapping document in Signal's version-2 format: what users write, and what the presets are.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use serde_inline_default::serde_inline_default;

use super::number;
use super::transform::DateFormat;
use crate::settings::OneOrMore;

/// A mapping document that is applied on top of the preset, itself a mapping document.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "FieldMappings"))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Always 2.
    pub version: Version,
    /// What happens to events that are not named under `events`. Absent: the preset's action.
    pub defaults: Option<Defaults>,
    /// Applies to every event.
    #[serde(default)]
    pub global: Global,
    /// Settings and mappings of single events, by name or type (`page`, `identify`).
    #[serde(default)]
    pub events: BTreeMap<String, EventMapping>,
}

impl Document {
    /// Whether it has no event to send.
    pub fn sends_nothing(&self) -> bool {
        let is_drop = |defaults: Defaults| defaults.action == Action::Drop;
        self.defaults.is_none_or(is_drop) && !self.events.values().any(|event| event.enabled)
    }

    /// Returns where the first mapping of the document stands, if it has any.
    pub fn first_mapped(&self) -> Option<String> {
        if !self.global.mappings.is_empty() {
            return Some("global.mappings".to_owned());
        }
        let (name, _) = self.events.iter().find(|(_, event)| !event.mappings.is_empty())?;
        Some(format!("events[{name:?}].mappings"))
    }
}

/// The version of mapping documents: 2.
#[derive(Clone, Copy, Debug)]
pub struct Version;

/// What happens to events that are not named under `events`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// The action for these events.
    pub action: Action,
}

/// What happens to events that are not named under `events`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// None of them is sent, not even those that the preset names.
    Drop,
    /// All of them are sent, with the global mappings and their name in snake_case.
    Send,
}

/// What every event gets.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Global {
    /// Mappings for every event.
    pub mappings: Vec<Mapping>,
}

/// What one event gets.
#[serde_inline_default]
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EventMapping {
    /// `false`: this event is not sent, even if the preset sends it.
    #[serde_inline_default(true)]
    pub enabled: bool,
    /// The vendor's name for the event. Podsights only. Absent: the preset's, else the event's name in snake_case.
    pub vendor_event_name: Option<String>,
    /// Mappings for this event. Each replaces the preset's mapping for the same target.
    #[serde(default)]
    pub mappings: Vec<Mapping>,
}

/// How one target gets its value: from `source`, from `value`, or from the items of `source` by `each`.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// A dotted path into the event or the request, or a list of paths of which the first with a usable value wins.
    pub source: Option<OneOrMore>,
    /// A constant, instead of a source.
    pub value: Option<Scalar>,
    /// A Flashtalking parameter, or a dotted path of the body of Podsights or a webhook. A part of a webhook's path may end in
    /// `[0]`, a list of one item.
    pub target: String,
    /// A transform, or a list of transforms, applied in order.
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::schema::Transforms>"))]
    pub transform: Option<OneOrMore>,
    /// The output format of the transform `date_format`, always in UTC. Only allowed with it.
    pub format: Option<DateFormat>,
    /// Applied after the transforms: maps each text to a value; `*` matches every other text. Without `*` other values are left
    /// out.
    pub value_map: Option<BTreeMap<String, Scalar>>,
    /// Creates an object from each item of a list, with its own mappings, whose sources are paths into the item.
    pub each: Option<Vec<Mapping>>,
}

/// A constant of a document: a string, a number or a boolean.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// A string.
    Text(String),
    /// In its shortest decimal form.
    Number(String),
    /// A boolean.
    Bool(bool),
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct VersionVisitor;

        impl Visitor<'_> for VersionVisitor {
            type Value = Version;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("2")
            }

            fn visit_u64<E: Error>(self, version: u64) -> Result<Version, E> {
                match version {
                    2 => Ok(Version),
                    other => Err(E::custom(format_args!("expected 2, got {other}"))),
                }
            }
        }
        deserializer.deserialize_u64(VersionVisitor)
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl Visitor<'_> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, a number or a boolean")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.to_string()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Scalar, E> {
                let text = serde_json::Number::from_f64(number).map(|number| number.to_string());
                let short = text.as_deref().and_then(number::short);
                short.map(Scalar::Number).ok_or_else(|| E::custom("expected a finite number"))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"const": 2})
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": ["string", "number", "boolean"]})
    }
}
