//! A serde deserializer over the parsed configuration that tracks the path of each value and which values are secrets.
//!
//! Serde's own errors show the refused value but no path. For a configuration with secrets both are wrong, so the errors here are
//! [`Problem`]s, and the path of every [`Secret`](super::Secret) is recorded.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

use super::path::Path;
use super::problem::Problem;
use super::secret::{self, Noted};

/// A value of the configuration, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Node<'n> {
    pub value: &'n Value,
    pub path: Path<'n>,
    pub noted: &'n Noted,
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(whole), _) => visitor.visit_u64(whole),
                (None, Some(whole)) => visitor.visit_i64(whole),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => visitor.visit_seq(Items { node: self, items, next: 0 }),
            Value::Object(members) => visitor.visit_map(Members::of(self, members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// Serde would take a list for a struct, its items in the order of the fields.
    #[inline(never)] // a function of its own for each struct: docs/performance.md
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.value {
            Value::Object(members) => visitor.visit_map(Members::of(self, members)),
            other => Err(Problem::invalid_type(unexpected(other), &"an object")),
        }
    }

    /// All enums of the configuration are names.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match self.value {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            other => Err(Problem::invalid_type(unexpected(other), &"a string")),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        if let (secret::TYPE, Value::String(text)) = (name, self.value) {
            self.noted.secret(&self.path, text);
        }
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn unexpected(value: &Value) -> Unexpected<'_> {
    match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(value) => Unexpected::Bool(*value),
        Value::Number(number) => Unexpected::Float(number.as_f64().unwrap_or_default()),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    }
}

/// The items of a list.
struct Items<'n> {
    node: Node<'n>,
    items: &'n [Value],
    next: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Problem;

    #[inline(never)] // once for each type: docs/performance.md
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Problem> {
        let Some(value) = self.items.get(self.next) else { return Ok(None) };
        let path = Path::Index(&self.node.path, self.next);
        self.next = self.next.saturating_add(1);
        seed.deserialize(Node { value, path, ..self.node }).map(Some).map_err(|problem| problem.or_at(&path))
    }
}

/// The members of an object.
struct Members<'n> {
    node: Node<'n>,
    members: serde_json::map::Iter<'n>,
    /// The member whose key was read last.
    current: Option<(&'n String, &'n Value)>,
}

impl<'n> Members<'n> {
    fn of(node: Node<'n>, members: &'n Map<String, Value>) -> Self {
        Self { node, members: members.iter(), current: None }
    }
}

impl<'de> MapAccess<'de> for Members<'_> {
    type Error = Problem;

    #[inline(never)] // once for each type: docs/performance.md
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Problem> {
        self.current = self.members.next();
        let Some((key, _)) = self.current else { return Ok(None) };
        let path = Path::Key(&self.node.path, key);
        seed.deserialize(StrDeserializer::new(key)).map(Some).map_err(|problem: Problem| problem.or_at(&path))
    }

    #[inline(never)] // once for each type: docs/performance.md
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let (key, value) = self.current.ok_or_else(|| Problem::custom("a value without a key"))?;
        let path = Path::Key(&self.node.path, key);
        seed.deserialize(Node { value, path, ..self.node }).map_err(|problem| problem.or_at(&path))
    }
}
