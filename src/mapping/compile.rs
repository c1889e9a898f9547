//! Compiles mapping documents: splits paths, checks targets, resolves transforms.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::document::{Action, Document, EventMapping, Mapping, Scalar};
use super::fields::Fields;
use super::path::Source;
use super::plan::{Entry, Plan};
use super::targets::{Targets, is_impersonal, is_reserved, names_contact_data};
use super::transform::{self, DATE_FORMAT, Transform};
use super::value::Value;
use super::{Each, Origin, Reading, Rule, ValueMap, suggest};
use crate::event::names::{Dialects, canonical_name, snake_case};
use crate::event::projection::Projection;
use crate::left_out::Target;

/// A document that can't be compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct InvalidMapping {
    /// Below the integration: `field_mappings.events["Order Completed"].mappings[2].transform`, or `events[0]`.
    pub place: String,
    /// The problem and its fix, in words.
    pub problem: String,
}

impl InvalidMapping {
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

impl Plan {
    /// Compiles a preset with a user's document over it. `only` is the integration's own `events`.
    ///
    /// The document is applied on top of the preset: of two mappings for a target the user's wins, and within a document the
    /// event's own wins over that of `global`.
    pub fn compile(
        preset: &Document,
        user: Option<&Document>,
        only: Option<&[String]>,
        targets: &dyn Targets,
        projection: &mut Projection,
    ) -> Result<Self, InvalidMapping> {
        let mut compiler = Compiler { targets, projection };
        let preset = compiler.document(preset)?;
        let user = user.map(|user| compiler.document(user)).transpose()?;
        let action = user.as_ref().and_then(|user| user.action);
        let mut plan = Plan { entries: Vec::new(), others: None };
        for event in user.iter().flat_map(|user| &user.events) {
            plan.entries.push(event.over(preset.like(event), &preset, user.as_ref(), targets));
        }
        for event in preset.events.iter().filter(|_| action != Some(Action::Drop)) {
            if !user.as_ref().is_some_and(|user| user.names(event)) {
                plan.entries.push(event.over(None, &preset, user.as_ref(), targets));
            }
        }
        if action.or(preset.action) == Some(Action::Send) {
            let mut fields = preset.global.clone();
            user.iter().for_each(|user| fields.overlay(&user.global));
            fields.sort(targets);
            plan.others = Some(fields);
        }
        match only.map(|only| plan.restrict(only)) {
            Some(Err((at, problem))) => Err(InvalidMapping::new(format!("events[{at}]"), problem)),
            _ => Ok(plan),
        }
    }
}

/// A document with compiled mappings, not yet applied on top of another.
struct Layer {
    action: Option<Action>,
    global: Fields,
    events: Vec<LayerEvent>,
}

struct LayerEvent {
    name: String,
    enabled: bool,
    vendor_event: Option<String>,
    fields: Fields,
}

impl Layer {
    /// Returns this document's entry for the event that another document names, in any spelling.
    fn like(&self, event: &LayerEvent) -> Option<&LayerEvent> {
        let dialects = Dialects::of(&event.name);
        let same = |own: &&LayerEvent| canonical_name(&own.name) == canonical_name(&event.name);
        let ga4 = |own: &&LayerEvent| dialects.include(&canonical_name(&own.name));
        self.events.iter().find(same).or_else(|| self.events.iter().find(ga4))
    }

    fn names(&self, event: &LayerEvent) -> bool {
        self.events.iter().any(|own| canonical_name(&own.name) == canonical_name(&event.name))
    }
}

impl LayerEvent {
    /// This event with what lies below it: the preset's entry for the same event, and both documents' globals.
    fn over(
        &self,
        base: Option<&LayerEvent>,
        preset: &Layer,
        user: Option<&Layer>,
        targets: &dyn Targets,
    ) -> Entry {
        let of_preset = base.unwrap_or(self);
        let mut fields = preset.global.clone();
        fields.overlay(&of_preset.fields);
        if let Some(user) = user {
            fields.overlay(&user.global);
            if user.names(self) {
                fields.overlay(&self.fields);
            }
        }
        fields.sort(targets);
        let vendor_event = self.vendor_event.clone().or_else(|| of_preset.vendor_event.clone());
        let vendor_event = vendor_event.unwrap_or_else(|| snake_case(&self.name));
        Entry::new(&self.name, vendor_event, self.enabled.then_some(fields))
    }
}

struct Compiler<'c> {
    targets: &'c dyn Targets,
    projection: &'c mut Projection,
}

impl Compiler<'_> {
    fn document(&mut self, document: &Document) -> Result<Layer, InvalidMapping> {
        let global = self.fields(&document.global.mappings, "field_mappings.global")?;
        let mut events = Vec::new();
        for (name, event) in &document.events {
            events.push(self.event(name, event)?);
        }
        Ok(Layer { action: document.defaults.map(|defaults| defaults.action), global, events })
    }

    fn event(&mut self, name: &str, event: &EventMapping) -> Result<LayerEvent, InvalidMapping> {
        let place = format!("field_mappings.events[{name:?}]");
        let vendor_event = event.vendor_event_name.clone();
        if vendor_event.is_some() && !self.targets.names_events() {
            let problem = "this vendor has no event names";
            return Err(InvalidMapping::new(format!("{place}.vendor_event_name"), problem));
        }
        if vendor_event
            .as_ref()
            .is_some_and(|name| name.trim().is_empty() || name.len() > MAX_EVENT_NAME_BYTES)
        {
            let problem = format!("expected a name of 1 to {MAX_EVENT_NAME_BYTES} bytes");
            return Err(InvalidMapping::new(format!("{place}.vendor_event_name"), problem));
        }
        let fields = self.fields(&event.mappings, &place)?;
        Ok(LayerEvent { name: name.to_owned(), enabled: event.enabled, vendor_event, fields })
    }

    fn fields(&mut self, mappings: &[Mapping], place: &str) -> Result<Fields, InvalidMapping> {
        let mut fields = Fields::default();
        for (at, mapping) in mappings.iter().enumerate() {
            let place = format!("{place}.mappings[{at}]");
            let target = &mapping.target;
            let refused = match is_reserved(target, self.targets) {
                true => Err(format!("{target:?} is set by the filter itself")),
                false => self.targets.check(target),
            };
            let bad_target = |problem: String| InvalidMapping::new(format!("{place}.target"), problem);
            refused.map_err(bad_target)?;
            let rule = self.rule(mapping, &place, self.targets.kind(target), None)?;
            fields.put(target, rule).map_err(bad_target)?;
        }
        Ok(fields)
    }

    /// One mapping. `items` is the projection of the items of a list, inside `each`.
    fn rule(
        &mut self,
        mapping: &Mapping,
        place: &str,
        kind: Option<Transform>,
        items: Option<&mut Projection>,
    ) -> Result<Rule, InvalidMapping> {
        let inside = items.is_some();
        let transforms = transforms(mapping, place)?;
        let value_map = mapping.value_map.as_ref().map(value_map);
        let sources = match &mapping.source {
            Some(sources) => self.sources(&sources.0, &format!("{place}.source"), items)?,
            None => Vec::new(),
        };
        let is_impersonal = |path: &String| match inside {
            true => is_impersonal(&format!("properties.{path}")), // if the list is one, see `each`
            false => is_impersonal(path),
        };
        let may_be_quoted = mapping.source.iter().flat_map(|sources| &sources.0).all(is_impersonal)
            && !transforms.contains(&Transform::Sha256);
        let is_single = !self.targets.takes_objects();
        let origin = match (&mapping.source, &mapping.value, &mapping.each) {
            (None, None, _) => return Err(InvalidMapping::new(place, "expected a source or a value")),
            (Some(_), Some(_), _) => {
                return Err(InvalidMapping::new(place, "expected a source or a value, got both"));
            }
            (_, _, Some(_)) if inside => {
                return Err(InvalidMapping::new(
                    format!("{place}.each"),
                    "each inside each is not supported",
                ));
            }
            (None, Some(_), Some(_)) => {
                return Err(InvalidMapping::new(format!("{place}.each"), "each needs a source, not a value"));
            }
            (Some(_), None, Some(_)) if !transforms.is_empty() || value_map.is_some() => {
                let problem = "transform and value_map are not allowed with each: put them on its mappings";
                return Err(InvalidMapping::new(format!("{place}.each"), problem));
            }
            (Some(_), None, Some(each)) => {
                Origin::Each(sources, self.each(each, &format!("{place}.each"), may_be_quoted)?)
            }
            (Some(_), None, None) => {
                Origin::Read(Reading { sources, transforms, value_map, kind, is_single, may_be_quoted })
            }
            (None, Some(value), None) => {
                let reading = Reading { sources, transforms, value_map, kind, is_single, may_be_quoted };
                Origin::Constant(folded(constant(value), &reading).ok_or_else(|| {
                    let problem = format!("invalid value {} for {:?}", written(value), mapping.target);
                    InvalidMapping::new(format!("{place}.value"), problem)
                })?)
            }
        };
        Ok(Rule(origin))
    }

    /// The mappings for each item of a list. `may_be_quoted`: whether it is a list that may be shown to somebody.
    fn each(
        &mut self,
        mappings: &[Mapping],
        place: &str,
        may_be_quoted: bool,
    ) -> Result<Each, InvalidMapping> {
        if !self.targets.takes_objects() {
            return Err(InvalidMapping::new(
                place,
                "this vendor does not accept objects: use join, count or sum",
            ));
        }
        if mappings.is_empty() {
            return Err(InvalidMapping::new(place, "expected at least one mapping"));
        }
        let mut each = Each { projection: Projection::new(), rules: Vec::new() };
        for (at, mapping) in mappings.iter().enumerate() {
            let (place, target) = (format!("{place}[{at}]"), &mapping.target);
            let plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let bad_target = |problem: String| Err(InvalidMapping::new(format!("{place}.target"), problem));
            if target.is_empty() || !plain(target) {
                return bad_target(format!("expected a plain name like product_id, got {target:?}"));
            }
            if each.rules.iter().any(|(known, _)| **known == **target) {
                return bad_target(format!(
                    "{target:?} is mapped twice here: give one mapping a list of sources"
                ));
            }
            let mut rule = self.rule(mapping, &place, None, Some(&mut each.projection))?;
            if let Origin::Read(reading) = &mut rule.0 {
                reading.may_be_quoted &= may_be_quoted;
            }
            each.rules.push((target.as_str().into(), rule));
        }
        Ok(each)
    }

    fn sources(
        &mut self,
        paths: &[String],
        place: &str,
        mut items: Option<&mut Projection>,
    ) -> Result<Vec<Source>, InvalidMapping> {
        if paths.is_empty() {
            return Err(InvalidMapping::new(place, "expected a path, got an empty list"));
        }
        let mut sources = Vec::new();
        for path in paths {
            if !self.targets.takes_contact_data() && names_contact_data(path) {
                let problem = format!(
                    "{path:?}: this vendor must not receive email addresses or phone numbers, even hashed"
                );
                return Err(InvalidMapping::new(place, problem));
            }
            let source = match &mut items {
                Some(items) => Source::of_item(path, items),
                None => Source::compile(path, self.projection),
            };
            sources.push(source.map_err(|error| InvalidMapping::new(place, error.to_string()))?);
        }
        Ok(sources)
    }
}

/// The key of a value map that matches every other value.
const OTHER: &str = "*";

/// The longest vendor's name for an event, in bytes.
const MAX_EVENT_NAME_BYTES: usize = 200;

fn transforms(mapping: &Mapping, place: &str) -> Result<Vec<Transform>, InvalidMapping> {
    let names = mapping.transform.as_ref().map(|names| &names.0[..]).unwrap_or_default();
    let dates = names.iter().any(|name| name == DATE_FORMAT);
    if !dates && mapping.format.is_some() {
        return Err(InvalidMapping::new(
            format!("{place}.format"),
            "format is only allowed with date_format",
        ));
    }
    let mut transforms = Vec::new();
    for name in names {
        transforms.push(match (name.as_str(), mapping.format) {
            (DATE_FORMAT, Some(format)) => Transform::Date(format),
            (DATE_FORMAT, None) => {
                let problem = "date_format needs a format: epoch_s, epoch_ms, rfc3339 or date";
                return Err(InvalidMapping::new(format!("{place}.format"), problem));
            }
            (name, _) => Transform::parse(name).ok_or_else(|| {
                InvalidMapping::new(
                    format!("{place}.transform"),
                    suggest::unknown("transform", name, &transform::names()),
                )
            })?,
        });
    }
    Ok(transforms)
}

fn value_map(map: &BTreeMap<String, Scalar>) -> ValueMap {
    let mut compiled = ValueMap::default();
    for (from, to) in map {
        match from.as_str() {
            OTHER => compiled.other = Some(constant(to)),
            from => compiled.known.push((from.into(), constant(to))),
        }
    }
    compiled
}

fn constant(scalar: &Scalar) -> Value<'static> {
    match scalar {
        Scalar::Text(text) => Value::Text(Cow::Owned(text.clone())),
        Scalar::Number(number) => Value::Number(Cow::Owned(number.clone())),
        Scalar::Bool(value) => Value::Bool(*value),
    }
}

fn written(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Text(text) => format!("{text:?}"),
        Scalar::Number(number) => number.clone(),
        Scalar::Bool(value) => value.to_string(),
    }
}

/// Returns a mapping's value for its constant, computed once.
fn folded(value: Value<'static>, reading: &Reading) -> Option<Value<'static>> {
    let text = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
    Some(match reading.make(value, Target::Named(""), &mut |_| {}).ok()? {
        Value::Text(changed) => Value::Text(text(changed)),
        Value::Number(changed) => Value::Number(text(changed)),
        Value::Bool(changed) => Value::Bool(changed),
        _ => return None,
    })
}
