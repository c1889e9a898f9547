//! A bounded list of received requests; the oldest are forgotten first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Serialize, Serializer};
use tokio::sync::watch;

use crate::destination::{Destination, PerDestination};

/// Bodies and heads kept at most, whatever the number of requests.
const MAX_BYTES: usize = 1 << 30;

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
}

impl Received {
    /// The first value of a header, which must be asked for in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    fn size(&self) -> usize {
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

fn body<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Body<'a> {
        body: std::borrow::Cow<'a, str>,
        body_base64: String,
    }
    Body { body: String::from_utf8_lossy(bytes), body_base64: BASE64_STANDARD.encode(bytes) }
        .serialize(serializer)
}

/// Everything received since the start or the last [`Journal::forget`].
pub struct Journal {
    max_requests: usize,
    kept: Mutex<Kept>,
    /// How many requests each destination received; kept beyond what is forgotten by the bound.
    counts: PerDestination<watch::Sender<u64>>,
}

#[derive(Default)]
struct Kept {
    requests: VecDeque<Received>,
    bytes: usize,
}

impl Journal {
    pub fn new(max_requests: usize) -> Self {
        let counts = PerDestination::new(|_| watch::Sender::new(0));
        Self { max_requests, kept: Mutex::default(), counts }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn record(&self, request: Received) {
        let to = request.to;
        {
            let mut kept = self.kept();
            kept.bytes += request.size();
            kept.requests.push_back(request);
            while kept.requests.len() > self.max_requests || kept.bytes > MAX_BYTES {
                let Some(oldest) = kept.requests.pop_front() else { break };
                kept.bytes -= oldest.size();
            }
        }
        self.counts.of(to).send_modify(|count| *count += 1);
    }

    /// What `to`, or everyone, received: a JSON array, oldest first.
    pub fn json(&self, to: Option<Destination>) -> serde_json::Result<Vec<u8>> {
        let kept = self.kept();
        let wanted = kept.requests.iter().filter(|request| to.is_none_or(|to| to == request.to));
        serde_json::to_vec(&wanted.collect::<Vec<_>>())
    }

    /// Waits until `to` has received `count` requests. False if it hasn't within `timeout`.
    pub async fn wait(&self, to: Destination, count: u64, timeout: Duration) -> bool {
        let mut received = self.counts.of(to).subscribe();
        let enough = received.wait_for(|received| *received >= count);
        tokio::time::timeout(timeout, enough).await.is_ok()
    }

    pub fn forget(&self) {
        *self.kept() = Kept::default();
        for to in Destination::ALL {
            self.counts.of(to).send_replace(0);
        }
    }
}
