//! Headers of requests that the filter makes, as a configuration sets them.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::secret::Secret;

/// The longest value of a header, in bytes.
const MAX_TEXT_BYTES: usize = 8_192;

/// Headers by their names in lowercase.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<(String, Secret)>);

impl Headers {
    /// Returns the headers in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether there is a header of that name, given in lowercase.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

/// The most headers.
const MAX_HEADERS: usize = 32;
/// The longest name of a header, in bytes.
const MAX_NAME_BYTES: usize = 100;

/// Headers that belong to the connection, or that Envoy sets.
const NOT_TO_SET: [&str; 10] = [
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
    "expect",
];

/// Headers whose values are no secrets: those of them in plain text cause no warning.
const HARMLESS: [&str; 4] = ["accept", "content-type", "content-encoding", "user-agent"];

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;

        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Headers, A::Error> {
                let mut headers = Headers::default();
                while let Some(Name(name)) = members.next_key()? {
                    let value = match HARMLESS.contains(&&*name) {
                        true => members.next_value::<Harmless>()?.0,
                        false => members.next_value::<Value>()?.0,
                    };
                    if headers.has(&name) {
                        return Err(A::Error::custom(format_args!(
                            "{name:?} is there twice: header names have no case"
                        )));
                    }
                    headers.0.push((name, value));
                }
                if headers.0.len() > MAX_HEADERS {
                    return Err(A::Error::custom(format_args!("expected at most {MAX_HEADERS} headers")));
                }
                Ok(headers)
            }
        }
        deserializer.deserialize_map(HeadersVisitor)
    }
}

/// The name of a header that may be set, in lowercase.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Name(String);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let name = text.to_ascii_lowercase();
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if NOT_TO_SET.contains(&&*name) || name.starts_with(':') || name.starts_with("x-envoy-") {
            return Err(format!(
                "{text:?} can't be set here: Envoy sets it, or it belongs to the connection"
            ));
        }
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_legal) {
            return Err(format!("expected the name of a header like authorization, got {text:?}"));
        }
        Ok(Self(name))
    }
}

/// The value of a header. No problem shows it.
#[derive(Deserialize)]
#[serde(try_from = "Secret")]
struct Value(Secret);

impl TryFrom<Secret> for Value {
    type Error = String;

    fn try_from(value: Secret) -> Result<Self, String> {
        checked(value.expose()).map(Self)
    }
}

/// The value of a header that is no secret. It is masked like all others: a part of it may come from the environment.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Harmless(Secret);

impl TryFrom<String> for Harmless {
    type Error = String;

    fn try_from(value: String) -> Result<Self, String> {
        checked(&value).map(Self)
    }
}

fn checked(value: &str) -> Result<Secret, String> {
    let trimmed = value.trim_matches([' ', '\t']);
    if trimmed.is_empty() {
        return Err("expected a value, got an empty string".to_owned());
    }
    if !trimmed.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return Err(
            "expected a value without line breaks, other control characters and characters beyond ASCII"
                .to_owned(),
        );
    }
    if trimmed.len() > MAX_TEXT_BYTES {
        return Err(format!("expected a value of at most {MAX_TEXT_BYTES} bytes"));
    }
    Ok(Secret::new(trimmed))
}
