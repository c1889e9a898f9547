//! The world around the engine: vendors with faults, a host that passes callouts on to them, and an account of what
//! they saw, kept apart from the engine's own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

use super::super::*;
use super::modes::{Kind, MODES, Mode};

pub type Identity = (&'static str, &'static str);

/// Items that exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alive {
    pub count: usize,
    pub bytes: usize,
}

/// A parcel that counts itself from its making to its end, and knows whether it is on its way.
#[derive(Debug)]
pub struct Item {
    id: u64,
    identity: Identity,
    bytes: usize,
    offered_at: Instant,
    waits_until: Option<Instant>,
    /// Callouts that the vendor may have received.
    hits: Cell<u32>,
    sent: Cell<u32>,
    call: Cell<Option<u64>>,
    alive: Rc<RefCell<Alive>>,
}

impl Item {
    pub fn new(id: u64, identity: Identity, bytes: usize, now: Instant, alive: &Rc<RefCell<Alive>>) -> Self {
        alive.borrow_mut().count += 1;
        alive.borrow_mut().bytes += bytes;
        let (hits, sent, call) = (Cell::new(0), Cell::new(0), Cell::new(None));
        let (offered_at, waits_until, alive) = (now, None, alive.clone());
        Self { id, identity, bytes, offered_at, waits_until, hits, sent, call, alive }
    }

    /// The same, whose sender waits until then.
    pub fn waiting(mut self, waits_until: Option<Instant>) -> Self {
        self.waits_until = waits_until;
        self
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        self.alive.borrow_mut().count -= 1;
        self.alive.borrow_mut().bytes -= self.bytes;
    }
}

impl Parcel for Item {
    fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What happened to the deliveries of one integration.
#[derive(Debug, Clone, Default)]
pub struct Account {
    matched: u64,
    delivered: u64,
    dropped: BTreeMap<DropReason, u64>,
    given_back: u64,
    /// Answers that the engine took and that mean success.
    successes: u64,
}

impl Account {
    pub fn dropped(&self) -> u64 {
        self.dropped.values().sum()
    }

    pub fn ended_without_delivery(&self) -> u64 {
        self.dropped() + self.given_back
    }

    pub fn balances(&self, pending: u64) -> Result<(), String> {
        if self.matched != self.delivered + self.dropped() + self.given_back + pending {
            return Err(format!("{self:?} does not balance with {pending} pending"));
        }
        let honest = self.delivered == self.successes;
        if honest { Ok(()) } else { Err(format!("{self:?} tells of deliveries that were none")) }
    }
}

/// A callout that is not answered yet.
#[derive(Debug)]
struct Call {
    serial: u64,
    identity: Identity,
    deadline: Instant,
    probe: bool,
}

#[derive(Debug)]
pub struct Vendors {
    rng: Rng,
    pub now: Instant,
    limits: Limits,
    most_attempts: u32,
    pub order: Vec<Identity>,
    pub modes: BTreeMap<Identity, Mode>,
    /// Until when senders wait, by item.
    pub waits: BTreeMap<u64, Instant>,
    accounts: BTreeMap<Identity, Account>,
    failing: BTreeMap<Identity, bool>,
    paused: BTreeMap<Identity, Instant>,
    calls: BTreeMap<Token, Call>,
    answers: BTreeMap<(Instant, u64), (Token, Kind)>,
    /// The callout that the engine is being told the answer of.
    answering: Option<Token>,
    tokens: u32,
    serial: u64,
    /// What the engine has done so far: dispatches, and lines in the books.
    pub activity: u64,
    pub seen: BTreeMap<&'static str, u64>,
    pub broken: Vec<String>,
}

impl Vendors {
    pub fn new(mut rng: Rng) -> Self {
        Self {
            now: Duration::ZERO,
            limits: Limits::default(),
            most_attempts: 0,
            order: Vec::new(),
            modes: BTreeMap::new(),
            waits: BTreeMap::new(),
            accounts: BTreeMap::new(),
            failing: BTreeMap::new(),
            paused: BTreeMap::new(),
            calls: BTreeMap::new(),
            answers: BTreeMap::new(),
            answering: None,
            // Some hosts have few tokens and soon use them again.
            tokens: if rng.u32(0..4) == 0 { 40 } else { u32::MAX },
            serial: rng.u64(0..1 << 40),
            activity: 0,
            seen: BTreeMap::new(),
            broken: Vec::new(),
            rng,
        }
    }

    pub fn identity(lane: IntegrationRef<'_>) -> Identity {
        *super::IDENTITIES.iter().find(|identity| **identity == (lane.name, lane.vendor)).unwrap()
    }

    pub fn redirects((_, vendor): Identity) -> Redirects {
        if vendor == "flashtalking" { Redirects::Delivered } else { Redirects::Rejected }
    }

    pub fn see(&mut self, event: &'static str) {
        self.activity += 1;
        *self.seen.entry(event).or_default() += 1;
    }

    pub fn account(&self, identity: Identity) -> Account {
        self.accounts.get(&identity).cloned().unwrap_or_default()
    }

    pub fn matched(&mut self, identity: Identity) {
        self.accounts.entry(identity).or_default().matched += 1;
    }

    pub fn outcome(&mut self, lane: IntegrationRef<'_>, outcome: Outcome) {
        let identity = Self::identity(lane);
        let account = self.accounts.entry(identity).or_default();
        match outcome {
            Outcome::Delivered => {
                account.delivered += 1;
                self.see("delivered");
            }
            Outcome::GivenBack => {
                account.given_back += 1;
                self.see("given back");
            }
            Outcome::Matched | Outcome::DryRun | Outcome::DeadLettered => {
                self.expect(false, "counted what is not the engine's");
            }
            Outcome::Dropped(reason) => {
                *account.dropped.entry(reason).or_default() += 1;
                self.see(reason.label());
                let removed = reason == DropReason::Removed;
                self.expect(removed != self.order.contains(&identity), "removed or not?");
            }
        }
    }

    pub fn notice(&mut self, lane: IntegrationRef<'_>, notice: Notice<'_>) {
        let failing = match notice {
            Notice::Failing(_) => true,
            Notice::Recovered => false,
            _ => return,
        };
        self.see(if failing { "failing" } else { "recovered" });
        let before = self.failing.insert(Self::identity(lane), failing).unwrap_or(false);
        self.expect(before != failing, "failing, or recovered, twice");
    }

    pub fn configured(&mut self, limits: Limits, order: Vec<Identity>, now: Instant) {
        self.now = now;
        self.limits = limits;
        self.most_attempts = self.most_attempts.max(limits.max_attempts.get());
        for identity in &order {
            let latest = now + limits.backoff.max();
            self.paused.entry(*identity).and_modify(|until| *until = latest.min(*until));
        }
        self.order = order;
    }

    /// A lane that is gone has no memory.
    pub fn forget_lanes_except(&mut self, is_there: impl Fn(&Identity) -> bool) {
        self.failing.retain(|identity, _| is_there(identity));
        self.paused.retain(|identity, _| is_there(identity));
    }

    pub fn next_answer(&self) -> Option<Instant> {
        self.answers.first_key_value().map(|((at, _), _)| *at)
    }

    pub fn take_answer(&mut self) -> (Token, Kind) {
        let (token, kind) = self.answers.pop_first().unwrap().1;
        self.answering = Some(token);
        (token, kind)
    }

    /// The engine was told an answer, and knew the callout or not.
    pub fn answered(&mut self, token: Token, kind: Kind, known: bool) -> Result<(), String> {
        self.answering = None;
        let call = self.calls.remove(&token);
        let Some(call) = call.filter(|call| known || call.deadline > self.now) else {
            self.see("late answer");
            return if known { Err("took an answer to nothing".into()) } else { Ok(()) };
        };
        if !known {
            return Err("forgot a callout".into());
        }
        let answer = kind.answer();
        match answer.verdict(Self::redirects(call.identity)) {
            Verdict::Delivered => self.accounts.entry(call.identity).or_default().successes += 1,
            Verdict::Retry(_) if self.order.contains(&call.identity) => {
                if let Some(pause) = answer.retry_after() {
                    let until = self.now + pause.min(self.limits.backoff.max());
                    let paused = self.paused.entry(call.identity).or_default();
                    *paused = until.max(*paused);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// From now on every callout is answered well and soon, also those that are already out and reach the vendor.
    pub fn heal(&mut self) {
        self.modes.clear();
        for (_, kind) in self.answers.values_mut().filter(|(_, kind)| *kind != Kind::Unreached) {
            *kind = Kind::Status(200);
        }
    }

    /// The engine has forgotten an item.
    pub fn ended(&mut self, item: &Item, end: End) {
        let waited = self.waits.remove(&item.id);
        let is_open = self.calls.iter().any(|(token, call)| {
            let is_its = Some(call.serial) == item.call.get() && self.answering != Some(*token);
            is_its && call.deadline > self.now
        });
        self.expect(!is_open, "ended with a callout open");
        let fits = match (waited, end.outcome) {
            (_, Outcome::Delivered | Outcome::Dropped(DropReason::Rejected)) => true,
            (Some(_), outcome) => outcome == Outcome::GivenBack,
            (None, outcome) => matches!(outcome, Outcome::Dropped(_)),
        };
        self.expect(fits, "an end that does not fit");
        self.expect(end.attempts <= item.sent.get(), "more attempts than callouts");
    }

    fn dispatch(&mut self, lane: LaneId, item: &Item, timeout: Duration) -> Result<Token, Refusal> {
        self.activity += 1;
        let identity = item.identity;
        let failing = self.failing.get(&identity).copied().unwrap_or(false);
        self.expect(self.order.get(lane.0) == Some(&identity), "sent in another's lane");
        self.expect(self.paused.get(&identity).is_none_or(|until| *until <= self.now), "sent during a pause");
        let sender_waits = item.waits_until.is_none_or(|until| self.now + timeout <= until);
        self.expect(sender_waits && timeout > Duration::ZERO, "sent although nobody will wait for it");
        self.expect(timeout <= self.limits.timeout, "too long a timeout");
        let is_young = item.waits_until.is_some() || item.offered_at + self.limits.max_age > self.now;
        self.expect(is_young, "sent although too old");
        let twice =
            self.calls.values().any(|call| Some(call.serial) == item.call.get() && call.deadline > self.now);
        self.expect(!twice, "in flight twice");
        let probing = |call: &Call| call.identity == identity && call.probe && call.deadline > self.now;
        self.expect(!failing || !self.calls.values().any(probing), "two probes at a time");

        let mode = self.modes.get(&identity).copied().unwrap_or(MODES[0]);
        let kind = match mode {
            Mode::Refuses(refusal) => return Err(refusal),
            Mode::Answers(kind) => kind,
            Mode::Flaky => match self.rng.choice(MODES) {
                Some(Mode::Answers(kind)) => kind,
                Some(Mode::Refuses(refusal)) => return Err(refusal),
                _ => Kind::Status(200),
            },
        };
        if failing {
            self.see("probe");
        }
        item.sent.set(item.sent.get() + 1);
        if kind != Kind::Unreached {
            item.hits.set(item.hits.get() + 1);
            let few = item.waits_until.is_some() || item.hits.get() <= self.most_attempts;
            self.expect(few, "sent more often than max_attempts");
        }
        Ok(self.call(item, kind, failing, timeout))
    }

    fn call(&mut self, item: &Item, kind: Kind, probe: bool, timeout: Duration) -> Token {
        self.serial += 1;
        item.call.set(Some(self.serial));
        let token = Token((self.serial % u64::from(self.tokens)) as u32);
        let deadline = self.now + timeout + Duration::from_secs(1);
        let call = Call { serial: self.serial, identity: item.identity, deadline, probe };
        if self.calls.insert(token, call).is_some_and(|displaced| displaced.deadline > self.now) {
            self.see("token displaced");
        }
        let soon = Duration::from_millis(self.rng.u64(0..500)).min(timeout);
        let after = match kind {
            Kind::Never => return token,
            Kind::Timeout => timeout,
            Kind::Late => deadline - self.now + soon,
            _ => soon,
        };
        self.answers.insert((self.now + after, self.serial), (token, kind));
        token
    }

    fn expect(&mut self, kept: bool, promise: &str) {
        if !kept {
            self.broken.push(promise.to_owned());
        }
    }
}

/// The host that the engine dispatches to.
pub struct Host(pub Rc<RefCell<Vendors>>);

impl Callouts<Item> for Host {
    fn dispatch(&mut self, lane: LaneId, item: &Item, timeout: Duration) -> Result<Token, Refusal> {
        assert!(item.id > 0, "a stray item was taken");
        self.0.borrow_mut().dispatch(lane, item, timeout)
    }
}
