//! Records on their way to their cluster: posted in bundles, a few times a second at most, and never at the cost of a delivery.

use std::collections::VecDeque;
use std::time::Duration;

use super::envoy::Envoy;
use crate::delivery::{Answer, Instant, Token};
use crate::records::Records;

/// The most records in one request.
const MOST_RECORDS: usize = 100;
/// The most bytes in one request.
const MOST_BYTES: usize = 256 * 1024;
/// The shortest time from one request to the next.
const INTERVAL: Duration = Duration::from_millis(250);
/// The longest time from a request that failed to the next.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// When a request times out.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long after that its answer is given up.
const GRACE: Duration = Duration::from_secs(1);
/// The most bytes that wait in one worker, of however few records.
const MOST_WAITING_BYTES: usize = 8 << 20;

/// The records of one worker that wait, and the request that is on its way.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The oldest first. The first `sent` of them are on their way.
    lines: VecDeque<Box<str>>,
    bytes: usize,
    in_flight: Option<InFlight>,
    /// When the next request may be sent.
    opens_at: Instant,
    /// How often requests have failed in a row.
    failures: u32,
}

#[derive(Debug)]
struct InFlight {
    token: Token,
    /// How many lines it holds.
    sent: usize,
    given_up_at: Instant,
}

impl Outbox {
    /// Takes a record. Returns `false` where there is no room: then it is lost.
    pub fn push(&mut self, line: String, most: usize) -> bool {
        let bytes = self.bytes.saturating_add(line.len());
        if self.lines.len() >= most || bytes > MOST_WAITING_BYTES {
            return false;
        }
        self.bytes = bytes;
        // Without the room that it was written into and did not fill.
        self.lines.push_back(line.into_boxed_str());
        true
    }

    /// Returns when [`Outbox::step`] has something to do.
    pub fn next_due(&self) -> Option<Instant> {
        match &self.in_flight {
            Some(in_flight) => Some(in_flight.given_up_at),
            None => (!self.lines.is_empty()).then_some(self.opens_at),
        }
    }

    /// Sends a request if it is time, in a callback of a root. Returns how many were sent.
    pub fn step(&mut self, cluster: &str, records: &Records, now: Instant, envoy: &impl Envoy) -> usize {
        if self.in_flight.as_ref().is_some_and(|in_flight| in_flight.given_up_at <= now) {
            self.in_flight = None;
            self.failed(now);
        }
        if self.in_flight.is_some() || self.lines.is_empty() || self.opens_at > now {
            return 0;
        }
        let (sent, body) = self.bundle();
        let headers = [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", "/v1/records"),
            (":authority", records.authority()),
            ("content-type", "application/x-ndjson"),
        ];
        let headers = headers.into_iter().chain(records.headers()).collect();
        match envoy.dispatch(cluster, headers, Some(body.as_bytes()), TIMEOUT) {
            Ok(token) => {
                let given_up_at = now.saturating_add(TIMEOUT).saturating_add(GRACE);
                self.in_flight = Some(InFlight { token, sent, given_up_at });
                self.opens_at = now.saturating_add(INTERVAL);
                1
            }
            Err(_) => {
                self.failed(now);
                0
            }
        }
    }

    /// The first lines, as many as go into one request, and their number.
    fn bundle(&self) -> (usize, String) {
        let mut body = String::new();
        let mut sent = 0_usize;
        for line in self.lines.iter().take(MOST_RECORDS) {
            if sent > 0 && body.len().saturating_add(line.len()) >= MOST_BYTES {
                break;
            }
            body.push_str(line);
            body.push('\n');
            sent = sent.saturating_add(1);
        }
        (sent, body)
    }

    /// Whether this is the request that is on its way.
    pub fn sent(&self, token: Token) -> bool {
        self.in_flight.as_ref().is_some_and(|in_flight| in_flight.token == token)
    }

    /// Takes the answer to the request that is on its way. Returns how many records are lost by it: those of a request that the
    /// receiver refuses for good.
    pub fn settle(&mut self, token: Token, answer: &Answer<'_>, now: Instant) -> usize {
        let Some(in_flight) = self.in_flight.take_if(|in_flight| in_flight.token == token) else { return 0 };
        match answer {
            Answer::Status { code: 200..=299, .. } => {
                self.failures = 0;
                self.forget(in_flight.sent);
                0
            }
            Answer::Status { code: 300..=399 | 400..=407 | 409..=428 | 430..=499, .. } => {
                self.failed(now);
                self.forget(in_flight.sent);
                in_flight.sent
            }
            _ => {
                self.failed(now);
                0
            }
        }
    }

    fn forget(&mut self, lines: usize) {
        for line in self.lines.drain(..lines.min(self.lines.len())) {
            self.bytes = self.bytes.saturating_sub(line.len());
        }
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let pause = INTERVAL.saturating_mul(1_u32.checked_shl(self.failures.min(10)).unwrap_or(1));
        self.opens_at = now.saturating_add(pause.min(LONGEST_PAUSE));
    }
}
