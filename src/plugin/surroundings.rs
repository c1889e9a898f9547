//! The relay's host, implemented with Envoy, for the duration of one callback.

use std::time::Duration;

use log::Level;

use super::envoy::Envoy;
use super::log_limit::{LineKind, LogLimiter};
use super::messages::{DryRunLine, NoticeLine, PRIVATE_CLIENT_IP, UNKNOWN_SECRET};
use super::metrics::Metrics;
use super::recorder::Recorder;
use crate::accounting::{
    CalloutStatus, DeliveryLedger, EventIgnored, IntegrationRef, Ledger, Note, Notice, Outcome, Refusal,
    RequestIgnored,
};
use crate::config::Compiled;
use crate::deduplication::Store;
use crate::delivery::{Instant, Token};
use crate::records::Record;
use crate::relay::Host;
use crate::vendors::Callout;

pub struct CallbackHost<'p, E> {
    pub envoy: &'p E,
    pub metrics: &'p mut Metrics,
    pub log: &'p mut LogLimiter,
    pub config: &'p Compiled,
    /// What the clock said when it was last read; each reading is a call into Envoy.
    pub now: Instant,
    /// Callouts sent.
    pub sent: usize,
    pub recorder: &'p mut Recorder,
}

impl<E: Envoy> Host for CallbackHost<'_, E> {
    fn now(&self) -> Instant {
        self.now
    }

    fn read_clock(&mut self) -> Instant {
        self.now = self.envoy.clock();
        self.now
    }

    fn wall_clock(&self) -> i64 {
        self.envoy.wall_clock()
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> bool {
        self.envoy.fill_random(bytes)
    }

    fn send(
        &mut self,
        cluster: &str,
        authority: &str,
        callout: &Callout,
        timeout: Duration,
    ) -> Result<Token, Refusal> {
        let mut headers = Vec::with_capacity(callout.headers.len().saturating_add(4));
        headers.extend([
            (":method", callout.method),
            (":scheme", "https"), // else a vendor sees "http" over HTTP/2, whatever the connection
            (":path", &*callout.path),
            (":authority", authority),
        ]);
        headers.extend(callout.headers.iter().copied());
        let body = callout.body.as_deref().map(str::as_bytes);
        let token = self.envoy.dispatch(cluster, headers, body, timeout)?;
        self.sent = self.sent.saturating_add(1);
        Ok(token)
    }

    fn wants_records(&self) -> bool {
        self.recorder.wants(self.config, self.envoy)
    }

    fn record(&mut self, record: Record<'_>) {
        if !self.recorder.record(record, self.config, self.envoy) {
            self.metrics.note(Note::RecordDropped);
        }
    }

    fn dry_run(&mut self, integration: &str, callout: &Callout) {
        let configured = self.config.integration(integration);
        // Not reached for an integration that is not configured: nobody knows what is personal there.
        let is_personal = |member: &str| configured.is_none_or(|found| found.vendor.is_personal(member));
        let line = DryRunLine { integration, callout, is_personal: &is_personal };
        self.envoy.log(Level::Debug, format_args!("{line}"));
    }
}

impl<E: Envoy> Store for CallbackHost<'_, E> {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        self.envoy.get(key)
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> bool {
        self.envoy.set(key, value, cas)
    }
}

impl<E: Envoy> DeliveryLedger for CallbackHost<'_, E> {
    fn delivery(&mut self, integration: IntegrationRef<'_>, outcome: Outcome) {
        self.metrics.delivery(integration, outcome);
    }

    fn callout(&mut self, integration: IntegrationRef<'_>, status: CalloutStatus, took: Duration) {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.metrics.callout(integration, status, took, self.envoy);
        let (name, status) = (integration.name, status.label());
        self.envoy.log(Level::Debug, format_args!("callout of {name:?}: {status} after {took} ms"));
    }

    fn notice(&mut self, integration: IntegrationRef<'_>, notice: Notice<'_>) {
        if !self.log.allows(LineKind::of(&notice), self.now) {
            return;
        }
        let configured = self.config.integration(integration.name);
        let cluster = configured.map_or("?", |configured| configured.destination.cluster());
        let line = NoticeLine { integration: integration.name, cluster, notice };
        self.envoy.log(line.level(), format_args!("{line}"));
    }
}

impl<E: Envoy> Ledger for CallbackHost<'_, E> {
    fn events_ignored(&mut self, reason: EventIgnored, count: usize) {
        self.metrics.events_ignored(reason, count);
        self.envoy.log(Level::Debug, format_args!("{count} events ignored: {}", reason.label()));
    }

    fn request_ignored(&mut self, reason: RequestIgnored) {
        self.metrics.request_ignored(reason);
        self.envoy.log(Level::Debug, format_args!("request ignored: {}", reason.label()));
        if self.wants_records() {
            self.record(Record::ignored_request(reason));
        }
    }

    fn note(&mut self, note: Note) {
        self.metrics.note(note);
        if note == Note::PrivateClientIp && self.log.is_first(LineKind::PrivateClientIp, self.now) {
            self.envoy.log(Level::Warn, format_args!("{PRIVATE_CLIENT_IP}"));
        }
        if note == Note::UnknownSecret && self.log.allows(LineKind::UnknownSecret, self.now) {
            self.envoy.log(Level::Error, format_args!("{UNKNOWN_SECRET}"));
        }
    }
}
