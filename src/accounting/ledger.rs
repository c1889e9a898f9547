//! The traits through which the other modules count.

use std::time::Duration;

use super::labels::{CalloutStatus, EventIgnored, Note, RequestIgnored};
use super::notice::Notice;
use super::outcome::Outcome;

/// The integration that something is counted for. Name and vendor together are its identity, in this configuration and
/// in any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntegrationRef<'a> {
    /// The integration's name in the configuration.
    pub name: &'a str,
    /// The name of its vendor, as in the metrics.
    pub vendor: &'a str,
}

/// The part of the [`Ledger`] that counts deliveries; the delivery engine needs no more.
///
/// The engine counts each end of a delivery exactly once, and each callout exactly once.
pub trait DeliveryLedger {
    /// Counts one delivery: matched, or ended in the queue, in flight, or before either.
    fn delivery(&mut self, integration: IntegrationRef<'_>, outcome: Outcome);

    /// Counts a callout that has ended after `took`; a refused one took no time and reached no vendor.
    fn callout(&mut self, integration: IntegrationRef<'_>, status: CalloutStatus, took: Duration);

    /// Logs something about an integration. The ledger limits the rate: there can be one notice for each delivery.
    fn notice(&mut self, integration: IntegrationRef<'_>, notice: Notice<'_>);
}

/// Receives everything that is counted or logged.
pub trait Ledger: DeliveryLedger {
    /// Counts events that were offered to no integration.
    fn events_ignored(&mut self, reason: EventIgnored, count: usize);

    /// Counts a request that was not relayed.
    fn request_ignored(&mut self, reason: RequestIgnored);

    /// Counts an anomaly that prevented no delivery.
    fn note(&mut self, note: Note);
}
