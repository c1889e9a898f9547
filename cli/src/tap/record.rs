//! A record as the filter writes it: one JSON object that says what became of an event at an integration.
//!
//! Reading is lenient. Members that are missing are `None`, and members that are unknown are passed over, so that a tap shows the
//! records of a newer filter as long as their version is the same.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

/// The version of the format that is read here.
const VERSION: u64 = 1;

/// One record.
#[derive(Debug, Deserialize)]
pub struct Record {
    version: u64,
    /// When it was written, in RFC 3339.
    pub time: Option<String>,
    /// Envoy's node id.
    pub gateway: Option<String>,
    /// The plugin's name.
    pub plugin: Option<String>,
    /// What it tells.
    pub what: What,
    /// The id of the source.
    pub source: Option<String>,
    /// The event; absent of a request that can't be read.
    #[serde(default)]
    pub event: Event,
    /// The integration's name.
    pub integration: Option<String>,
    /// The integration's vendor.
    pub vendor: Option<String>,
    /// What the decision is based on, in words.
    pub consent: Option<String>,
    /// Which parts of the visitor's identity were present.
    #[serde(default)]
    pub identity: Members<bool>,
    /// What was left out of the request and why: one sentence each.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// The request to the vendor, masked.
    pub request: Option<Request>,
    /// The attempts so far, in order.
    #[serde(default)]
    pub attempts: Vec<Attempt>,
    /// Of [`What::Ended`]: `delivered`, `dropped`, `dry_run` or `given_back`.
    pub outcome: Option<String>,
    /// Why it was dropped or ignored, as the metrics' label has it.
    pub reason: Option<String>,
    /// Why it ended so, in words.
    pub explanation: Option<String>,
}

/// What a record tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A delivery has ended.
    Ended,
    /// An attempt has failed and is to be repeated.
    Attempt,
    /// An event, or a whole request, was offered to no integration.
    Ignored,
}

/// The event that a record is about.
#[derive(Debug, Default, Deserialize)]
pub struct Event {
    /// `track`, `page` and so on.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The event's name.
    pub name: Option<String>,
    /// The client's id of the message.
    pub message_id: Option<String>,
    /// The order's id.
    pub order_id: Option<String>,
}

/// A request to a vendor, as it was built, with what is private masked.
#[derive(Debug, Deserialize)]
pub struct Request {
    /// The HTTP method.
    pub method: Option<String>,
    /// The host that it goes to.
    pub authority: Option<String>,
    /// The path with its query.
    pub path: Option<String>,
    /// The headers, in order.
    #[serde(default)]
    pub headers: Members<String>,
    /// The body, as it was written in the record.
    pub body: Option<Box<RawValue>>,
}

/// One attempt at a delivery.
#[derive(Debug, Deserialize)]
pub struct Attempt {
    /// What came back.
    pub status: Option<Status>,
    /// How long it took, in milliseconds.
    pub ms: Option<Number>,
    /// How long the vendor asked to wait, in seconds.
    pub retry_after: Option<Number>,
    /// The beginning of the vendor's answer, masked.
    pub answer: Option<String>,
}

/// The status of an attempt.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Status {
    /// An HTTP status.
    Code(u16),
    /// Why there is none: `timeout`, `transport`, `unusable` or `refused`.
    Text(String),
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Status::Code(code) => write!(formatter, "{code}"),
            Status::Text(text) => formatter.write_str(text),
        }
    }
}

/// The members of a JSON object, in the order in which they were written.
#[derive(Debug)]
pub struct Members<T>(pub Vec<(String, T)>);

impl<T> Default for Members<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Members<T>;
            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder(PhantomData))
    }
}

/// A line of an input, judged.
#[derive(Debug)]
pub enum Line {
    /// It has a record: what it says, and its text as it came.
    Record(Box<Record>, String),
    /// It has none: another line of the log.
    Other,
    /// It has something that should be a record, and can't be read. The text says why.
    Unreadable(String),
}

/// What stands before a record in Envoy's log. The record's own brace follows.
const MARK: &str = "record {";

impl Line {
    /// Judges a line. A record may be the whole line, stand behind `record ` anywhere in it, or do so in a string of a line in JSON,
    /// as Envoy writes its log with `json_format`.
    pub fn read(line: &str) -> Self {
        let line = line.trim();
        if line.starts_with('{') {
            return Self::of_object(line);
        }
        Self::marked(line).unwrap_or(Self::Other)
    }

    /// Judges what stands behind the mark, if the line has one.
    fn marked(line: &str) -> Option<Self> {
        let (_, rest) = line.split_once(MARK)?;
        let at = line.len().saturating_sub(rest.len()).saturating_sub(1);
        Some(parse(line.get(at..)?).unwrap_or_else(|error| Self::Unreadable(error.to_string())))
    }

    fn of_object(line: &str) -> Self {
        let error = match parse(line) {
            Ok(record) => return record,
            Err(error) => error,
        };
        match serde_json::from_str(line) {
            Ok(serde_json::Value::Object(members)) => {
                let texts = members.values().filter_map(serde_json::Value::as_str);
                let marked = texts.filter_map(Self::marked).next();
                let is_record = ["version", "what"].iter().all(|key| members.contains_key(*key));
                let unreadable = || if is_record { Self::Unreadable(error.to_string()) } else { Self::Other };
                marked.unwrap_or_else(unreadable)
            }
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

/// Reads a record at the beginning of a text. What follows it is passed over.
fn parse(text: &str) -> Result<Line, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let Some(value) = values.next() else { return Ok(Line::Other) };
    let text = value?.get();
    let record: Record = serde_json::from_str(text)?;
    if record.version != VERSION {
        let problem = format!("its version is {}, and this program reads {VERSION}", record.version);
        return Ok(Line::Unreadable(problem));
    }
    Ok(Line::Record(Box::new(record), text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"version":1,"what":"ended","outcome":"delivered","future":[1]}"#;

    fn text(line: &str) -> Option<String> {
        match Line::read(line) {
            Line::Record(_, text) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn a_record_is_found_alone_behind_the_mark_and_in_a_log_that_is_json() {
        let json = serde_json::json!({"level": "debug", "message": format!("wasm log a: record {RECORD}")});
        for line in [
            RECORD.to_owned(),
            format!("  {RECORD}\r"),
            format!("[2026-11-29 10:00:00.123][7][debug][wasm] wasm log a: record {RECORD}"),
            format!("gateway-1  | record {RECORD}\u{1b}[0m"),
            json.to_string(),
        ] {
            assert_eq!(text(&line).as_deref(), Some(RECORD), "{line}");
        }
    }

    #[test]
    fn other_lines_of_a_log_are_no_records() {
        for line in
            ["", "starting", "a record of it", r#"{"level":"info","message":"starting"}"#, "[1]", "\"\""]
        {
            assert!(matches!(Line::read(line), Line::Other), "{line}");
        }
    }

    #[test]
    fn a_record_that_is_cut_off_or_of_another_version_is_told_from_other_lines() {
        let half = &RECORD[..RECORD.len() / 2];
        let nested = format!("record {}{}", "{\"version\":1,\"what\":", "[".repeat(100_000));
        let lines = [
            half.to_owned(),
            format!("wasm log a: record {half}"),
            RECORD.replace("\"version\":1", "\"version\":2"),
            RECORD.replace("ended", "began"),
            RECORD.replace("[1]", "[1],\"attempts\":[{\"status\":{}}]"),
            nested,
        ];
        for line in lines {
            assert!(matches!(Line::read(&line), Line::Unreadable(_)), "{line:.80}");
        }
    }

    #[test]
    fn members_keep_the_order_in_which_they_were_written() {
        let members: Members<bool> = serde_json::from_str(r#"{"z":true,"a":false,"m":true}"#).unwrap();
        assert_eq!(members.0, [("z".into(), true), ("a".into(), false), ("m".into(), true)]);
    }
}
