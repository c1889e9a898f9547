//! A fake Envoy that does nothing and records the calls, with their contexts, in order.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::accounting::Refusal;
use crate::deduplication::Store;
use crate::delivery::{Instant, Token};
use crate::plugin::{Envoy, MetricKind};

#[derive(Clone, Default)]
pub struct FakeEnvoy(Rc<State>);

#[derive(Default)]
pub struct State {
    pub now: Cell<Instant>,
    /// The context that calls apply to.
    pub effective: Cell<u32>,
    /// The roots of streams.
    pub parents: RefCell<BTreeMap<u32, u32>>,
    /// Contexts that have ended.
    pub gone: RefCell<BTreeSet<u32>>,
    /// The timers that are on, by root.
    pub alarms: RefCell<BTreeMap<u32, Alarm>>,
    /// Every tick period that was set, with its root.
    pub periods: RefCell<Vec<(u32, Duration)>>,
    /// Callouts that are not answered, with the root that sent them.
    pub callouts: RefCell<Vec<(u32, Token)>>,
    pub refusal: Cell<Option<Refusal>>,
    pub replies: RefCell<Vec<(u32, u32)>>,
    /// The connection of the stream that is created next.
    pub connection: Cell<u64>,
    /// The bytes of requests that have arrived, by stream.
    pub request_bytes: RefCell<BTreeMap<u32, u64>>,
    pub lines: RefCell<Vec<String>>,
    pub log_level_reads: Cell<usize>,
    /// Names and values by number.
    pub metrics: RefCell<Vec<(String, i64)>>,
    /// How many times a metric was defined or increased.
    pub definitions: Cell<usize>,
    pub increments: Cell<usize>,
    /// How often each call was made, by the method's name. `logs` is none: the module knows the level.
    pub calls: RefCell<BTreeMap<&'static str, usize>>,
    tokens: Cell<u32>,
    shared: RefCell<HashMap<String, Vec<u8>>>,
}

/// A timer of Envoy's, which fires each period.
#[derive(Clone, Copy, Debug)]
pub struct Alarm {
    pub at: Instant,
    pub period: Duration,
}

impl std::ops::Deref for FakeEnvoy {
    type Target = State;

    fn deref(&self) -> &State {
        &self.0
    }
}

impl State {
    /// Adds up the counters whose name has all of these parts.
    pub fn told(&self, parts: &[&str]) -> i64 {
        let metrics = self.metrics.borrow();
        let counts = metrics.iter().filter(|(name, _)| parts.iter().all(|part| name.contains(part)));
        counts.map(|(_, count)| count).sum()
    }

    /// Returns the tick periods that were set since the last call, in milliseconds.
    pub fn take_periods(&self) -> Vec<(u32, u128)> {
        self.periods.take().into_iter().map(|(root, period)| (root, period.as_millis())).collect()
    }

    fn called(&self, method: &'static str) {
        *self.calls.borrow_mut().entry(method).or_default() += 1;
    }

    pub fn alarm(&self, root: u32) -> Option<Instant> {
        self.alarms.borrow().get(&root).map(|alarm| alarm.at)
    }
}

impl Envoy for FakeEnvoy {
    fn clock(&self) -> Instant {
        self.called("clock");
        self.now.get()
    }

    fn wall_clock(&self) -> i64 {
        self.called("wall_clock");
        1_767_225_600_000
    }

    fn fill_random(&self, bytes: &mut [u8]) -> bool {
        self.called("fill_random");
        bytes.fill(7);
        true
    }

    fn set_effective_context(&self, context: u32) -> bool {
        self.called("set_effective_context");
        let there = !self.gone.borrow().contains(&context);
        if there {
            self.effective.set(context);
        }
        there
    }

    fn set_tick_period(&self, period: Duration) {
        self.called("set_tick_period");
        let effective = self.effective.get();
        // A stream has no timer of its own: Envoy sets its root's.
        let root = self.parents.borrow().get(&effective).copied().unwrap_or(effective);
        assert_eq!(period.subsec_nanos() % 1_000_000, 0, "{period:?} would be cut off");
        self.periods.borrow_mut().push((root, period));
        self.alarms.borrow_mut().remove(&root);
        if period > Duration::ZERO {
            self.alarms.borrow_mut().insert(root, Alarm { at: self.now.get() + period, period });
        }
    }

    fn define_metric(&self, _: MetricKind, name: &str) -> u32 {
        self.called("define_metric");
        self.definitions.set(self.definitions.get() + 1);
        let mut metrics = self.metrics.borrow_mut();
        let known = metrics.iter().position(|(known, _)| known == name);
        let number = known.unwrap_or_else(|| {
            metrics.push((name.to_owned(), 0));
            metrics.len() - 1
        });
        u32::try_from(number).unwrap()
    }

    fn increment_metric(&self, metric: u32, by: i64) {
        self.called("increment_metric");
        assert!(by > 0, "an increase of nothing is an error");
        self.increments.set(self.increments.get() + 1);
        self.metrics.borrow_mut()[metric as usize].1 += by;
    }

    fn record_metric(&self, _: u32, _: u64) {
        self.called("record_metric");
    }

    fn dispatch(
        &self,
        _: &str,
        headers: Vec<(&str, &str)>,
        _: Option<&[u8]>,
        _: Duration,
    ) -> Result<Token, Refusal> {
        self.called("dispatch");
        for name in [":method", ":scheme", ":path", ":authority"] {
            assert_eq!(headers.iter().filter(|(known, _)| *known == name).count(), 1, "{name}");
        }
        if let Some(refusal) = self.refusal.get() {
            return Err(refusal);
        }
        self.tokens.set(self.tokens.get() + 1);
        let token = Token(self.tokens.get());
        self.callouts.borrow_mut().push((self.effective.get(), token));
        Ok(token)
    }

    fn connection(&self) -> Option<u64> {
        self.called("connection");
        Some(self.connection.get())
    }

    fn request_bytes(&self) -> Option<u64> {
        self.called("request_bytes");
        self.request_bytes.borrow().get(&self.effective.get()).copied()
    }

    fn send_local_reply(&self, status: u32, _: Vec<(&str, &str)>, _: &[u8]) {
        self.called("send_local_reply");
        self.replies.borrow_mut().push((self.effective.get(), status));
    }

    fn node_id(&self) -> Option<String> {
        self.called("node_id");
        Some("gateway-1".to_owned())
    }

    fn logs(&self, level: log::Level) -> bool {
        level <= log::Level::Info
    }

    fn read_log_level(&self) {
        self.called("read_log_level");
        self.log_level_reads.set(self.log_level_reads.get() + 1);
    }

    fn log(&self, level: log::Level, line: fmt::Arguments<'_>) {
        if self.logs(level) {
            self.called("log");
            self.lines.borrow_mut().push(format!("{level} {line}"));
        }
    }
}

impl Store for FakeEnvoy {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        self.called("get");
        (self.shared.borrow().get(key).cloned(), None)
    }

    fn set(&self, key: &str, value: &[u8], _: Option<u32>) -> bool {
        self.called("set");
        self.shared.borrow_mut().insert(key.to_owned(), value.to_vec());
        true
    }
}
