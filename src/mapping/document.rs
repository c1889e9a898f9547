//! A mapping document: Signal's version 2, as users write it and as the presets are shipped.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// `field_mappings`, or a preset.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Always 2.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Version"))]
    pub version: Version,
    /// What happens to events that are not named under `events`; absent: what the preset does.
    pub defaults: Option<Defaults>,
    /// Mappings for every event.
    #[serde(default)]
    pub global: Global,
    /// Mappings by the event's name, or its type (`page`, `identify`).
    #[serde(default)]
    pub events: Members<EventMapping>,
}

#[derive(Clone, Copy, Debug)]
pub struct Version;

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            2 => Ok(Version),
            other => Err(serde::de::Error::custom(format!("expected 2, got {other}"))),
        }
    }
}

#[derive(Clone, Copy, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    pub action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Only the events named under `events`, not even the preset's others.
    Drop,
    /// Every event: those that nobody named get the global mappings and their name in snake_case.
    Send,
}

#[derive(Clone, Debug, Default, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Global {
    #[serde(default)]
    pub mappings: Vec<Mapping>,
}

#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct EventMapping {
    /// false: this event is not sent, although the preset would.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The vendor's name for the event. Podsights only; absent: the preset's, else the event's name in snake_case.
    pub vendor_event_name: Option<String>,
    /// One for a target replaces the preset's for it.
    #[serde(default)]
    pub mappings: Vec<Mapping>,
}

fn yes() -> bool {
    true
}

/// How one target gets its value: from `source`, from `value`, or from the items of `source` by `each`.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// A path, or several of which the first that is present wins.
    #[cfg_attr(feature = "cli", schemars(with = "Option<crate::cli::schema::OneOrMore>"))]
    pub source: Option<OneOrMore>,
    /// A constant.
    #[cfg_attr(feature = "cli", schemars(with = "Option<crate::cli::schema::Scalar>"))]
    pub value: Option<Scalar>,
    pub target: String,
    /// Transforms, applied in their order.
    #[cfg_attr(feature = "cli", schemars(with = "Option<crate::cli::schema::Transforms>"))]
    pub transform: Option<OneOrMore>,
    /// What `date_format` writes. Only with it.
    pub format: Option<DateFormat>,
    /// After the transforms: the value by its text; `*` is every other. Without `*` an unknown value is left out.
    #[cfg_attr(feature = "cli", schemars(with = "Option<Members<crate::cli::schema::Scalar>>"))]
    pub value_map: Option<Members<Scalar>>,
    /// Makes an object of each item of `source`; its own sources start at the item.
    pub each: Option<Vec<Mapping>>,
}

/// How `date_format` writes a point in time, always in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DateFormat {
    /// Seconds since 1970.
    EpochS,
    /// Milliseconds since 1970.
    EpochMs,
    /// `2024-02-29T12:34:56Z`.
    Rfc3339,
    /// `2024-02-29`.
    Date,
}

/// The members of an object, in their order. A list and not a map: there are few, and each kind of map is kilobytes of the
/// module.
#[derive(Clone, Debug)]
pub struct Members<T>(pub Vec<(String, T)>);

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Members<T> {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for MembersVisitor<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

/// A string or a list of strings.
#[derive(Clone, Debug)]
pub struct OneOrMore(pub Vec<String>);

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMoreVisitor;

        impl<'de> Visitor<'de> for OneOrMoreVisitor {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E>(self, one: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![one.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<OneOrMore, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(OneOrMore)
            }
        }
        deserializer.deserialize_any(OneOrMoreVisitor)
    }
}

/// A constant of a document: a string, a number or a boolean.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Bool(bool),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;

        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string, a number or a boolean")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(text.to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar::Number(number.into()))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Scalar, E> {
                // Envoy hands every number of a Struct over as a double: 3 arrives as 3.0.
                if number.fract() == 0.0 && number.abs() < 9e15 {
                    return Ok(Scalar::Number((number as i64).into()));
                }
                serde_json::Number::from_f64(number)
                    .map(Scalar::Number)
                    .ok_or_else(|| E::custom("not a finite number"))
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}
