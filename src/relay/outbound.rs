//! What the engine works with: a host for its callouts, and a place for what has ended.

use std::time::Duration;

use fastrand::Rng;

use super::host::Host;
use super::line::cachebuster;
use super::shipment::Shipment;
use crate::accounting::{CalloutStatus, DeliveryLedger, IntegrationRef, Notice, Outcome, Refusal};
use crate::config::Compiled;
use crate::delivery::{Callouts, End, Ends, LaneId, Token};
use crate::vendors::Attempt;

/// The engine's surroundings for the duration of one call. It makes shipments into callouts of the newest configuration.
pub struct Outbound<'o, H> {
    pub config: &'o Compiled,
    pub cachebusters: &'o mut Rng,
    pub host: &'o mut H,
    /// What has ended, in its order.
    pub ended: &'o mut Vec<(Shipment, End)>,
}

impl<H: Host> Callouts<Shipment> for Outbound<'_, H> {
    fn dispatch(&mut self, lane: LaneId, shipment: &Shipment, timeout: Duration) -> Result<Token, Refusal> {
        let integration = self.config.integrations.get(lane.0).ok_or(Refusal::UnknownCluster)?;
        let destination = &integration.destination;
        let random = cachebuster(self.cachebusters);
        let attempt = if self.host.only_shows() { Attempt::shown(random) } else { Attempt::sent(random) };
        let callout = destination.callout(&shipment.parcel, &attempt);
        self.host.send(destination.cluster(), destination.authority(), &callout, timeout)
    }
}

impl<H: DeliveryLedger> Ends<Shipment> for Outbound<'_, H> {
    fn ended(&mut self, shipment: Shipment, end: End) {
        self.ended.push((shipment, end));
    }
}

impl<H: DeliveryLedger> DeliveryLedger for Outbound<'_, H> {
    fn delivery(&mut self, integration: IntegrationRef<'_>, outcome: Outcome) {
        self.host.delivery(integration, outcome);
    }

    fn callout(&mut self, integration: IntegrationRef<'_>, status: CalloutStatus, took: Duration) {
        self.host.callout(integration, status, took);
    }

    fn notice(&mut self, integration: IntegrationRef<'_>, notice: Notice<'_>) {
        self.host.notice(integration, notice);
    }
}
