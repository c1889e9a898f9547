//! An integration's `config`: where a webhook is, and how it is called.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_inline_default::serde_inline_default;

use super::super::vendor::Purpose;
use crate::event::names::snake_case;
use crate::settings::{Headers, MASK};

/// An integration's `config`: one HTTP receiver.
#[serde_inline_default]
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Webhook", title = "Webhook"))]
#[cfg_attr(feature = "schema", schemars(extend(
    "x-summary" = "Posts JSON to any HTTP receiver: a queue, a warehouse, or a vendor that has no integration of its own",
    "x-category" = "own systems",
)))]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// The Envoy cluster that callouts go to.
    #[cfg_attr(feature = "schema", schemars(title = "Envoy cluster", example = &"queue"))]
    pub cluster: String,
    /// The Host header of callouts.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "String", title = "Host", example = &"queue.internal:8080")
    )]
    pub authority: Authority,
    /// The path of callouts, with a query if there is one. Write a token in it as `${NAME}`, then it is masked wherever the path
    /// is shown.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "PathSchema", title = "Path", example = &"/events?token=${TOKEN}")
    )]
    pub path: Path,
    /// The method of callouts.
    #[cfg_attr(feature = "schema", schemars(title = "Method"))]
    #[serde(default)]
    pub method: Method,
    /// Further headers of callouts, by their names. Each value is a secret: write `${NAME}`, as in
    /// `authorization: Bearer ${TOKEN}`. A `content-type` replaces the filter's own.
    #[serde(default)]
    #[cfg_attr(
        feature = "schema",
        schemars(title = "Headers", with = "std::collections::BTreeMap<String, crate::settings::Secret>")
    )]
    pub headers: Headers,
    /// Whose purposes the deliveries serve.
    #[cfg_attr(feature = "schema", schemars(title = "Purpose"))]
    #[serde(default)]
    pub purpose: Purpose,
}

/// The method of a webhook's callouts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// The receiver adds what is sent.
    #[default]
    Post,
    /// The receiver puts what is sent at the path.
    Put,
}

impl Method {
    /// Returns `POST` or `PUT`.
    pub fn name(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
        }
    }
}

/// A host, with a port if there is one.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Authority(String);

impl Authority {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Authority {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if text.is_empty() || text.len() > MAX_AUTHORITY_BYTES || !text.bytes().all(is_legal) {
            return Err(format!("expected a host like queue.internal or queue.internal:8080, got {text:?}"));
        }
        Ok(Self(text))
    }
}

/// The largest body, in bytes: what `endpoints.max_body_bytes` allows by default, and some room.
pub const MAX_BODY_BYTES: usize = 524_288;
/// The longest host with its port, in bytes.
const MAX_AUTHORITY_BYTES: usize = 260;
/// The longest path, in bytes.
const MAX_TEXT_BYTES: usize = 8_192;

/// A path with its query, which may hold secrets, so `Debug` does not show it.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct Path(String);

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl Path {
    /// Returns the text, its secrets included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the values of those parameters of the query whose names say that they are secret.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let query = self.0.split_once('?').map_or("", |(_, query)| query);
        let parameters = query.split('&').filter_map(|parameter| parameter.split_once('='));
        let is_secret = |name: &str| snake_case(name).split('_').any(is_word_for_secrets);
        parameters.filter(move |(name, value)| is_secret(name) && !value.is_empty()).map(|(_, value)| value)
    }
}

/// No problem shows the path: it may hold a token.
impl TryFrom<String> for Path {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with('/') {
            return Err("expected a path that begins with /, like /events".to_owned());
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(
                "expected a path without blanks, control characters, # and characters beyond ASCII: \
                        percent-encode them"
                    .to_owned(),
            );
        }
        if text.len() > MAX_TEXT_BYTES {
            return Err(format!("expected a path of at most {MAX_TEXT_BYTES} bytes"));
        }
        Ok(Self(text))
    }
}

/// Whether a word in the name of a parameter says that its value is secret: `key`, `apikey` and `signature`, but not `keyword`.
fn is_word_for_secrets(word: &str) -> bool {
    const ENDS: [&str; 6] = ["token", "key", "secret", "password", "credential", "credentials"];
    const WORDS: [&str; 5] = ["auth", "authorization", "sig", "signature", "pwd"];
    WORDS.contains(&word) || ENDS.iter().any(|end| word.ends_with(end))
}

#[cfg(feature = "schema")]
struct PathSchema;

#[cfg(feature = "schema")]
impl schemars::JsonSchema for PathSchema {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Path".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let variable = crate::settings::schema::VARIABLE;
        schemars::json_schema!({"type": "string", "pattern": format!("^(/|{variable})")})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_secret_if_its_name_says_so() {
        let secrets = |query: &str| {
            let path = Path::try_from(format!("/events?{query}")).unwrap();
            path.secrets().map(str::to_owned).collect::<Vec<_>>()
        };
        for name in [
            "token",
            "access_token",
            "accessToken",
            "api-key",
            "APIKEY",
            "X-Amz-Signature",
            "auth",
            "sig",
            "sv_sig",
            "password",
        ] {
            assert_eq!(secrets(&format!("a=1&{name}=s3cret&b=2")), ["s3cret"], "{name}");
        }
        for name in ["keyword", "author", "design", "signup", "query", "tokens_used", ""] {
            assert!(secrets(&format!("{name}=s3cret")).is_empty(), "{name}");
        }
        assert!(secrets("token=&key").is_empty());
        let path = Path::try_from("/events?token=s3cret".to_owned());
        assert_eq!(format!("{path:?}"), "Ok(***)");
    }
}
