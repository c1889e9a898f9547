//! Compiling mapping documents: a preset with a user's document over it becomes a [`Plan`].

use std::borrow::Cow;

use super::document::{Action, Document, EventMapping, Mapping, Scalar};
use super::path::Source;
use super::transform::{TRANSFORMS, Transform};
use super::value::Value;
use super::{Mapped, Origin, Rule, Subject, ValueMap};
use crate::event::names::{Dialects, filed_under, snake_case};
use crate::event::projection::Projection;

/// What an integration does with each event.
#[derive(Debug)]
pub struct Plan {
    entries: Vec<Entry>,
    /// `defaults: {action: send}`: what events get that nobody named.
    others: Option<Fields>,
}

/// An event that an integration sends.
#[derive(Debug)]
struct Entry {
    /// The name as it was written.
    name: Box<str>,
    filed_under: Box<str>,
    vendor_event: Box<str>,
    importance: Importance,
    fields: Fields,
}

/// What makes way for what in a full queue: a page or an addtocart for a purchase, a lead or a signup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    Ordinary,
    Conversion,
}

/// The compiled mappings of one event, in the order in which the vendor wants them.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(Box<str>, Node)>);

#[derive(Clone, Debug)]
enum Node {
    Leaf(Rule),
    Branch(Fields),
}

/// An event that a plan knows.
#[derive(Debug)]
pub struct Planned<'p> {
    pub vendor_event: Cow<'p, str>,
    pub importance: Importance,
    pub fields: &'p Fields,
}

/// What a vendor says about targets when a document is compiled.
pub trait Targets {
    /// Refuses a target with the reason and the fix.
    fn check(&self, target: &str) -> Result<(), String>;
    /// Where a target stands among the others; equal ones keep the document's order.
    fn order(&self, target: &str) -> usize;
    /// false: no email and no phone number, hashed or not, may be a source.
    fn takes_contact_data(&self) -> bool;
}

/// A document that can't be compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct BadMapping {
    /// Relative to the document: `.events["Order Completed"].mappings[2].transform`.
    pub place: String,
    pub problem: String,
}

/// Events that are no conversion by themselves, as they are filed.
const ORDINARY: &[&str] = &["page", "screen", "product_added"];

impl Plan {
    /// Compiles a preset with a user's document over it. `only` is the integration's own `events`.
    ///
    /// The error names a place in the user's document; presets are tested to compile.
    pub fn compile(
        preset: &Document,
        user: Option<&Document>,
        only: Option<&[String]>,
        targets: &dyn Targets,
        projection: &mut Projection,
    ) -> Result<Self, BadMapping> {
        let mut compiler = Compiler { targets, projection };
        let action = user.and_then(|user| user.defaults).or(preset.defaults).map(|defaults| defaults.action);
        let mut global = compiler.fields(&preset.global.mappings, ".global")?;
        if let Some(user) = user {
            global.overlay(compiler.fields(&user.global.mappings, ".global")?);
        }
        let presets = match user.and_then(|user| user.defaults) {
            Some(defaults) if defaults.action == Action::Drop => named_by(preset, user),
            _ => preset.events.iter().collect(),
        };
        let mut plan = Plan { entries: Vec::new(), others: None };
        for (name, mapping) in user.iter().flat_map(|user| user.events.iter()) {
            let base = presets
                .iter()
                .find(|(known, _)| filed_under(known) == filed_under(name))
                .map(|(_, base)| *base);
            if mapping.enabled {
                plan.entries.push(compiler.entry(name, base, Some(mapping), &global)?);
            }
        }
        for (name, base) in presets {
            let overridden = |named: &str| filed_under(named) == filed_under(name);
            if !user.is_some_and(|user| user.events.names().any(overridden)) {
                plan.entries.push(compiler.entry(name, Some(base), None, &global)?);
            }
        }
        if action == Some(Action::Send) {
            plan.others = Some(global);
        }
        plan.restrict(only)?;
        Ok(plan)
    }

    /// Keeps only the events that the integration's own `events` names.
    fn restrict(&mut self, only: Option<&[String]>) -> Result<(), BadMapping> {
        let Some(only) = only else { return Ok(()) };
        for (at, name) in only.iter().enumerate() {
            if !self.entries.iter().any(|entry| *entry.filed_under == filed_under(name)) {
                if let Some(fields) = &self.others {
                    self.entries.push(Entry::new(name, snake_case(name), fields.clone()));
                    continue;
                }
                let known: Vec<_> = self.entries.iter().map(|entry| &*entry.name).collect();
                return Err(BadMapping {
                    place: format!(".events[{at}]"),
                    problem: format!("no mapping sends {name:?}; there is one for {}", known.join(", ")),
                });
            }
        }
        let named = |entry: &Entry| only.iter().any(|name| filed_under(name) == *entry.filed_under);
        self.entries.retain(named);
        self.others = None;
        Ok(())
    }

    /// What is to be done with an event of this name; `None`: nothing. An exact name wins over a dialect.
    pub fn find<'p>(&'p self, name: &str, dialects: &Dialects) -> Option<Planned<'p>> {
        let exact = self.entries.iter().find(|entry| *entry.name == *name);
        let entry = exact.or_else(|| self.entries.iter().find(|entry| dialects.include(&entry.filed_under)));
        match (entry, &self.others) {
            (Some(entry), _) => Some(Planned {
                vendor_event: Cow::Borrowed(&entry.vendor_event),
                importance: entry.importance,
                fields: &entry.fields,
            }),
            (None, Some(fields)) => Some(Planned {
                vendor_event: Cow::Owned(snake_case(name)),
                importance: Importance::Conversion,
                fields,
            }),
            (None, None) => None,
        }
    }

    /// Whether any mapping reads this request header, given in lowercase.
    pub fn reads_header(&self, name: &str) -> bool {
        let entries = self.entries.iter().map(|entry| &entry.fields);
        entries.chain(&self.others).any(|fields| fields.reads_header(name))
    }

    /// The names of the events that this plan sends, as they were written.
    pub fn events(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| &*entry.name)
    }

    /// Whether both plans would send one and the same event.
    pub fn overlaps(&self, other: &Plan) -> bool {
        let both = |entry: &Entry| other.entries.iter().any(|theirs| theirs.filed_under == entry.filed_under);
        match (&self.others, &other.others) {
            (Some(_), Some(_)) => true,
            (Some(_), None) => !other.entries.is_empty(),
            (None, Some(_)) => !self.entries.is_empty(),
            (None, None) => self.entries.iter().any(both),
        }
    }
}

/// Of the preset's events, those that the user's document names, in whatever dialect.
fn named_by<'p>(preset: &'p Document, user: Option<&Document>) -> Vec<(&'p str, &'p EventMapping)> {
    let named = |name: &str| {
        user.is_some_and(|user| user.events.names().any(|own| filed_under(own) == filed_under(name)))
    };
    preset.events.iter().filter(|(name, _)| named(name)).collect()
}

impl Entry {
    fn new(name: &str, vendor_event: String, fields: Fields) -> Self {
        let filed_under = filed_under(name);
        let ordinary = ORDINARY.contains(&filed_under.as_str());
        Self {
            name: name.into(),
            vendor_event: vendor_event.into(),
            importance: if ordinary { Importance::Ordinary } else { Importance::Conversion },
            filed_under: filed_under.into(),
            fields,
        }
    }
}

impl Fields {
    /// The request headers that any of these mappings reads.
    fn reads_header(&self, name: &str) -> bool {
        self.0.iter().any(|(_, node)| match node {
            Node::Leaf(rule) => rule.reads_header(name),
            Node::Branch(fields) => fields.reads_header(name),
        })
    }

    /// The values of one event, in order. `left_out` is told of each that the event has but the target doesn't take.
    pub fn map<'a>(&'a self, subject: &Subject<'a>, left_out: &mut dyn FnMut()) -> Vec<(&'a str, Value<'a>)> {
        let mut values = Vec::with_capacity(self.0.len());
        for (target, node) in &self.0 {
            match node {
                Node::Leaf(rule) => match rule.map(subject) {
                    Mapped::Value(value) => values.push((&**target, value)),
                    Mapped::LeftOut => left_out(),
                    Mapped::Absent => {}
                },
                Node::Branch(fields) => {
                    let members = fields.map(subject, left_out);
                    if !members.is_empty() {
                        let members = members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value));
                        values.push((&**target, Value::Object(members.collect())));
                    }
                }
            }
        }
        values
    }

    /// Whether a target stands here at the top.
    pub fn has(&self, target: &str) -> bool {
        self.0.iter().any(|(known, _)| **known == *target)
    }

    /// Puts a rule at a dotted target, in place of the one that is there. An error if one of them is a part of the other.
    fn put(&mut self, target: &str, rule: Rule) -> Result<(), String> {
        let (head, rest) = match target.split_once('.') {
            Some((head, rest)) => (head, Some(rest)),
            None => (target, None),
        };
        let at = self.0.iter().position(|(known, _)| **known == *head);
        let node = at.and_then(|at| self.0.get_mut(at)).map(|(_, node)| node);
        match (node, rest) {
            (Some(Node::Branch(fields)), Some(rest)) => fields.put(rest, rule),
            (Some(node @ Node::Leaf(_)), None) => {
                *node = Node::Leaf(rule);
                Ok(())
            }
            (Some(_), _) => Err(format!("{head:?} is both a value and an object of other targets")),
            (None, None) => {
                self.0.push((head.into(), Node::Leaf(rule)));
                Ok(())
            }
            (None, Some(rest)) => {
                let mut fields = Fields::default();
                fields.put(rest, rule)?;
                self.0.push((head.into(), Node::Branch(fields)));
                Ok(())
            }
        }
    }

    /// Lays other fields over these: for each target of theirs, theirs counts.
    fn overlay(&mut self, over: Fields) {
        for (target, node) in over.0 {
            match self.0.iter_mut().find(|(known, _)| *known == target) {
                Some((_, Node::Branch(fields))) if matches!(node, Node::Branch(_)) => {
                    if let Node::Branch(over) = node {
                        fields.overlay(over);
                    }
                }
                Some((_, known)) => *known = node,
                None => self.0.push((target, node)),
            }
        }
    }
}

struct Compiler<'c> {
    targets: &'c dyn Targets,
    projection: &'c mut Projection,
}

impl Compiler<'_> {
    fn entry(
        &mut self,
        name: &str,
        base: Option<&EventMapping>,
        over: Option<&EventMapping>,
        global: &Fields,
    ) -> Result<Entry, BadMapping> {
        let place = format!(".events[{name:?}]");
        let mut fields = match base {
            Some(base) => self.fields(&base.mappings, &place)?,
            None => Fields::default(),
        };
        // The preset's own globals stand first; a user's count over the preset's, the event's own over both.
        let mut all = global.clone();
        all.overlay(std::mem::take(&mut fields));
        if let Some(over) = over {
            all.overlay(self.fields(&over.mappings, &place)?);
        }
        let fields = self.ordered(all);
        let named =
            |mapping: Option<&EventMapping>| mapping.and_then(|mapping| mapping.vendor_event_name.clone());
        let vendor_event = named(over).or_else(|| named(base)).unwrap_or_else(|| snake_case(name));
        Ok(Entry::new(name, vendor_event, fields))
    }

    /// The fields in the vendor's order; those without a place in it stay as they were, at the end. Inserted one by one:
    /// the standard library's sort is eight kilobytes of the module.
    fn ordered(&self, fields: Fields) -> Fields {
        let mut ordered: Vec<(Box<str>, Node)> = Vec::with_capacity(fields.0.len());
        for field in fields.0 {
            let order = self.targets.order(&field.0);
            let at = ordered.partition_point(|(target, _)| self.targets.order(target) <= order);
            ordered.insert(at, field);
        }
        Fields(ordered)
    }

    fn fields(&mut self, mappings: &[Mapping], place: &str) -> Result<Fields, BadMapping> {
        let mut fields = Fields::default();
        for (at, mapping) in mappings.iter().enumerate() {
            let place = format!("{place}.mappings[{at}]");
            let target = |problem| BadMapping { place: format!("{place}.target"), problem };
            self.targets.check(&mapping.target).map_err(target)?;
            let rule = self.rule(mapping, &place, false)?;
            fields.put(&mapping.target, rule).map_err(target)?;
        }
        Ok(fields)
    }

    fn rule(&mut self, mapping: &Mapping, place: &str, of_item: bool) -> Result<Rule, BadMapping> {
        let bad = |part: &str, problem: String| BadMapping { place: format!("{place}{part}"), problem };
        let origin = match (&mapping.source, &mapping.value) {
            (Some(sources), None) => Origin::Sources(self.sources(&sources.0, place, of_item)?),
            (None, Some(value)) => Origin::Constant(constant(value)),
            (None, None) => return Err(bad("", "expected a source or a value".to_owned())),
            (Some(_), Some(_)) => return Err(bad("", "expected a source or a value, got both".to_owned())),
        };
        let mut transforms = Vec::new();
        for name in mapping.transform.iter().flat_map(|names| &names.0) {
            let transform =
                Transform::parse(name).ok_or_else(|| bad(".transform", unknown_transform(name)))?;
            transforms.push(transform);
        }
        let each = match &mapping.each {
            None => None,
            Some(_) if of_item => return Err(bad(".each", "each inside each is not supported".to_owned())),
            Some(_) if !transforms.is_empty() || mapping.value_map.is_some() => {
                return Err(bad(
                    ".each",
                    "each goes with neither transform nor value_map; give them inside it".to_owned(),
                ));
            }
            Some(mappings) => Some(self.each(mappings, place)?),
        };
        let value_map = mapping.value_map.as_ref().map(|map| ValueMap {
            known: map
                .iter()
                .filter(|(from, _)| *from != "*")
                .map(|(from, to)| (from.into(), constant(to)))
                .collect(),
            other: map.iter().find(|(from, _)| *from == "*").map(|(_, other)| constant(other)),
        });
        Ok(Rule { origin, transforms, value_map, each })
    }

    fn each(&mut self, mappings: &[Mapping], place: &str) -> Result<Vec<(Box<str>, Rule)>, BadMapping> {
        let mut rules = Vec::new();
        for (at, mapping) in mappings.iter().enumerate() {
            let place = format!("{place}.each[{at}]");
            if mapping.target.is_empty() || mapping.target.contains('.') {
                let problem = format!("expected a plain name, got {:?}", mapping.target);
                return Err(BadMapping { place: format!("{place}.target"), problem });
            }
            rules.push(((*mapping.target).into(), self.rule(mapping, &place, true)?));
        }
        Ok(rules)
    }

    fn sources(&mut self, paths: &[String], place: &str, of_item: bool) -> Result<Vec<Source>, BadMapping> {
        let bad = |problem: String| BadMapping { place: format!("{place}.source"), problem };
        if paths.is_empty() {
            return Err(bad("expected a path, got an empty list".to_owned()));
        }
        let mut sources = Vec::new();
        for path in paths {
            if !self.targets.takes_contact_data() && names_contact_data(path) {
                return Err(bad(format!(
                    "{path:?}: this vendor gets no email and no phone number, hashed or not"
                )));
            }
            let source = if of_item { Source::of_item(path) } else { Source::compile(path, self.projection) };
            sources.push(source.map_err(|error| bad(error.to_string()))?);
        }
        Ok(sources)
    }
}

fn names_contact_data(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    path.contains("email") || path.contains("phone")
}

fn constant(scalar: &Scalar) -> Value<'static> {
    match scalar {
        Scalar::Text(text) => Value::Text(Cow::Owned(text.clone())),
        Scalar::Number(number) => Value::Number(Cow::Owned(number.to_string())),
        Scalar::Bool(value) => Value::Bool(*value),
    }
}

fn unknown_transform(name: &str) -> String {
    let names: Vec<_> = TRANSFORMS.iter().map(|(name, _)| *name).collect();
    let near = names.iter().find(|known| known.starts_with(name) || name.starts_with(**known));
    match near {
        Some(near) => format!("unknown transform {name:?}, did you mean {near:?}?"),
        None => format!("unknown transform {name:?}: expected one of {}", names.join(", ")),
    }
}
