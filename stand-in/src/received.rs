//! A request that was received, and how its answer ended.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Serialize, Serializer};

use crate::destination::Destination;

/// A complete request as it came.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    /// Counts all requests since the start, whatever their destination.
    pub seq: u64,
    /// Milliseconds since the start, at the request's end.
    pub at_ms: u64,
    /// The same in microseconds, for latencies.
    pub at_us: u64,
    pub to: Destination,
    pub method: String,
    #[serde(serialize_with = "lossy")]
    pub path: Vec<u8>,
    pub version: &'static str,
    pub sni: Option<String>,
    pub alpn: Option<String>,
    /// In their order; over HTTP/2, which the library hands over as a map, lines of the same name stand together.
    #[serde(serialize_with = "lossy_pairs")]
    pub headers: Vec<(String, Vec<u8>)>,
    /// Request line and headers byte for byte. HTTP/1 only.
    #[serde(rename = "head_base64", serialize_with = "base64_option")]
    pub head: Option<Vec<u8>>,
    #[serde(flatten, serialize_with = "body")]
    pub body: Vec<u8>,
    /// How it was answered; absent while it waits.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "answered")]
    pub answered: Option<Ending>,
}

impl Received {
    /// The first value of a header, which must be asked for in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// What it takes up in memory, in bytes, as far as its client decides.
    pub fn size(&self) -> usize {
        self.body.len() + self.path.len() + self.head.as_ref().map_or(0, Vec::len)
    }
}

fn lossy<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

fn lossy_pairs<S: Serializer>(pairs: &[(String, Vec<u8>)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(pairs.iter().map(|(name, value)| (name, String::from_utf8_lossy(value))))
}

fn base64_option<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    bytes.as_ref().map(|bytes| BASE64_STANDARD.encode(bytes)).serialize(serializer)
}

/// The status, or in a word what there was instead.
fn answered<S: Serializer>(ending: &Option<Ending>, serializer: S) -> Result<S::Ok, S::Error> {
    match ending {
        Some(Ending::Answered(status)) => serializer.serialize_u16(*status),
        Some(Ending::Reset) => serializer.serialize_str("reset"),
        Some(Ending::Unanswered) => serializer.serialize_str("client left"),
        None => serializer.serialize_none(),
    }
}

fn body<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        body: std::borrow::Cow<'a, str>,
        body_base64: String,
    }
    Body { body: String::from_utf8_lossy(bytes), body_base64: BASE64_STANDARD.encode(bytes) }
        .serialize(serializer)
}

/// How the answer to a request ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ending {
    Answered(u16),
    Reset,
    Unanswered,
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A request without headers.
    pub fn received(to: Destination, path: &str, body: &str) -> Received {
        Received {
            seq: 0,
            at_ms: 0,
            at_us: 0,
            to,
            method: "GET".into(),
            path: path.into(),
            version: "HTTP/1.1",
            sni: None,
            alpn: None,
            headers: Vec::new(),
            head: None,
            body: body.into(),
            answered: None,
        }
    }
}
