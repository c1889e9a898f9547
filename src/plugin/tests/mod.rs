//! The plugin in a simulated environment: a fake Envoy calls it back as the real one does, with a clock that tests set.

mod books;
mod envoy;
mod lifetimes;
mod random;
mod records;
mod timing;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::config::Compiled;
use crate::delivery::{Answer, Instant, Token};
use crate::endpoints::Endpoints;
use crate::request::{Lease, Request};
use envoy::{Alarm, FakeEnvoy};

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);

/// Of every request here that waits for its body.
pub const HEAD_BYTES: u64 = 200;

pub struct World {
    pub envoy: FakeEnvoy,
    registry: Registry<FakeEnvoy>,
    pub plugin: Option<Rc<RefCell<Plugin<FakeEnvoy>>>>,
    /// Those that single roots have besides.
    pub besides: Vec<Rc<RefCell<Plugin<FakeEnvoy>>>>,
    /// Those that have not ended.
    pub roots: BTreeMap<u32, Root<FakeEnvoy>>,
    streams: u32,
}

/// A stream, and the plugin that it belongs to.
#[derive(Clone)]
pub struct Stream {
    pub current: Current,
    pub plugin: Rc<RefCell<Plugin<FakeEnvoy>>>,
}

/// Two integrations, FT and Pod, or those of these names.
pub fn configuration(names: &[&str]) -> Value {
    let integration = |name: &&str| match *name {
        "FT" => json!({"name": "FT", "vendor": "flashtalking",
            "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}}),
        name => json!({"name": name, "vendor": "podsights", "config": {"key": "k"}}),
    };
    let integrations: Vec<_> = names.iter().map(integration).collect();
    json!({"delivery": {"max_attempts": 3}, "integrations": integrations})
}

/// Returns a request with an order of its own: the same one would be a duplicate.
fn purchase(order: u32, lease: Lease) -> Request {
    let body = json!({"type": "track", "event": "Order Completed", "properties": {"order_id": order.to_string()},
        "context": {"consent": {"marketing": true}}});
    Request {
        endpoint: Endpoints::new("").unwrap().find(b"/v1/t").unwrap(),
        path: b"/v1/t".to_vec(),
        source_address: b"10.0.0.1:1234".to_vec(),
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
        lease,
    }
}

/// What tells the stream that follows this one.
pub fn redirect_key(stream: &Stream) -> StreamKey {
    StreamKey { source_address: stream.current.context.to_string().into_bytes(), request_id: Vec::new() }
}

impl World {
    /// A plugin whose root 1 was configured with FT and Pod.
    pub fn new() -> Self {
        Self::of(&configuration(&["FT", "Pod"]))
    }

    /// A plugin whose root 1 has this configuration.
    pub fn of(configuration: &Value) -> Self {
        let mut world = Self {
            envoy: FakeEnvoy::default(),
            registry: Registry::default(),
            plugin: None,
            besides: Vec::new(),
            roots: BTreeMap::new(),
            streams: 0,
        };
        world.envoy.now.set(100 * SECOND);
        world.put_in_force(1, configuration);
        world.envoy.take_periods();
        world
    }

    /// Envoy makes a root and configures it.
    pub fn configure(&mut self, root: u32, names: &[&str]) {
        self.put_in_force(root, &configuration(names));
    }

    fn put_in_force(&mut self, root: u32, configuration: &Value) {
        let config = Compiled::load(configuration.to_string().as_bytes(), &|_| None).unwrap();
        let envoy = self.envoy.clone();
        let plugin =
            self.callback(root, |world| world.registry.configure(b"plugin".to_vec(), root, config, || envoy));
        let mut made = Root::new(root);
        made.configured(Rc::clone(&plugin));
        self.plugin = Some(plugin);
        self.roots.insert(root, made);
    }

    /// Runs a callback of a context, which has to leave calls applying to that context.
    fn callback<T>(&mut self, context: u32, run: impl FnOnce(&mut Self) -> T) -> T {
        self.envoy.effective.set(context);
        let increments = self.envoy.increments.get();
        let result = run(self);
        assert_eq!(self.envoy.effective.get(), context, "the effective context is left as it was");
        // Where a root has a plugin besides, each flushes its own.
        if self.besides.is_empty() && self.envoy.increments.get() != increments {
            assert_eq!(self.told_pending(), self.pending(), "counts are flushed together");
        }
        result
    }

    fn plugin(&self) -> std::cell::RefMut<'_, Plugin<FakeEnvoy>> {
        self.plugin.as_ref().unwrap().borrow_mut()
    }

    pub fn pending(&self) -> i64 {
        let of = |plugin: &Plugin<_>| plugin.pending().map(|(_, pending)| pending).sum::<usize>();
        let besides = self.besides.iter().map(|own| of(&own.borrow()));
        i64::try_from(besides.sum::<usize>() + of(&self.plugin())).unwrap()
    }

    /// What is pending as Envoy's counters have it.
    pub fn told_pending(&self) -> i64 {
        let all = self.envoy.told(&["deliveries_total"]) - self.envoy.told(&["outcome.dead_lettered"]);
        2 * self.envoy.told(&["outcome.matched"]) - all
    }

    /// Envoy makes a stream on a root.
    pub fn stream(&mut self, root: u32) -> Stream {
        self.streams += 1;
        let context = 1_000 + self.streams;
        self.envoy.parents.borrow_mut().insert(context, root);
        let plugin = self.callback(context, |world| world.roots[&root].new_stream(context).unwrap());
        let known = self.plugin.iter().chain(&self.besides).any(|known| Rc::ptr_eq(known, &plugin));
        if !known {
            self.besides.push(Rc::clone(&plugin));
        }
        Stream { current: Current { context, root }, plugin }
    }

    /// A purchase is handed over by a new stream of a root.
    pub fn hand_over(&mut self, root: u32) {
        let stream = self.stream(root);
        self.hand_over_from(&stream);
    }

    /// A purchase is handed over by a stream.
    pub fn hand_over_from(&mut self, stream: &Stream) {
        self.callback(stream.current.context, |_| {
            let mut plugin = stream.plugin.borrow_mut();
            let request = purchase(stream.current.context, plugin.lease());
            plugin.hand_over(stream.current, request, None);
        });
    }

    /// A stream's request is counted as ignored.
    pub fn ignore(&mut self, root: u32) {
        let stream = self.stream(root);
        self.callback(stream.current.context, |_| {
            stream.plugin.borrow_mut().ignore(stream.current, crate::accounting::RequestIgnored::TooLarge);
        });
    }

    /// A stream waits for its body, of which `arrived` bytes have. Returns its context, and what it sets when the body comes.
    pub fn expect_body(&mut self, root: u32, arrived: u64) -> (u32, BodySeen) {
        let (stream, body_seen) = (self.stream(root), BodySeen::default());
        let context = stream.current.context;
        self.envoy.request_bytes.borrow_mut().insert(context, HEAD_BYTES + arrived);
        self.callback(context, |_| {
            stream.plugin.borrow_mut().expect_body(stream.current, HEAD_BYTES, body_seen.clone());
        });
        (context, body_seen)
    }

    /// A stream of a root ends because Envoy follows a redirect of the collector's, with a purchase as its request.
    pub fn redirect(&mut self, root: u32) -> Stream {
        let stream = self.stream(root);
        self.callback(stream.current.context, |_| {
            let mut plugin = stream.plugin.borrow_mut();
            let request = purchase(stream.current.context, plugin.lease());
            plugin.redirected(stream.current, redirect_key(&stream), Some(request));
        });
        stream
    }

    /// A callout is answered to the root that sent it.
    pub fn settle(&mut self, (root, token): (u32, Token), answer: Answer<'_>) {
        self.envoy.callouts.borrow_mut().retain(|(_, open)| *open != token);
        self.on_root(root, |root| root.settle(token, answer, &[]));
    }

    /// All callouts that are out are answered.
    pub fn settle_all(&mut self, answer: Answer<'_>) {
        for callout in self.envoy.callouts.take() {
            self.settle(callout, answer);
        }
    }

    /// Envoy wants a root to end.
    pub fn release(&mut self, root: u32) {
        self.on_root(root, Root::end);
    }

    /// Envoy throws a root away without a word: it has no callback any more, and none of its callouts is answered.
    pub fn throw_away(&mut self, root: u32) {
        std::mem::forget(self.roots.remove(&root));
        self.envoy.gone.borrow_mut().insert(root);
        self.envoy.alarms.borrow_mut().remove(&root);
    }

    fn on_root(&mut self, context: u32, run: impl FnOnce(&mut Root<FakeEnvoy>) -> bool) {
        let Some(mut root) = self.roots.remove(&context) else { return };
        let ended = self.callback(context, |_| run(&mut root));
        if ended {
            assert!(self.envoy.alarm(context).is_none(), "the timer of a root that ends would fire for ever");
            self.envoy.gone.borrow_mut().insert(context);
        } else {
            self.roots.insert(context, root);
        }
    }

    /// Time passes, and timers fire when it is theirs.
    pub fn wait(&mut self, time: Duration) {
        let until = self.envoy.now.get() + time;
        while let Some((root, at)) = self.next_alarm().filter(|(_, at)| *at <= until) {
            self.envoy.now.set(self.envoy.now.get().max(at));
            if let Some(alarm) = self.envoy.alarms.borrow_mut().get_mut(&root) {
                *alarm = Alarm { at: self.envoy.now.get() + alarm.period, ..*alarm };
            }
            self.on_root(root, Root::tick);
        }
        self.envoy.now.set(until);
    }

    /// Time passes until so many callouts are out.
    pub fn wait_for_callouts(&mut self, count: usize) {
        for _ in 0..6_000 {
            if self.callouts().len() >= count {
                return;
            }
            self.wait(10 * MS);
        }
        panic!("{:?} after a minute", self.callouts());
    }

    /// Time passes while the worker is busy: no timer fires.
    pub fn stall(&mut self, time: Duration) {
        self.envoy.now.set(self.envoy.now.get() + time);
    }

    fn next_alarm(&self) -> Option<(u32, Instant)> {
        let alarms = self.envoy.alarms.borrow();
        alarms.iter().map(|(root, alarm)| (*root, alarm.at)).min_by_key(|(_, at)| *at)
    }

    /// Returns the roots of the callouts that are out.
    pub fn callouts(&self) -> Vec<u32> {
        self.envoy.callouts.borrow().iter().map(|(root, _)| *root).collect()
    }
}
