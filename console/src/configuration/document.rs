//! The configuration as it is kept in a revision.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::refusal::Refusal;

/// The lists of a configuration whose objects have a resource of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// `integrations`
    Integrations,
    /// `sources`
    Sources,
}

impl Collection {
    /// Returns the key of the list in the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Collection::Integrations => "integrations",
            Collection::Sources => "sources",
        }
    }

    /// Returns what one of its objects is called.
    pub fn noun(self) -> &'static str {
        match self {
            Collection::Integrations => "integration",
            Collection::Sources => "source",
        }
    }
}

/// A plugin configuration. Each integration has an `id`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Document(Map<String, Value>);

impl Document {
    /// Returns a configuration without integrations, whose values are sealed under the secret of that environment variable.
    pub fn empty(sealed_under: Option<&str>) -> Self {
        let mut members = Map::new();
        if let Some(name) = sealed_under {
            members.insert("secrets".to_owned(), json!([format!("${{{name}}}")]));
        }
        members.insert(Collection::Integrations.key().to_owned(), json!([]));
        Self(members)
    }

    /// Takes a whole plugin configuration as JSON.
    pub fn from_value(value: Value) -> Result<Self, Refusal> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(Refusal::new("", "expected an object")),
        }
    }

    /// Returns the whole as JSON.
    pub fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    /// Returns the objects of a list.
    pub fn objects(&self, collection: Collection) -> &[Value] {
        self.0.get(collection.key()).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Returns the object with this id, and its index.
    pub fn find(&self, collection: Collection, id: &str) -> Option<(usize, &Map<String, Value>)> {
        let objects = self.objects(collection).iter().enumerate();
        objects
            .filter_map(|(index, object)| Some((index, object.as_object()?)))
            .find(|(_, object)| has_id(object, id))
    }

    /// Puts an object in the place of the one with this id, or at the end.
    pub fn put(&mut self, collection: Collection, id: &str, object: Map<String, Value>) {
        let list = self.0.entry(collection.key()).or_insert_with(|| json!([]));
        let Value::Array(list) = list else { return };
        match list.iter_mut().find(|known| known.as_object().is_some_and(|known| has_id(known, id))) {
            Some(known) => *known = object.into(),
            None => list.push(object.into()),
        }
    }

    /// Removes the object with this id. Without any source left, sources are off, so the key goes, too.
    pub fn remove(&mut self, collection: Collection, id: &str) {
        if let Some(Value::Array(list)) = self.0.get_mut(collection.key()) {
            list.retain(|known| !known.as_object().is_some_and(|known| has_id(known, id)));
            if list.is_empty() && collection == Collection::Sources {
                self.0.remove(collection.key());
            }
        }
    }

    /// Returns everything but the lists that have resources of their own.
    pub fn settings(&self) -> Map<String, Value> {
        let mut settings = self.0.clone();
        for collection in [Collection::Integrations, Collection::Sources] {
            settings.remove(collection.key());
        }
        settings
    }

    /// Replaces everything but the lists that have resources of their own.
    pub fn set_settings(&mut self, mut settings: Map<String, Value>) {
        for collection in [Collection::Integrations, Collection::Sources] {
            settings.remove(collection.key());
            if let Some(list) = self.0.remove(collection.key()) {
                settings.insert(collection.key().to_owned(), list);
            }
        }
        self.0 = settings;
    }
}

fn has_id(object: &Map<String, Value>, id: &str) -> bool {
    object.get("id").and_then(Value::as_str) == Some(id)
}
