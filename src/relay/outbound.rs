//! What the engine works with: a host for its callouts, and a place for what has ended.

use std::time::Duration;

use fastrand::Rng;

use super::host::Host;
use super::line::cachebuster;
use super::shipment::Shipment;
use super::story::{Attempted, Story};
use crate::accounting::{CalloutStatus, DeliveryLedger, IntegrationRef, Notice, Outcome, Refusal};
use crate::config::Compiled;
use crate::delivery::{Answer, Callouts, End, Ends, LaneId, Token};
use crate::vendors::Attempt;

/// The engine's surroundings for the duration of one call. It makes shipments into callouts of the newest configuration.
pub struct Outbound<'o, H> {
    pub config: &'o Compiled,
    pub cachebusters: &'o mut Rng,
    pub host: &'o mut H,
    /// What has ended, in its order.
    pub ended: &'o mut Vec<(Shipment, End)>,
    /// The beginning of the body of the answer that is being settled, where records want it.
    pub answer: &'o [u8],
}

impl<H: Host> Callouts<Shipment> for Outbound<'_, H> {
    fn dispatch(&mut self, lane: LaneId, shipment: &Shipment, timeout: Duration) -> Result<Token, Refusal> {
        let integration = self.config.integrations.get(lane.0).ok_or(Refusal::UnknownCluster)?;
        let destination = &integration.destination;
        let random = cachebuster(self.cachebusters);
        if let Some(story) = &shipment.story {
            story.attempt_begins(random);
        }
        let attempt = if self.host.only_shows() { Attempt::shown(random) } else { Attempt::sent(random) };
        let callout = destination.callout(&shipment.parcel, &attempt);
        self.host.send(destination.cluster(), destination.authority(), &callout, timeout)
    }
}

impl<H: Host> Ends<Shipment> for Outbound<'_, H> {
    fn attempted(&mut self, shipment: &Shipment, answer: &Answer<'_>, took: Duration, is_repeated: bool) {
        let Shipment { parcel, story: Some(story), .. } = shipment else { return };
        let ended = Attempted { answer, took, body: self.answer, is_repeated };
        story.attempted(&ended, parcel, self.config, self.host);
    }

    fn ended(&mut self, integration: IntegrationRef<'_>, mut shipment: Shipment, end: End) {
        if shipment.story.is_none() && self.host.wants_records() {
            shipment.story = Some(Story::untold(integration));
        }
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
