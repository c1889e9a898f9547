//! What the VM keeps for a plugin through all of its configurations.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant as Clock};

use proxy_wasm::hostcalls;
use proxy_wasm::types::LogLevel;

use super::answering::Unheard;
use super::log::Limiter;
use super::metrics::Metrics;
use super::surroundings::Surroundings;
use crate::accounting::{Ledger, Note, RequestIgnored};
use crate::config::Compiled;
use crate::delivery::{Answer, Instant, Token};
use crate::relay::Relay;
use crate::reply::Reply;
use crate::request::Request;

/// The relay of one plugin, with its metrics and its timer.
pub struct Plugin {
    pub relay: Relay,
    pub metrics: Metrics,
    log: Limiter,
    started: Clock,
    /// The root context of the configuration in force: it has the timer and sends all callouts.
    newest: u32,
    /// The roots that Envoy has not given up, with their configurations; the one that was used last comes last.
    roots: Vec<(u32, Rc<Compiled>)>,
    /// When that root's timer fires next.
    armed: Option<Instant>,
    log_level_read: Option<Instant>,
    /// Streams that wait for their body, to be answered by us.
    unheard: Unheard,
}

/// The context whose callback is running, and the root that it belongs to.
#[derive(Clone, Copy)]
pub struct Current {
    pub context: u32,
    pub root: u32,
}

impl Current {
    pub fn root(root: u32) -> Self {
        Self { context: root, root }
    }
}

/// How often the log level is asked for, so that a change by Envoy's admin takes effect.
const LOG_LEVEL_AGE: Duration = Duration::from_secs(1);

thread_local! {
    /// Several plugins can share a VM; each has a name of its own.
    static PLUGINS: RefCell<HashMap<Vec<u8>, Rc<RefCell<Plugin>>>> = RefCell::default();
}

/// Puts a configuration in force: for the plugin of that name, or as its first.
pub fn configure(name: Vec<u8>, root: u32, config: Compiled) -> Rc<RefCell<Plugin>> {
    let config = Rc::new(config);
    let known = PLUGINS.with_borrow(|plugins| plugins.get(&name).cloned());
    if let Some(plugin) = known {
        plugin.borrow_mut().configure(root, config);
        return plugin;
    }
    let plugin = Rc::new(RefCell::new(Plugin::new(&name, root, config)));
    PLUGINS.with_borrow_mut(|plugins| plugins.insert(name, Rc::clone(&plugin)));
    plugin
}

impl Plugin {
    fn new(name: &[u8], root: u32, config: Rc<Compiled>) -> Self {
        let started = Clock::now();
        let mut metrics = Metrics::default();
        metrics.define(&config);
        let mut log = Limiter::default();
        let now = Instant::ZERO;
        let mut host =
            Surroundings { metrics: &mut metrics, log: &mut log, config: &config, started, now, sent: 0 };
        let name = String::from_utf8_lossy(name).into_owned();
        let relay = Relay::new(name, Rc::clone(&config), random_seed(), &mut host);
        Self {
            relay,
            metrics,
            log,
            started,
            newest: root,
            roots: vec![(root, config)],
            armed: None,
            log_level_read: None,
            unheard: Unheard::default(),
        }
    }

    fn configure(&mut self, root: u32, config: Rc<Compiled>) {
        self.metrics.define(&config);
        self.roots.push((root, Rc::clone(&config)));
        self.put_in_force(root, config, Current::root(root));
    }

    fn put_in_force(&mut self, root: u32, config: Rc<Compiled>, current: Current) {
        self.newest = root;
        self.armed = None;
        // What is counted while the configuration changes belongs to the old one's integrations.
        self.step(current, |relay, host| relay.configure(config, host));
    }

    /// Envoy makes a stream on `root`.
    pub fn used(&mut self, root: u32) {
        if self.roots.last().is_some_and(|(last, _)| *last == root) {
            return;
        }
        if let Some(at) = self.roots.iter().position(|(known, _)| *known == root) {
            let used = self.roots.remove(at);
            self.roots.push(used);
        }
    }

    /// Envoy gives `root` up. If its configuration is in force, another one that Envoy still uses is put in its place:
    /// that one came back while a stream kept its root alive, and then Envoy takes the root again without a word.
    pub fn released(&mut self, root: u32) {
        self.roots.retain(|(known, _)| *known != root);
        if self.newest != root {
            return;
        }
        if let Some((next, config)) = self.roots.last().cloned() {
            self.put_in_force(next, config, Current::root(root));
        }
    }

    /// Runs a step of the relay with its surroundings, and arms the timer for what is due then. `current` is the context
    /// of the callback.
    fn step<T>(&mut self, current: Current, step: impl FnOnce(&mut Relay, &mut Surroundings) -> T) -> T {
        let (result, now, _) = self.with_host(self.now(), step);
        self.arm(current, now);
        result
    }

    /// Runs a step of the relay at `now`. Gives what the clock said last, and how many callouts were sent.
    fn with_host<T>(
        &mut self,
        now: Instant,
        step: impl FnOnce(&mut Relay, &mut Surroundings) -> T,
    ) -> (T, Instant, usize) {
        let config = Rc::clone(self.relay.config());
        let mut host = Surroundings {
            metrics: &mut self.metrics,
            log: &mut self.log,
            config: &config,
            started: self.started,
            now,
            sent: 0,
        };
        let result = step(&mut self.relay, &mut host);
        (result, host.now, host.sent)
    }

    /// Time since the plugin's start.
    fn now(&self) -> Instant {
        self.started.elapsed()
    }

    pub fn is_newest(&self, root: u32) -> bool {
        self.newest == root
    }

    /// The timer of `root` fired. Answers how many callouts it sent.
    pub fn tick(&mut self, root: Current) -> usize {
        if !self.is_newest(root.root) {
            // Armed before another root took over, which has a timer of its own; this one would fire for ever.
            set_timer(None);
            return 0;
        }
        let now = self.now();
        self.read_log_level(now);
        self.armed = None;
        self.unheard.give_up(now, root.context);
        let ((), now, sent) = self.with_host(now, |relay, host| relay.work(host));
        self.metrics.flush();
        self.arm(root, now);
        sent
    }

    /// A callout that `root` sent came back.
    pub fn settle(&mut self, root: Current, token: Token, answer: Answer) {
        self.step(root, |relay, host| relay.settle(token, answer, host));
    }

    /// A stream hands its request over.
    pub fn hand_over(&mut self, stream: Current, request: Request, note: Option<Note>) {
        if let Some(note) = note {
            self.metrics.note(note);
        }
        self.step(stream, |relay, host| relay.hand_over(request, host));
    }

    /// A stream hands its request over while the collector's accepting answer passes. Gives the values of the
    /// `set-cookie` lines to add to it.
    pub fn hand_over_answered(&mut self, stream: Current, request: Request) -> Vec<String> {
        self.step(stream, |relay, host| relay.hand_over_answered(request, host))
    }

    /// A stream asks what its client is to be told, and with which `set-cookie` lines.
    pub fn answer(&mut self, stream: Current, request: Request) -> (Reply, Vec<String>) {
        self.step(stream, |relay, host| relay.answer(request, host))
    }

    /// A stream waits for its body, and sets `heard` when it comes.
    pub fn expect_body(&mut self, stream: Current, heard: Rc<Cell<bool>>) {
        let now = self.now();
        self.unheard.add(stream.context, heard, now);
        self.arm(stream, now);
    }

    pub fn ignore(&mut self, stream: Current, reason: RequestIgnored) {
        self.step(stream, |_, host| host.request_ignored(reason));
    }

    /// Arms the newest root's timer for what is due next, from a callback of the context `current`. A timer that is
    /// armed for something earlier stays; one that fires with nothing to do is switched off.
    fn arm(&mut self, current: Current, now: Instant) {
        let counts = self.metrics.next_due(now);
        let due = [self.relay.next_due(), self.unheard.next_due(), counts].into_iter().flatten().min();
        let already = self.armed.is_some_and(|armed| due.is_none_or(|due| armed <= due.max(now)));
        if already {
            return;
        }
        let wait = due.map(|due| due.saturating_sub(now).max(Duration::from_millis(1)));
        self.armed = wait.map(|wait| now.saturating_add(wait));
        if current.root == self.newest {
            return set_timer(wait);
        }
        // Just after a reconfiguration streams and answers still come to the old root; the timer is the new one's.
        if hostcalls::set_effective_context(self.newest).is_ok() {
            set_timer(wait);
            _ = hostcalls::set_effective_context(current.context);
        }
    }

    /// Switches the timer of a root off that is about to end: armed, it would fire for ever.
    pub fn stop_timer_of(&mut self, root: u32) {
        set_timer(None);
        self.metrics.flush();
        if self.newest == root {
            self.armed = None;
        }
    }

    fn read_log_level(&mut self, now: Instant) {
        if self.log_level_read.is_none_or(|read| now.saturating_sub(read) >= LOG_LEVEL_AGE) {
            self.log_level_read = Some(now);
            proxy_wasm::set_log_level(hostcalls::get_log_level().unwrap_or(LogLevel::Info));
        }
    }
}

fn set_timer(wait: Option<Duration>) {
    // Rounded up: a timer that fires early would find nothing to do.
    let period = wait.map_or(Duration::ZERO, |wait| {
        let whole = wait.as_millis().saturating_add(u128::from(wait.subsec_nanos() % 1_000_000 > 0));
        Duration::from_millis(u64::try_from(whole).unwrap_or(u64::MAX).min(LONGEST_TIMER))
    });
    _ = hostcalls::set_tick_period(period);
}

/// In milliseconds; a later time is armed for again when this one fires.
const LONGEST_TIMER: u64 = 3_600_000;

/// Differs between VMs: the standard library's hasher has random keys.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0u8)
}
