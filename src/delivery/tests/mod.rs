//! The environment of the engine's tests: a clock, a host with scripted answers, and a ledger that records everything.

mod bounds;
mod failing;
mod hand_over;
mod retries;
mod waiting;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use fastrand::Rng;

use super::*;

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// A delivery named for what a test does with it.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    pub name: &'static str,
    pub bytes: usize,
}

impl Parcel for Named {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// Sends nothing, and remembers what it should have sent: its token is its place in `sent`.
#[derive(Default)]
pub struct Host {
    pub sent: Vec<(LaneId, &'static str)>,
    /// The timeout of each.
    pub timeouts: Vec<Duration>,
    pub refusal: Option<Refusal>,
    /// Refused whatever happens to the others.
    pub unsendable: Option<&'static str>,
    /// Given instead of the next token.
    pub reuse: Option<Token>,
}

impl Callouts<Named> for Host {
    fn dispatch(&mut self, lane: LaneId, parcel: &Named, timeout: Duration) -> Result<Token, Refusal> {
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        if self.unsendable == Some(parcel.name) {
            return Err(Refusal::UnknownCluster);
        }
        self.sent.push((lane, parcel.name));
        self.timeouts.push(timeout);
        Ok(self.reuse.take().unwrap_or(Token(self.sent.len() as u32 - 1)))
    }
}

#[derive(Default)]
pub struct Books {
    pub outcomes: Vec<(String, Outcome)>,
    pub callouts: Vec<CalloutStatus>,
    pub notices: Vec<String>,
    /// The deliveries that ended, as they were given back to the engine's owner.
    pub ends: Vec<(&'static str, End)>,
}

impl DeliveryLedger for Books {
    fn delivery(&mut self, lane: IntegrationRef<'_>, outcome: Outcome) {
        self.outcomes.push((lane.name.to_owned(), outcome));
    }
    fn callout(&mut self, _: IntegrationRef<'_>, status: CalloutStatus, _: Duration) {
        self.callouts.push(status);
    }
    fn notice(&mut self, _: IntegrationRef<'_>, notice: Notice<'_>) {
        self.notices.push(format!("{notice:?}"));
    }
}

/// Host and books as the one surrounding that a step asks for.
pub struct Both<'w, C, L>(pub &'w mut C, pub &'w mut L);

impl<P, C: Callouts<P>, L> Callouts<P> for Both<'_, C, L> {
    fn dispatch(&mut self, lane: LaneId, parcel: &P, timeout: Duration) -> Result<Token, Refusal> {
        self.0.dispatch(lane, parcel, timeout)
    }
}

impl<C, L: DeliveryLedger> DeliveryLedger for Both<'_, C, L> {
    fn delivery(&mut self, lane: IntegrationRef<'_>, outcome: Outcome) {
        self.1.delivery(lane, outcome);
    }
    fn callout(&mut self, lane: IntegrationRef<'_>, status: CalloutStatus, took: Duration) {
        self.1.callout(lane, status, took);
    }
    fn notice(&mut self, lane: IntegrationRef<'_>, notice: Notice<'_>) {
        self.1.notice(lane, notice);
    }
}

impl Ends<Named> for Books {
    fn ended(&mut self, _: IntegrationRef<'_>, parcel: Named, end: End) {
        self.ends.push((parcel.name, end));
    }
}

impl<P, C, L: Ends<P>> Ends<P> for Both<'_, C, L> {
    fn ended(&mut self, integration: IntegrationRef<'_>, parcel: P, end: End) {
        self.1.ended(integration, parcel, end);
    }
}

pub struct World {
    pub engine: Engine<Named>,
    pub now: Instant,
    pub rng: Rng,
    pub host: Host,
    pub books: Books,
}

pub const DELIVERED: Outcome = Outcome::Delivered;

pub fn dropped(reason: DropReason) -> Outcome {
    Outcome::Dropped(reason)
}

pub fn limits() -> Limits {
    Limits {
        timeout: 5 * SECOND,
        max_attempts: NonZeroU32::new(3).unwrap(),
        max_age: 600 * SECOND,
        backoff: Backoff::try_new(SECOND, 60 * SECOND).unwrap(),
        max_in_flight: NonZeroUsize::new(8).unwrap(),
        max_deliveries: 100,
        max_bytes: 100_000,
    }
}

pub fn lane(name: &str) -> LaneConfig {
    LaneConfig { name: name.into(), id: None, vendor: "podsights", redirects: Redirects::Rejected }
}

impl World {
    pub fn new(limits: Limits, lanes: &[&str]) -> Self {
        let mut world = Self {
            engine: Engine::default(),
            now: 100 * SECOND,
            rng: Rng::with_seed(7),
            host: Host::default(),
            books: Books::default(),
        };
        world.configure(limits, lanes);
        world
    }

    pub fn configure(&mut self, limits: Limits, lanes: &[&str]) {
        let lanes = lanes.iter().map(|name| lane(name)).collect();
        self.engine.configure(limits, lanes, self.now, &mut self.books);
    }

    pub fn offer(&mut self, name: &'static str) -> bool {
        self.offer_to(0, name, Rank::Conversion)
    }

    pub fn offer_to(&mut self, lane: usize, name: &'static str, rank: Rank) -> bool {
        let offer = Offer { parcel: Named { name, bytes: 100 }, rank, waits_until: None };
        self.engine.offer(LaneId(lane), offer, self.now, &mut self.books).is_ok()
    }

    /// Offers a delivery whose sender waits that long from now.
    pub fn offer_waiting(&mut self, name: &'static str, wait: Duration) -> bool {
        let parcel = Named { name, bytes: 100 };
        let offer = Offer { parcel, rank: Rank::Conversion, waits_until: Some(self.now + wait) };
        self.engine.offer(LaneId(0), offer, self.now, &mut self.books).is_ok()
    }

    pub fn step(&mut self) {
        self.engine.step(self.now, &mut self.rng, &mut Both(&mut self.host, &mut self.books), 32);
    }

    pub fn answer(&mut self, token: u32, answer: Answer<'_>) -> bool {
        self.engine.settle(Token(token), answer, self.now, &mut self.rng, &mut self.books)
    }

    /// Answers the callout that was sent last.
    pub fn answer_last(&mut self, answer: Answer<'_>) {
        assert!(self.answer(self.host.sent.len() as u32 - 1, answer));
    }

    /// Waits until something is due, and does it. Tells how long that took.
    pub fn wait(&mut self) -> Duration {
        let due = self.engine.next_due().expect("something is due").max(self.now);
        let waited = due - self.now;
        self.now = due;
        self.step();
        waited
    }

    /// Waits until the next callout is sent. Tells how long that took.
    pub fn wait_for_callout(&mut self) -> Duration {
        let (from, sent) = (self.now, self.host.sent.len());
        for _ in 0..10_000 {
            if self.host.sent.len() > sent {
                return self.now - from;
            }
            self.wait();
        }
        panic!("nothing is ever sent")
    }

    /// Five deliveries fail one after the other, so that the lane counts as failing.
    pub fn fail(&mut self) {
        for name in ["failed 1", "failed 2", "failed 3", "failed 4", "failed 5"] {
            self.offer(name);
            self.step();
            self.answer_last(Answer::status(503));
        }
        assert_eq!(self.books.notices.last().unwrap(), "Failing(Status(503))");
    }

    /// Waits for the next callout, which fails. Tells which delivery it was.
    pub fn fail_next(&mut self) -> &'static str {
        self.wait_for_callout();
        self.answer_last(Answer::status(503));
        self.host.sent.last().unwrap().1
    }

    pub fn sent(&self) -> Vec<&'static str> {
        self.host.sent.iter().map(|(_, name)| *name).collect()
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        self.books.outcomes.iter().map(|(_, outcome)| *outcome).collect()
    }

    pub fn notices(&self, kind: &str) -> usize {
        self.books.notices.iter().filter(|notice| notice.starts_with(kind)).count()
    }
}
