//! What the console should hold.

use serde_json::{Map, Value};

use super::operations::Key;

/// An integration as it should be: without its times, and with its key as it is written or, if that is a secret, in full.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub object: Map<String, Value>,
    pub secret: Option<String>,
}

impl Expected {
    pub fn name(&self) -> &str {
        self.object["name"].as_str().unwrap()
    }
}

/// What the console should hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// In the order of the configuration.
    pub integrations: Vec<(String, Expected)>,
    pub timeout: Option<u8>,
}

impl State {
    pub fn has_name(&self, name: &str, but: &str) -> bool {
        self.integrations.iter().any(|(id, one)| id != but && one.name() == name)
    }

    pub fn pick(&self, which: usize) -> Option<(String, Expected)> {
        let count = self.integrations.len();
        (count > 0).then(|| self.integrations[which % count].clone())
    }

    pub fn put(&mut self, id: &str, expected: Expected) {
        match self.integrations.iter_mut().find(|(known, _)| known == id) {
            Some((_, known)) => *known = expected,
            None => self.integrations.push((id.to_owned(), expected)),
        }
    }
}

pub fn name(number: u8) -> String {
    format!("Pod {number}")
}

pub fn literal(number: u8) -> String {
    format!("ps_pixel_key_{number}")
}

/// Returns the key as it is sent, as it is read back, and the secret behind it. `None`: it is refused.
pub fn written(key: Key, kept: Option<&String>) -> Option<(String, String, Option<String>)> {
    match key {
        Key::Literal(number) => Some((literal(number), "***".into(), Some(literal(number)))),
        Key::Variable => Some(("${PODSIGHTS_KEY}".into(), "${PODSIGHTS_KEY}".into(), None)),
        Key::Stars => kept.map(|kept| ("***".into(), "***".into(), Some(kept.clone()))),
    }
}

/// Returns an integration as it should be once it is kept.
pub fn expected(mut object: Map<String, Value>, id: &str, shown: &str, secret: Option<String>) -> Expected {
    object.insert("id".into(), id.into());
    object["config"]["key"] = shown.into();
    Expected { object, secret }
}
