//! The single instance of a plugin in a VM, across all of its configurations.

mod besides;
mod giving_up;
mod streams;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use log::Level;

use super::answering::send;
use super::awaiting_body::AwaitingBody;
use super::envoy::Envoy;
use super::heartbeat::Heartbeat;
use super::log_limit::{LineKind, LogLimiter};
use super::messages::SHARED_NAME;
use super::metrics::Metrics;
use super::recorder::Recorder;
use super::redirects::Redirects;
use super::roots::{KnownRoot, RootTimer, Roots};
use super::surroundings::CallbackHost;
use super::turns::Turns;
use crate::accounting::{IntegrationRef, Note};
use crate::config::Compiled;
use crate::delivery::{Answer, Instant, Token};
use crate::relay::Relay;
use crate::request::Lease;

/// The relay of one plugin, with its metrics and its timer.
pub struct Plugin<E> {
    name: Vec<u8>,
    envoy: E,
    relay: Relay,
    metrics: Metrics,
    log: LogLimiter,
    recorder: Recorder,
    /// The root context of the configuration in force, which owns the timer and sends all callouts.
    newest: u32,
    roots: Roots,
    /// The plugins that its roots have besides, each with what came while another configuration was in force.
    besides: Vec<Rc<RefCell<Plugin<E>>>>,
    /// The newest root's.
    timer: RootTimer,
    heartbeat: Heartbeat,
    turns: Turns,
    log_level_read: Option<Instant>,
    awaiting_body: AwaitingBody,
    redirects: Redirects,
}

/// The context whose callback is running, and the root that it belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Current {
    /// The id of the context whose callback is running.
    pub context: u32,
    /// The id of its root; the same as `context` in the callbacks of a root.
    pub root: u32,
}

impl Current {
    /// Returns the context of a root's own callback.
    pub fn root(root: u32) -> Self {
        Self { context: root, root }
    }
}

/// How often the log level is read again, so that a change through Envoy's admin interface takes effect.
const LOG_LEVEL_AGE: Duration = Duration::from_secs(1);

impl<E: Envoy> Plugin<E> {
    /// Creates the plugin of that name with its first configuration, in a callback of `root`.
    pub fn new(envoy: E, name: Vec<u8>, root: u32, config: Rc<Compiled>) -> Self {
        Self::on(KnownRoot::new(root, config), envoy, name)
    }

    /// Creates a plugin of the same name for `root` alone, which is not the newest: another configuration is in force here.
    pub fn beside(&mut self, root: u32) -> Option<Rc<RefCell<Self>>> {
        let known = self.roots.find(root)?;
        let beside = Self::on(known.clone(), self.envoy.clone(), self.name.clone());
        let beside = Rc::new(RefCell::new(beside));
        self.besides.push(Rc::clone(&beside));
        Some(beside)
    }

    fn on(root: KnownRoot, envoy: E, name: Vec<u8>) -> Self {
        let config = Rc::clone(&root.config);
        let (mut metrics, mut log) = (Metrics::default(), LogLimiter::default());
        metrics.define(&config, &envoy);
        let mut seed = [0; 8];
        envoy.fill_random(&mut seed);
        let shown = String::from_utf8_lossy(&name).into_owned();
        let mut recorder = Recorder::new(shown.clone());
        recorder.configure(&config, &envoy);
        let mut host = CallbackHost {
            envoy: &envoy,
            metrics: &mut metrics,
            log: &mut log,
            config: &config,
            now: Instant::ZERO,
            sent: 0,
            recorder: &mut recorder,
        };
        let relay = Relay::new(shown, Rc::clone(&config), u64::from_le_bytes(seed), &mut host);
        Self {
            name,
            envoy,
            relay,
            metrics,
            log,
            recorder,
            newest: root.id,
            timer: Rc::clone(&root.timer),
            besides: Vec::new(),
            roots: Roots::of(root),
            heartbeat: Heartbeat::default(),
            turns: Turns::default(),
            log_level_read: None,
            awaiting_body: AwaitingBody::default(),
            redirects: Redirects::default(),
        }
    }

    /// Puts a new configuration in force, in a callback of its `root`.
    pub fn configure(&mut self, root: u32, config: Rc<Compiled>) {
        self.metrics.define(&config, &self.envoy);
        self.recorder.configure(&config, &self.envoy);
        self.turns = Turns::default();
        let root = KnownRoot::new(root, config);
        self.roots.add(root.clone());
        let current = Current::root(root.id);
        self.put_in_force(root, current);
    }

    fn put_in_force(&mut self, root: KnownRoot, current: Current) {
        self.newest = root.id;
        self.timer = root.timer;
        // What is counted while the configuration changes belongs to the old one's integrations.
        self.step(current, |relay, host| relay.configure(root.config, host));
    }

    /// Returns the interface through which the plugin calls Envoy.
    pub fn envoy(&self) -> &E {
        &self.envoy
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> &Rc<Compiled> {
        self.relay.config()
    }

    /// Returns a lease on nothing yet, of what captured requests may take up.
    pub fn lease(&self) -> Lease {
        self.relay.budget().lease()
    }

    /// Returns the deliveries that are queued or in flight, by integration.
    pub fn pending(&self) -> impl Iterator<Item = (IntegrationRef<'_>, usize)> {
        self.relay.pending()
    }

    /// Whether `root` has the configuration in force, and with it the timer.
    pub fn is_newest(&self, root: u32) -> bool {
        self.newest == root
    }

    /// Whether no request and no delivery is held.
    pub fn is_idle(&self) -> bool {
        self.relay.is_idle() && self.redirects.is_empty()
    }

    /// Envoy creates a stream, in the callback of which this is.
    pub fn used(&mut self, stream: Current) {
        if !self.roots.are_several() {
            return;
        }
        self.roots.used(stream.root);
        let (Some(connection), now) = (self.envoy.connection(), self.envoy.clock()) else { return };
        if !self.turns.stream(stream.root, connection, now) {
            return;
        }
        self.metrics.note(Note::SharedName);
        if self.log.allows(LineKind::SharedName, now) {
            let name = String::from_utf8_lossy(&self.name);
            self.envoy.log(Level::Error, format_args!("{name:?}: {SHARED_NAME}"));
        }
        self.arm(stream, now);
    }

    /// Envoy ends `root`. If its configuration is in force, another one that Envoy still uses replaces it: such a configuration
    /// came back while a stream kept its root alive, and then Envoy reuses that root without any callback.
    pub fn released(&mut self, root: u32) {
        self.roots.remove(root);
        if self.newest != root {
            return;
        }
        if let Some(next) = self.roots.last().cloned() {
            self.put_in_force(next, Current::root(root));
        }
    }

    /// The timer of `root` fired. Returns how many callouts were sent.
    pub fn tick(&mut self, root: u32) -> usize {
        if !self.is_newest(root) {
            // Armed before another root took over, which has a timer of its own; this one would fire for ever.
            self.envoy.set_tick_period(Duration::ZERO);
            if let Some(known) = self.roots.find(root) {
                known.timer.borrow_mut().reset();
            }
            return 0;
        }
        self.timer.borrow_mut().reset();
        self.tick_again(root)
    }

    /// The timer of `root` fired, and the other plugin of that root has had its [`Plugin::tick`]. Returns how many callouts were
    /// sent.
    pub fn tick_again(&mut self, root: u32) -> usize {
        let now = self.envoy.clock();
        self.read_log_level(now);
        let (sent, now) = self.work(root, now);
        let sent = sent.saturating_add(self.work_besides(root, now));
        self.arm(Current::root(root), now);
        sent
    }

    /// Does what is due, in a tick of `root`. Returns how many callouts were sent, and what the clock said last.
    fn work(&mut self, root: u32, now: Instant) -> (usize, Instant) {
        self.give_up_on_bodies(now, root);
        self.give_up_on_redirects(now);
        let ((), now, sent) = self.with_host(now, |relay, host| relay.work(host));
        self.answer_settled(root);
        let config = Rc::clone(self.relay.config());
        let sent = sent.saturating_add(self.recorder.step(&config, now, &self.envoy));
        self.count_held(now);
        self.metrics.flush(&self.envoy);
        (sent, now)
    }

    /// A callout that `root` sent has ended. `body` is the beginning of the answer's body, where [`Plugin::wants_answers`]. Returns
    /// whether this plugin had sent it.
    pub fn settle(&mut self, root: u32, token: Token, answer: Answer<'_>, body: &[u8]) -> bool {
        if self.settle_records(root, token, &answer) {
            return true;
        }
        self.step(Current::root(root), |relay, host| relay.settle_with(token, answer, body, host))
            || self.settle_besides(root, token, answer, body)
    }

    /// Takes the answer to a request with records. Returns `false` if it is to none.
    fn settle_records(&mut self, root: u32, token: Token, answer: &Answer<'_>) -> bool {
        if !self.recorder.sent(token) {
            return false;
        }
        let now = self.envoy.clock();
        let lost = self.recorder.settle(token, answer, now);
        (0..lost).for_each(|_| self.metrics.note(Note::RecordDropped));
        self.arm(Current::root(root), now);
        true
    }

    /// Whether records want to know what vendors answer.
    pub fn wants_answers(&self) -> bool {
        self.recorder.wants(self.config(), &self.envoy)
    }

    /// Answers the waiting streams whose requests are settled, in a callback of the context `current`.
    fn answer_settled(&mut self, current: u32) {
        while let Some((stream, answered)) = self.relay.take_settled() {
            if self.envoy.set_effective_context(stream) {
                send(&self.envoy, &answered, false);
                self.envoy.set_effective_context(current);
            }
        }
    }

    /// Stops the timer of a root that is about to end, which would otherwise keep firing.
    pub fn stop_timer_of(&mut self, root: u32) {
        self.envoy.set_tick_period(Duration::ZERO);
        let now = self.envoy.clock();
        self.with_host(now, |relay, host| relay.record_concluded(host));
        self.metrics.flush(&self.envoy);
        if self.newest == root {
            self.timer.borrow_mut().reset();
        }
    }

    /// Returns when a tick of the newest root has something to do next.
    pub fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let counts = self.metrics.next_due(now);
        let holds_any = self.relay.pending().any(|(_, held)| held > 0);
        let heartbeat = self.heartbeat.next_due(holds_any, now);
        let records = self.recorder.next_due(self.config());
        let streams = [self.awaiting_body.next_due(), self.redirects.next_due(), records];
        [self.relay.next_due(), counts, heartbeat].into_iter().chain(streams).flatten().min()
    }

    /// Counts the deliveries that are held, if a second has passed since they were last counted.
    fn count_held(&mut self, now: Instant) {
        if self.heartbeat.beats(now) {
            for (integration, held) in self.relay.pending() {
                self.metrics.held_for_a_second(integration, held);
            }
        }
    }

    /// Runs a step of the relay with its surroundings, and arms the timer for what is due then. `current` is the context
    /// of the callback.
    fn step<T>(
        &mut self,
        current: Current,
        step: impl FnOnce(&mut Relay, &mut CallbackHost<'_, E>) -> T,
    ) -> T {
        let (result, now, _) = self.with_host(self.envoy.clock(), step);
        self.answer_settled(current.context);
        self.arm(current, now);
        result
    }

    /// Runs a step of the relay at `now`. Returns also what the clock said last, and how many callouts were sent.
    fn with_host<T>(
        &mut self,
        now: Instant,
        step: impl FnOnce(&mut Relay, &mut CallbackHost<'_, E>) -> T,
    ) -> (T, Instant, usize) {
        let config = Rc::clone(self.relay.config());
        let mut host = CallbackHost {
            envoy: &self.envoy,
            metrics: &mut self.metrics,
            log: &mut self.log,
            config: &config,
            now,
            sent: 0,
            recorder: &mut self.recorder,
        };
        let result = step(&mut self.relay, &mut host);
        (result, host.now, host.sent)
    }

    /// Arms the newest root's timer for what is due next, from a callback of the context `current`.
    fn arm(&mut self, current: Current, now: Instant) {
        let due = self.next_due(now).into_iter().chain(self.besides_due(now)).min();
        let Some(period) = self.timer.borrow_mut().arm(due, now) else { return };
        if current.root == self.newest {
            return self.envoy.set_tick_period(period);
        }
        // Just after a reconfiguration streams and answers still come to the old root; the timer is the new one's.
        if self.envoy.set_effective_context(self.newest) {
            self.envoy.set_tick_period(period);
            self.envoy.set_effective_context(current.context);
        }
    }

    fn read_log_level(&mut self, now: Instant) {
        if self.log_level_read.is_none_or(|read| now.saturating_sub(read) >= LOG_LEVEL_AGE) {
            self.log_level_read = Some(now);
            self.envoy.read_log_level();
        }
    }
}
