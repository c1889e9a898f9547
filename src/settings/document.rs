//! The plugin configuration from Envoy: parsed, with `${NAME}` replaced and sealed values opened, ready to be read into its types.

use std::fmt::Write as _;

use prost::Message;
use prost_types::value::Kind;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

use super::invalid::Invalid;
use super::node::Node;
use super::path::Path;
use super::place::{Label, SEALED};
use super::secret::{Noted, Secret};

/// A configuration that has been parsed, and what is known about the secrets in it.
#[derive(Debug, Default)]
pub struct Document {
    value: Value,
    noted: Noted,
    sealed: Vec<SealedAt>,
}

/// Where a sealed value stands.
#[derive(Debug)]
pub struct SealedAt {
    /// The path, for messages.
    pub path: String,
    /// The [place](super::place()) that it has to be sealed for.
    pub place: String,
    /// The JSON pointer by which it is found.
    pointer: String,
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
        Ok(Self { value, ..Self::default() })
    }

    /// Replaces `${NAME}` in every string, and notes which strings are sealed. Values from the environment never appear in messages.
    pub fn expand(&mut self, environment: &dyn Fn(&str) -> Option<String>) -> Result<(), Invalid> {
        let Self { value, noted, sealed } = self;
        Expansion { environment, noted, sealed, pointer: String::new() }.expand(value, &Path::At(""))
    }

    /// Replaces every sealed string by what `open` returns for it. Like values from the environment, what was sealed never appears in
    /// messages. The first error of `open`, a problem in words, refuses the configuration. Call it after [`Document::expand`].
    pub fn open(
        &mut self,
        open: &mut dyn FnMut(&str, &SealedAt) -> Result<String, Invalid>,
    ) -> Result<(), Invalid> {
        for at in std::mem::take(&mut self.sealed) {
            let Some(Value::String(text)) = self.value.pointer_mut(&at.pointer) else { continue };
            *text = open(text, &at)?;
            self.noted.texts.get_mut().add(text);
            self.noted.hidden.insert(at.path);
        }
        Ok(())
    }

    /// Returns the strings of the list at a top-level key. None if there is no such list.
    pub fn secrets(&self, key: &str) -> Vec<Secret> {
        let list = self.value.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(Secret::new).collect()
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

    /// Returns the text with what came from the environment or was sealed, and every secret read so far, as `***`.
    pub fn mask(&self, text: &str) -> String {
        self.noted.texts.borrow().mask(text)
    }

    /// Returns the paths of the secrets in plain text that were read since the last call.
    pub fn take_plain_secrets(&self) -> Vec<String> {
        self.noted.plain.take()
    }

    /// Whether the string at `path` names an environment variable or was sealed, so that the configuration as written doesn't show it.
    pub fn is_hidden(&self, path: &str) -> bool {
        self.noted.hidden.contains(path)
    }
}

impl Settings<'_> {
    /// Notes that a part of the text at `key` is a secret: no message shows it, and one in plain text causes a warning.
    pub fn note_secret(&self, key: &str, secret: &str) {
        self.noted.secret(&Path::Key(&Path::At(&self.path), key), secret);
    }

    /// Returns the text with what came from the environment or was sealed, and every secret read so far, as `***`.
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

/// A walk through a document that replaces `${NAME}`.
struct Expansion<'e> {
    environment: &'e dyn Fn(&str) -> Option<String>,
    noted: &'e mut Noted,
    sealed: &'e mut Vec<SealedAt>,
    /// Where the walk is, as a JSON pointer.
    pointer: String,
}

impl Expansion<'_> {
    fn expand(&mut self, value: &mut Value, path: &Path<'_>) -> Result<(), Invalid> {
        match value {
            Value::String(text) => self.text(text, path)?,
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    // As it is written: who seals a value doesn't know what the gateway's environment makes of a name.
                    let label = Label::of(item).map(Label::into_owned);
                    let path = match &label {
                        Some(label) => Path::Item(path, index, label),
                        None => Path::Index(path, index),
                    };
                    self.below(&index.to_string(), item, &path)?;
                }
            }
            Value::Object(members) => {
                for (key, member) in members {
                    let token = key.replace('~', "~0").replace('/', "~1");
                    self.below(&token, member, &Path::Key(path, key))?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn below(&mut self, token: &str, value: &mut Value, path: &Path<'_>) -> Result<(), Invalid> {
        let length = self.pointer.len();
        _ = write!(self.pointer, "/{token}");
        let expanded = self.expand(value, path);
        self.pointer.truncate(length);
        expanded
    }

    fn text(&mut self, text: &mut String, path: &Path<'_>) -> Result<(), Invalid> {
        if text.contains("${") {
            *text = expand_text(text, self.environment, self.noted)
                .map_err(|problem| Invalid::new(path.to_string(), problem))?;
            self.noted.hidden.insert(path.to_string());
        }
        if text.starts_with(SEALED) {
            let (path, place) = (path.to_string(), path.place());
            self.sealed.push(SealedAt { path, place, pointer: self.pointer.clone() });
        }
        Ok(())
    }
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
