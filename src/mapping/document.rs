//! A mapping document: Signal's version 2, as users write it and as the presets are shipped.

use super::number;
use crate::config::{Place, Read, Tree};

/// `field_mappings`, or a preset.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields, default = "Self::absent"))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::required("version")))]
pub struct Document {
    /// Always 2.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::Version"))]
    pub version: Version,
    /// What happens to events that are not named under `events`; absent: what the preset does.
    pub defaults: Option<Defaults>,
    /// Mappings for every event.
    pub global: Global,
    /// Mappings by the event's name, or its type (`page`, `identify`).
    pub events: Members<EventMapping>,
}

impl Read for Document {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            version: object.required("version"),
            defaults: object.optional("defaults"),
            global: object.or_absent("global"),
            events: object.or_absent("events"),
        })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Version;

impl Read for Version {
    fn read(place: Place<'_>) -> Self {
        let version = place.whole(u64::MAX);
        if version != 2 {
            place.refuse(format!("expected 2, got {version}"));
        }
        Self
    }
}

#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Defaults {
    pub action: Action,
}

impl Read for Defaults {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self { action: object.required("action") })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "snake_case"))]
pub enum Action {
    /// Only the events named under `events`, not even the preset's others.
    Drop,
    /// Every event: those that nobody named get the global mappings and their name in snake_case.
    Send,
}

impl Read for Action {
    fn read(place: Place<'_>) -> Self {
        place.choice(&[("drop", Self::Drop), ("send", Self::Send)]).unwrap_or(Self::Drop)
    }
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields, default = "Self::absent"))]
pub struct Global {
    pub mappings: Vec<Mapping>,
}

impl Read for Global {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self { mappings: object.or_absent("mappings") })
    }
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields, default = "Self::absent"))]
#[cfg_attr(feature = "schema", schemars(transform = crate::schema::required("")))]
pub struct EventMapping {
    /// false: this event is not sent, although the preset would.
    pub enabled: bool,
    /// The vendor's name for the event. Podsights only; absent: the preset's, else the event's name in snake_case.
    pub vendor_event_name: Option<String>,
    /// One for a target replaces the preset's for it.
    pub mappings: Vec<Mapping>,
}

impl Read for EventMapping {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            enabled: object.or("enabled", true),
            vendor_event_name: object.optional("vendor_event_name"),
            mappings: object.or_absent("mappings"),
        })
    }
}

/// How one target gets its value: from `source`, from `value`, or from the items of `source` by `each`.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Mapping {
    /// A path, or several of which the first that is present wins.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::OneOrMore>"))]
    pub source: Option<OneOrMore>,
    /// A constant.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Scalar>"))]
    pub value: Option<Scalar>,
    pub target: String,
    /// Transforms, applied in their order.
    #[cfg_attr(feature = "schema", schemars(with = "Option<crate::schema::Transforms>"))]
    pub transform: Option<OneOrMore>,
    /// What `date_format` writes. Only with it.
    pub format: Option<DateFormat>,
    /// After the transforms: the value by its text; `*` is every other. Without `*` an unknown value is left out.
    #[cfg_attr(feature = "schema", schemars(with = "Option<Members<crate::schema::Scalar>>"))]
    pub value_map: Option<Members<Scalar>>,
    /// Makes an object of each item of `source`; its own sources start at the item.
    pub each: Option<Vec<Mapping>>,
}

impl Read for Mapping {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            source: object.optional("source"),
            value: object.optional("value"),
            target: object.required("target"),
            transform: object.optional("transform"),
            format: object.optional("format"),
            value_map: object.optional("value_map"),
            each: object.optional("each"),
        })
    }
}

/// How `date_format` writes a point in time, always in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "snake_case"))]
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

impl Read for DateFormat {
    fn read(place: Place<'_>) -> Self {
        place
            .choice(&[
                ("epoch_s", Self::EpochS),
                ("epoch_ms", Self::EpochMs),
                ("rfc3339", Self::Rfc3339),
                ("date", Self::Date),
            ])
            .unwrap_or(Self::EpochS)
    }
}

/// The members of an object, in their order. A list and not a map: there are few, and each kind of map is kilobytes of the
/// module.
#[derive(Clone, Debug)]
pub struct Members<T>(pub Vec<(String, T)>);

impl<T> Members<T> {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }
}

impl<T: Read> Read for Members<T> {
    fn read(place: Place<'_>) -> Self {
        let mut members = Vec::new();
        place.members(&mut |name, member| members.push((name.to_owned(), T::read(member))));
        Self(members)
    }
}

/// A string or a list of strings.
#[derive(Clone, Debug)]
pub struct OneOrMore(pub Vec<String>);

impl Read for OneOrMore {
    fn read(place: Place<'_>) -> Self {
        match place.value() {
            Tree::Text(one) => Self(vec![one.clone()]),
            Tree::List(_) => Self(Vec::read(place)),
            _ => {
                place.refuse_kind("a string or a list of strings");
                Self(Vec::new())
            }
        }
    }
}

/// A constant of a document: a string, a number or a boolean.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    Text(String),
    Number(String),
    Bool(bool),
}

impl Read for Scalar {
    fn read(place: Place<'_>) -> Self {
        match place.value() {
            Tree::Text(text) => Self::Text(text.clone()),
            Tree::Number(number) => Self::Number(number::short(number).unwrap_or_else(|| {
                place.refuse(format!("expected a finite number, got {number}"));
                String::new()
            })),
            Tree::Bool(value) => Self::Bool(*value),
            _ => {
                place.refuse_kind("a string, a number or a boolean");
                Self::Bool(false)
            }
        }
    }
}
