//! Field mappings: turn an event into the fields of a vendor's request.
//!
//! Users and presets write a [`document`]; [`compile`] turns it into a [`plan`]; a [`Rule`] is one compiled mapping. There is no
//! other way for a value of an event to get into a vendor's request.

mod compile;
pub mod document;
pub mod fields;
pub mod number;
pub mod path;
pub mod plan;
#[cfg(feature = "schema")]
pub mod schema;
mod subject;
pub mod suggest;
pub mod targets;
#[cfg(test)]
mod tests;
pub mod transform;
pub mod value;

use std::borrow::Cow;

use crate::event::projection::{Projection, Slots};
use crate::json::Kind;
use crate::left_out::{Reason, number_quoted, text_quoted};
use path::Source;
use transform::Transform;
use value::Value;

pub use compile::InvalidMapping;
pub use subject::Subject;

/// One compiled mapping: how a target gets its value.
#[derive(Debug)]
pub struct Rule(Origin);

#[derive(Debug)]
enum Origin {
    /// A constant, computed when the document was compiled.
    Constant(Value<'static>),
    Read(Reading),
    Each(Vec<Source>, Each),
}

#[derive(Debug)]
struct Reading {
    /// The first that is present wins.
    sources: Vec<Source>,
    transforms: Vec<Transform>,
    value_map: Option<ValueMap>,
    /// The transform that the target always applies, whatever the mapping says.
    kind: Option<Transform>,
    /// Whether what is found may be shown to somebody, as far as its sources and transforms go.
    may_be_quoted: bool,
}

/// `each`: the mappings for every item of a list. An item is read once, like an event.
#[derive(Debug)]
struct Each {
    projection: Projection,
    rules: Vec<(Box<str>, Rule)>,
}

#[derive(Debug, Default)]
struct ValueMap {
    known: Vec<(Box<str>, Value<'static>)>,
    /// `*`
    other: Option<Value<'static>>,
}

/// The result of a rule for an event.
#[derive(Debug)]
pub enum Mapped<'a> {
    /// The value to send.
    Value(Value<'a>),
    /// The event has no such value.
    Absent,
    /// The event has one, but not of the kind that the target accepts.
    LeftOut(Reason),
}

impl Rule {
    /// The value of this rule's target for one event. `item` is what `each` is at.
    pub fn map<'a>(&'a self, subject: &Subject<'a>, item: Option<&Slots<'a>>) -> Mapped<'a> {
        let first = |sources: &'a [Source]| sources.iter().find_map(|source| source.find(subject, item));
        let mapped = match &self.0 {
            Origin::Constant(value) => return Mapped::Value(value.reborrow()),
            Origin::Read(reading) => first(&reading.sources).map(|found| reading.change(found)),
            Origin::Each(sources, each) => first(sources).map(|list| each.map(list, subject)),
        };
        match mapped {
            None => Mapped::Absent,
            Some(Err(reason)) => Mapped::LeftOut(reason),
            Some(Ok(value)) => Mapped::Value(value),
        }
    }

    /// Quotes what the event has, where it is a single value that may be shown to somebody.
    fn quoted(&self, subject: &Subject<'_>) -> Option<String> {
        let Origin::Read(reading) = &self.0 else { return None };
        let found = || reading.sources.iter().find_map(|source| source.find(subject, None));
        match reading.may_be_quoted.then(found)?? {
            Value::Text(text) => text_quoted(&text),
            Value::Number(digits) => Some(number_quoted(&digits)),
            Value::Bool(value) => Some(value.to_string()),
            Value::Json(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    /// Calls `read` with the name of each request header that this rule reads.
    fn headers(&self, read: &mut dyn FnMut(&str)) {
        let sources = match &self.0 {
            Origin::Constant(_) => return,
            Origin::Read(Reading { sources, .. }) | Origin::Each(sources, _) => sources,
        };
        for source in sources {
            if let Source::Header(name) = source {
                read(name);
            }
        }
    }
}

impl Reading {
    /// Applies the transforms, then the value map, then the target's own transform.
    fn change<'a>(&'a self, found: Value<'a>) -> Result<Value<'a>, Reason> {
        let mut value = found;
        for transform in &self.transforms {
            value = transform.apply(value)?;
        }
        let value = match &self.value_map {
            Some(map) => map.look_up(&value)?,
            None => value,
        };
        match self.kind {
            Some(kind) => kind.apply_scalar(value),
            None => Ok(value),
        }
    }
}

impl ValueMap {
    fn look_up<'a>(&'a self, value: &Value<'_>) -> Result<Value<'a>, Reason> {
        let text = value.scalar().ok_or(Reason::NotSingle)?;
        let known = self.known.iter().find(|(from, _)| **from == *text).map(|(_, to)| to);
        known.or(self.other.as_ref()).map(Value::reborrow).ok_or(Reason::NotInValueMap)
    }
}

impl Each {
    /// Creates an object from each item of a list; items that are not objects, or give no value, are dropped.
    fn map<'a>(&'a self, list: Value<'a>, subject: &Subject<'a>) -> Result<Value<'a>, Reason> {
        let mut objects = Vec::new();
        let mut slots = self.projection.empty();
        for item in list.into_items() {
            let Value::Json(item) = item else { continue };
            slots.clear();
            if item.kind() != Kind::Object || self.projection.read(item, &mut slots).is_none() {
                continue;
            }
            let mut members = Vec::with_capacity(self.rules.len());
            for (target, rule) in &self.rules {
                if let Mapped::Value(value) = rule.map(subject, Some(&slots)) {
                    members.push((Cow::Borrowed(&**target), value));
                }
            }
            if !members.is_empty() {
                objects.push(Value::Object(members));
            }
        }
        if objects.is_empty() { Err(Reason::NoItem) } else { Ok(Value::List(objects)) }
    }
}
