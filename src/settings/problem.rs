//! Serde's errors in the terms of this configuration. Values are never shown here: one of the wrong type may be a secret.

use std::fmt::{self, Display};

use serde::de::{Error, Expected, Unexpected};

use super::path::Path;

/// Why a value is refused, and its path once that is known.
#[derive(Debug)]
pub(super) struct Problem {
    pub at: Option<String>,
    pub text: String,
}

impl Problem {
    /// Adds the path, unless a longer one is known already.
    pub fn or_at(self, path: &Path<'_>) -> Self {
        Self { at: self.at.or_else(|| Some(path.to_string())), ..self }
    }
}

impl Error for Problem {
    fn custom<T: Display>(text: T) -> Self {
        Self { at: None, text: text.to_string() }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("expected {}, got {}", wanted(expected), kind(unexpected)))
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format_args!("expected {}, got {variant:?}", expected.join(" or ")))
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        unknown_key(expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format_args!("{field} is missing: it is required"))
    }
}

/// The error for an unknown key.
pub(super) fn unknown_key<E: Error>(known: &[&str]) -> E {
    E::custom(format_args!("unknown field: expected one of {}", known.join(", ")))
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Problem {}

/// What serde's derive expects, in the words of JSON and YAML.
fn wanted(expected: &dyn Expected) -> String {
    match expected.to_string().as_str() {
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        text if text.starts_with("struct ") => "an object".to_owned(),
        text => text.to_owned(),
    }
}

fn kind(unexpected: Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "a number",
        Unexpected::Float(number) if number.fract() == 0.0 => "a number",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Unit | Unexpected::Option => "null",
        Unexpected::Seq => "a list",
        Unexpected::Map => "an object",
        _ => "a string",
    }
}
