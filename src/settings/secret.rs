//! Secrets: a type that masks itself wherever it is shown, and a filter that masks secrets in other texts.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

use super::path::Path;

/// Shown in place of a secret.
pub const MASK: &str = "***";

/// The name by which a deserializer of the configuration knows that a secret is read.
pub(super) const TYPE: &str = "conversion_relay::Secret";

/// A confidential setting. `Debug` and `Display` show `***`; only [`Secret::expose`] returns the text.
///
/// A secret in plain text, neither `${NAME}` nor sealed, is accepted, with a warning that names its path.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Returns a secret with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text, to be used and never to be shown.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl<'de> Visitor<'de> for Text {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Secret, D::Error> {
                String::deserialize(inner).map(Secret)
            }
        }
        deserializer.deserialize_newtype_struct(TYPE, Text)
    }
}

/// The texts that no message may show: what came from the environment or was sealed, and every [`Secret`].
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<String>);

/// The shortest text that is masked in messages: below, a mask would hide more than it guards.
const SHORTEST: usize = 4;

impl Secrets {
    /// Adds a text in every way in which a message may write it: as it is, or quoted by Rust or JSON. Longer ones come first:
    /// were a part of one masked, its rest would stay.
    pub fn add(&mut self, text: &str) {
        let json = serde_json::to_string(text).unwrap_or_default();
        for quoted in [format!("\"{text}\""), format!("{text:?}"), json] {
            let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            if inner.len() >= SHORTEST && !self.0.iter().any(|known| known == inner) {
                let at = self.0.iter().take_while(|known| known.len() >= inner.len()).count();
                self.0.insert(at, inner.to_owned());
            }
        }
    }

    /// Returns the text with each of the secrets as `***`.
    pub fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }
}

/// What is learned about secrets while a configuration is read.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// The paths of all strings that name an environment variable or were sealed: as it is written, the configuration doesn't show them.
    pub hidden: BTreeSet<String>,
    pub texts: RefCell<Secrets>,
    /// The paths of secrets in plain text.
    pub plain: RefCell<Vec<String>>,
}

impl Noted {
    /// Notes that the string at `path` is a secret.
    pub fn secret(&self, path: &Path<'_>, text: &str) {
        self.texts.borrow_mut().add(text);
        let path = path.to_string();
        if !self.hidden.contains(&path) {
            self.plain.borrow_mut().push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_however_a_message_quotes_it() {
        let mut secrets = Secrets::default();
        for value in ["abcd", "abcd-longer", "with \"quotes\"", "a\u{1}line\n", "abc"] {
            secrets.add(value);
        }
        assert_eq!(secrets.mask("abcd abcd-longer"), "*** ***");
        for value in ["with \"quotes\"", "a\u{1}line\n"] {
            assert_eq!(secrets.mask(&format!("{value} {value:?}")), "*** \"***\"");
            assert_eq!(secrets.mask(&serde_json::to_string(value).unwrap()), "\"***\"");
        }
        assert_eq!(secrets.mask("abc"), "abc", "too short: every abc of a message would be hidden");
    }

    #[test]
    fn a_secret_shows_itself_to_nobody_who_prints_it() {
        let secret = Secret::new("ps_pixel_key");
        assert_eq!(format!("{secret} {secret:?} {:?}", Some(&secret)), "*** *** Some(***)");
        assert_eq!(secret.expose(), "ps_pixel_key");
    }
}
