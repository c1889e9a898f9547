//! The plugin's interface to Envoy.

use std::fmt;
use std::time::Duration;

use crate::accounting::Refusal;
use crate::deduplication::Store;
use crate::delivery::{Instant, Token};

/// The calls that the plugin makes to Envoy. The store is the data that all VMs of the process share.
///
/// Every method is a call out of the VM, and none may call back into the plugin before it returns.
pub trait Envoy: Store + Clone {
    /// Returns the time on a monotonic clock, from the plugin's start.
    fn clock(&self) -> Instant;

    /// Returns Unix time in milliseconds.
    fn wall_clock(&self) -> i64;

    /// Fills `bytes` with cryptographically secure random bytes. Returns `false` if there are none.
    fn fill_random(&self, bytes: &mut [u8]) -> bool;

    /// Makes the calls that follow apply to another context than the one whose callback is running. Returns `false` if
    /// there is no such context any more.
    fn set_effective_context(&self, context: u32) -> bool;

    /// Sets the tick period of the effective context, a root; zero stops the ticks.
    fn set_tick_period(&self, period: Duration);

    /// Defines a metric and returns its number, which is the same each time for the same name.
    fn define_metric(&self, kind: MetricKind, name: &str) -> u32;

    /// Increases a counter. An increase of zero is an error.
    fn increment_metric(&self, metric: u32, by: i64);

    /// Adds a value to a histogram.
    fn record_metric(&self, metric: u32, value: u64);

    /// Sends an HTTP request, which is answered to the effective context, a root.
    fn dispatch(
        &self,
        cluster: &str,
        headers: Vec<(&str, &str)>,
        body: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Token, Refusal>;

    /// Returns the number of the connection of the stream whose callback is running. Envoy numbers connections as it accepts
    /// them.
    fn connection(&self) -> Option<u64>;

    /// Returns how many bytes have arrived of the request of the effective context, a paused stream: those of its headers, names
    /// and values, and those of its body, whether or not the filter has been shown them. `None` if Envoy doesn't say.
    fn request_bytes(&self) -> Option<u64>;

    /// Answers the request of the effective context, a stream.
    fn send_local_reply(&self, status: u32, headers: Vec<(&str, &str)>, body: &[u8]);

    /// Returns the id of Envoy's node; `None`: it has none.
    fn node_id(&self) -> Option<String>;

    /// Whether a log line of the level would be written.
    fn logs(&self, level: log::Level) -> bool;

    /// Reads Envoy's current log level, and uses it from now on.
    fn read_log_level(&self);

    /// Writes a log line, unless its level is switched off; then `line` is not even formatted.
    fn log(&self, level: log::Level, line: fmt::Arguments<'_>);
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A number that only grows.
    Counter,
    /// A distribution of values.
    Histogram,
}
