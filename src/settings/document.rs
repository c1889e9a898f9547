//! The plugin configuration from Envoy: parsed, with `${NAME}` replaced, ready to be read into its types.

use std::fmt::Write as _;

use prost::Message;
use prost_types::value::Kind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::invalid::Invalid;
use super::node::Node;
use super::path::Path;
use super::secret::Noted;

/// A configuration that has been parsed, and what is known about the secrets in it.
#[derive(Debug, Default)]
pub struct Document {
    value: Value,
    noted: Noted,
}

/// An object that its owner reads later: an integration's `config`, for its vendor.
pub struct Settings<'d> {
    value: &'d Map<String, Value>,
    path: String,
    noted: &'d Noted,
}

impl Document {
    /// Parses the JSON text of a `google.protobuf.StringValue`, or a serialized `google.protobuf.Struct`, which Envoy passes
    /// on as it is.
    pub fn parse(configuration: &[u8]) -> Result<Self, Invalid> {
        if configuration.trim_ascii().is_empty() {
            return Err(Invalid::new("", "missing configuration: expected at least the key integrations"));
        }
        let value = serde_json::from_slice(configuration).or_else(|error| {
            let (line, column) = (error.line(), error.column());
            let neither = format!("neither JSON (line {line}, column {column}) nor a google.protobuf.Struct");
            let message = prost_types::Struct::decode(configuration);
            message.map(of_struct).map_err(|_| Invalid::new("", neither))
        })?;
        Ok(Self { value, noted: Noted::default() })
    }

    /// Replaces `${NAME}` in every string. Values from the environment never appear in messages.
    pub fn expand(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Result<(), Invalid> {
        expand(&mut self.value, &Path::At(""), environment, &mut self.noted)
    }

    /// Reads the whole configuration. The error is the first problem in the order of the keys, except that within one object
    /// an unknown key is named before a missing one, which often is there, but misspelled.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Invalid> {
        read(&self.value, "", &self.noted)
    }

    /// Hands an object of the configuration to its owner. `path` is where it stands.
    pub fn settings<'d>(&'d self, value: &'d Map<String, Value>, path: String) -> Settings<'d> {
        Settings { value, path, noted: &self.noted }
    }

    /// Returns the text with what came from the environment, and every secret read so far, as `***`.
    pub fn mask(&self, text: &str) -> String {
        self.noted.texts.borrow().mask(text)
    }

    /// Returns the paths of the secrets in plain text that were read since the last call.
    pub fn take_plain_secrets(&self) -> Vec<String> {
        self.noted.plain.take()
    }

    /// Whether the string at `path` names an environment variable.
    pub fn is_from_environment(&self, path: &str) -> bool {
        self.noted.from_environment.contains(path)
    }
}

impl Settings<'_> {
    /// Notes that a part of the text at `key` is a secret: no message shows it, and one in plain text causes a warning.
    pub fn note_secret(&self, key: &str, secret: &str) {
        self.noted.secret(&Path::Key(&Path::At(&self.path), key), secret);
    }

    /// Returns the text with what came from the environment, and every secret read so far, as `***`.
    pub fn mask(&self, text: &str) -> String {
        self.noted.texts.borrow().mask(text)
    }

    /// Reads the object into its type. An error names the place in the whole configuration, and shows no secret.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Invalid> {
        read(&Value::Object(self.value.clone()), &self.path, self.noted)
    }
}

/// Reads a JSON text of our own, which holds no secret.
pub fn of_text<T: DeserializeOwned>(text: &str) -> Result<T, Invalid> {
    let value = serde_json::from_str(text).map_err(|error| Invalid::new("", error.to_string()))?;
    read(&value, "", &Noted::default())
}

fn read<T: DeserializeOwned>(value: &Value, at: &str, noted: &Noted) -> Result<T, Invalid> {
    T::deserialize(Node { value, path: Path::At(at), noted }).map_err(|problem| {
        Invalid::new(problem.at.unwrap_or_else(|| at.to_owned()), noted.texts.borrow().mask(&problem.text))
    })
}

fn of_struct(message: prost_types::Struct) -> Value {
    Value::Object(message.fields.into_iter().map(|(key, value)| (key, of_value(value))).collect())
}

fn of_value(message: prost_types::Value) -> Value {
    match message.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => Value::Bool(value),
        Some(Kind::NumberValue(number)) => of_number(number),
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => Value::Array(list.values.into_iter().map(of_value).collect()),
        Some(Kind::StructValue(object)) => of_struct(object),
    }
}

/// A Struct knows doubles only: 5 comes as 5.0, and is 5 again.
fn of_number(number: f64) -> Value {
    /// Up to 2^53 every whole number is a double of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Value::from(number as i64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}

fn expand(
    value: &mut Value,
    path: &Path<'_>,
    environment: &dyn Fn(&str) -> Option<String>,
    noted: &mut Noted,
) -> Result<(), Invalid> {
    match value {
        Value::String(text) if text.contains("${") => {
            *text = expand_text(text, environment, noted)
                .map_err(|problem| Invalid::new(path.to_string(), problem))?;
            noted.from_environment.insert(path.to_string());
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(item, &Path::Index(path, index), environment, noted)?;
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                expand(member, &Path::Key(path, key), environment, noted)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn expand_text(
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    noted: &mut Noted,
) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or("\"${\" without \"}\": expected ${NAME}")?;
        let value = environment(name).ok_or_else(|| {
            format!(
                "the environment variable {name} is not set in the VM: set it for Envoy and name it in \
                 vm_config.environment_variables.host_env_keys"
            )
        })?;
        _ = write!(expanded, "{before}{value}");
        noted.texts.get_mut().add(&value);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}
