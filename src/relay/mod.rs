//! The relay: takes captured requests, makes deliveries of their events, and lets the engine send them.
//!
//! It lives as long as the VM, through every change of configuration.

mod bots;
mod cookies;
mod event_run;
mod host;
mod line;
mod orders;
mod parsed_request;
mod reading;
mod run;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

use crate::accounting::{
    CalloutStatus, DeliveryLedger, EventIgnored, IntegrationRef, Notice, Outcome, Refusal, RequestIgnored,
};
use crate::config::Compiled;
use crate::deduplication::SeenIds;
use crate::delivery::{Answer, Callouts, Engine, Instant, LaneConfig, LaneId, Token};
use crate::reply::Reply;
use crate::request::{Budget, Request};
use crate::sources;
use crate::vendors::{Attempt, Parcel};
pub use host::Host;
use line::{Line, cachebuster};
use parsed_request::{ParseFailure, ParsedRequest};
use run::Run;

/// The most events that one call of [`Relay::work`] reads, so that other traffic of the worker never waits long.
const MAX_EVENTS_PER_STEP: usize = 32;
/// How long one call of [`Relay::work`] reads events, of however few.
const MAX_STEP_TIME: Duration = Duration::from_micros(500);
/// How long a request may wait for others, so that one timer, one wake-up and one flight of callouts serve them all.
const COLLECT_INTERVAL: Duration = Duration::from_millis(5);
/// The most callouts that one call of [`Relay::work`] sends.
const MAX_CALLOUTS_PER_STEP: usize = 64;

/// The relay of one plugin in one VM.
pub struct Relay {
    /// The plugin's: its part of the data that all VMs share is kept under it.
    name: String,
    config: Rc<Compiled>,
    /// Deliveries by source, integration and messageId.
    messages: SeenIds,
    /// Deliveries by source, integration, the vendor's event and order id.
    orders: SeenIds,
    /// Signatures of servers' requests.
    signatures: SeenIds,
    /// Requests handed over and not yet read to their end.
    inbox: VecDeque<Work>,
    /// When the inbox is worked on next.
    inbox_due: Instant,
    engine: Engine<Parcel>,
    budget: Budget,
    rng: Rng,
    /// Cachebusters come from a generator of their own: the engine has the other one in hand when they are needed.
    cachebusters: Rng,
}

/// A request on its way through the stages.
enum Work {
    Closed {
        request: Request,
        /// Unix milliseconds.
        received_at: i64,
    },
    Open(Run),
}

impl Relay {
    /// A relay that holds nothing yet, for the plugin of that name. `seed` is random.
    pub fn new(name: String, config: Rc<Compiled>, seed: u64, host: &mut impl Host) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut relay = Self {
            messages: SeenIds::new("messages", &name, config.deduplication_window),
            orders: SeenIds::new("orders", &name, config.order_window),
            signatures: SeenIds::new("signatures", &name, sources::SIGNATURE_MEMORY),
            name,
            config: Rc::clone(&config),
            inbox: VecDeque::new(),
            inbox_due: Instant::ZERO,
            engine: Engine::default(),
            budget: Budget::default(),
            cachebusters: rng.fork(),
            rng,
        };
        relay.configure(config, host);
        relay
    }

    /// Puts a new configuration in force. What is held stays, but for deliveries of integrations that are gone.
    pub fn configure(&mut self, config: Rc<Compiled>, host: &mut impl Host) {
        self.budget.set_limit(config.limits.captured_bytes);
        let lane = |integration: &crate::config::Integration| LaneConfig {
            name: integration.name.as_str().into(),
            id: integration.id.as_deref().map(Into::into),
            vendor: integration.vendor.name(),
            redirects: integration.vendor.redirects(),
        };
        let lanes = config.integrations.iter().map(lane).collect();
        self.engine.configure(config.delivery, lanes, host.now(), host);
        self.messages = SeenIds::new("messages", &self.name, config.deduplication_window);
        self.orders = SeenIds::new("orders", &self.name, config.order_window);
        self.config = config;
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> &Rc<Compiled> {
        &self.config
    }

    /// What captured requests are leased from.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Takes a request that the collector has accepted.
    pub fn hand_over(&mut self, request: Request, host: &impl Host) {
        self.put(Work::Closed { request, received_at: host.wall_clock() }, host.now());
    }

    /// Takes a request whose accepting answer is on its way to the client. Gives the values of the `set-cookie` lines that
    /// this answer is to carry.
    pub fn hand_over_answered(&mut self, request: Request, host: &mut impl Host) -> Vec<String> {
        if !cookies::may_set(&request, &self.config) {
            self.hand_over(request, host);
            return Vec::new();
        }
        match ParsedRequest::open(request, &self.config, host.wall_clock(), &self.signatures, host) {
            Ok(opened) => self.accept(Run::new(opened, &self.config), host),
            Err(unopened) => {
                unopened.count(host);
                Vec::new()
            }
        }
    }

    /// Works out the cookies for the answer to an opened request, and keeps it for its events to be read.
    fn accept(&mut self, mut run: Run, host: &mut impl Host) -> Vec<String> {
        let lines = run.cookies_for_answer(host);
        self.put(Work::Open(run), host.now());
        lines
    }

    fn put(&mut self, work: Work, now: Instant) {
        if self.inbox.is_empty() {
            self.inbox_due = now.saturating_add(COLLECT_INTERVAL);
        }
        self.inbox.push_back(work);
        if self.inbox.len() >= MAX_EVENTS_PER_STEP {
            self.inbox_due = self.inbox_due.min(now);
        }
    }

    /// Takes a request that nobody else answers. Says what its client is to be told, and gives the values of the
    /// `set-cookie` lines that go with it.
    pub fn answer(&mut self, request: Request, host: &mut impl Host) -> (Reply, Vec<String>) {
        if self.engine.is_full() {
            host.request_ignored(RequestIgnored::Overloaded);
            return (Reply::Overloaded, Vec::new());
        }
        match ParsedRequest::open(request, &self.config, host.wall_clock(), &self.signatures, host) {
            Ok(opened) => {
                let mut run = Run::new(opened, &self.config);
                let reply = if run.is_authorized() { Reply::Success } else { Reply::Unauthorized };
                (reply, self.accept(run, host))
            }
            Err(unopened) => {
                unopened.count(host);
                let reply = match unopened {
                    ParseFailure::Request(reason) => reason.into(),
                    // A server that sends a request again has lost our answer: it is told what it was told then.
                    ParseFailure::Events(EventIgnored::Replayed, _) => Reply::Success,
                    ParseFailure::Events(..) => Reply::Unauthorized,
                };
                (reply, Vec::new())
            }
        }
    }

    /// Settles a callout. False: it is none that is waited for.
    pub fn settle(&mut self, token: Token, answer: Answer, host: &mut impl Host) -> bool {
        self.engine.settle(token, answer, host.now(), &mut self.rng, host)
    }

    /// Does a bounded part of what is to be done: reads events, sends callouts.
    pub fn work(&mut self, host: &mut impl Host) {
        let mut now = host.now();
        let until = now.saturating_add(MAX_STEP_TIME);
        for _ in 0..MAX_EVENTS_PER_STEP {
            if self.inbox.is_empty() || now > until {
                break;
            }
            self.read_one(host);
            now = host.read_clock();
        }
        self.inbox_due = now;
        if self.inbox.is_empty() {
            self.inbox.shrink_to(MAX_EVENTS_PER_STEP);
        }
        let mut outbound = Outbound { config: &self.config, cachebusters: &mut self.cachebusters, host };
        self.engine.step(now, &mut self.rng, &mut outbound, MAX_CALLOUTS_PER_STEP);
    }

    /// When [`Relay::work`] has something to do next: a time that may have passed, or never.
    pub fn next_due(&self) -> Option<Instant> {
        let inbox = (!self.inbox.is_empty()).then_some(self.inbox_due);
        inbox.into_iter().chain(self.engine.next_due()).min()
    }

    /// Returns the deliveries that are queued or in flight, by integration; of a removed one its last are in flight.
    pub fn pending(&self) -> impl Iterator<Item = (IntegrationRef<'_>, usize)> {
        self.engine.lanes().map(|(integration, held)| (integration, held.deliveries))
    }

    /// Whether nothing is held at all.
    pub fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.engine.is_idle()
    }

    /// Opens the first request of the inbox, or runs its next event.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    fn read_one(&mut self, host: &mut impl Host) {
        let run = match self.inbox.front_mut() {
            Some(Work::Open(run)) if run.is_under(&self.config) => run,
            _ => return self.open_first(host),
        };
        let mut line = Line {
            plugin: &self.name,
            messages: &self.messages,
            orders: &self.orders,
            engine: &mut self.engine,
            cachebusters: &mut self.cachebusters,
            now: host.now(),
        };
        if !run.step(&mut line, host) {
            self.inbox.pop_front();
        }
    }

    /// Makes the first request of the inbox ready for its events to be run under the newest configuration.
    fn open_first(&mut self, host: &mut impl Host) {
        let run = match self.inbox.pop_front() {
            None => return,
            Some(Work::Open(run)) => run.under(&self.config),
            Some(Work::Closed { request, received_at }) => {
                match ParsedRequest::open(request, &self.config, received_at, &self.signatures, host) {
                    Ok(opened) => Run::new(opened, &self.config),
                    Err(unopened) => return unopened.count(host),
                }
            }
        };
        self.inbox.push_front(Work::Open(run));
    }
}

/// Makes the engine's parcels into callouts of the newest configuration.
struct Outbound<'o, H> {
    config: &'o Compiled,
    cachebusters: &'o mut Rng,
    host: &'o mut H,
}

impl<H: Host> Callouts<Parcel> for Outbound<'_, H> {
    fn dispatch(&mut self, lane: LaneId, parcel: &Parcel) -> Result<Token, Refusal> {
        let integration = self.config.integrations.get(lane.0).ok_or(Refusal::UnknownCluster)?;
        let destination = &integration.destination;
        let random = cachebuster(self.cachebusters);
        let attempt = if self.host.only_shows() { Attempt::shown(random) } else { Attempt::sent(random) };
        let callout = destination.callout(parcel, &attempt);
        self.host.send(destination.cluster(), destination.authority(), &callout, self.config.delivery.timeout)
    }
}

impl<H: DeliveryLedger> DeliveryLedger for Outbound<'_, H> {
    fn delivery(&mut self, integration: IntegrationRef<'_>, outcome: Outcome) {
        self.host.delivery(integration, outcome);
    }

    fn callout(&mut self, integration: IntegrationRef<'_>, status: CalloutStatus, took: Duration) {
        self.host.callout(integration, status, took);
    }

    fn notice(&mut self, integration: IntegrationRef<'_>, notice: Notice<'_>) {
        self.host.notice(integration, notice);
    }
}
