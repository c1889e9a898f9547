//! The ends of deliveries that don't get into the queue, and whom they are told.

use std::time::Duration;

use super::host::Host;
use super::line::Line;
use super::parsed_request::Sender;
use super::story::Story;
use super::waiting::{Place, Waiting};
use crate::accounting::{DropReason, Outcome};
use crate::config::{Compiled, Integration};
use crate::deduplication::{Id, State};
use crate::sources::SourceIndex;

/// How long a sender waits whose delivery is held by another worker, or was by one that died.
const HELD_ELSEWHERE: Duration = Duration::from_secs(1);

/// An event of a request, whose it is, and who asks what became of it.
#[derive(Clone, Copy)]
pub struct Asked<'r> {
    /// `None`: nobody.
    pub sender: Option<&'r Sender>,
    /// The event's index in the request.
    pub event: usize,
    /// `None`: no sources are configured.
    pub source: Option<SourceIndex>,
}

impl Asked<'_> {
    /// Returns the id of the event's source; empty if none are configured.
    pub fn source_id<'c>(&self, config: &'c Compiled) -> &'c str {
        config.source_id(self.source)
    }

    /// Returns the place of the event's delivery to an integration, if somebody asks.
    pub fn place(&self, integration: &Integration) -> Option<Place> {
        self.sender.map(|sender| Place {
            request: sender.request,
            event: self.event,
            integration: integration.name.as_str().into(),
            vendor: integration.vendor.name(),
        })
    }

    /// Counts a delivery that ends here, before anything of it was built.
    pub fn ended(
        &self,
        integration: &Integration,
        outcome: Outcome,
        story: Option<&Story>,
        waiting: &mut Waiting,
        host: &mut impl Host,
    ) {
        host.delivery(integration.reference(), outcome);
        if let Some(story) = story {
            story.ended(outcome, None, host);
        }
        if let Some(place) = self.place(integration) {
            waiting.settled(&place, outcome, Duration::ZERO);
        }
    }

    /// Counts a delivery of which the memory says that it is on its way or was delivered, under this id. Whoever waits for its end waits
    /// for that of the other one, if that is held here; else it may have died with its worker, and is given back.
    pub fn repeated(
        &self,
        integration: &Integration,
        (id, state): (Id, State),
        reason: DropReason,
        story: Option<Box<Story>>,
        line: &mut Line<'_>,
        host: &mut impl Host,
    ) {
        let Some(place) = self.place(integration).filter(|_| state == State::Held) else {
            return self.ended(integration, Outcome::Dropped(reason), story.as_deref(), line.waiting, host);
        };
        if line.engine.any(|shipment| shipment.held.has(id)) {
            line.waiting.join(id, reason, place, story);
        } else {
            host.delivery(integration.reference(), Outcome::GivenBack);
            line.waiting.settled(&place, Outcome::GivenBack, HELD_ELSEWHERE);
            if let Some(story) = story {
                story.ended(Outcome::GivenBack, None, host);
            }
        }
    }
}
