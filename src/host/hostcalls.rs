//! Implements the plugin's interface to Envoy with proxy-wasm hostcalls.

use std::fmt;
use std::time::{Duration, Instant as Clock, SystemTime};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{LogLevel, MetricType, Status};

use crate::accounting::Refusal;
use crate::deduplication::Store;
use crate::delivery::{Instant, Token};
use crate::plugin::{Envoy, MetricKind};

/// Reads a property that is a number.
fn number(path: Vec<&str>) -> Option<u64> {
    let bytes = hostcalls::get_property(path).ok().flatten()?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[derive(Clone, Copy)]
pub struct Hostcalls {
    started: Clock,
}

impl Hostcalls {
    /// Starts the clock.
    pub fn start() -> Self {
        Self { started: Clock::now() }
    }
}

impl Envoy for Hostcalls {
    fn clock(&self) -> Instant {
        self.started.elapsed()
    }

    fn wall_clock(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn fill_random(&self, bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
    }

    fn set_effective_context(&self, context: u32) -> bool {
        hostcalls::set_effective_context(context).is_ok()
    }

    fn set_tick_period(&self, period: Duration) {
        _ = hostcalls::set_tick_period(period);
    }

    fn define_metric(&self, kind: MetricKind, name: &str) -> u32 {
        let kind = match kind {
            MetricKind::Counter => MetricType::Counter,
            MetricKind::Histogram => MetricType::Histogram,
        };
        // Fails only for a kind of metric that doesn't exist.
        hostcalls::define_metric(kind, name).unwrap_or_default()
    }

    fn increment_metric(&self, metric: u32, by: i64) {
        _ = hostcalls::increment_metric(metric, by);
    }

    fn record_metric(&self, metric: u32, value: u64) {
        _ = hostcalls::record_metric(metric, value);
    }

    fn dispatch(
        &self,
        cluster: &str,
        headers: Vec<(&str, &str)>,
        body: Option<&[u8]>,
        timeout: Duration,
    ) -> Result<Token, Refusal> {
        match hostcalls::dispatch_http_call(cluster, headers, body, Vec::new(), timeout) {
            Ok(token) => Ok(Token(token)),
            // Method, path and authority are there and the timeout is in range, so it is the cluster.
            Err(Status::BadArgument) => Err(Refusal::UnknownCluster),
            Err(_) => Err(Refusal::NoHost),
        }
    }

    fn connection(&self) -> Option<u64> {
        number(vec!["connection", "id"])
    }

    fn request_bytes(&self) -> Option<u64> {
        number(vec!["request", "total_size"])
    }

    fn send_local_reply(&self, status: u32, headers: Vec<(&str, &str)>, body: &[u8]) {
        _ = hostcalls::send_http_response(status, headers, Some(body));
    }

    fn node_id(&self) -> Option<String> {
        let id = hostcalls::get_property(vec!["xds", "node", "id"]).ok().flatten()?;
        Some(String::from_utf8_lossy(&id).into_owned())
    }

    fn logs(&self, level: log::Level) -> bool {
        log::log_enabled!(level)
    }

    fn read_log_level(&self) {
        proxy_wasm::set_log_level(hostcalls::get_log_level().unwrap_or(LogLevel::Info));
    }

    fn log(&self, level: log::Level, line: fmt::Arguments<'_>) {
        log::log!(level, "{line}");
    }
}

impl Store for Hostcalls {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        hostcalls::get_shared_data(key).unwrap_or_default()
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> bool {
        hostcalls::set_shared_data(key, Some(value), cas).is_ok()
    }
}
