//! The engine under everything that can happen to it, simulated step by step from a seed, its promises checked after
//! each step.
//!
//! `SIMULATION_STEPS=5000000 cargo test --release simulation` runs that many steps; `SIMULATION_SEED=n` runs only one
//! seed, to repeat a failure.

mod modes;
mod vendors;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroUsize};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

use super::*;
use modes::MODES;
use vendors::{Alive, Host, Identity, Item, Vendors};

const STEPS_PER_SEED: u64 = 400;
const IDENTITIES: [Identity; 5] = [
    ("a", "flashtalking"),
    ("a", "podsights"),
    ("b", "podsights"),
    ("c", "flashtalking"),
    ("d", "podsights"),
];

/// What a promise that was broken says; the seed is added at the top.
type Checked = Result<(), String>;

macro_rules! ensure {
    ($promise:expr, $($told:tt)+) => {
        if !$promise { return Err(format!($($told)+)); }
    };
}

#[test]
fn the_engine_keeps_its_promises_whatever_happens() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let steps = number("SIMULATION_STEPS").unwrap_or(40_000);
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..steps.div_ceil(STEPS_PER_SEED),
    };
    let mut seen = BTreeMap::<&str, u64>::new();
    for seed in seeds.clone() {
        let mut simulation = Simulation::new(seed);
        if let Err(broken) = simulation.run() {
            panic!("{broken}, at {:?} (repeat it with SIMULATION_SEED={seed})", simulation.now);
        }
        for (event, count) in &simulation.books.0.borrow().seen {
            *seen.entry(event).or_default() += count;
        }
    }
    println!("{} seeds, seen: {seen:#?}", seeds.clone().count());
    if seeds.count() >= 100 {
        // A simulation in which something never happens proves nothing about it.
        for event in EXPECTED {
            assert!(seen.contains_key(event), "{event} never happened");
        }
    }
}

const EXPECTED: [&str; 26] = [
    "delivered",
    "queue_full",
    "rejected",
    "retries_exhausted",
    "expired",
    "misconfigured",
    "removed",
    "given back",
    "made way",
    "2xx",
    "3xx",
    "4xx",
    "429",
    "5xx",
    "timeout",
    "transport",
    "unusable",
    "refused",
    "failing",
    "recovered",
    "probe",
    "late answer",
    "token displaced",
    "lane revived",
    "lane retired",
    "share shrank below what is held",
];

/// The books that the engine writes, checked against what the simulation knows.
pub struct Books(pub Rc<RefCell<Vendors>>);

impl DeliveryLedger for Books {
    fn delivery(&mut self, lane: IntegrationRef<'_>, outcome: Outcome) {
        self.0.borrow_mut().outcome(lane, outcome);
    }
    fn callout(&mut self, _: IntegrationRef<'_>, status: CalloutStatus, _: Duration) {
        self.0.borrow_mut().see(status.label());
    }
    fn notice(&mut self, lane: IntegrationRef<'_>, notice: Notice<'_>) {
        self.0.borrow_mut().notice(lane, notice);
    }
}

impl Ends<Item> for Books {
    fn ended(&mut self, _: IntegrationRef<'_>, item: Item, end: End) {
        self.0.borrow_mut().ended(&item, end);
    }
}

struct Simulation {
    rng: Rng,
    now: Instant,
    engine: Engine<Item>,
    engine_rng: Rng,
    books: Books,
    host: Host,
    alive: Rc<RefCell<Alive>>,
    next_item: u64,
    /// The longest that any configuration so far let something wait.
    longest_wait: Duration,
    /// What each lane held after the step before.
    before: BTreeMap<Identity, Usage>,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let vendors = Rc::new(RefCell::new(Vendors::new(rng.fork())));
        Self {
            now: Duration::from_secs(rng.u64(0..100)),
            engine: Engine::default(),
            engine_rng: rng.fork(),
            books: Books(vendors.clone()),
            host: Host(vendors),
            alive: Rc::default(),
            next_item: 0,
            longest_wait: Duration::ZERO,
            before: BTreeMap::new(),
            rng,
        }
    }

    fn run(&mut self) -> Checked {
        self.configure();
        for _ in 0..STEPS_PER_SEED {
            match self.rng.u32(0..100) {
                0..45 => self.offer()?,
                45..80 => self.advance_to_next()?,
                80..90 => self.stall(3_000)?,
                90..91 => self.stall(300_000)?,
                91..97 => self.change_vendor(),
                97..99 => self.configure(),
                _ => self.premature_step()?,
            }
            self.check()?;
        }
        self.heal()
    }

    fn offer(&mut self) -> Checked {
        for _ in 0..self.rng.u32(1..8) {
            let lane = LaneId(self.rng.usize(0..IDENTITIES.len()));
            let rank = if self.rng.bool() { Rank::Ordinary } else { Rank::Conversion };
            let Some(identity) = self.books.0.borrow().order.get(lane.0).copied() else {
                let stray = Item::new(0, ("", ""), 1, self.now, &self.alive);
                let stray = Offer { parcel: stray, rank, waits_until: None };
                let result = self.engine.offer(lane, stray, self.now, &mut self.books);
                ensure!(result == Err(OfferRejected::NoSuchLane), "offer to {lane:?}: {result:?}");
                continue;
            };
            self.next_item += 1;
            let item = Item::new(self.next_item, identity, self.rng.usize(0..400), self.now, &self.alive);
            let dropped = |books: &Books| books.0.borrow().account(identity).ended_without_delivery();
            let before = dropped(&self.books);
            self.books.0.borrow_mut().matched(identity);
            let wait = Duration::from_millis(self.rng.u64(0..10_000));
            let waits_until = self.rng.bool().then_some(self.now + wait);
            if let Some(until) = waits_until {
                self.books.0.borrow_mut().waits.insert(self.next_item, until);
            }
            let offer = Offer { parcel: item.waiting(waits_until), rank, waits_until };
            let taken = self.engine.offer(lane, offer, self.now, &mut self.books).is_ok();
            let dropped = dropped(&self.books) - before;
            match (taken, rank) {
                (true, Rank::Ordinary) => ensure!(dropped == 0, "something made way for a page"),
                (true, Rank::Conversion) if dropped > 0 => self.books.0.borrow_mut().see("made way"),
                (true, Rank::Conversion) => {}
                (false, _) => ensure!(dropped == 1, "{dropped} dropped for one not taken"),
            }
        }
        self.work()
    }

    /// Goes on to whatever comes first, an answer or what the engine has to do.
    fn advance_to_next(&mut self) -> Checked {
        let answer = self.books.0.borrow().next_answer();
        if let Some(next) = answer.into_iter().chain(self.engine.next_due()).min() {
            self.jump(next.saturating_sub(self.now))?;
        }
        Ok(())
    }

    /// The VM gets no time for a while: what was due meanwhile is late.
    fn stall(&mut self, at_most_ms: u64) -> Checked {
        let by = Duration::from_millis(self.rng.u64(0..at_most_ms));
        self.jump(by)
    }

    fn jump(&mut self, by: Duration) -> Checked {
        self.now += by;
        self.books.0.borrow_mut().now = self.now;
        self.work()
    }

    /// Answers and steps, in any order, until nothing is due any more.
    fn work(&mut self) -> Checked {
        loop {
            let answer = self.books.0.borrow().next_answer().is_some_and(|at| at <= self.now);
            let step = self.engine.next_due().is_some_and(|at| at <= self.now);
            match (answer, step) {
                (false, false) => return Ok(()),
                (true, true) if self.rng.bool() => self.answer()?,
                (true, false) => self.answer()?,
                (_, true) => {
                    let before = self.books.0.borrow().activity;
                    self.step();
                    ensure!(self.books.0.borrow().activity > before, "busy loop: due, and nothing done");
                }
            }
            self.check()?;
        }
    }

    fn step(&mut self) {
        let budget = self.rng.usize(1..6);
        let mut surroundings = super::tests::Both(&mut self.host, &mut self.books);
        self.engine.step(self.now, &mut self.engine_rng, &mut surroundings, budget);
    }

    fn premature_step(&mut self) -> Checked {
        self.work()?;
        let before = self.books.0.borrow().activity;
        self.step();
        ensure!(self.books.0.borrow().activity == before, "something was done before it was due");
        Ok(())
    }

    fn answer(&mut self) -> Checked {
        let (token, kind) = self.books.0.borrow_mut().take_answer();
        let known = self.engine.settle(token, kind.answer(), self.now, &mut self.engine_rng, &mut self.books);
        self.books.0.borrow_mut().answered(token, kind, known)
    }

    fn change_vendor(&mut self) {
        let (identity, mode) = (self.rng.choice(IDENTITIES).unwrap(), self.rng.choice(MODES).unwrap());
        self.books.0.borrow_mut().modes.insert(identity, mode);
    }

    fn configure(&mut self) {
        let rng = &mut self.rng;
        let base = Duration::from_millis(rng.u64(10..2_000));
        let limits = Limits {
            timeout: Duration::from_millis(rng.u64(500..8_000)),
            max_attempts: NonZeroU32::new(rng.u32(1..6)).unwrap(),
            max_age: Duration::from_secs(rng.u64(5..300)),
            backoff: Backoff::try_new(base, base * rng.u32(1..64)).unwrap(),
            max_in_flight: NonZeroUsize::new(rng.usize(1..8)).unwrap(),
            max_deliveries: rng.usize(0..100),
            max_bytes: rng.usize(0..20_000),
        };
        let mut order: Vec<_> = IDENTITIES.into_iter().filter(|_| rng.u32(0..4) > 0).collect();
        rng.shuffle(&mut order);
        self.put_in_force(limits, order);
    }

    fn put_in_force(&mut self, limits: Limits, order: Vec<Identity>) {
        self.longest_wait =
            self.longest_wait.max(limits.backoff.max()).max(limits.timeout + Duration::from_secs(1));
        let retired = self.retired();
        self.books.0.borrow_mut().configured(limits, order.clone(), self.now);
        let lane = |(name, vendor): Identity| {
            let redirects = Vendors::redirects((name, vendor));
            LaneConfig { name: name.into(), id: None, vendor, redirects }
        };
        let lanes = order.into_iter().map(lane).collect();
        self.engine.configure(limits, lanes, self.now, &mut self.books);
        let retired_now = self.retired();
        if retired_now != retired {
            let event = if retired_now < retired { "lane revived" } else { "lane retired" };
            self.books.0.borrow_mut().see(event);
        }
    }

    /// Counts the lanes whose integration is not configured any more.
    fn retired(&self) -> usize {
        let vendors = self.books.0.borrow();
        self.engine.lanes().filter(|(lane, _)| !vendors.order.contains(&Vendors::identity(*lane))).count()
    }

    /// All faults end: what is pending now is delivered, every bit of it, and then the engine rests.
    fn heal(&mut self) -> Checked {
        let patient = Limits {
            max_attempts: NonZeroU32::MAX,
            max_age: Duration::from_secs(1_000_000),
            ..*self.engine.limits()
        };
        let order = self.books.0.borrow().order.clone();
        self.put_in_force(patient, order.clone());
        self.books.0.borrow_mut().heal();
        let accounts =
            |books: &Books| order.iter().map(|id| books.0.borrow().account(*id).dropped()).sum::<u64>();
        let (dropped, healed) = (accounts(&self.books), self.now);
        while !self.engine.is_idle() {
            self.advance_to_next()?;
            self.check()?;
            ensure!(self.now - healed < Duration::from_secs(1_800), "forgotten: {:?}", self.before);
        }
        ensure!(accounts(&self.books) == dropped, "dropped although the vendors are well");
        ensure!(self.engine.lanes().count() == order.len(), "a retired lane is kept for ever");
        ensure!(*self.alive.borrow() == Alive::default(), "kept after the end: {:?}", self.alive);
        Ok(())
    }

    /// What holds after every step.
    fn check(&mut self) -> Checked {
        let vendors = self.books.0.borrow();
        ensure!(vendors.broken.is_empty(), "{}", vendors.broken.join(", "));
        let limits = self.engine.limits();
        let held: BTreeMap<Identity, Usage> =
            self.engine.lanes().map(|(lane, held)| (Vendors::identity(lane), held)).collect();
        for identity in IDENTITIES {
            let pending = held.get(&identity).map_or(0, |held| held.deliveries) as u64;
            vendors.account(identity).balances(pending).map_err(|told| format!("{identity:?}: {told}"))?;
        }
        let alive = *self.alive.borrow();
        let sum = |of: fn(&Usage) -> usize| held.values().map(of).sum::<usize>();
        ensure!(sum(|held| held.deliveries) == alive.count, "{alive:?} are alive, held are {held:?}");
        ensure!(self.engine.bytes() == alive.bytes, "{} bytes held, {alive:?}", self.engine.bytes());
        ensure!(sum(|held| held.in_flight) == self.engine.in_flight(), "in flight: {held:?}");

        let share = limits.share(vendors.order.len());
        let zero = Usage { deliveries: 0, in_flight: 0, bytes: 0 };
        for (identity, now) in &held {
            let before = self.before.get(identity).unwrap_or(&zero);
            ensure!(now.deliveries <= share.deliveries.max(before.deliveries), "{identity:?} holds too many");
            ensure!(now.bytes <= share.bytes.max(before.bytes), "{identity:?} holds too many bytes");
            let in_flight = limits.max_in_flight.get().max(before.in_flight);
            ensure!(now.in_flight <= in_flight, "{identity:?} has too many in flight");
        }
        let idle = alive.count == 0;
        let latest = self.now + self.longest_wait;
        let impatient = vendors.waits.values().min().map(|until| *until + Duration::from_secs(1));
        let patience = impatient.is_none_or(|end| self.engine.next_due().is_some_and(|due| due <= end));
        ensure!(patience, "somebody waits until {impatient:?}, next is {:?}", self.engine.next_due());
        ensure!(self.engine.is_idle() == idle, "idle?");
        ensure!(self.engine.next_due().is_none() == idle, "an idle engine arms no timer, another one does");
        ensure!(self.engine.next_due().is_none_or(|due| due <= latest), "waits longer than it may");
        drop(vendors);
        let shrunk = held.values().any(|held| held.deliveries > share.deliveries);
        let mut vendors = self.books.0.borrow_mut();
        if shrunk {
            vendors.see("share shrank below what is held");
        }
        vendors.forget_lanes_except(|identity| held.contains_key(identity));
        drop(vendors);
        self.before = held;
        Ok(())
    }
}
