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
use crate::left_out::{LeftOut, Omissions, Reason, Target, number_quoted, text_quoted};
use crate::privacy::is_dropped;
use path::{RequestPart, Source};
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
    /// The first that has a usable value wins.
    sources: Vec<Source>,
    transforms: Vec<Transform>,
    value_map: Option<ValueMap>,
    /// The transform that the target always applies, whatever the mapping says.
    kind: Option<Transform>,
    /// Whether the vendor takes only texts, numbers and booleans.
    is_single: bool,
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

impl Rule {
    /// The value of `target` for one event, from the first source that has a usable one. `item` is what `each` is at.
    ///
    /// Tells `left_out` of what the event has and the target doesn't get: what the sources before the usable one have, or all
    /// of them if none is usable, and what an item or a member of the value lacks.
    pub fn map<'a>(
        &'a self,
        target: Target<'_>,
        subject: &Subject<'a>,
        item: Option<&Slots<'a>>,
        left_out: &mut Omissions<'_>,
    ) -> Option<Value<'a>> {
        if let Origin::Constant(value) = &self.0 {
            return Some(value.reborrow());
        }
        let mut used = None;
        let mut is_whole = true;
        for (at, source) in self.sources().iter().enumerate() {
            let Some(found) = source.find(subject, item) else { continue };
            match found.and_then(|found| self.make(found, target, subject, &mut |_| is_whole = false)) {
                Ok(value) => {
                    used = Some((at, value));
                    break;
                }
                Err(_) => is_whole = false,
            }
        }
        if !is_whole {
            // Which of them were passed over and which left out is only known now. It happens rarely, so nothing is kept for it
            // on the way: the values are made once more.
            self.tell(used.as_ref().map(|(at, _)| *at), target, subject, item, left_out);
        }
        used.map(|(_, value)| value)
    }

    /// Makes the value of a target of what a source has.
    fn make<'a>(
        &'a self,
        found: Value<'a>,
        target: Target<'_>,
        subject: &Subject<'a>,
        left_out: &mut Omissions<'_>,
    ) -> Result<Value<'a>, Reason> {
        match &self.0 {
            Origin::Constant(value) => Ok(value.reborrow()),
            Origin::Read(reading) => reading.make(found, target, left_out),
            Origin::Each(_, each) => each.make(found, target, subject, left_out),
        }
    }

    /// Tells of what is not used of the sources up to that which is `used`, or of all.
    #[cold]
    #[inline(never)]
    fn tell<'a>(
        &'a self,
        used: Option<usize>,
        target: Target<'_>,
        subject: &Subject<'a>,
        item: Option<&Slots<'a>>,
        left_out: &mut Omissions<'_>,
    ) {
        let last = used.unwrap_or(usize::MAX);
        for (at, source) in self.sources().iter().enumerate().take_while(|(at, _)| *at <= last) {
            let Some(found) = source.find(subject, item) else { continue };
            let is_passed_over = used.is_some_and(|used| at < used);
            let mut tell = |part: LeftOut<'_>| left_out(part.passed_over_if(is_passed_over));
            if let Err(reason) = found.and_then(|found| self.make(found, target, subject, &mut tell)) {
                let quote = || self.quoted(source.find(subject, item)?.ok()?);
                tell(LeftOut::quotable(target, reason, &quote));
            }
        }
    }

    /// Quotes what a source has, where it is a single value that may be shown to somebody.
    fn quoted(&self, found: Value<'_>) -> Option<String> {
        let Origin::Read(Reading { may_be_quoted: true, .. }) = &self.0 else { return None };
        match found {
            Value::Text(text) => text_quoted(&text),
            Value::Number(digits) => Some(number_quoted(&digits)),
            Value::Bool(value) => Some(value.to_string()),
            Value::Json(_) | Value::List(_) | Value::Object(_) => None,
        }
    }

    fn sources(&self) -> &[Source] {
        match &self.0 {
            Origin::Constant(_) => &[],
            Origin::Read(Reading { sources, .. }) | Origin::Each(sources, _) => sources,
        }
    }

    /// Calls `read` with each part of the request that this rule reads.
    fn request_parts(&self, read: &mut dyn FnMut(RequestPart<'_>)) {
        self.sources().iter().filter_map(Source::request_part).for_each(read);
    }
}

impl Reading {
    /// Applies the transforms, then the value map, then the target's own transform.
    fn make<'a>(
        &'a self,
        found: Value<'a>,
        target: Target<'_>,
        left_out: &mut Omissions<'_>,
    ) -> Result<Value<'a>, Reason> {
        let mut value = found;
        for transform in &self.transforms {
            let item = Target::Item(&target);
            value = transform.apply(value, &mut |reason| left_out(LeftOut::new(item, reason)))?;
        }
        let value = match &self.value_map {
            Some(map) => map.look_up(&value)?,
            None => value,
        };
        let value = match self.kind {
            Some(kind) => kind.apply_scalar(value)?,
            None => value,
        };
        // Where there is one source, whoever makes the request refuses its value. Here it must not hide that of the next.
        match self.sources.len() {
            0 | 1 => Ok(value),
            _ => self.refusal(&value).map_or(Ok(value), Err),
        }
    }

    /// Why the vendor's request can't have a value, whatever the target.
    fn refusal(&self, value: &Value<'_>) -> Option<Reason> {
        match value {
            Value::Text(text) => is_dropped(text).then_some(Reason::Email),
            Value::Number(_) | Value::Bool(_) => None,
            Value::Json(_) | Value::List(_) | Value::Object(_) => self.is_single.then_some(Reason::NotSingle),
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
    /// Creates an object from each item of a list, but for items that are not objects or give no value.
    fn make<'a>(
        &'a self,
        list: Value<'a>,
        target: Target<'_>,
        subject: &Subject<'a>,
        left_out: &mut Omissions<'_>,
    ) -> Result<Value<'a>, Reason> {
        let mut objects = Vec::new();
        let mut slots = self.projection.empty();
        let mut refused = |reason| left_out(LeftOut::new(Target::Item(&target), reason));
        for item in list.into_items(&mut refused) {
            slots.clear();
            if !self.read(&item, &mut slots) {
                left_out(LeftOut::new(Target::Item(&target), Reason::NotAnObject));
                continue;
            }
            let mut members = Vec::with_capacity(self.rules.len());
            for (name, rule) in &self.rules {
                let member = Target::Member(&target, name);
                if let Some(value) = rule.map(member, subject, Some(&slots), left_out) {
                    members.push((Cow::Borrowed(&**name), value));
                }
            }
            if !members.is_empty() {
                objects.push(Value::Object(members));
            }
        }
        if objects.is_empty() { Err(Reason::NoItem) } else { Ok(Value::List(objects)) }
    }

    /// Reads an item. `false`: it is not an object.
    fn read<'a>(&self, item: &Value<'a>, slots: &mut Slots<'a>) -> bool {
        match item {
            Value::Json(item) if item.kind() == Kind::Object => self.projection.read(*item, slots).is_some(),
            _ => false,
        }
    }
}
