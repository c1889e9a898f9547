//! State shared by all connections: handles a request from its arrival to its answer.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::behaviour::{Behaviour, Behaviours, Reply};
use crate::destination::{Destination, PerDestination};
use crate::journal::Journal;
use crate::print::readable;
use crate::received::{Ending, Received};
use crate::records::{self, Record, Records};
use crate::tally::Tally;

pub struct StandIn {
    pub journal: Journal,
    pub records: Records,
    pub behaviours: PerDestination<Behaviours>,
    tallies: Mutex<PerDestination<Tally>>,
    started: Instant,
    received: AtomicU64,
    quiet: bool,
}

/// The peer of a connection.
#[derive(Debug, Clone)]
pub struct Peer {
    pub to: Destination,
    pub sni: Option<String>,
    pub alpn: Option<String>,
}

/// A complete request, before it is numbered and journaled.
pub struct Arrived {
    pub method: String,
    pub path: Vec<u8>,
    pub version: &'static str,
    pub headers: Vec<(String, Vec<u8>)>,
    pub head: Option<Vec<u8>>,
    pub body: Vec<u8>,
}

/// A request that waits for its answer: it counts as unanswered unless [`Pending::settle`] says how that ended.
pub struct Pending<'a> {
    stand_in: &'a StandIn,
    to: Destination,
    seq: u64,
    path: Vec<u8>,
    /// The answer to a request that the destination would refuse, whatever its behaviour.
    refusal: Option<Reply>,
    /// The records in it, until it is accepted.
    records: Vec<Record>,
    order_id: Option<String>,
    ending: Ending,
}

impl StandIn {
    /// `journal`: how many requests are kept, and how many records. `quiet`: callouts are not printed.
    pub fn new(journal: usize, quiet: bool) -> Self {
        Self {
            journal: Journal::new(journal),
            records: Records::new(journal),
            behaviours: PerDestination::new(Behaviours::new),
            tallies: Mutex::new(PerDestination::new(|_| Tally::default())),
            started: Instant::now(),
            received: AtomicU64::new(0),
            quiet,
        }
    }

    pub fn tallies(&self) -> MutexGuard<'_, PerDestination<Tally>> {
        self.tallies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As after the start: forgets requests, records and counts, and every destination answers as usual.
    pub fn reset(&self) {
        self.journal.forget();
        self.records.forget();
        *self.tallies() = PerDestination::new(|_| Tally::default());
        for to in Destination::ALL {
            self.behaviour(to).set(Behaviour::default());
        }
    }

    pub fn behaviour(&self, of: Destination) -> &Behaviours {
        self.behaviours.of(of)
    }

    /// Notes a request.
    pub fn receive(&self, peer: &Peer, request: Arrived) -> Pending<'_> {
        let Arrived { method, path, version, headers, head, body } = request;
        let elapsed = self.started.elapsed();
        let received = Received {
            seq: self.received.fetch_add(1, Ordering::Relaxed),
            at_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            at_us: u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            to: peer.to,
            method,
            path,
            version,
            sni: peer.sni.clone(),
            alpn: peer.alpn.clone(),
            headers,
            head,
            body,
            answered: None,
        };
        if !self.quiet {
            // A reader that went away is no reason to stop serving.
            let _ = std::io::stdout().write_all(readable(&received).as_bytes());
        }
        let read = if peer.to == Destination::Records { read_records(&received) } else { Ok(Vec::new()) };
        let (records, refusal) = match read {
            Ok(records) => (records, misdirected(&received)),
            Err(reply) => (Vec::new(), Some(reply)),
        };
        let pending = Pending {
            stand_in: self,
            to: peer.to,
            seq: received.seq,
            path: received.path.clone(),
            refusal,
            records,
            order_id: self.tallies().of_mut(peer.to).receive(&received),
            ending: Ending::Unanswered,
        };
        self.journal.record(received);
        pending
    }
}

impl Pending<'_> {
    /// The answer, when the destination's behaviour lets it go.
    pub async fn reply(&mut self) -> Reply {
        let reply = match &self.refusal {
            Some(reply) => reply.clone(),
            None => self.stand_in.behaviour(self.to).reply(&self.path).await,
        };
        // Noted before the answer goes, so that whoever has the answer finds it noted.
        self.note(if reply.reset.is_some() { Ending::Reset } else { Ending::Answered(reply.status) });
        reply
    }

    pub fn settle(mut self, ending: Ending) {
        self.ending = ending;
    }

    /// Shows the answer in the journal, and keeps the records of a request that is accepted.
    fn note(&mut self, ending: Ending) {
        self.stand_in.journal.answer(self.seq, ending);
        if matches!(ending, Ending::Answered(200..300)) && !self.records.is_empty() {
            self.stand_in.records.keep(std::mem::take(&mut self.records));
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        let ending = std::mem::replace(&mut self.ending, Ending::Unanswered);
        self.note(ending);
        self.stand_in.tallies().of_mut(self.to).settle(self.order_id.as_deref(), ending);
    }
}

/// The records in a request, or the answer to one that has none.
fn read_records(request: &Received) -> Result<Vec<Record>, Reply> {
    let path = String::from_utf8_lossy(&request.path);
    if request.method != "POST" || path.split('?').next() != Some("/v1/records") {
        return Err(Reply::error(
            404,
            &format!("there is no {} {path} here, only POST /v1/records", request.method),
        ));
    }
    records::parse(&request.body).map_err(|error| Reply::error(400, &format!("{error:#}")))
}

/// 421 for a request that asks another host than the one TLS was made with, as a vendor's front end would answer it.
fn misdirected(request: &Received) -> Option<Reply> {
    let expected = request.to.host()?;
    let authority = request.header("host").unwrap_or_default();
    let asked = authority.strip_suffix(b":443").unwrap_or(authority);
    if asked.eq_ignore_ascii_case(expected.as_bytes()) {
        return None;
    }
    let text = format!("this is {expected}, and you asked {}\n", String::from_utf8_lossy(authority));
    Some(Reply::new(421, "text/plain", text))
}
