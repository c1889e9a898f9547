//! The fields of an event that are needed, compiled once, so that an event is read in one pass.
//!
//! Every path that the filter itself or a mapping uses gets a [`Slot`] when the configuration is compiled. Reading an event
//! fills the slots with borrowed JSON; everything else is skipped.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

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
        let walk = Walk { projection: self, node, depth, text, slots };
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
        let Self { projection, node, text, slots, .. } = self;
        let depth = self.depth.saturating_add(1);
        while let Some(key) = members.next_key::<Key<'de>>()? {
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
                members.next_value_seed(Walk { projection, node: child, depth, text, slots })?;
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read<'a>(projection: &Projection, text: &'a str) -> Slots<'a> {
        let mut slots = projection.empty();
        projection.read(Json::parse(text).unwrap(), &mut slots).unwrap();
        slots
    }

    #[test]
    fn a_path_asked_for_twice_has_one_slot_and_both_spellings_fill_it() {
        let mut projection = Projection::new();
        let user = projection.slot(&[&["user_id", "userId"]]);
        assert_eq!(projection.slot(&[&["user_id", "userId"]]), user);
        assert_eq!(read(&projection, r#"{"userId":"u1"}"#).get(user).unwrap().as_str(), r#""u1""#);
        assert_eq!(read(&projection, r#"{"user_id":"u2"}"#).get(user).unwrap().as_str(), r#""u2""#);
    }

    #[test]
    fn a_value_is_found_as_a_whole_and_below_itself() {
        let mut projection = Projection::new();
        let page = projection.slot(&[&["context"], &["page"]]);
        let url = projection.slot(&[&["context"], &["page"], &["url"]]);
        let slots = read(&projection, r#"{"x":[{}],"context":{"page":{"url":"https://a/"}}}"#);
        assert_eq!(slots.get(page).unwrap().as_str(), r#"{"url":"https://a/"}"#);
        assert_eq!(slots.get(url).unwrap().as_str(), r#""https://a/""#);
    }

    #[test]
    fn null_and_the_empty_string_count_as_absent() {
        let mut projection = Projection::new();
        let slot = projection.slot(&[&["a"]]);
        assert!(read(&projection, r#"{"a":null}"#).get(slot).is_none());
        assert!(read(&projection, r#"{"a":""}"#).get(slot).is_none());
    }

    #[test]
    fn a_field_that_should_be_an_object_and_is_not_costs_nothing_else() {
        let mut projection = Projection::new();
        let deep = projection.slot(&[&["properties"], &["a"]]);
        let other = projection.slot(&[&["event"]]);
        for odd in ["1", "-1", "1.5", "true", "null", "\"x\"", "[1,{\"a\":2}]"] {
            let text = format!(r#"{{"properties":{odd},"event":"e"}}"#);
            let slots = read(&projection, &text);
            assert!(slots.get(deep).is_none() && slots.get(other).is_some(), "{odd}");
        }
    }

    #[test]
    fn of_two_objects_under_one_key_nothing_of_the_first_is_left() {
        let mut projection = Projection::new();
        let a = projection.slot(&[&["context"], &["consent"], &["a"]]);
        let b = projection.slot(&[&["context"], &["consent"], &["b"]]);
        let slots = read(&projection, r#"{"context":{"consent":{"a":1},"consent":{"b":2}}}"#);
        assert!(slots.get(a).is_none() && slots.get(b).is_some());
    }

    #[test]
    fn a_statement_that_is_made_twice_is_none_that_can_be_read() {
        let mut projection = Projection::new();
        let consent = projection.statement_slot(&[&["context"], &["consent", "Consent"]]);
        let read = |text| read(&projection, text).get(consent).map(Json::as_str);
        assert_eq!(read(r#"{"context":{"consent":{"a":1}}}"#), Some(r#"{"a":1}"#));
        assert_eq!(
            read(r#"{"context":{"consent":null,"consent":{"a":1},"consent":""}}"#),
            Some(r#"{"a":1}"#)
        );
        for twice in [
            r#"{"context":{"consent":{"a":0},"consent":{"a":1}}}"#,
            r#"{"context":{"consent":1,"Consent":2}}"#,
            r#"{"context":{"consent":1},"context":{"consent":2}}"#,
            r#"{"context":{"consent":1,"consent":2,"consent":3}}"#,
        ] {
            assert_eq!(read(twice), Some(STATED_TWICE), "{twice}");
        }
    }

    #[test]
    fn a_statement_of_an_item_replaces_that_of_its_batch_unless_it_is_null() {
        let mut projection = Projection::new();
        let consent = projection.statement_slot(&[&["context"], &["consent"]]);
        let mut batch = projection.empty();
        projection.read_member("context", Json::parse(r#"{"consent":{"a":0}}"#).unwrap(), &mut batch);
        for (item, expected) in [
            ("{}", r#"{"a":0}"#),
            (r#"{"context":{"consent":null}}"#, r#"{"a":0}"#),
            (r#"{"context":{"consent":{"a":1}}}"#, r#"{"a":1}"#),
        ] {
            let mut slots = batch.clone();
            projection.read(Json::parse(item).unwrap(), &mut slots).unwrap();
            assert_eq!(slots.get(consent).unwrap().as_str(), expected, "{item}");
        }
    }

    #[test]
    fn white_space_and_escapes_in_keys_change_nothing() {
        let mut projection = Projection::new();
        let url = projection.slot(&[&["context"], &["page"], &["url"]]);
        for text in [
            "{ \"context\" : { \"page\" :\n{\t\"url\" :\r\"u\" } } }",
            r#"{"context":{"p\u0061ge":{"url":"u"}}}"#,
            r#"{"\u0063ontext" : {"page":{"\u0075rl":"u"}}}"#,
            r#"{"\ud83d":{"a":"\ud83d"},"context":{"\ude00":1,"page":{"url":"u","\ud83dx":[]}}}"#,
        ] {
            assert_eq!(read(&projection, text).get(url).unwrap().as_str(), "\"u\"", "{text}");
        }
    }

    #[test]
    fn half_an_emoji_in_a_key_is_a_replacement_character() {
        let mut projection = Projection::new();
        let slot = projection.slot(&[&["properties"], &["a\u{FFFD}b"]]);
        assert!(read(&projection, r#"{"properties":{"a\ud83db":1}}"#).get(slot).is_some());
        assert!(read(&projection, r#"{"properties":{"a\\ud83db":1}}"#).get(slot).is_none());
    }

    #[test]
    fn deep_nesting_below_a_field_is_no_recursion() {
        let mut projection = Projection::new();
        let slot = projection.slot(&[&["properties"], &["a"]]);
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let text = format!(r#"{{"x":{deep},"properties":{{"a":{deep}}}}}"#);
        assert_eq!(read(&projection, &text).get(slot).unwrap().as_str(), deep);
    }

    proptest! {
        #[test]
        fn reading_agrees_with_serde_jsons_own_value(a in "[a-c]{1}", b in "[a-c]{1}", text in "\\{(\"[a-c]\":(1|\"x\"|\\{\"[a-c]\":2\\}),?){0,4}") {
            let text = format!("{}}}", text.trim_end_matches(','));
            let Ok(whole) = serde_json::from_str::<serde_json::Value>(&text) else { return Ok(()) };
            let mut projection = Projection::new();
            let slot = projection.slot(&[&[a.as_str()], &[b.as_str()]]);
            // Duplicate keys at the root merge here (a batch's context does); keep those out of the comparison.
            prop_assume!(text.matches(&format!("\"{a}\":")).count() <= 1);
            let slots = read(&projection, &text);
            prop_assert_eq!(slots.get(slot).map(|json| json.as_str().to_owned()), whole.get(&a).and_then(|v| v.get(&b)).map(|v| v.to_string()));
        }
    }
}
