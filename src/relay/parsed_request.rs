//! A request opened: decoded, its envelope read, its source known. None of its events has been read yet.

use std::rc::Rc;
use std::time::Duration;

use super::host::Host;
use super::origin::Origin;
use super::story;
use crate::accounting::{EventIgnored, RequestIgnored};
use crate::config::Compiled;
use crate::decode;
use crate::deduplication::{SeenIds, State, Store};
use crate::delivery::Instant;
use crate::endpoints::Carrier;
use crate::event::cloud_events::{Wrapper, WrapperKind};
use crate::event::envelope::{Envelope, Form, Unreadable};
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
    /// When the client's request was received, by the gateway that it was sent to, in Unix milliseconds.
    pub received_at: i64,
    /// When the events came to this gateway, in Unix milliseconds.
    pub arrived_at: i64,
    pub provenance: Provenance,
    /// Who waits for the ends of its deliveries.
    pub sender: Option<Rc<Sender>>,
    /// The index of each item in the request that it came in, where that held more.
    pub(super) indexes: Option<Vec<usize>>,
}

/// Where events come from.
#[derive(Debug)]
pub enum Provenance {
    /// From the client itself.
    Client,
    /// From somebody who passes them on and says no more of their clients than they do.
    Queue {
        /// Whether they come in CloudEvents of this filter.
        is_ours: bool,
    },
    /// From a queue, with what the gateway knew of the client's request.
    Origin(Box<Origin>),
}

/// Somebody who waits until events are delivered.
#[derive(Debug)]
pub struct Sender {
    /// The number of the request among those that [wait](super::waiting::Waiting).
    pub request: u64,
    /// How long it waits.
    pub until: Instant,
    /// How long it waits from the beginning.
    pub within: Duration,
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
    /// Its so many events are being handled: the same request, by its signature, was received before and is not answered yet.
    StillHeld(usize),
}

impl ParseFailure {
    /// Counts it, and records it if somebody wants records.
    pub fn tell(self, config: &Compiled, host: &mut impl Host) {
        let (reason, count) = match self {
            ParseFailure::Request(reason) => return host.request_ignored(reason),
            ParseFailure::Events(reason, count) => (reason, count),
            ParseFailure::StillHeld(count) => (EventIgnored::Replayed, count),
        };
        host.events_ignored(reason, count);
        if host.wants_records() {
            story::ignored(reason, None, &config.fields, host);
        }
    }
}

impl ParsedRequest {
    /// Opens a client's request that was received at `received_at`, in Unix milliseconds. `signatures` knows those seen before. `lease`:
    /// for how long the request's is only held, until the request is answered; `None`: it is used by now.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    pub fn open(
        mut request: Request,
        config: &Compiled,
        received_at: i64,
        signatures: &SeenIds,
        lease: Option<Duration>,
        store: &impl Store,
    ) -> Result<Self, ParseFailure> {
        // It belongs to the acknowledged route. Here it would be handed off again, and so on without end.
        if Wrapper::of_headers(|name| request.header(name)).kind != WrapperKind::Foreign {
            return Err(ParseFailure::Request(RequestIgnored::Malformed));
        }
        // The signature is over the bytes as they were received, so it is verified before anything is decoded.
        let credentials =
            config.sources.as_ref().map(|sources| sources.of_request(&request, received_at)).transpose();
        let text = text(&mut request, config).map_err(ParseFailure::Request)?;
        let envelope = match (request.endpoint.form, &credentials) {
            // One event is verified as it is read, in one pass. Not so where it first decides on something else.
            (Form::Single, Ok(None | Some(Credentials::None | Credentials::Key(_)))) => {
                Envelope::unverified(&text)
            }
            (form, _) => Envelope::open(&text, form, config.limits.events).map_err(unreadable)?,
        };
        let events = envelope.items.len();
        let credentials =
            credentials.map_err(|Unauthorized| ParseFailure::Events(EventIgnored::Unauthorized, events))?;
        if let Some(Credentials::Signed { signature, .. }) = credentials {
            let now = seconds(received_at);
            let known = match lease {
                Some(lease) => signatures.try_hold(signature, lease, now, store).err(),
                None => (!signatures.remember(signature, now, store)).then_some(State::Delivered),
            };
            match known {
                None => {}
                Some(State::Held) => return Err(ParseFailure::StillHeld(events)),
                Some(State::Delivered) => return Err(ParseFailure::Events(EventIgnored::Replayed, events)),
            }
        }
        Ok(Self {
            request,
            text,
            envelope,
            credentials,
            received_at,
            arrived_at: received_at,
            provenance: Provenance::Client,
            sender: None,
            indexes: None,
        })
    }

    /// Returns the index of an item in the request that it came in.
    pub fn index(&self, item: usize) -> usize {
        self.indexes.as_ref().and_then(|indexes| indexes.get(item).copied()).unwrap_or(item)
    }

    /// Returns what the gateway of the client knew of its request, where that went along with a queue's.
    pub fn origin(&self) -> Option<&Origin> {
        match &self.provenance {
            Provenance::Origin(origin) => Some(origin),
            Provenance::Client | Provenance::Queue { .. } => None,
        }
    }
}

pub(super) fn unreadable(reason: Unreadable) -> ParseFailure {
    ParseFailure::Request(match reason {
        Unreadable::Malformed => RequestIgnored::Malformed,
        Unreadable::TooManyEvents => RequestIgnored::TooManyEvents,
    })
}

pub(super) fn text(request: &mut Request, config: &Compiled) -> Result<String, RequestIgnored> {
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
