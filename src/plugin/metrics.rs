//! The counters in Envoy: defined once for each configuration, then increased by their numeric ids.
//!
//! Each increase is a call into Envoy, and one purchase causes ten of them. So they are summed, and flushed with the next tick
//! or a tenth of a second later: all at once, so that at any time matched = delivered + dropped + dry_run + given_back + pending.

use std::time::Duration;

use super::envoy::{Envoy, MetricKind};
use crate::accounting::{CalloutStatus, EventIgnored, IntegrationRef, Note, Outcome, RequestIgnored, names};
use crate::config::{Compiled, label};
use crate::delivery::Instant;

/// The longest delay before a count is flushed.
pub const FLUSH_INTERVAL: Duration = Duration::from_millis(100);

/// Every metric of one plugin. Integrations that were removed stay: their last deliveries may still be in flight.
#[derive(Default)]
pub struct Metrics {
    integrations: Vec<IntegrationMetrics>,
    events_ignored: Vec<u32>,
    requests_ignored: Vec<u32>,
    notes: Vec<u32>,
    pending: PendingCounts,
}

/// Counts that are not flushed yet.
#[derive(Default)]
struct PendingCounts {
    counts: Vec<(u32, i64)>,
    /// When they are flushed at the latest, once somebody has asked.
    due: Option<Instant>,
}

struct IntegrationMetrics {
    name: String,
    vendor: &'static str,
    deliveries: Vec<u32>,
    pending_seconds: u32,
    callouts: Vec<u32>,
    callout_duration: u32,
}

impl Metrics {
    /// Defines what a configuration needs. Defining a metric again gives it the same number, so this is no side effect.
    pub fn define(&mut self, config: &Compiled, envoy: &impl Envoy) {
        let counter = |name: &str| envoy.define_metric(MetricKind::Counter, name);
        if self.notes.is_empty() {
            self.events_ignored =
                EventIgnored::ALL.iter().map(|reason| counter(&names::event_ignored(*reason))).collect();
            self.requests_ignored =
                RequestIgnored::ALL.iter().map(|reason| counter(&names::request_ignored(*reason))).collect();
            self.notes = Note::ALL.iter().map(|note| counter(&names::note(*note))).collect();
        }
        for integration in &config.integrations {
            if self.of(integration.reference()).is_none() {
                let vendor = integration.vendor.name();
                self.integrations.push(IntegrationMetrics::define(&integration.name, vendor, envoy));
            }
        }
    }

    fn of(&self, integration: IntegrationRef<'_>) -> Option<&IntegrationMetrics> {
        let IntegrationRef { name, vendor } = integration;
        self.integrations.iter().find(|known| known.name == name && known.vendor == vendor)
    }

    pub fn delivery(&mut self, integration: IntegrationRef<'_>, outcome: Outcome) {
        let metrics = self.of(integration);
        let metric = metrics.and_then(|metrics| metrics.deliveries.get(outcome.index()).copied());
        self.pending.add(metric, 1);
    }

    /// Counts a second in which the VM holds `deliveries` of an integration.
    pub fn held_for_a_second(&mut self, integration: IntegrationRef<'_>, deliveries: usize) {
        let metric = self.of(integration).map(|metrics| metrics.pending_seconds);
        self.pending.add(metric, deliveries);
    }

    pub fn callout(
        &mut self,
        integration: IntegrationRef<'_>,
        status: CalloutStatus,
        milliseconds: u64,
        envoy: &impl Envoy,
    ) {
        let Some(metrics) = self.of(integration) else { return };
        if status != CalloutStatus::Refused {
            envoy.record_metric(metrics.callout_duration, milliseconds);
        }
        let metric = metrics.callouts.get(status as usize).copied();
        self.pending.add(metric, 1);
    }

    pub fn events_ignored(&mut self, reason: EventIgnored, count: usize) {
        self.pending.add(self.events_ignored.get(reason as usize).copied(), count);
    }

    pub fn request_ignored(&mut self, reason: RequestIgnored) {
        self.pending.add(self.requests_ignored.get(reason as usize).copied(), 1);
    }

    pub fn note(&mut self, note: Note) {
        self.pending.add(self.notes.get(note as usize).copied(), 1);
    }

    /// Returns when to [`flush`](Self::flush) at the latest.
    pub fn next_due(&mut self, now: Instant) -> Option<Instant> {
        if self.pending.counts.is_empty() {
            return None;
        }
        Some(*self.pending.due.get_or_insert(now.saturating_add(FLUSH_INTERVAL)))
    }

    /// Passes the counts to Envoy.
    pub fn flush(&mut self, envoy: &impl Envoy) {
        self.pending.due = None;
        for (metric, count) in self.pending.counts.drain(..) {
            envoy.increment_metric(metric, count);
        }
    }
}

impl PendingCounts {
    fn add(&mut self, metric: Option<u32>, count: usize) {
        let Some(metric) = metric else { return };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        match self.counts.iter_mut().find(|(known, _)| *known == metric) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            // An increase of nothing is an error to Envoy.
            None if count > 0 => self.counts.push((metric, count)),
            None => {}
        }
    }
}

impl IntegrationMetrics {
    fn define(name: &str, vendor: &'static str, envoy: &impl Envoy) -> Self {
        let written = label(name);
        let counter = |name: String| envoy.define_metric(MetricKind::Counter, &name);
        let duration = names::callout_duration(&written, vendor);
        Self {
            name: name.to_owned(),
            vendor,
            deliveries: Outcome::all()
                .map(|outcome| counter(names::delivery(&written, vendor, outcome)))
                .collect(),
            pending_seconds: counter(names::pending_seconds(&written, vendor)),
            callouts: CalloutStatus::ALL
                .iter()
                .map(|status| counter(names::callout(&written, vendor, *status)))
                .collect(),
            callout_duration: envoy.define_metric(MetricKind::Histogram, &duration),
        }
    }
}
