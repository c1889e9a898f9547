//! A request opened: decoded, its envelope read, its source known. From here on its events are read one by one.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use crate::accounting::{EventIgnored, Ledger, RequestIgnored};
use crate::config::Compiled;
use crate::decode;
use crate::deduplication::{Memory, Store};
use crate::endpoints::Carrier;
use crate::event::envelope::{Envelope, Unreadable};
use crate::event::{Event, Malformed};
use crate::identity::EmailHash;
use crate::json::Json;
use crate::pixel;
use crate::request::Request;
use crate::sources::{Claim, SourceAt, Unauthorized};
use crate::timestamp;
use crate::visitor;

/// A request whose envelope has been opened.
pub struct Opened {
    pub request: Request,
    /// The decoded body that `envelope` points into.
    pub text: String,
    pub envelope: Envelope,
    /// What the request as a whole says about its source; None: no sources are configured.
    claim: Option<Claim>,
    /// Unix milliseconds.
    pub received_at: i64,
    /// The anonymous id that the answer gives to a visitor without one.
    pub(super) issued_id: Option<String>,
    /// The emails of the identify events read so far, by anonymous id.
    pub(super) identified: HashMap<Box<str>, EmailHash>,
    /// The place of the next item.
    next: usize,
}

/// Why a request comes to nothing as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    Request(RequestIgnored),
    /// For this reason each of its so many events.
    Events(EventIgnored, usize),
}

impl Unopened {
    pub fn count(self, ledger: &mut impl Ledger) {
        match self {
            Unopened::Request(reason) => ledger.request_ignored(reason),
            Unopened::Events(reason, count) => ledger.events_ignored(reason, count),
        }
    }
}

impl Opened {
    /// Opens a request that was received at `received_at`, in Unix milliseconds. `signatures` knows those seen before.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    pub fn open(
        mut request: Request,
        config: &Compiled,
        received_at: i64,
        signatures: &Memory,
        store: &impl Store,
    ) -> Result<Self, Unopened> {
        // The signature is over the bytes as they were received, so it is verified before anything is decoded.
        let claim =
            config.sources.as_ref().map(|sources| sources.of_request(&request, received_at)).transpose();
        let text = text(&mut request, config).map_err(Unopened::Request)?;
        let envelope = Envelope::open(&text, request.endpoint.form, config.limits.events).map_err(
            |reason| match reason {
                Unreadable::Malformed => Unopened::Request(RequestIgnored::Malformed),
                Unreadable::TooManyEvents => Unopened::Request(RequestIgnored::TooManyEvents),
            },
        )?;
        let events = envelope.items.len();
        let claim = claim.map_err(|Unauthorized| Unopened::Events(EventIgnored::Unauthorized, events))?;
        if let Some(Claim::Signed { signature, .. }) = claim
            && !signatures.remember(signature, seconds(received_at), store)
        {
            return Err(Unopened::Events(EventIgnored::Replayed, events));
        }
        Ok(Self {
            request,
            text,
            envelope,
            claim,
            received_at,
            issued_id: None,
            identified: HashMap::new(),
            next: 0,
        })
    }

    /// The place of the next item that was not read yet.
    pub fn next_item(&mut self) -> Option<Range<usize>> {
        let item = self.envelope.items.get(self.next).cloned();
        self.next = self.next.saturating_add(1);
        item
    }

    /// The JSON at a place in the text, which the envelope has found there.
    pub fn json(&self, range: &Range<usize>) -> Option<Json<'_>> {
        self.text.get(range.clone()).map(Json::known)
    }

    /// Reads an item, on top of what the batch says for all.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    pub fn event(&self, item: &Range<usize>, config: &Compiled) -> Result<Event<'_>, Malformed> {
        let mut slots = config.projection.empty();
        if let Some(context) = self.envelope.context.as_ref().and_then(|range| self.json(range)) {
            config.projection.read_member("context", context, &mut slots);
        }
        let item = self.json(item).ok_or(Malformed::NotAnObject)?;
        Event::read(item, &config.projection, &config.fields, slots, self.request.endpoint.event_type)
    }

    /// How old an event was when it was received; None where it doesn't say when it happened.
    pub fn age(&self, event: &Event<'_>, config: &Compiled) -> Option<Duration> {
        let sent_at = self.envelope.sent_at.as_ref().and_then(|range| self.json(range)).and_then(Json::text);
        event.times(&config.fields, sent_at).age(self.received_at, timestamp::parse_timestamp)
    }

    /// Whether a server sent the event, in a visitor's stead or its own.
    pub fn is_from_server(&self, event: &Event<'_>, config: &Compiled) -> bool {
        visitor::event_context(event, self.is_signed(), &config.fields).is_from_server()
    }

    /// The anonymous id that the answer gives to the visitor of an event; none to a server.
    pub fn issued_id(&self, event: &Event<'_>, config: &Compiled) -> Option<&str> {
        self.issued_id.as_deref().filter(|_| !self.is_from_server(event, config))
    }

    /// Whether the request's signature was verified.
    pub fn is_signed(&self) -> bool {
        matches!(self.claim, Some(Claim::Signed { .. }))
    }

    /// The source of one of the request's events; `Ok(None)` where no sources are configured.
    pub fn source(&self, event: &Event<'_>, config: &Compiled) -> Result<Option<SourceAt>, Unauthorized> {
        let (Some(sources), Some(claim)) = (&config.sources, self.claim) else { return Ok(None) };
        let event_key = event.text(config.fields.write_key);
        let batch_key =
            self.envelope.write_key.as_ref().and_then(|range| self.json(range)).and_then(Json::text);
        sources.of_event(claim, event_key.as_deref(), batch_key.as_deref()).map(Some)
    }

    /// Whether any event of the request is of a source. Reads every item, so it is asked only where the answer to the
    /// client hangs on it.
    pub fn is_authorized(&self, config: &Compiled) -> bool {
        config.sources.is_none()
            || self.envelope.items.is_empty()
            || self
                .envelope
                .items
                .iter()
                .any(|item| self.event(item, config).is_ok_and(|event| self.source(&event, config).is_ok()))
    }
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
