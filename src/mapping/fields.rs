//! The compiled mappings of one event: a tree of targets.

use std::borrow::Cow;

use super::targets::Targets;
use super::value::Value;
use super::{Rule, Subject};
use crate::left_out::{Omissions, Target};

/// The compiled mappings of one event, in the order in which the vendor wants them. Cheap to clone: several events share
/// the rules of a preset or of `global`.
#[derive(Clone, Debug, Default)]
pub struct Fields(Vec<(Box<str>, Node)>);

#[derive(Clone, Debug)]
enum Node {
    Leaf(std::rc::Rc<Rule>),
    Branch(Fields),
}

impl Fields {
    /// Returns the values of one event, in order. Tells `left_out` of each value that the event has but its target doesn't accept.
    pub fn map<'a>(
        &'a self,
        subject: &Subject<'a>,
        left_out: &mut Omissions<'_>,
    ) -> Vec<(&'a str, Value<'a>)> {
        self.map_within(None, subject, left_out)
    }

    /// The same of the targets that are members of `object`, if of any.
    fn map_within<'a>(
        &'a self,
        object: Option<&Target<'_>>,
        subject: &Subject<'a>,
        left_out: &mut Omissions<'_>,
    ) -> Vec<(&'a str, Value<'a>)> {
        let named = |name| object.map_or(Target::Named(name), |object| Target::Member(object, name));
        let mut values = Vec::with_capacity(self.0.len());
        for (target, node) in &self.0 {
            match node {
                Node::Leaf(rule) => {
                    let value = rule.map(named(target), subject, None, left_out);
                    values.extend(value.map(|value| (&**target, value)));
                }
                Node::Branch(fields) => {
                    let members = fields.map_within(Some(&named(target)), subject, left_out);
                    if !members.is_empty() {
                        let members = members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value));
                        values.push((&**target, Value::Object(members.collect())));
                    }
                }
            }
        }
        values
    }

    /// The targets, dotted, in order.
    pub fn targets(&self) -> Vec<String> {
        let mut targets = Vec::new();
        for (name, node) in &self.0 {
            match node {
                Node::Leaf(_) => targets.push(name.to_string()),
                Node::Branch(fields) => {
                    targets.extend(fields.targets().iter().map(|below| format!("{name}.{below}")));
                }
            }
        }
        targets
    }

    /// Calls `read` with the name of each request header that any of these mappings reads.
    pub(super) fn headers(&self, read: &mut dyn FnMut(&str)) {
        for (_, node) in &self.0 {
            match node {
                Node::Leaf(rule) => rule.headers(read),
                Node::Branch(fields) => fields.headers(read),
            }
        }
    }

    /// Adds a rule for a dotted target. Fails if there is one already, or if one target is below the other.
    pub(super) fn put(&mut self, target: &str, rule: Rule) -> Result<(), String> {
        let (head, rest) = match target.split_once('.') {
            Some((head, rest)) => (head, Some(rest)),
            None => (target, None),
        };
        let node = self.0.iter_mut().find(|(known, _)| **known == *head).map(|(_, node)| node);
        match (node, rest) {
            (Some(Node::Branch(fields)), Some(rest)) => fields.put(rest, rule),
            (Some(Node::Leaf(_)), None) => {
                Err(format!("{target:?} is mapped twice here: give one mapping a list of sources"))
            }
            (Some(_), _) => Err(format!("{head:?} is both a value and an object of other targets")),
            (None, None) => {
                self.0.push((head.into(), Node::Leaf(rule.into())));
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

    /// Merges other fields into these: for each of their targets, theirs replaces ours.
    pub(super) fn overlay(&mut self, over: &Fields) {
        for (target, node) in &over.0 {
            match (self.0.iter_mut().find(|(known, _)| known == target), node) {
                (Some((_, Node::Branch(fields))), Node::Branch(over)) => fields.overlay(over),
                (Some((_, known)), node) => *known = node.clone(),
                (None, node) => self.0.push((target.clone(), node.clone())),
            }
        }
    }

    /// An insertion sort, which is enough for a dozen fields: the standard library's sort takes 4 KB of code for each type.
    pub(super) fn sort(&mut self, targets: &dyn Targets) {
        let mut sorted: Vec<(Box<str>, Node)> = Vec::with_capacity(self.0.len());
        for (target, node) in std::mem::take(&mut self.0) {
            let order = targets.order(&target);
            let at = sorted.partition_point(|(before, _)| targets.order(before) <= order);
            sorted.insert(at, (target, node));
        }
        self.0 = sorted;
    }
}
