//! A request opened: decoded, its envelope read, its source known. None of its events has been read yet.

use crate::accounting::{EventIgnored, Ledger, RequestIgnored};
use crate::config::Compiled;
use crate::decode;
use crate::deduplication::{SeenIds, Store};
use crate::delivery::Instant;
use crate::endpoints::Carrier;
use crate::event::cloud_events::{self, Unwrapped};
use crate::event::envelope::{Envelope, Unreadable};
use crate::pixel;
use crate::request::Request;
use crate::sources::{Credentials, Unauthorized};

/// A request whose envelope has been opened.
pub struct ParsedRequest {
    pub request: Request,
    /// The decoded body that `envelope` points into.
    pub text: String,
    pub envelope: Envelope,
    /// What the request as a whole says about its source; None: no sources are configured.
    pub credentials: Option<Credentials>,
    /// Unix milliseconds.
    pub received_at: i64,
    /// Who waits for the ends of its deliveries, on the acknowledged route.
    pub sender: Option<Sender>,
}

/// Somebody who passes events on and waits until they are delivered.
#[derive(Debug)]
pub struct Sender {
    /// The number of the request among those that [wait](super::waiting::Waiting).
    pub request: u64,
    /// How long it waits.
    pub until: Instant,
    /// The names of the integrations that it wants the events to go to; empty: all.
    pub only: Vec<String>,
}

impl Sender {
    /// Whether the events may go to the integration of this name.
    pub fn wants(&self, integration: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == integration)
    }
}

/// Why a request comes to nothing as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseFailure {
    Request(RequestIgnored),
    /// For this reason each of its so many events.
    Events(EventIgnored, usize),
}

impl ParseFailure {
    pub fn count(self, ledger: &mut impl Ledger) {
        match self {
            ParseFailure::Request(reason) => ledger.request_ignored(reason),
            ParseFailure::Events(reason, count) => ledger.events_ignored(reason, count),
        }
    }
}

impl ParsedRequest {
    /// Opens a request that was received at `received_at`, in Unix milliseconds. `signatures` knows those seen before.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    pub fn open(
        mut request: Request,
        config: &Compiled,
        received_at: i64,
        signatures: &SeenIds,
        store: &impl Store,
    ) -> Result<Self, ParseFailure> {
        // The signature is over the bytes as they were received, so it is verified before anything is decoded.
        let credentials =
            config.sources.as_ref().map(|sources| sources.of_request(&request, received_at)).transpose();
        let text = text(&mut request, config).map_err(ParseFailure::Request)?;
        let envelope =
            Envelope::open(&text, request.endpoint.form, config.limits.events).map_err(unreadable)?;
        let events = envelope.items.len();
        let credentials =
            credentials.map_err(|Unauthorized| ParseFailure::Events(EventIgnored::Unauthorized, events))?;
        if let Some(Credentials::Signed { signature, .. }) = credentials
            && !signatures.remember(signature, seconds(received_at), store)
        {
            return Err(ParseFailure::Events(EventIgnored::Replayed, events));
        }
        Ok(Self { request, text, envelope, credentials, received_at, sender: None })
    }

    /// Opens a request of the acknowledged route, which waits as `sender` says. Its headers and address are those of the queue that passes
    /// the events on, and say nothing about a visitor; nor does a signature that was seen before mean anything.
    pub fn open_passed_on(
        mut request: Request,
        config: &Compiled,
        received_at: i64,
    ) -> Result<Self, ParseFailure> {
        let credentials =
            config.sources.as_ref().map(|sources| sources.of_request(&request, received_at)).transpose();
        let credentials =
            credentials.map_err(|Unauthorized| ParseFailure::Events(EventIgnored::Unauthorized, 1))?;
        let body = text(&mut request, config).map_err(ParseFailure::Request)?;
        let Unwrapped { text, envelope } =
            cloud_events::unwrap(&body, config.limits.events).map_err(unreadable)?;
        let text = text.into_owned();
        if !request.lease.grow(text.len().saturating_sub(body.len())) {
            return Err(ParseFailure::Request(RequestIgnored::Overloaded));
        }
        request.headers = Vec::new();
        request.source_address = Vec::new();
        request.path = Vec::new();
        Ok(Self { request, text, envelope, credentials, received_at, sender: None })
    }
}

fn unreadable(reason: Unreadable) -> ParseFailure {
    ParseFailure::Request(match reason {
        Unreadable::Malformed => RequestIgnored::Malformed,
        Unreadable::TooManyEvents => RequestIgnored::TooManyEvents,
    })
}

fn text(request: &mut Request, config: &Compiled) -> Result<String, RequestIgnored> {
    let most = config.limits.body_bytes;
    let body = std::mem::take(&mut request.body);
    let received = body.len();
    let text = match request.endpoint.carrier {
        Carrier::Query => pixel::event(&request.path, request.endpoint.event_type, most)?,
        Carrier::Body => decode::body(body, request.header("content-encoding"), most)?,
    };
    // What unfolding added is held as long as the request is, so it counts like what was received.
    if !request.lease.grow(text.len().saturating_sub(received)) {
        return Err(RequestIgnored::Overloaded);
    }
    Ok(text)
}

/// Unix seconds of Unix milliseconds.
pub fn seconds(milliseconds: i64) -> u64 {
    u64::try_from(milliseconds).unwrap_or(0) / 1000
}
