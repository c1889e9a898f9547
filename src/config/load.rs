//! From the text that Envoy hands over to the typed configuration: environment variables, types, and errors that name
//! the place.

use std::fmt::Write;

use super::protobuf;
use super::read::{self, Read};
use super::tree::Tree;
use crate::json;

/// A configuration that is refused: one line that names the path, the problem and the fix, and never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Invalid {
    pub path: String,
    pub problem: String,
}

impl Invalid {
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}

/// The shortest value from the environment that is masked in messages: below, a mask would hide more than it guards.
const SHORTEST_SECRET: usize = 4;

/// The values that came from the environment, so that no message shows them.
#[derive(Default)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// A value comes back in messages as it is, or quoted by Rust or JSON, so each way of writing it is kept. Longer ones
    /// come first: were a part of one masked, its rest would stay.
    fn add(&mut self, value: &str) {
        for quoted in [format!("\"{value}\""), format!("{value:?}"), json::written(value)] {
            let inner = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
            if inner.len() >= SHORTEST_SECRET && !self.0.iter().any(|known| known == inner) {
                let at = self.0.iter().take_while(|known| known.len() >= inner.len()).count();
                self.0.insert(at, inner.to_owned());
            }
        }
    }

    /// The text with every value of the environment as `***`.
    pub fn mask(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
    }
}

/// Parses the plugin configuration as Envoy hands it over: the JSON text of a StringValue, or a serialized
/// `google.protobuf.Struct`, which Envoy passes on as it is.
pub fn parse(configuration: &[u8]) -> Result<Tree, Invalid> {
    if configuration.trim_ascii().is_empty() {
        return Err(Invalid::new("", "the plugin has no configuration: it needs at least integrations"));
    }
    let json = std::str::from_utf8(configuration).unwrap_or_default();
    Tree::of_json(json).or_else(|at| {
        let before = json.get(..at).unwrap_or_default();
        let line = before.bytes().filter(|byte| *byte == b'\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().map_or(0, str::len).saturating_add(1);
        let neither = format!("neither JSON (line {line}, column {column}) nor a google.protobuf.Struct");
        protobuf::object(configuration).ok_or_else(|| Invalid::new("", neither))
    })
}

/// Replaces `${NAME}` in every string of the configuration, and remembers the values as secrets.
pub fn expand_all(
    value: &mut Tree,
    environment: &dyn Fn(&str) -> Option<String>,
    secrets: &mut Secrets,
) -> Result<(), Invalid> {
    expand(value, &mut String::new(), environment, secrets)
}

/// Reads a value into its type. `at` is the path of `value` in the whole configuration.
pub fn read<T: Read>(value: &Tree, at: &str, secrets: &Secrets) -> Result<T, Invalid> {
    read::read(value).map_err(|error| Invalid::new(join(at, &error.path), secrets.mask(&error.problem)))
}

/// Reads a JSON text of our own into its type, the way [`read`] does.
pub fn of_text<T: Read>(text: &str) -> Result<T, Invalid> {
    let value = Tree::of_json(text).map_err(|at| Invalid::new("", format!("no JSON at byte {at}")))?;
    read::read(&value)
}

/// Joins two parts of a path; the second may begin with a dot, a bracket or a key.
pub fn join(at: &str, below: &str) -> String {
    let dot = if at.is_empty() || below.is_empty() || below.starts_with(['.', '[']) { "" } else { "." };
    format!("{at}{dot}{below}")
}

/// Appends a key to a path: `.key`, or `["a key"]` where it needs quotes.
pub fn push_key(text: &mut String, key: &str) {
    let plain = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match plain {
        true if text.is_empty() => text.push_str(key),
        true => _ = write!(text, ".{key}"),
        false => _ = write!(text, "[{key:?}]"),
    }
}

fn expand(
    value: &mut Tree,
    path: &mut String,
    environment: &dyn Fn(&str) -> Option<String>,
    secrets: &mut Secrets,
) -> Result<(), Invalid> {
    let length = path.len();
    match value {
        Tree::Text(text) => {
            if let Some(expanded) = expand_text(text, path, environment, secrets)? {
                *text = expanded;
            }
        }
        Tree::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                _ = write!(path, "[{index}]");
                expand(item, path, environment, secrets)?;
                path.truncate(length);
            }
        }
        Tree::Object(members) => {
            for (key, member) in members.iter_mut() {
                push_key(path, key);
                expand(member, path, environment, secrets)?;
                path.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

fn expand_text(
    text: &str,
    path: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    secrets: &mut Secrets,
) -> Result<Option<String>, Invalid> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            return Err(Invalid::new(path, "\"${\" without \"}\": expected ${NAME}"));
        };
        let Some(value) = environment(name) else {
            return Err(Invalid::new(
                path,
                format!(
                    "the environment variable {name} is not set in the VM: set it for Envoy and name it in \
                     vm_config.environment_variables.host_env_keys"
                ),
            ));
        };
        expanded.push_str(before);
        expanded.push_str(&value);
        secrets.add(&value);
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(Some(expanded))
}

/// The paths of secrets that are written out instead of taken from the environment. `keys` tells which settings of a
/// vendor's `config` are secret.
pub fn literal_secrets(config: &Tree, keys: &dyn Fn(&str) -> &'static [&'static str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |path: String, secret: Option<&Tree>| {
        if secret.and_then(Tree::text).is_some_and(|text| !text.contains("${")) {
            found.push(path);
        }
    };
    for (at, source) in items(config.get("sources")) {
        look(format!("sources[{at}].signing_secret"), source.get("signing_secret"));
        // Other keys are in every visitor's browser; whoever has one of these can speak for any visitor.
        if source.get("client_from_context").and_then(Tree::text) == Some("always") {
            for (nth, key) in items(source.get("keys")) {
                look(format!("sources[{at}].keys[{nth}]"), Some(key));
            }
        }
    }
    let remember_email = config.get("identity").and_then(|identity| identity.get("remember_email"));
    for (nth, secret) in items(remember_email.and_then(|settings| settings.get("secrets"))) {
        look(format!("identity.remember_email.secrets[{nth}]"), Some(secret));
    }
    for (at, integration) in items(config.get("integrations")) {
        let vendor = integration.get("vendor").and_then(Tree::text).unwrap_or_default();
        for key in keys(vendor) {
            let setting = integration.get("config").and_then(|settings| settings.get(key));
            look(format!("integrations[{at}].config.{key}"), setting);
        }
    }
    found
}

fn items(list: Option<&Tree>) -> impl Iterator<Item = (usize, &Tree)> {
    list.map(Tree::items).unwrap_or_default().iter().enumerate()
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
}
