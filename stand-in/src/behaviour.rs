//! How a destination answers: like the real one, or as a test or a user has configured it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::sync::watch;

use crate::destination::Destination;

/// What `PUT /behaviour/{destination}` takes. Every key may be left out; `{}` is the default behaviour.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Behaviour {
    pub status: Option<u16>,
    /// Added to the answer's own headers, or put in their place.
    pub headers: BTreeMap<String, String>,
    pub body: Option<String>,
    /// In place of `body`: this many zeros.
    pub body_bytes: Option<usize>,
    pub delay_ms: u64,
    pub reset: Option<Reset>,
    /// 0 to 1: to which share of the requests it applies, spread evenly. The others are answered normally.
    pub share: f64,
    /// To how many requests it applies, from now on. Later ones are answered normally.
    pub times: Option<u64>,
    /// Withholds answers until the behaviour is changed; the new one then answers them.
    pub hold: bool,
    /// Answers before the request's body is read. HTTP/1 only.
    pub early: bool,
    /// Refuses connections (the collector, the webhook, the records) or resets the TLS handshake (a vendor), and closes what is open.
    pub refuse: bool,
    /// Says GOAWAY on each connection after this many requests, and answers what it has. HTTP/2 only.
    pub goaway_after: Option<u64>,
    /// Then answers nothing more, but closes the connection behind its GOAWAY.
    pub goaway_abrupt: bool,
    /// How many streams at once it allows on a connection that is made from now on. HTTP/2 only.
    pub max_streams: Option<u32>,
}

/// Where an answer breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    BeforeHeaders,
    MidResponse,
    /// As `BeforeHeaders`, with the code that says that the request was not looked at. HTTP/2 only.
    RefusedStream,
    /// Midway like `MidResponse`, with the whole connection and whatever else is on it. HTTP/2 only.
    Connection,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            status: None,
            headers: BTreeMap::new(),
            body: None,
            body_bytes: None,
            delay_ms: 0,
            reset: None,
            share: 1.0,
            times: None,
            hold: false,
            early: false,
            refuse: false,
            goaway_after: None,
            goaway_abrupt: false,
            max_streams: None,
        }
    }
}

impl Behaviour {
    /// # Errors
    /// Says what is wrong with the JSON, and with values that cannot be sent.
    pub fn parse(json: &[u8]) -> Result<Self> {
        let behaviour: Self = serde_json::from_slice(json)?;
        if let Some(status) = behaviour.status {
            let final_status = (200..=599).contains(&status) && StatusCode::from_u16(status).is_ok();
            ensure!(final_status, "status: expected 200 to 599, got {status}");
        }
        for (name, value) in &behaviour.headers {
            HeaderName::try_from(name).with_context(|| format!("headers: {name:?} is no header name"))?;
            HeaderValue::try_from(value).with_context(|| format!("headers.{name}: {value:?} is no value"))?;
        }
        ensure!((0.0..=1.0).contains(&behaviour.share), "share: expected 0 to 1, got {}", behaviour.share);
        Ok(behaviour)
    }
}

/// One answer, ready to be written in any HTTP version.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub reset: Option<Reset>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self { status, headers, body: body.into(), reset: None }
    }

    /// `{"error": message}`.
    pub fn error(status: u16, message: &str) -> Self {
        Self::new(status, "application/json", serde_json::json!({"error": message}).to_string())
    }

    /// As the real destination answers a request that it accepts.
    fn normal(to: Destination, path: &[u8]) -> Self {
        match to {
            Destination::Flashtalking => Self::new(200, "text/html", "<html></html>"),
            Destination::Podsights => Self::new(200, "application/json", "{}"),
            Destination::Collector if path.starts_with(b"/v1/pixel/") || path.starts_with(b"/pixel/v1/") => {
                Self::new(200, "image/gif", GIF)
            }
            Destination::Collector => Self::new(200, "application/json", r#"{"success":true}"#),
            Destination::Webhook | Destination::Records => Self::new(202, "application/json", "{}"),
        }
    }
}

/// A transparent GIF of one pixel.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

/// How HTTP/2 connections are treated.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    pub max_streams: Option<u32>,
    pub goaway_after: Option<u64>,
    pub goaway_abrupt: bool,
}

/// A behaviour and how many requests it has seen.
#[derive(Debug, Default)]
struct Active {
    behaviour: Behaviour,
    seen: AtomicU64,
}

impl Active {
    fn applies_to_next(&self) -> bool {
        let before = self.seen.fetch_add(1, Ordering::Relaxed);
        let within = self.behaviour.times.is_none_or(|times| before < times);
        // Evenly and without chance: the n-th request is one of them if n x share steps over a whole number.
        let steps = |n: u64| (n as f64 * self.behaviour.share).floor();
        within && steps(before + 1) > steps(before)
    }
}

/// The behaviour of one destination, which can change at any time.
pub struct Behaviours {
    to: Destination,
    current: watch::Sender<Arc<Active>>,
}

impl Behaviours {
    pub fn new(to: Destination) -> Self {
        Self { to, current: watch::Sender::new(Arc::default()) }
    }

    pub fn set(&self, behaviour: Behaviour) {
        self.current.send_replace(Arc::new(Active { behaviour, seen: AtomicU64::new(0) }));
    }

    /// Whether connections are refused.
    pub fn refuses(&self) -> bool {
        self.current.borrow().behaviour.refuse
    }

    /// How it treats the connections of HTTP/2.
    pub fn connections(&self) -> Connections {
        let behaviour = &self.current.borrow().behaviour;
        Connections {
            max_streams: behaviour.max_streams,
            goaway_after: behaviour.goaway_after,
            goaway_abrupt: behaviour.goaway_abrupt,
        }
    }

    /// Resolves once connections are refused (`true`) or accepted (`false`), at once if they are already.
    pub async fn until_refusing(&self, refusing: bool) {
        let mut current = self.current.subscribe();
        // The sender lives as long as `self`, so there is always a next value to wait for.
        let _ = current.wait_for(|active| active.behaviour.refuse == refusing).await;
    }

    /// The answer to a request of which only the head was read, where the behaviour is to answer so early.
    pub async fn early_reply(&self, path: &[u8]) -> Option<Reply> {
        let early = self.current.borrow().behaviour.early;
        if early { Some(self.reply(path).await) } else { None }
    }

    /// The answer to one request, after as long as the behaviour lets it wait.
    pub async fn reply(&self, path: &[u8]) -> Reply {
        let normal = Reply::normal(self.to, path);
        let mut current = self.current.subscribe();
        loop {
            let active = current.borrow_and_update().clone();
            if !active.applies_to_next() {
                return normal;
            }
            let behaviour = &active.behaviour;
            if behaviour.hold {
                let _ = current.changed().await;
                continue;
            }
            if behaviour.delay_ms > 0 {
                tokio::time::sleep(Duration::from_millis(behaviour.delay_ms)).await;
            }
            return altered(normal, behaviour);
        }
    }
}

/// The same memory for all answers of this length: many at once are large.
fn zeros(bytes: usize) -> Bytes {
    static LONGEST: Mutex<Bytes> = Mutex::new(Bytes::new());
    let mut longest = LONGEST.lock().unwrap_or_else(PoisonError::into_inner);
    if longest.len() < bytes {
        *longest = vec![0; bytes].into();
    }
    longest.slice(..bytes)
}

fn altered(mut reply: Reply, behaviour: &Behaviour) -> Reply {
    reply.status = behaviour.status.unwrap_or(reply.status);
    if let Some(body) = &behaviour.body {
        reply.body = body.clone().into();
    }
    if let Some(bytes) = behaviour.body_bytes {
        reply.body = zeros(bytes);
    }
    for (name, value) in &behaviour.headers {
        reply.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
        reply.headers.push((name.to_ascii_lowercase(), value.clone()));
    }
    reply.reset = behaviour.reset;
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(json: &str) -> Active {
        Active { behaviour: Behaviour::parse(json.as_bytes()).unwrap(), seen: AtomicU64::new(0) }
    }

    fn applied(json: &str, requests: usize) -> usize {
        let active = active(json);
        (0..requests).filter(|_| active.applies_to_next()).count()
    }

    #[test]
    fn a_share_applies_to_that_share_of_the_requests() {
        assert_eq!(applied("{}", 10), 10);
        assert_eq!(applied(r#"{"share": 0}"#, 10), 0);
        assert_eq!(applied(r#"{"share": 0.1}"#, 1000), 100);
    }

    #[test]
    fn times_applies_to_the_first_requests_only() {
        assert_eq!(applied(r#"{"times": 2}"#, 10), 2);
    }

    #[test]
    fn a_mistake_in_a_behaviour_is_refused_and_named() {
        for (json, complaint) in [
            (r#"{"stats": 503}"#, "unknown field `stats`"),
            (r#"{"status": 99}"#, "status: expected 200 to 599"),
            (r#"{"reset": "now"}"#, "before_headers"),
            (r#"{"share": 2}"#, "share: expected 0 to 1"),
            (r#"{"headers": {"a b": ""}}"#, "is no header name"),
        ] {
            let error = format!("{:#}", Behaviour::parse(json.as_bytes()).unwrap_err());
            assert!(error.contains(complaint), "{error}");
        }
    }

    #[test]
    fn headers_take_the_place_of_those_of_the_same_name() {
        let behaviour = active(r#"{"status": 429, "headers": {"Content-Type": "a/b", "Retry-After": "1"}}"#);
        let reply = altered(Reply::normal(Destination::Podsights, b"/v1/server"), &behaviour.behaviour);
        assert_eq!(reply.status, 429);
        let headers = [("content-type", "a/b"), ("retry-after", "1")];
        assert_eq!(reply.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
