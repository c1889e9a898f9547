//! What Envoy knows and remembers: its clock, the streams, the shared data, the metrics, the callouts and the timer.

use std::collections::HashMap;
use std::time::Duration;

use wasmi::{Memory, TypedFunc};

use super::tally::{Callback, Counts};
use super::wire::Headers;

/// Unix time at the start of the clock.
pub const EPOCH: Duration = Duration::from_millis(1_767_225_700_000);

/// One HTTP request and the collector's answer to it.
#[derive(Clone, Default)]
pub struct Exchange {
    pub headers: Headers,
    pub body: Vec<u8>,
    /// Empty until the collector has answered.
    pub answer: Headers,
}

/// A request of the filter's own, which no vendor has answered yet.
pub struct Callout {
    pub token: u32,
    pub answer_due: Duration,
}

/// The answer to a callout, while the module is told of it.
pub struct Answer {
    pub headers: Headers,
    pub body: Vec<u8>,
}

pub struct Envoy {
    /// The module's own, from its start on.
    pub memory: Option<Memory>,
    pub allocate: Option<TypedFunc<u32, u32>>,
    /// The time since the start. It stands still while the module runs.
    pub now: Duration,
    pub random: fastrand::Rng,
    pub environment: Vec<(String, String)>,
    pub configuration: Vec<u8>,
    /// The context whose callback is running, and the one that the module has put in its place.
    pub current: u32,
    pub effective: Option<u32>,
    pub streams: HashMap<u32, Exchange>,
    pub answer: Option<Answer>,
    pub callouts: Vec<Callout>,
    /// The token of the newest.
    pub last_token: u32,
    /// How many callouts there were to each cluster.
    pub sent: Counts,
    /// Values with the number that changes with each of them.
    pub shared: HashMap<Vec<u8>, (Vec<u8>, u32)>,
    pub last_cas: u32,
    /// Names and values. The number of a metric is its place in here, from 1.
    pub metrics: Vec<(String, i64)>,
    /// How often the root's timer fires; zero: it is off. And when it does next.
    pub period: Duration,
    pub tick_due: Option<Duration>,
    /// Lines of the log at `warn` and above, and what the module wrote to its standard error.
    pub complaints: Vec<String>,
    /// What the running callback has done so far.
    pub doing: Callback,
}

impl Envoy {
    pub fn new(configuration: Vec<u8>, environment: Vec<(String, String)>) -> Self {
        Self {
            memory: None,
            allocate: None,
            now: Duration::from_secs(1),
            random: fastrand::Rng::with_seed(7),
            environment,
            configuration,
            current: 0,
            effective: None,
            streams: HashMap::new(),
            answer: None,
            callouts: Vec::new(),
            last_token: 0,
            sent: Counts::new(),
            shared: HashMap::new(),
            last_cas: 0,
            metrics: Vec::new(),
            period: Duration::ZERO,
            tick_due: None,
            complaints: Vec::new(),
            doing: Callback::default(),
        }
    }

    /// Returns the stream that calls apply to; `None` in the callbacks of the root.
    pub fn stream(&mut self) -> Option<&mut Exchange> {
        self.streams.get_mut(&self.effective.unwrap_or(self.current))
    }

    /// Returns a property of those that the filter reads; an error for others, which Envoy may or may not have.
    pub fn property(&mut self, path: &str) -> Result<Option<Vec<u8>>, wasmi::Error> {
        let in_stream = self.stream().is_some();
        match path {
            "plugin_name" => Ok(Some(b"conversion-relay".to_vec())),
            "xds.node.id" => Ok(Some(b"gateway".to_vec())),
            "source.address" => Ok(in_stream.then(|| b"203.0.113.50:4711".to_vec())),
            "response.code_details" => Ok(in_stream.then(|| b"via_upstream".to_vec())),
            _ => Err(wasmi::Error::new(format!("the fake of Envoy doesn't know the property {path}"))),
        }
    }

    /// Returns the sum of the counters whose names begin like that.
    pub fn counted(&self, prefix: &str) -> i64 {
        self.metrics.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| value).sum()
    }

    /// Sets how often the timer fires, from now on.
    pub fn set_period(&mut self, period: Duration) {
        self.period = period;
        self.tick_due = (!period.is_zero()).then_some(self.now + period);
    }
}
