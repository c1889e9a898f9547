//! Opens a request of the acknowledged route: what a queue passes on, in whatever it is wrapped.

use std::ops::Range;
use std::rc::Rc;

use super::origin::Origin;
use super::parsed_request::{ParseFailure, ParsedRequest, Provenance, Sender, text, unreadable};
use crate::accounting::{EventIgnored, RequestIgnored};
use crate::config::Compiled;
use crate::decode;
use crate::endpoints::Endpoint;
use crate::event::cloud_events::{self, Unwrapped, Wrapper, WrapperKind};
use crate::event::envelope::Envelope;
use crate::request::{Lease, Request};
use crate::seal::Unopened;
use crate::sources::{Credentials, Unauthorized};

/// A request of the acknowledged route, opened.
pub struct PassedOn {
    /// Its events. Those with an origin of their own are each a request by themselves, as they were when a client sent them.
    pub requests: Vec<ParsedRequest>,
    /// Its dead letters.
    pub letters: Vec<SealedLetter>,
    /// The items that are no events for anybody, by their indexes.
    pub ignored: Vec<(usize, EventIgnored)>,
    /// Whether an item was sealed under a secret that isn't configured here.
    pub has_unknown_secret: bool,
}

/// A dead letter as it came, not opened.
pub struct SealedLetter {
    /// Its index in the request.
    pub at: usize,
    /// Its bytes.
    pub sealed: Vec<u8>,
    /// On what these take up.
    _lease: Lease,
}

/// A dead letter that somebody posts and waits for.
pub struct PostedLetter {
    pub letter: SealedLetter,
    pub sender: Rc<Sender>,
}

impl PassedOn {
    /// Opens a request that arrived at `arrived_at`, in Unix milliseconds. Its headers and address are those of the queue that passes
    /// the events on, and say nothing about a visitor; nor does a signature that was seen before mean anything.
    pub fn open(mut request: Request, config: &Compiled, arrived_at: i64) -> Result<Self, ParseFailure> {
        let credentials =
            config.sources.as_ref().map(|sources| sources.of_request(&request, arrived_at)).transpose();
        let credentials =
            credentials.map_err(|Unauthorized| ParseFailure::Events(EventIgnored::Unauthorized, 1))?;
        if cloud_events::is_letter(|name| request.header(name)) {
            return Self::open_letter(request, config);
        }
        let body = text(&mut request, config).map_err(ParseFailure::Request)?;
        let Unwrapped { text, envelope, mut wrappers } =
            cloud_events::unwrap(&body, config.limits.events).map_err(unreadable)?;
        if let [wrapper] = wrappers.as_mut_slice()
            && *wrapper == Wrapper::default()
        {
            *wrapper = Wrapper::of_headers(|name| request.header(name));
        }
        let text = text.into_owned();
        if !request.lease.grow(text.len().saturating_sub(body.len())) {
            return Err(ParseFailure::Request(RequestIgnored::Overloaded));
        }
        let mut parts = Parts {
            config,
            credentials,
            arrived_at,
            text: &text,
            endpoint: request.endpoint,
            lease: &request.lease,
            opened: Self::empty(),
        };
        let mut plain = Vec::new();
        for (index, (item, wrapper)) in envelope.items.iter().zip(wrappers).enumerate() {
            match wrapper.kind {
                WrapperKind::Event => parts.add(index, item.clone(), &wrapper)?,
                WrapperKind::Letter => parts.add_letter(index, wrapper.letter)?,
                WrapperKind::Foreign => plain.push((index, item.clone())),
            }
        }
        let mut opened = parts.opened;
        if !plain.is_empty() || opened.is_empty() {
            opened.requests.push(without_wrappers(request, text, envelope, plain, credentials, arrived_at));
        }
        Ok(opened)
    }

    fn empty() -> Self {
        Self { requests: Vec::new(), letters: Vec::new(), ignored: Vec::new(), has_unknown_secret: false }
    }

    /// Takes a dead letter in the binary mode, whose body is its bytes.
    fn open_letter(mut request: Request, config: &Compiled) -> Result<Self, ParseFailure> {
        let body = std::mem::take(&mut request.body);
        let received = body.len();
        let sealed = decode::bytes(body, request.header("content-encoding"), config.limits.body_bytes)
            .map_err(|undecodable| ParseFailure::Request(undecodable.into()))?;
        if !request.lease.grow(sealed.len().saturating_sub(received)) {
            return Err(ParseFailure::Request(RequestIgnored::Overloaded));
        }
        let letter = SealedLetter { at: 0, sealed, _lease: request.lease };
        Ok(Self { letters: vec![letter], ..Self::empty() })
    }

    fn is_empty(&self) -> bool {
        self.requests.is_empty() && self.letters.is_empty() && self.ignored.is_empty()
    }

    /// Sets who waits for the deliveries.
    pub fn set_sender(&mut self, sender: &Rc<Sender>) {
        for request in &mut self.requests {
            request.sender = Some(Rc::clone(sender));
        }
    }
}

/// The items of a request that are CloudEvents of this filter, while they are taken out of it.
struct Parts<'p> {
    config: &'p Compiled,
    credentials: Option<Credentials>,
    arrived_at: i64,
    text: &'p str,
    endpoint: Endpoint,
    lease: &'p Lease,
    opened: PassedOn,
}

impl Parts<'_> {
    /// Adds a CloudEvent of this filter. One whose origin can't be opened may hold a refusal, so it is nobody's event.
    fn add(&mut self, index: usize, item: Range<usize>, wrapper: &Wrapper) -> Result<(), ParseFailure> {
        let event = self.text.get(item).unwrap_or_default();
        let sealed = wrapper.relay.as_deref();
        let (provenance, credentials) = match sealed
            .and_then(|sealed| Origin::open(sealed, event, &self.config.carried))
        {
            None => (Provenance::Queue { is_ours: true }, self.credentials),
            Some(Ok(origin)) => {
                let credentials = self.credentials_of(&origin);
                (Provenance::Origin(Box::new(origin)), credentials)
            }
            Some(Err(unopened)) => {
                let is_unknown = unopened == Unopened::UnknownSecret;
                self.opened.has_unknown_secret |= is_unknown;
                let reason = if is_unknown { EventIgnored::Unauthorized } else { EventIgnored::Malformed };
                self.opened.ignored.push((index, reason));
                return Ok(());
            }
        };
        let mut request = Request::empty(self.endpoint, self.lease.another());
        let received_at = match &provenance {
            Provenance::Origin(origin) => {
                origin.restore(&mut request);
                origin.received_at
            }
            _ => self.arrived_at,
        };
        if !request.lease_head() || !request.lease.grow(event.len()) {
            return Err(ParseFailure::Request(RequestIgnored::Overloaded));
        }
        let (text, whole) = (event.to_owned(), Range { start: 0, end: event.len() });
        self.opened.requests.push(ParsedRequest {
            request,
            text,
            envelope: Envelope { items: vec![whole], ..Envelope::default() },
            credentials,
            received_at,
            arrived_at: self.arrived_at,
            provenance,
            sender: None,
            indexes: Some(vec![index]),
        });
        Ok(())
    }

    /// Adds a dead letter.
    fn add_letter(&mut self, at: usize, sealed: Option<Vec<u8>>) -> Result<(), ParseFailure> {
        let Some(sealed) = sealed else {
            self.opened.ignored.push((at, EventIgnored::Malformed));
            return Ok(());
        };
        let mut lease = self.lease.another();
        if !lease.grow(sealed.len()) {
            return Err(ParseFailure::Request(RequestIgnored::Overloaded));
        }
        self.opened.letters.push(SealedLetter { at, sealed, _lease: lease });
        Ok(())
    }

    /// The source of an event is that of the client's request, wherever it comes from now.
    fn credentials_of(&self, origin: &Origin) -> Option<Credentials> {
        let id = origin.source.as_deref()?;
        let found = self.config.sources.as_ref().and_then(|sources| sources.find(id));
        Some(found.map_or(Credentials::Outdated, Credentials::Key))
    }
}

/// The rest of the request: the events that are in no CloudEvent of this filter.
fn without_wrappers(
    mut request: Request,
    text: String,
    mut envelope: Envelope,
    items: Vec<(usize, Range<usize>)>,
    credentials: Option<Credentials>,
    arrived_at: i64,
) -> ParsedRequest {
    request.headers = Vec::new();
    request.source_address = Vec::new();
    request.path = Vec::new();
    let is_all = items.len() == envelope.items.len();
    let (indexes, items) = items.into_iter().unzip();
    envelope.items = items;
    ParsedRequest {
        request,
        text,
        envelope,
        credentials,
        received_at: arrived_at,
        arrived_at,
        provenance: Provenance::Queue { is_ours: false },
        sender: None,
        indexes: if is_all { None } else { Some(indexes) },
    }
}
