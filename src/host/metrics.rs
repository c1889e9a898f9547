//! The counters as Envoy knows them: defined once for each configuration, then increased by number.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::accounting::{Delivery, EventIgnored, Note, RequestIgnored, names};
use crate::config::{Compiled, label};
use crate::delivery::CalloutStatus;

/// Every metric of one plugin. Integrations that were removed stay: their last deliveries may still be in flight.
#[derive(Default)]
pub struct Metrics {
    integrations: Vec<IntegrationMetrics>,
    events_ignored: Vec<u32>,
    requests_ignored: Vec<u32>,
    notes: Vec<u32>,
}

struct IntegrationMetrics {
    name: String,
    vendor: &'static str,
    deliveries: Vec<u32>,
    callouts: Vec<u32>,
    callout_duration: u32,
}

impl Metrics {
    /// Defines what a configuration needs. Defining a metric again gives it the same number, so this is no side effect.
    pub fn define(&mut self, config: &Compiled) {
        if self.notes.is_empty() {
            self.events_ignored =
                EventIgnored::ALL.map(|reason| counter(&names::event_ignored(reason))).into();
            self.requests_ignored =
                RequestIgnored::ALL.map(|reason| counter(&names::request_ignored(reason))).into();
            self.notes = Note::ALL.map(|note| counter(&names::note(note))).into();
        }
        for integration in &config.integrations {
            let vendor = integration.vendor.name();
            if self.of(&integration.name, vendor).is_none() {
                self.integrations.push(IntegrationMetrics::define(&integration.name, vendor));
            }
        }
    }

    fn of(&self, name: &str, vendor: &str) -> Option<&IntegrationMetrics> {
        self.integrations.iter().find(|known| known.name == name && known.vendor == vendor)
    }

    pub fn delivery(&self, name: &str, vendor: &str, outcome: Delivery) {
        increase(self.of(name, vendor).and_then(|metrics| metrics.deliveries.get(outcome.index())));
    }

    pub fn callout(&self, name: &str, vendor: &str, status: CalloutStatus, milliseconds: u64) {
        let Some(metrics) = self.of(name, vendor) else { return };
        increase(metrics.callouts.get(status as usize));
        if status != CalloutStatus::Refused {
            _ = hostcalls::record_metric(metrics.callout_duration, milliseconds);
        }
    }

    pub fn events_ignored(&self, reason: EventIgnored, count: usize) {
        // An increase of nothing is an error to Envoy.
        if let Some(metric) = self.events_ignored.get(reason as usize).filter(|_| count > 0) {
            _ = hostcalls::increment_metric(*metric, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }

    pub fn request_ignored(&self, reason: RequestIgnored) {
        increase(self.requests_ignored.get(reason as usize));
    }

    pub fn note(&self, note: Note) {
        increase(self.notes.get(note as usize));
    }
}

impl IntegrationMetrics {
    fn define(name: &str, vendor: &'static str) -> Self {
        let written = label(name);
        let duration = names::callout_duration(&written, vendor);
        Self {
            name: name.to_owned(),
            vendor,
            deliveries: Delivery::all()
                .map(|outcome| counter(&names::delivery(&written, vendor, outcome)))
                .collect(),
            callouts: CalloutStatus::ALL
                .iter()
                .map(|status| counter(&names::callout(&written, vendor, *status)))
                .collect(),
            callout_duration: hostcalls::define_metric(MetricType::Histogram, &duration).unwrap_or_default(),
        }
    }
}

fn counter(name: &str) -> u32 {
    // Fails only for a kind of metric that doesn't exist.
    hostcalls::define_metric(MetricType::Counter, name).unwrap_or_default()
}

fn increase(metric: Option<&u32>) {
    if let Some(metric) = metric {
        _ = hostcalls::increment_metric(*metric, 1);
    }
}
