//! The relay: takes captured requests, makes deliveries of their events, and lets the engine send them.
//!
//! It lives as long as the VM, through every change of configuration.

mod answering;
mod asked;
mod bots;
mod cookies;
mod dead_letters;
mod event_run;
mod host;
mod letter;
mod line;
mod orders;
mod origin;
mod outbound;
mod parsed_request;
mod passed_on;
mod reading;
mod run;
mod shipment;
mod story;
#[cfg(test)]
mod tests;
mod waiting;
mod wanted;
mod whole;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

use crate::accounting::{IntegrationRef, Outcome};
use crate::config::Compiled;
use crate::delivery::{Answer, End, Engine, Instant, LaneConfig, LaneId, Token};
use crate::request::{Budget, Request};
pub use host::Host;
use line::Line;
use outbound::Outbound;
use parsed_request::{ParseFailure, ParsedRequest, seconds};
use passed_on::PostedLetter;
use run::Run;
use shipment::{Concluded, Memories, Shipment};
pub use waiting::Answered;
use waiting::Waiting;

/// The most events that one call of [`Relay::work`] reads, so that other traffic of the worker never waits long.
const MAX_EVENTS_PER_STEP: usize = 32;
/// How long one call of [`Relay::work`] reads events, of however few.
const MAX_STEP_TIME: Duration = Duration::from_micros(500);
/// How long a request may wait for others, so that one timer, one wake-up and one flight of callouts serve them all.
const COLLECT_INTERVAL: Duration = Duration::from_millis(5);
/// How long the end of a delivery may wait for others before deduplication is told.
const CONCLUDE_INTERVAL: Duration = Duration::from_millis(100);
/// The most ids of ended deliveries that wait for that.
const MAX_CONCLUDED: usize = 256;
/// The most callouts that one call of [`Relay::work`] sends.
const MAX_CALLOUTS_PER_STEP: usize = 64;

/// The relay of one plugin in one VM.
pub struct Relay {
    /// The plugin's: its part of the data that all VMs share is kept under it.
    name: String,
    config: Rc<Compiled>,
    memories: Memories,
    /// Requests handed over and not yet read to their end.
    inbox: VecDeque<Work>,
    /// When the inbox is worked on next.
    inbox_due: Instant,
    engine: Engine<Shipment>,
    /// What has ended in the engine, until the end of the call.
    ended: Vec<(Shipment, End)>,
    /// The ends that deduplication has not been told yet, and when it is told.
    concluded: Concluded,
    concluded_due: Instant,
    /// The requests that wait for the ends of their deliveries.
    waiting: Waiting,
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
    /// A dead letter that comes back.
    Letter(PostedLetter),
}

impl Relay {
    /// A relay that holds nothing yet, for the plugin of that name. `seed` is random.
    pub fn new(name: String, config: Rc<Compiled>, seed: u64, host: &mut impl Host) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut relay = Self {
            memories: Memories::new(&name, &config),
            name,
            config: Rc::clone(&config),
            inbox: VecDeque::new(),
            inbox_due: Instant::ZERO,
            engine: Engine::default(),
            ended: Vec::new(),
            concluded: Concluded::default(),
            concluded_due: Instant::ZERO,
            waiting: Waiting::default(),
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
        let now = host.now();
        let mut outbound = Outbound {
            config: &config,
            cachebusters: &mut self.cachebusters,
            host,
            ended: &mut self.ended,
            answer: &[],
        };
        self.engine.configure(config.delivery, lanes, now, &mut outbound);
        self.memories = Memories::new(&self.name, &config);
        self.config = config;
        self.conclude(now, host);
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
        match self.open(request, host.wall_clock(), host) {
            Ok(run) => self.accept(run, host),
            Err(unopened) => {
                unopened.tell(&self.config, host);
                Vec::new()
            }
        }
    }

    /// Opens a request that nobody waits for.
    fn open(&self, request: Request, received_at: i64, host: &impl Host) -> Result<Run, ParseFailure> {
        let signatures = &self.memories.signatures;
        let opened = ParsedRequest::open(request, &self.config, received_at, signatures, None, host)?;
        let mut run = Run::new(opened, &self.config);
        run.verify()?;
        Ok(run)
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

    /// The client of a stream has left.
    pub fn abandon(&mut self, stream: u32) {
        self.waiting.abandon(stream);
    }

    /// Settles a callout. False: it is none that is waited for.
    pub fn settle(&mut self, token: Token, answer: Answer, host: &mut impl Host) -> bool {
        self.settle_with(token, answer, &[], host)
    }

    /// The same, with the beginning of the answer's body for the records.
    pub fn settle_with(&mut self, token: Token, answer: Answer, body: &[u8], host: &mut impl Host) -> bool {
        let now = host.now();
        let mut outbound = Outbound {
            config: &self.config,
            cachebusters: &mut self.cachebusters,
            host,
            ended: &mut self.ended,
            answer: body,
        };
        let known = self.engine.settle(token, answer, now, &mut self.rng, &mut outbound);
        self.conclude(now, host);
        known
    }

    /// Does a bounded part of what is to be done: reads events, sends callouts.
    pub fn work(&mut self, host: &mut impl Host) {
        let mut now = host.now();
        if self.waiting.queues() > 0 || self.waiting.clients() > 0 {
            // What was delivered after the request came is no longer on its way, and has not died with another worker.
            self.record_concluded(host);
        }
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
        let mut outbound = Outbound {
            config: &self.config,
            cachebusters: &mut self.cachebusters,
            host,
            ended: &mut self.ended,
            answer: &[],
        };
        self.engine.step(now, &mut self.rng, &mut outbound, MAX_CALLOUTS_PER_STEP);
        self.conclude(now, host);
        self.waiting.give_up(now, host);
        if self.concluded_due <= now || self.concluded.len() >= MAX_CONCLUDED {
            self.record_concluded(host);
        }
    }

    /// Notes what has ended in the engine, until there is no more: a letter about what was lost can take the place of another one.
    fn conclude(&mut self, now: Instant, host: &mut impl Host) {
        while !self.ended.is_empty() {
            if self.concluded.is_empty() {
                self.concluded_due = now.saturating_add(CONCLUDE_INTERVAL);
            }
            let mut ended = std::mem::take(&mut self.ended);
            for (shipment, end) in ended.drain(..) {
                self.conclude_one(shipment, end, now, host);
            }
            if self.ended.is_empty() {
                // Its memory serves the next time.
                self.ended = ended;
            }
        }
    }

    fn conclude_one(&mut self, shipment: Shipment, end: End, now: Instant, host: &mut impl Host) {
        let Shipment { parcel, held, place, letter, story } = shipment;
        if let Some(story) = story {
            story.ended(end.outcome, Some((&parcel, &self.config)), host);
        }
        let is_delivered = end.outcome == Outcome::Delivered;
        self.concluded.note(held, is_delivered);
        if let Some(place) = place {
            let lane = self.config.integrations.iter().position(|one| *one.name == *place.integration);
            let pause = lane.map_or(Duration::ZERO, |lane| self.engine.pause(LaneId(lane), now));
            self.waiting.ended(&place, end, pause);
        }
        for id in [held.message, held.order].into_iter().flatten() {
            self.waiting.end_joined(id, is_delivered, host);
        }
        if let (Some(facts), Outcome::Dropped(reason)) = (letter, end.outcome) {
            self.offer_letter(&parcel, &facts, reason, end, now, host);
        }
    }

    /// Tells deduplication what has ended.
    pub fn record_concluded(&mut self, host: &impl Host) {
        if !self.concluded.is_empty() {
            let now = seconds(host.wall_clock());
            self.concluded.record(&self.memories, now, host);
        }
    }

    /// When [`Relay::work`] has something to do next: a time that may have passed, or never.
    pub fn next_due(&self) -> Option<Instant> {
        let inbox = (!self.inbox.is_empty()).then_some(self.inbox_due);
        let concluded = (!self.concluded.is_empty()).then_some(self.concluded_due);
        let waiting = self.waiting.next_due();
        inbox.into_iter().chain(self.engine.next_due()).chain(concluded).chain(waiting).min()
    }

    /// Returns the deliveries that are queued or in flight, by integration; of a removed one its last are in flight.
    pub fn pending(&self) -> impl Iterator<Item = (IntegrationRef<'_>, usize)> {
        self.engine.lanes().map(|(integration, held)| {
            (integration, held.deliveries.saturating_add(self.waiting.joined(integration)))
        })
    }

    /// Whether no request and no delivery is held.
    pub fn is_idle(&self) -> bool {
        self.inbox.is_empty() && self.engine.is_idle()
    }

    /// Runs the next event of the first request of the inbox, which is opened before if it isn't yet.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    fn read_one(&mut self, host: &mut impl Host) {
        if !matches!(self.inbox.front(), Some(Work::Open(run)) if run.is_under(&self.config)) {
            self.open_first(host);
        }
        let run = match self.inbox.front_mut() {
            Some(Work::Open(run)) if run.is_under(&self.config) => run,
            _ => return,
        };
        let mut line = Line {
            plugin: &self.name,
            messages: &self.memories.messages,
            orders: &self.memories.orders,
            engine: &mut self.engine,
            ended: &mut self.ended,
            waiting: &mut self.waiting,
            cachebusters: &mut self.cachebusters,
            now: host.now(),
        };
        if !run.step(&mut line, host) {
            self.inbox.pop_front();
        }
        self.conclude(host.now(), host);
    }

    /// Makes the first request of the inbox ready for its events to be run under the newest configuration.
    fn open_first(&mut self, host: &mut impl Host) {
        let run = match self.inbox.pop_front() {
            None => return,
            Some(Work::Letter(posted)) => return self.replay(posted, host),
            Some(Work::Open(run)) => run.under(&self.config),
            Some(Work::Closed { request, received_at }) => match self.open(request, received_at, host) {
                Ok(run) => run,
                Err(unopened) => return unopened.tell(&self.config, host),
            },
        };
        self.inbox.push_front(Work::Open(run));
    }
}
