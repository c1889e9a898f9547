//! What a record may show of a request and its answer. What the vendor's list doesn't name shows its type and length.

use std::collections::BTreeMap;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::codec;
use crate::privacy::email_in;
use crate::settings::MASK;
use crate::vendors::{Callout, Shown, Vendor};

/// The first bytes of an answer that a record shows.
pub const ANSWER_BYTES: usize = 256;
/// The shortest value that is looked for in answers. A shorter one says nothing, and would tear words apart.
const SHORTEST_ECHO: usize = 3;
/// The shortest word of a value that is masked where it stands alone, in characters.
const SHORTEST_WORD: usize = 4;

/// A request as a record shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MaskedRequest {
    /// `:method`.
    pub method: &'static str,
    /// `:authority`.
    pub authority: String,
    /// `:path`, with its query.
    pub path: String,
    /// The other headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The values that are masked, as they were sent.
    #[serde(skip)]
    #[cfg_attr(feature = "schema", schemars(skip))]
    masked: Vec<String>,
}

/// Masks a request. `sent` is made for an attempt that is sent, and `shown` for one whose secrets are masked already.
pub fn mask(vendor: &dyn Vendor, authority: &str, sent: &Callout<'_>, shown: &Callout<'_>) -> MaskedRequest {
    let mut masking = Masking { vendor, masked: Vec::new() };
    if sent.path != shown.path {
        masking.masked.push(sent.path.to_string());
    }
    let path = masking.path(&shown.path);
    let headers = sent.headers.iter().map(|(name, value)| ((*name).to_owned(), masking.header(name, value)));
    let headers = headers.collect();
    let body = sent.body.as_deref().map(|body| masking.body(body));
    MaskedRequest {
        method: sent.method,
        authority: authority.to_owned(),
        path,
        headers,
        body,
        masked: masking.masked,
    }
}

/// Returns the beginning of an answer as a text in which no value stands that its request had and that is masked, no word of such a
/// value, and no email address.
pub fn mask_answer(answer: &[u8], request: &MaskedRequest) -> String {
    let answer = answer.get(..ANSWER_BYTES).unwrap_or(answer);
    let mut text = String::from_utf8_lossy(answer).into_owned();
    let mut echoes: Vec<String> = request.masked.iter().flat_map(|value| forms(value)).collect();
    // Of two values the longer one first: what is left of it would else stand there.
    echoes.sort_by_key(|echo| std::cmp::Reverse(echo.len()));
    for echo in echoes.iter().filter(|echo| echo.len() >= SHORTEST_ECHO) {
        text = replaced(&text, echo);
    }
    // What is left of a value that was cut off, or written in another way.
    let echoes: Vec<String> = echoes.iter().map(|echo| echo.to_lowercase()).collect();
    let is_of_value = |word: &str| {
        word.chars().count() >= SHORTEST_WORD && {
            let word = word.to_lowercase();
            echoes.iter().any(|echo| echo.contains(&word))
        }
    };
    let has_address = |word: &str| email_in(percent_decode_str(word).decode_utf8_lossy().as_bytes());
    masked_where(&masked_where(&text, is_of_address, has_address), char::is_alphanumeric, is_of_value)
}

/// Masks those runs of characters of a kind that `is_masked`.
fn masked_where(text: &str, is_kind: impl Fn(char) -> bool, is_masked: impl Fn(&str) -> bool) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_run = is_kind(first);
        let end = rest.find(|character| is_kind(character) != is_run).unwrap_or(rest.len());
        let (run, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
        masked.push_str(if is_run && is_masked(run) { MASK } else { run });
        rest = behind;
    }
    masked
}

/// Whether a character can stand within an email address, encoded or not.
fn is_of_address(character: char) -> bool {
    character.is_alphanumeric() || "@.+-_%".contains(character)
}

/// The ways in which a vendor may echo a value: as it is, percent-encoded, in base64, or its SHA-256.
fn forms(value: &str) -> Vec<String> {
    let trimmed = value.trim();
    let encoded =
        percent_encoding::utf8_percent_encode(trimmed, percent_encoding::NON_ALPHANUMERIC).to_string();
    let json = serde_json::to_string(trimmed).unwrap_or_default();
    let json = json.trim_matches('"').to_owned();
    let digest = |text: &str| codec::encode_hex(&Sha256::digest(text));
    let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD_NO_PAD, trimmed);
    vec![trimmed.to_owned(), encoded, json, base64, digest(trimmed), digest(&trimmed.to_lowercase())]
}

/// Replaces every occurrence without regard to the case of ASCII letters.
fn replaced(text: &str, echo: &str) -> String {
    let (lower, sought) = (text.to_ascii_lowercase(), echo.to_ascii_lowercase());
    let (mut replaced, mut from) = (String::with_capacity(text.len()), 0);
    for (at, _) in lower.match_indices(&sought) {
        if at >= from {
            replaced.push_str(text.get(from..at).unwrap_or_default());
            replaced.push_str(MASK);
            from = at.saturating_add(sought.len());
        }
    }
    replaced.push_str(text.get(from..).unwrap_or_default());
    replaced
}

struct Masking<'v> {
    vendor: &'v dyn Vendor,
    masked: Vec<String>,
}

impl Masking<'_> {
    /// The path itself has nothing of the visitor's; its parameters are looked at one by one.
    fn path(&mut self, path: &str) -> String {
        let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
        let parameter = |parameter: &str| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if self.vendor.shown(name) == Shown::Plain {
                return parameter.to_owned();
            }
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            format!("{name}={}", self.text(name, &value))
        };
        let query: Vec<String> = query.split('&').map(parameter).collect();
        format!("{path}?{}", query.join("&"))
    }

    fn header(&mut self, name: &str, value: &str) -> String {
        let shown = match name {
            "content-type" | "accept" | "content-encoding" => return value.to_owned(),
            "x-forwarded-for" => Shown::Ip,
            "user-agent" => Shown::UserAgent,
            _ => Shown::Masked,
        };
        self.masked(shown, value)
    }

    fn body(&mut self, body: &str) -> Value {
        match serde_json::from_str(body) {
            Ok(Value::Object(members)) => Value::Object(self.members("", members)),
            Ok(other) => self.value("", other),
            Err(_) => Value::String(measured("text", body)),
        }
    }

    fn members(&mut self, above: &str, members: Map<String, Value>) -> Map<String, Value> {
        let mut masked = Map::new();
        for (name, value) in members {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            // Names come from mappings, but those of objects in an event from its sender.
            let is_of_event = !above.is_empty() && self.vendor.shown(&path) == Shown::Masked;
            let name = if is_of_event { measured("name", &name) } else { name };
            masked.insert(name, self.value(&path, value));
        }
        masked
    }

    fn value(&mut self, path: &str, value: Value) -> Value {
        let is_plain = self.vendor.shown(path) == Shown::Plain;
        match value {
            Value::String(text) => Value::String(self.text(path, &text)),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|item| self.value(path, item)).collect())
            }
            Value::Object(members) => Value::Object(self.members(path, members)),
            other if is_plain || other.is_null() => other,
            Value::Number(number) => {
                self.masked.push(number.to_string());
                Value::String("<number>".to_owned())
            }
            _ => Value::String("<true or false>".to_owned()),
        }
    }

    fn text(&mut self, path: &str, text: &str) -> String {
        self.masked(self.vendor.shown(path), text)
    }

    fn masked(&mut self, shown: Shown, text: &str) -> String {
        let shown = match shown {
            Shown::Plain => return text.to_owned(),
            Shown::Ip => ip(text),
            Shown::UserAgent => browser(text),
            Shown::Url => url(text),
            Shown::Masked => None,
        };
        self.masked.push(text.to_owned());
        shown.unwrap_or_else(|| measured("text", text))
    }
}

fn measured(kind: &str, text: &str) -> String {
    format!("<{kind}, {} characters>", text.chars().count())
}

/// The first two parts of an address.
fn ip(text: &str) -> Option<String> {
    Some(match text.parse().ok()? {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            format!("{a}.{b}.x.x")
        }
        IpAddr::V6(ip) => {
            let [a, b, ..] = ip.segments();
            format!("{a:x}:{b:x}:x")
        }
    })
}

/// The browser's name.
fn browser(text: &str) -> Option<String> {
    const NAMES: [(&str, &str); 7] = [
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let (_, name) = NAMES.into_iter().find(|(token, _)| text.contains(token))?;
    Some(format!("{name} <{} characters>", text.chars().count()))
}

/// Scheme, host and path, without the parts of the path that look like an id.
fn url(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme))?;
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if host.contains('@') || !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
    {
        return None;
    }
    let part = |part: &str| if is_word(part) { part.to_owned() } else { "<...>".to_owned() };
    let path: Vec<String> = path.split('/').map(part).collect();
    Some(format!("{scheme}://{host}/{}", path.join("/")))
}

/// Whether a part of a path is a word of the site's, and no id: letters and hyphens, and not many of them.
fn is_word(part: &str) -> bool {
    part.len() <= 24 && part.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_.".contains(&byte))
}
