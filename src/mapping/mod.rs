//! Field mappings: from an event to the fields of a vendor's request.
//!
//! A [`document`] is what users and presets write; [`plan`] compiles it; a [`Rule`] is one compiled mapping. There is
//! no other way by which a value of an event gets into a vendor's request.

pub mod document;
pub mod number;
pub mod path;
pub mod plan;
pub mod transform;
pub mod value;

use std::borrow::Cow;

use crate::event::Event;
use crate::identity::Cookies;
use crate::json::Json;
use crate::request::Request;
use crate::visitor::Visitor;
use path::Source;
use transform::Transform;
use value::Value;

/// What a mapping reads from.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    pub event: &'a Event<'a>,
    pub request: &'a Request,
    pub cookies: &'a Cookies<'a>,
    pub visitor: &'a Visitor<'a>,
    /// The item that `each` is at.
    pub item: Option<Json<'a>>,
}

/// One compiled mapping: how a target gets its value.
#[derive(Clone, Debug)]
pub struct Rule {
    origin: Origin,
    transforms: Vec<Transform>,
    value_map: Option<ValueMap>,
    each: Option<Vec<(Box<str>, Rule)>>,
}

#[derive(Clone, Debug)]
enum Origin {
    /// The first that is present wins.
    Sources(Vec<Source>),
    Constant(Value<'static>),
}

#[derive(Clone, Debug)]
struct ValueMap {
    known: Vec<(Box<str>, Value<'static>)>,
    other: Option<Value<'static>>,
}

/// What a rule makes of an event.
#[derive(Debug)]
pub enum Mapped<'a> {
    Value(Value<'a>),
    /// The event has no such value.
    Absent,
    /// The event has one, but not of the kind that the target takes.
    LeftOut,
}

impl Rule {
    /// The value of this rule's target for one event.
    pub fn map<'a>(&'a self, subject: &Subject<'a>) -> Mapped<'a> {
        let found = match &self.origin {
            Origin::Constant(value) => Some(value.clone()),
            Origin::Sources(sources) => sources.iter().find_map(|source| source.find(subject)),
        };
        let Some(found) = found else { return Mapped::Absent };
        let changed = match &self.each {
            Some(rules) => each(found, rules, subject),
            None => self.transforms.iter().try_fold(found, |value, transform| transform.apply(value)),
        };
        let mapped = match (&self.value_map, changed) {
            (Some(map), Some(value)) => map.look_up(value),
            (_, changed) => changed,
        };
        mapped.map_or(Mapped::LeftOut, Mapped::Value)
    }
}

impl Rule {
    fn reads_header(&self, name: &str) -> bool {
        let Origin::Sources(sources) = &self.origin else { return false };
        sources.iter().any(|source| matches!(source, Source::Header(known) if **known == *name))
    }
}

impl ValueMap {
    fn look_up<'a>(&'a self, value: Value<'a>) -> Option<Value<'a>> {
        let text = value.scalar()?;
        let known = self.known.iter().find(|(from, _)| **from == *text).map(|(_, to)| to);
        known.or(self.other.as_ref()).cloned()
    }
}

/// An object of each item; items of which nothing is known are dropped.
fn each<'a>(list: Value<'a>, rules: &'a [(Box<str>, Rule)], subject: &Subject<'a>) -> Option<Value<'a>> {
    let mut objects = Vec::new();
    for item in list.into_items() {
        let Value::Json(item) = item else { continue };
        let subject = Subject { item: Some(item), ..*subject };
        let members: Vec<_> = rules
            .iter()
            .filter_map(|(target, rule)| match rule.map(&subject) {
                Mapped::Value(value) => Some((Cow::Borrowed(&**target), value)),
                Mapped::Absent | Mapped::LeftOut => None,
            })
            .collect();
        if !members.is_empty() {
            objects.push(Value::Object(members));
        }
    }
    (!objects.is_empty()).then_some(Value::List(objects))
}
