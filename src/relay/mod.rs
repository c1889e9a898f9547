//! The relay: takes captured requests, makes deliveries of their events, and lets the engine send them.
//!
//! It lives as long as the VM, through every change of configuration.

mod station;

use std::collections::VecDeque;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

use crate::accounting::{Counters, RequestIgnored};
use crate::config::Compiled;
use crate::delivery::{
    Answer, CalloutStatus, Callouts, Engine, Instant, LaneId, LaneRef, LaneSpec, Ledger, Notice, Outcome,
    Refusal, Token,
};
use crate::event::envelope::{Envelope, Unreadable};
use crate::request::{Budget, Request};
use crate::vendors::{Callout, Parcel};

/// The most events that one call of [`Relay::work`] reads, so that other traffic of the worker never waits long.
const EVENTS_AT_ONCE: usize = 32;
/// How long one call of [`Relay::work`] reads events, of however few.
const TIME_AT_ONCE: Duration = Duration::from_micros(500);
/// The most callouts that one call of [`Relay::work`] sends.
const CALLOUTS_AT_ONCE: usize = 64;

/// What the relay needs of its surroundings.
pub trait Host: Counters + Ledger {
    /// Time on a monotonic clock, from the VM's start.
    fn now(&self) -> Instant;

    /// Sends one callout.
    fn send(
        &mut self,
        cluster: &str,
        authority: &str,
        callout: &Callout,
        timeout: Duration,
    ) -> Result<Token, Refusal>;

    /// Tells of a callout that a dry run didn't send, in full; the log masks it.
    fn dry_run(&mut self, integration: &str, callout: &Callout);
}

/// The relay of one plugin in one VM.
pub struct Relay {
    config: Rc<Compiled>,
    /// Requests handed over and not yet read to their end.
    inbox: VecDeque<Work>,
    engine: Engine<Parcel>,
    budget: Budget,
    rng: Rng,
    /// Cachebusters come from a generator of their own: the engine has the other one in hand when they are needed.
    cachebusters: Rng,
}

/// A request on its way through the stations.
enum Work {
    Closed(Request),
    Open(Opened),
}

/// A request whose envelope has been opened.
struct Opened {
    request: Request,
    body: String,
    items: std::vec::IntoIter<Range<usize>>,
    context: Option<Range<usize>>,
}

impl Relay {
    /// A relay that holds nothing yet. `seed` is random.
    pub fn new(config: Rc<Compiled>, seed: u64, host: &mut impl Host) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut relay = Self {
            config: Rc::clone(&config),
            inbox: VecDeque::new(),
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
        let lane = |integration: &crate::config::Integration| LaneSpec {
            name: integration.name.clone(),
            vendor: integration.vendor.name(),
            redirects: integration.vendor.redirects(),
        };
        let lanes = config.integrations.iter().map(lane).collect();
        self.engine.configure(config.delivery, lanes, host.now(), host);
        self.config = config;
    }

    pub fn config(&self) -> &Rc<Compiled> {
        &self.config
    }

    /// What captured requests are leased from.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Takes a request that has been accepted.
    pub fn hand_over(&mut self, request: Request) {
        self.inbox.push_back(Work::Closed(request));
    }

    /// Settles a callout. False: it is none that is waited for.
    pub fn settle(&mut self, token: Token, answer: Answer, host: &mut impl Host) -> bool {
        self.engine.settle(token, answer, host.now(), &mut self.rng, host)
    }

    /// Does a bounded part of what is to be done: reads events, sends callouts.
    pub fn work(&mut self, host: &mut impl Host) {
        let until = host.now().saturating_add(TIME_AT_ONCE);
        for _ in 0..EVENTS_AT_ONCE {
            if self.inbox.is_empty() || host.now() > until {
                break;
            }
            self.read_one(host);
        }
        if self.inbox.is_empty() {
            self.inbox.shrink_to(EVENTS_AT_ONCE);
        }
        let now = host.now();
        let mut outbound = Outbound { config: &self.config, cachebusters: &mut self.cachebusters, host };
        self.engine.step(now, &mut self.rng, &mut outbound, CALLOUTS_AT_ONCE);
    }

    /// When [`Relay::work`] has something to do next: a time that may have passed, or never.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.inbox.is_empty() { self.engine.next_due() } else { Some(now) }
    }

    /// Whether nothing is held at all.
    pub fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.engine.is_idle()
    }

    /// Opens the first request of the inbox, or reads its next event.
    fn read_one(&mut self, host: &mut impl Host) {
        match self.inbox.pop_front() {
            Some(Work::Closed(request)) => match open(request, &self.config) {
                Ok(opened) => self.inbox.push_front(Work::Open(opened)),
                Err(reason) => host.request_ignored(reason),
            },
            Some(Work::Open(mut opened)) => {
                if let Some(item) = opened.items.next() {
                    station::relay(
                        &opened,
                        item,
                        &self.config,
                        &mut self.engine,
                        &mut self.cachebusters,
                        host,
                    );
                    self.inbox.push_front(Work::Open(opened));
                }
            }
            None => {}
        }
    }
}

fn open(mut request: Request, config: &Compiled) -> Result<Opened, RequestIgnored> {
    let body = std::mem::take(&mut request.body);
    let body =
        String::from_utf8(body).unwrap_or_else(|bad| String::from_utf8_lossy(bad.as_bytes()).into_owned());
    let Envelope { items, context, .. } = Envelope::open(&body, request.endpoint.form, config.limits.events)
        .map_err(|reason| match reason {
            Unreadable::Malformed => RequestIgnored::Malformed,
            Unreadable::TooManyEvents => RequestIgnored::TooManyEvents,
        })?;
    Ok(Opened { request, body, items: items.into_iter(), context })
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
        let callout = destination.callout(parcel, cachebuster(self.cachebusters));
        self.host.send(destination.cluster(), destination.authority(), &callout, self.config.delivery.timeout)
    }
}

impl<H: Ledger> Ledger for Outbound<'_, H> {
    fn delivery(&mut self, lane: LaneRef<'_>, outcome: Outcome) {
        Ledger::delivery(self.host, lane, outcome);
    }

    fn callout(&mut self, lane: LaneRef<'_>, status: CalloutStatus, took: Duration) {
        self.host.callout(lane, status, took);
    }

    fn notice(&mut self, lane: LaneRef<'_>, notice: Notice<'_>) {
        self.host.notice(lane, notice);
    }
}

/// Digits that no other callout has, as far as chance can promise.
fn cachebuster(rng: &mut Rng) -> u64 {
    rng.u64(1_000_000..1_000_000_000_000_000)
}
