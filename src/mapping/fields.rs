//! The compiled mappings of one event: a tree of targets.

use std::borrow::Cow;

use super::path::RequestPart;
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
    /// A list of one item: `data[0]`.
    List(Box<Node>),
}

/// What follows a target, or a part of a dotted one, that is a list of one item.
const ONE_ITEM: &str = "[0]";

impl Fields {
    /// Returns the values of one event, in order. Tells `left_out` of each value that the event has but its target doesn't accept.
    pub fn map<'a>(
        &'a self,
        subject: &Subject<'a>,
        left_out: &mut Omissions<'_>,
    ) -> Vec<(&'a str, Value<'a>)> {
        self.map_within(None, subject, left_out)
    }

    /// Returns the value of one target, which isn't dotted; `None` where nothing is mapped to it, or the event has nothing that it
    /// accepts.
    pub fn map_one<'a>(&'a self, target: &str, subject: &Subject<'a>) -> Option<Value<'a>> {
        let (name, node) = self.0.iter().find(|(name, _)| **name == *target)?;
        node.map(Target::Named(name), subject, &mut |_| {})
    }

    /// Returns the values of the targets that are members of `object`, if of any.
    fn map_within<'a>(
        &'a self,
        object: Option<&Target<'_>>,
        subject: &Subject<'a>,
        left_out: &mut Omissions<'_>,
    ) -> Vec<(&'a str, Value<'a>)> {
        let named = |name| object.map_or(Target::Named(name), |object| Target::Member(object, name));
        let mut values = Vec::with_capacity(self.0.len());
        for (target, node) in &self.0 {
            // Most targets are leaves.
            let value = match node {
                Node::Leaf(rule) => rule.map(named(target), subject, None, left_out),
                other => other.map(named(target), subject, left_out),
            };
            values.extend(value.map(|value| (&**target, value)));
        }
        values
    }

    /// The targets, dotted, in order.
    pub fn targets(&self) -> Vec<String> {
        self.0.iter().flat_map(|(name, node)| node.targets(name)).collect()
    }

    /// Calls `read` with each part of the request that any of these mappings reads.
    pub(super) fn request_parts(&self, read: &mut dyn FnMut(RequestPart<'_>)) {
        for (_, node) in &self.0 {
            node.request_parts(read);
        }
    }

    /// Adds a rule for a dotted target. Fails if there is one already, or if one target is below the other.
    pub(super) fn put(&mut self, target: &str, rule: Rule) -> Result<(), String> {
        let (head, rest) = match target.split_once('.') {
            Some((head, rest)) => (head, Some(rest)),
            None => (target, None),
        };
        let (head, is_list) = head.strip_suffix(ONE_ITEM).map_or((head, false), |head| (head, true));
        let node = self.0.iter_mut().find(|(known, _)| **known == *head).map(|(_, node)| node);
        let node = match node {
            Some(Node::List(item)) if is_list => Some(&mut **item),
            Some(Node::List(_)) => return Err(format!("{head:?} is both a list and something else")),
            Some(_) if is_list => return Err(format!("{head:?} is both a list and something else")),
            node => node,
        };
        match (node, rest) {
            (Some(Node::Branch(fields)), Some(rest)) => fields.put(rest, rule),
            (Some(Node::Leaf(_)), None) => {
                Err(format!("{target:?} is mapped twice here: give one mapping a list of sources"))
            }
            (Some(_), _) => Err(format!("{head:?} is both a value and an object of other targets")),
            (None, rest) => {
                let node = Node::of(rest, rule)?;
                let node = if is_list { Node::List(Box::new(node)) } else { node };
                self.0.push((head.into(), node));
                Ok(())
            }
        }
    }

    /// Merges other fields into these: for each of their targets, theirs replaces ours.
    pub(super) fn overlay(&mut self, over: &Fields) {
        for (target, node) in &over.0 {
            match (self.0.iter_mut().find(|(known, _)| known == target), node) {
                (Some((_, known)), node) => known.overlay(node),
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

impl Node {
    /// The node of a rule for a dotted target below it, or for itself.
    fn of(target: Option<&str>, rule: Rule) -> Result<Self, String> {
        let Some(target) = target else { return Ok(Node::Leaf(rule.into())) };
        let mut fields = Fields::default();
        fields.put(target, rule)?;
        Ok(Node::Branch(fields))
    }

    /// The value of one event. See [`Fields::map`].
    fn map<'a>(
        &'a self,
        target: Target<'_>,
        subject: &Subject<'a>,
        left_out: &mut Omissions<'_>,
    ) -> Option<Value<'a>> {
        match self {
            Node::Leaf(rule) => rule.map(target, subject, None, left_out),
            Node::Branch(fields) => {
                let members = fields.map_within(Some(&target), subject, left_out);
                let members = members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value));
                let members: Vec<_> = members.collect();
                (!members.is_empty()).then_some(Value::Object(members))
            }
            Node::List(item) => item.map(target, subject, left_out).map(|item| Value::List(vec![item])),
        }
    }

    /// The targets at and below a name, dotted.
    fn targets(&self, name: &str) -> Vec<String> {
        match self {
            Node::Leaf(_) => vec![name.to_owned()],
            Node::Branch(fields) => fields.targets().iter().map(|below| format!("{name}.{below}")).collect(),
            Node::List(item) => item.targets(&format!("{name}{ONE_ITEM}")),
        }
    }

    fn request_parts(&self, read: &mut dyn FnMut(RequestPart<'_>)) {
        match self {
            Node::Leaf(rule) => rule.request_parts(read),
            Node::Branch(fields) => fields.request_parts(read),
            Node::List(item) => item.request_parts(read),
        }
    }

    /// Merges another node into this one: of objects the members, else it replaces this one.
    fn overlay(&mut self, over: &Node) {
        match (self, over) {
            (Node::Branch(fields), Node::Branch(over)) => fields.overlay(over),
            (Node::List(item), Node::List(over)) => item.overlay(over),
            (known, over) => *known = over.clone(),
        }
    }
}
