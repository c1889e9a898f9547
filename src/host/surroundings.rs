//! What the relay needs of its surroundings, by way of hostcalls.

use std::time::{Duration, Instant as Clock, SystemTime};

use proxy_wasm::hostcalls;
use proxy_wasm::types::Status;

use super::log::{Kind, Limiter};
use super::metrics::Metrics;
use crate::accounting::{
    CalloutStatus, DeliveryLedger, DropReason, EventIgnored, IntegrationRef, Ledger, Note, Notice, Outcome,
    Refusal, RequestIgnored,
};
use crate::config::Compiled;
use crate::deduplication::Store;
use crate::delivery::{Instant, Token};
use crate::relay::Host;
use crate::vendors::Callout;

pub struct Surroundings<'p> {
    pub metrics: &'p mut Metrics,
    pub log: &'p mut Limiter,
    pub config: &'p Compiled,
    /// The plugin's start.
    pub started: Clock,
    /// What the clock said when it was last read; each reading is a call into Envoy.
    pub now: Instant,
    /// Callouts sent.
    pub sent: usize,
}

impl Host for Surroundings<'_> {
    fn now(&self) -> Instant {
        self.now
    }

    fn read_clock(&mut self) -> Instant {
        self.now = self.started.elapsed();
        self.now
    }

    fn wall_clock(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> bool {
        getrandom::fill(bytes).is_ok()
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
        match hostcalls::dispatch_http_call(cluster, headers, body, Vec::new(), timeout) {
            Ok(token) => {
                self.sent = self.sent.saturating_add(1);
                Ok(Token(token))
            }
            // Method, path and authority are there and the timeout is in range, so it is the cluster.
            Err(Status::BadArgument) => Err(Refusal::UnknownCluster),
            Err(_) => Err(Refusal::NoHost),
        }
    }

    fn dry_run(&mut self, integration: &str, callout: &Callout) {
        log::debug!("dry run of {integration:?}: {}", callout.masked());
    }
}

/// Data that all VMs of the process share.
impl Store for Surroundings<'_> {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        hostcalls::get_shared_data(key).unwrap_or_default()
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> bool {
        hostcalls::set_shared_data(key, Some(value), cas).is_ok()
    }
}

impl Ledger for Surroundings<'_> {
    fn events_ignored(&mut self, reason: EventIgnored, count: usize) {
        self.metrics.events_ignored(reason, count);
        log::debug!("{count} events ignored: {}", reason.label());
    }

    fn request_ignored(&mut self, reason: RequestIgnored) {
        self.metrics.request_ignored(reason);
        log::debug!("request ignored: {}", reason.label());
    }

    fn note(&mut self, note: Note) {
        self.metrics.note(note);
        if note == Note::PrivateClientIp && self.log.is_first(Kind::PrivateClientIp, self.now) {
            log::warn!(
                "a visitor's IP address is a private one: if a proxy stands in front of this gateway, set \
                 use_remote_address and xff_num_trusted_hops, else vendors can't match anybody (said once)"
            );
        }
    }
}

impl DeliveryLedger for Surroundings<'_> {
    fn delivery(&mut self, integration: IntegrationRef<'_>, outcome: Outcome) {
        self.metrics.delivery(integration, outcome);
    }

    fn callout(&mut self, integration: IntegrationRef<'_>, status: CalloutStatus, took: Duration) {
        let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.metrics.callout(integration, status, took);
        log::debug!("callout of {:?}: {} after {took} ms", integration.name, status.label());
    }

    fn notice(&mut self, integration: IntegrationRef<'_>, notice: Notice<'_>) {
        let kind = match notice {
            Notice::Failing(_) => Kind::Failing,
            Notice::Recovered => Kind::Recovered,
            Notice::UnknownCluster => Kind::UnknownCluster,
            Notice::Redirected { .. } => Kind::Redirected,
            Notice::Rejected { .. } => Kind::Rejected,
            Notice::Lost(_) => Kind::Lost,
        };
        if self.log.allows(kind, self.now) {
            write(integration, notice, self.config);
        }
    }
}

/// WARN where nothing is lost, ERROR where a delivery is.
fn write(integration: IntegrationRef<'_>, notice: Notice<'_>, config: &Compiled) {
    let name = integration.name;
    match notice {
        Notice::Failing(reason) => {
            log::warn!(
                "{name:?}: five failures in a row ({reason}): one probe at a time until the vendor answers"
            );
        }
        Notice::Recovered => log::info!("{name:?}: the vendor answers again"),
        Notice::UnknownCluster => {
            let integration = config.integrations.iter().find(|known| known.name == *name);
            let cluster = integration.map_or("?", |integration| integration.destination.cluster());
            log::error!(
                "{name:?}: Envoy has no cluster {cluster:?}: deliveries wait for it up to delivery.max_age"
            );
        }
        Notice::Redirected { host } => {
            let host = host.unwrap_or("(no Location)");
            log::warn!("{name:?}: the vendor redirects to {host}: the delivery is not sent there");
        }
        Notice::Rejected { status } => {
            log::error!("{name:?}: the vendor answered {status}: a delivery is lost")
        }
        Notice::Lost(DropReason::QueueFull) => {
            log::error!("{name:?}: its share of the queue is full: a delivery is lost");
        }
        Notice::Lost(reason) => log::error!("{name:?}: a delivery is lost: {}", reason.label()),
    }
}
