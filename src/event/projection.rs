//! The fields of an event that are needed, compiled once, so that an event is read in one pass.
//!
//! Every path that the filter itself or a mapping uses gets a [`Slot`] when the configuration is compiled. Reading an event
//! fills the slots with borrowed JSON; everything else is skipped.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use crate::json::{Json, Key, Kind};

/// The index of the value of one path, once an event has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u16);

/// A tree of object keys; some of its nodes are slots.
#[derive(Debug, Default)]
pub struct Projection {
    nodes: Vec<Node>,
    slots: u16,
    /// How many slots were asked for by [`Projection::statement_slot`].
    statements: u8,
}

/// What a statement that an object makes twice reads as. It is no value that means anything, so it can't be read.
const STATED_TWICE: &str = "\"stated twice\"";

#[derive(Debug, Default)]
struct Node {
    slot: Option<Slot>,
    /// The bit of a slot that was asked for by [`Projection::statement_slot`].
    statement: Option<u8>,
    /// By [`tag`]. Several keys may lead to one node: `userId` and `user_id` are one field.
    children: Vec<Child>,
}

#[derive(Debug)]
struct Child {
    tag: u32,
    key: Box<str>,
    node: NodeIndex,
}

/// A node, by its index.
pub type NodeIndex = usize;

/// A number that differs for most keys, so that keys are only compared completely if they are probably equal.
fn tag(key: &[u8]) -> u32 {
    let byte = |at: usize| key.get(at).copied().unwrap_or_default();
    u32::from_le_bytes([byte(0), byte(key.len() / 2), byte(key.len().saturating_sub(1)), key.len() as u8])
}

impl Node {
    fn find(&self, key: &[u8]) -> Option<NodeIndex> {
        let wanted = tag(key);
        let from = self.children.partition_point(|child| child.tag < wanted);
        let mut alike = self.children.get(from..)?.iter().take_while(|child| child.tag == wanted);
        alike.find(|child| child.key.as_bytes() == key).map(|child| child.node)
    }
}

impl Projection {
    /// The event itself.
    pub const ROOT: NodeIndex = 0;

    /// Returns a projection without slots: of an event nothing is read.
    pub fn new() -> Self {
        Self { nodes: vec![Node::default()], ..Self::default() }
    }

    /// The slot of the value below these keys. Each step lists the spellings of one key, the first being its name.
    /// Asking again for the same path gives the same slot.
    pub fn slot(&mut self, path: &[&[&str]]) -> Slot {
        let at = path.iter().fold(Self::ROOT, |at, spellings| self.child(at, spellings));
        self.slot_at(at)
    }

    /// The slot of a statement about consent. Other values may be there twice, and the last one counts, as in `JSON.parse`; two
    /// statements contradict each other, so their slot holds neither. `null` leaves the statement of the batch as it is.
    ///
    /// For at most eight slots; a further one is as any other.
    pub fn statement_slot(&mut self, path: &[&[&str]]) -> Slot {
        let at = path.iter().fold(Self::ROOT, |at, spellings| self.child(at, spellings));
        if self.statements < u8::BITS as u8
            && let Some(node) = self.nodes.get_mut(at)
            && node.statement.is_none()
        {
            node.statement = Some(1 << self.statements);
            self.statements = self.statements.saturating_add(1);
        }
        self.slot_at(at)
    }

    /// The slot of a node that [`Projection::child`] gave.
    pub fn slot_at(&mut self, node: NodeIndex) -> Slot {
        let next = Slot(self.slots);
        match self.nodes.get_mut(node) {
            Some(node) => *node.slot.get_or_insert_with(|| {
                self.slots = self.slots.saturating_add(1);
                next
            }),
            None => next, // not reached: `child` answers with nodes that exist
        }
    }

    /// The node below another by a key, of which these are the spellings.
    pub fn child(&mut self, parent: NodeIndex, spellings: &[&str]) -> NodeIndex {
        let known = spellings.iter().find_map(|key| self.find(parent, key.as_bytes()));
        let child = known.unwrap_or_else(|| {
            self.nodes.push(Node::default());
            self.nodes.len() - 1
        });
        if let Some(node) = self.nodes.get_mut(parent) {
            for key in spellings {
                if node.find(key.as_bytes()).is_none() {
                    let tag = tag(key.as_bytes());
                    let at = node.children.partition_point(|child| child.tag < tag);
                    node.children.insert(at, Child { tag, key: (*key).into(), node: child });
                }
            }
        }
        child
    }

    fn find(&self, parent: NodeIndex, key: &[u8]) -> Option<NodeIndex> {
        self.nodes.get(parent)?.find(key)
    }

    /// Slots to read events into, all empty.
    pub fn empty<'a>(&self) -> Slots<'a> {
        Slots { values: vec![None; usize::from(self.slots)], stated: 0 }
    }

    /// Fills `slots` from an object. Values that `slots` already has remain where the object has none, so that an item of a
    /// batch starts with the batch's own members; a member of `context` replaces that member as a whole.
    ///
    /// Returns `None` if `event` is not an object.
    pub fn read<'a>(&self, event: Json<'a>, slots: &mut Slots<'a>) -> Option<()> {
        slots.stated = 0;
        self.walk(Self::ROOT, 0, event, slots)
    }

    /// Fills `slots` as [`Projection::read`] does, from a text that nobody has found to be JSON yet, in one and the same pass.
    ///
    /// Returns `false` if the text is no JSON object with nothing but white space around it, and also if a key has escapes: of such a
    /// key this pass doesn't see which characters it was written with. Then the slots mean nothing.
    pub fn read_unverified<'a>(&self, text: &'a str, slots: &mut Slots<'a>) -> bool {
        slots.stated = 0;
        let walk = Walk { projection: self, node: Self::ROOT, depth: 0, text, slots, is_verified: false };
        let mut reader = serde_json::Deserializer::from_str(text);
        walk.deserialize(&mut reader).and_then(|()| reader.end()).is_ok()
    }

    /// Fills `slots` from an object as [`Projection::read`] does, as if it stood under `key` in an event.
    pub fn read_member<'a>(&self, key: &str, member: Json<'a>, slots: &mut Slots<'a>) {
        if let Some(node) = self.find(Self::ROOT, key.as_bytes()) {
            // A batch's context that is no object says nothing about its items.
            _ = self.walk(node, 1, member, slots);
        }
    }

    /// Reads an object at a node, at a depth below the event.
    fn walk<'a>(&self, node: NodeIndex, depth: u8, object: Json<'a>, slots: &mut Slots<'a>) -> Option<()> {
        let text = object.as_str();
        let walk = Walk { projection: self, node, depth, text, slots, is_verified: true };
        walk.deserialize(&mut serde_json::Deserializer::from_str(text)).ok()
    }

    /// Empties every slot at or below a node, for a key that occurs twice: the last one counts, and counts alone.
    fn clear(&self, node: NodeIndex, slots: &mut Slots<'_>) {
        let Some(node) = self.nodes.get(node) else { return };
        if let Some(slot) = node.slot {
            slots.set(slot, None);
        }
        for child in &node.children {
            self.clear(child.node, slots); // as deep as the configuration's longest path, whatever the event
        }
    }
}

/// The reading of an object at a node. Nested as deep as the configuration's longest path, whatever the event.
struct Walk<'p, 's, 'a> {
    projection: &'p Projection,
    node: NodeIndex,
    depth: u8,
    /// The text that the object is in.
    text: &'a str,
    slots: &'s mut Slots<'a>,
    /// Whether the text is known to be JSON.
    is_verified: bool,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, object: D) -> Result<(), D::Error> {
        object.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self { projection, node, text, slots, is_verified, .. } = self;
        let depth = self.depth.saturating_add(1);
        while let Some(key) = members.next_key::<Key<'de>>()? {
            if !is_verified && !key.is_plain() {
                return Err(A::Error::custom("a key with escapes or control characters"));
            }
            let child = projection.find(node, &key.0);
            let Some((child, Node { slot, statement, children })) =
                child.and_then(|at| Some((at, projection.nodes.get(at)?)))
            else {
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            if let (Some(slot), Some(bit)) = (slot, statement) {
                slots.state(*slot, *bit, members.next_value::<Json<'de>>()?);
                continue;
            }
            if self.depth > 0 {
                projection.clear(child, slots);
            }
            if slot.is_none() && key.is_before_object(text) {
                members.next_value_seed(Walk { projection, node: child, depth, text, slots, is_verified })?;
                continue;
            }
            let value = members.next_value::<Json<'de>>()?;
            if let Some(slot) = slot {
                slots.set(*slot, Some(value));
            }
            // Where it should be an object and is something else, its paths have no value: that is no error.
            if !children.is_empty() && value.kind() == Kind::Object {
                _ = projection.walk(child, depth, value, slots);
            }
        }
        Ok(())
    }
}

/// The values of one event, by [`Slot`].
#[derive(Clone, Debug)]
pub struct Slots<'a> {
    values: Vec<Option<Json<'a>>>,
    /// The statements that the object being read has made, by their bits.
    stated: u8,
}

impl<'a> Slots<'a> {
    /// Returns the value of a path; `None` if the event lacks it, or has null or the empty string.
    pub fn get(&self, slot: Slot) -> Option<Json<'a>> {
        self.values.get(usize::from(slot.0)).copied().flatten().filter(|json| !json.is_absent())
    }

    /// What they take up in memory, in bytes.
    pub fn size(&self) -> usize {
        size_of::<Option<Json>>().saturating_mul(self.values.len())
    }

    /// Empties all of them, for the next object of the same projection.
    pub fn clear(&mut self) {
        self.values.fill(None);
    }

    /// Sets a statement, unless `value` is null.
    fn state(&mut self, slot: Slot, bit: u8, value: Json<'a>) {
        if value.is_absent() {
            return;
        }
        let is_first = self.stated & bit == 0;
        self.stated |= bit;
        self.set(slot, Some(if is_first { value } else { Json::known(STATED_TWICE) }));
    }

    fn set(&mut self, slot: Slot, value: Option<Json<'a>>) {
        if let Some(place) = self.values.get_mut(usize::from(slot.0)) {
            *place = value;
        }
    }
}

#[cfg(test)]
mod tests;
