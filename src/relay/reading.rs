//! What an opened request says, under one configuration: for all of its events, read once, and each of its events.

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::ops::{ControlFlow, Range};
use std::time::Duration;

use super::parsed_request::{ParsedRequest, Provenance};
use crate::accounting::EventIgnored;
use crate::config::{Compiled, Integration};
use crate::consent::RequestConsent;
use crate::event::envelope::{text, text_or_number};
use crate::event::projection::Slots;
use crate::event::whole::WholeEvent;
use crate::event::{Event, Malformed};
use crate::identity::address::IpPolicy;
use crate::identity::client::EventContext;
use crate::identity::{Client, Cookies};
use crate::json::{Json, Kind, NotJson};
use crate::request::Lease;
use crate::sources::{Credentials, SourceIndex, Unauthorized};
use crate::timestamp;
use crate::visitor;

/// A request as its events are read. It borrows from both the request and the configuration, so what was read by one
/// configuration is never used with another.
pub struct Reading<'r> {
    pub opened: &'r ParsedRequest,
    pub config: &'r Compiled,
    /// The batch's own `context`, already read, for each item to start from; `None`: it has none.
    context: Option<Slots<'r>>,
    /// Read when the first event asks. Most requests hold one event, and most events are not wanted.
    headers: OnceCell<Headers<'r>>,
    client: OnceCell<Client<'r>>,
}

/// What the headers say about the visitor.
struct Headers<'r> {
    cookies: Cookies<'r>,
    consent: RequestConsent<'r>,
}

/// An item of the request: an event of a source, or why it is ignored.
pub type Item<'r> = Result<SourcedEvent<'r>, EventIgnored>;

/// An event that may be relayed as far as its source goes.
pub struct SourcedEvent<'r> {
    pub event: Event<'r>,
    /// `None`: no sources are configured.
    pub source: Option<SourceIndex>,
}

impl<'r> Reading<'r> {
    pub fn new(opened: &'r ParsedRequest, config: &'r Compiled) -> Self {
        let contexts = opened.envelope.contexts.iter().filter_map(|range| json(&opened.text, range));
        let context = contexts.fold(None, |slots: Option<Slots<'r>>, context| {
            let mut slots = slots.unwrap_or_else(|| config.projection.empty());
            config.projection.read_member("context", context, &mut slots);
            Some(slots)
        });
        Self { opened, config, context, headers: OnceCell::new(), client: OnceCell::new() }
    }

    pub fn cookies(&self) -> &Cookies<'r> {
        &self.headers().cookies
    }

    /// The consent that the request's headers carry, for all of its events.
    pub fn consent(&self) -> &RequestConsent<'r> {
        &self.headers().consent
    }

    fn headers(&self) -> &Headers<'r> {
        self.headers.get_or_init(|| Headers::read(self.opened, self.config))
    }

    /// The client of the request itself.
    pub fn client(&self) -> &Client<'r> {
        let request = &self.opened.request;
        self.client.get_or_init(|| {
            let policy = IpPolicy::of_header(request.header_lines("x-ip-policy"));
            Client::of_request(&request.source_address, request.header("user-agent")).with_ip_policy(policy)
        })
    }

    /// Whether the signature of the client's request was verified.
    pub fn is_signed(&self) -> bool {
        match &self.opened.provenance {
            Provenance::Origin(origin) => origin.signed,
            Provenance::Client | Provenance::Queue { .. } => {
                matches!(self.opened.credentials, Some(Credentials::Signed { .. }))
            }
        }
    }

    /// What an event says about its client.
    pub fn event_context(&self, event: &Event<'r>) -> EventContext<'r> {
        let is_passed_on = matches!(self.opened.provenance, Provenance::Queue { .. });
        visitor::event_context(event, self.is_signed(), is_passed_on, &self.config.fields)
    }

    /// Whether an event may leave by an integration, as far as its way here goes: never by one that it has left by before, or it
    /// would go round for ever.
    pub fn may_leave_by(&self, integration: &Integration) -> bool {
        match &self.opened.provenance {
            Provenance::Client => true,
            Provenance::Queue { is_ours } => !(*is_ours && integration.sends_whole_events),
            Provenance::Origin(origin) => !origin.has_left_by(integration),
        }
    }

    /// How old an event was when it was received; `None` where it doesn't say when it happened, or where nobody knows when it was
    /// received: an outage of the queue that passes it on makes nothing stale.
    pub fn age(&self, event: &Event<'r>) -> Option<Duration> {
        if matches!(self.opened.provenance, Provenance::Queue { .. }) {
            return None;
        }
        let ParsedRequest { text: body, envelope, received_at, .. } = self.opened;
        let sent_at = text_or_number(body, envelope.sent_at.as_ref());
        event.times(&self.config.fields, sent_at).age(*received_at, timestamp::parse_timestamp)
    }

    /// All of an event, with what its batch says for it.
    pub fn whole<'e>(&'e self, event: &Event<'e>) -> WholeEvent<'e> {
        let ParsedRequest { text: body, envelope, .. } = self.opened;
        WholeEvent {
            json: event.json,
            event_type: event.event_type,
            contexts: envelope.contexts.iter().filter_map(|range| json(body, range)).collect(),
            sent_at: envelope.sent_at.as_ref().and_then(|range| json(body, range)),
        }
    }

    /// Reads an item. Every item that is read is read here.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    fn item(&self, item: &Range<usize>) -> Item<'r> {
        #[cfg(test)]
        ITEMS_READ.set(ITEMS_READ.get().saturating_add(1));
        let Compiled { projection, fields, .. } = self.config;
        let item = json(&self.opened.text, item).ok_or(EventIgnored::Malformed)?;
        let slots = self.context.clone().unwrap_or_else(|| projection.empty());
        let event = Event::read(item, projection, fields, slots, self.opened.request.endpoint.event_type);
        self.sourced(event)
    }

    /// Reads an item that may not be JSON. Fails if it isn't.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    fn unverified_item(&self, item: &Range<usize>) -> Result<Item<'r>, NotJson> {
        let Compiled { projection, fields, .. } = self.config;
        let text = self.opened.text.get(item.clone()).ok_or(NotJson)?;
        let mut slots = projection.empty();
        if projection.read_unverified(text, &mut slots) {
            #[cfg(test)]
            ITEMS_READ.set(ITEMS_READ.get().saturating_add(1));
            let fallback = self.opened.request.endpoint.event_type;
            return Ok(self.sourced(Event::of(Json::known(text), fields, slots, fallback)));
        }
        match Json::parse(text)?.kind() {
            Kind::Object => Ok(self.item(item)),
            _ => Err(NotJson),
        }
    }

    fn sourced(&self, event: Result<Event<'r>, Malformed>) -> Item<'r> {
        let event = event.map_err(|_| EventIgnored::Malformed)?;
        let source = self.source(&event).map_err(|Unauthorized| EventIgnored::Unauthorized)?;
        Ok(SourcedEvent { event, source })
    }

    fn source(&self, event: &Event<'r>) -> Result<Option<SourceIndex>, Unauthorized> {
        let ParsedRequest { request, text: body, envelope, credentials, .. } = self.opened;
        let (Some(sources), Some(credentials)) = (&self.config.sources, *credentials) else {
            return Ok(None);
        };
        let event_key = event.text(self.config.fields.write_key);
        let batch_key = text(body, envelope.write_key.as_ref());
        sources.of_event(credentials, request, event_key.as_deref(), batch_key.as_deref()).map(Some)
    }
}

/// The JSON at a place in the text, which the envelope has found there.
fn json<'r>(text: &'r str, range: &Range<usize>) -> Option<Json<'r>> {
    text.get(range.clone()).map(Json::known)
}

impl<'r> Headers<'r> {
    fn read(opened: &'r ParsedRequest, config: &'r Compiled) -> Self {
        #[cfg(test)]
        HEADERS_READ.set(HEADERS_READ.get().saturating_add(1));
        let cookies: Cookies = opened.request.header_lines("cookie").collect();
        let headers = opened.request.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        let consent = config.consent.request(headers, cookies.iter());
        Self { cookies, consent }
    }
}

#[cfg(test)]
thread_local! {
    /// How often a request's headers were read by this thread.
    pub(super) static HEADERS_READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    /// How many items were read by this thread.
    pub(super) static ITEMS_READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The items of a request in their order. Those that the answer to the client depends on are read before their turn, and
/// kept until then so that none is read twice.
pub struct Items<'r> {
    /// What was read before its turn: the next items, without a gap.
    ahead: VecDeque<Item<'r>>,
    /// What `ahead` takes up. Where the budget has no room for an item, it is not kept, and is read again in its turn.
    lease: Lease,
}

impl<'r> Items<'r> {
    /// No item has been read. `lease` is on nothing yet.
    pub fn new(lease: Lease) -> Self {
        Self { ahead: VecDeque::new(), lease }
    }

    /// Reads the only item of a request that was not verified when it was opened. Fails if it is no JSON.
    pub fn verify(&mut self, reading: &Reading<'r>) -> Result<(), NotJson> {
        if let Some(range) = reading.opened.envelope.items.first() {
            let item = reading.unverified_item(range)?;
            if self.lease.grow(size(&item)) {
                self.ahead.push_back(item);
            }
        }
        Ok(())
    }

    /// Looks at each item before any had its turn, until `look` breaks.
    pub fn look_ahead(
        &mut self,
        reading: &Reading<'r>,
        mut look: impl FnMut(&Item<'r>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        for (at, range) in reading.opened.envelope.items.iter().enumerate() {
            if let Some(item) = self.ahead.get(at) {
                look(item)?;
                continue;
            }
            let item = reading.item(range);
            let looked = look(&item);
            if self.ahead.len() == at && self.lease.grow(size(&item)) {
                self.ahead.push_back(item);
            }
            looked?;
        }
        ControlFlow::Continue(())
    }

    /// Takes the item whose turn it is, the one at `at`; `None`: there is no further one.
    pub fn take(&mut self, at: usize, reading: &Reading<'r>) -> Option<Item<'r>> {
        self.ahead.pop_front().or_else(|| Some(reading.item(reading.opened.envelope.items.get(at)?)))
    }
}

/// What an item takes up in memory beside the request's text, in bytes.
fn size(item: &Item<'_>) -> usize {
    let event = item.as_ref().map_or(0, |SourcedEvent { event, .. }| event.size());
    size_of::<Item>().saturating_add(event)
}
