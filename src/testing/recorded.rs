//! What a [`FakeHost`](super::FakeHost) keeps of what the relay asked of it.

use std::time::Duration;

use crate::accounting::{CalloutStatus, EventIgnored, Note, Outcome, RequestIgnored};
use crate::delivery::Token;
use crate::vendors::Callout;

/// Something that the relay asked of its host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A callout was sent to a vendor.
    Sent {
        /// The number by which it is settled.
        token: Token,
        /// The Envoy cluster that it was sent to.
        cluster: String,
        /// The host that it asks for.
        authority: String,
        /// The request.
        callout: SentCallout,
        /// When it times out, from its beginning.
        timeout: Duration,
    },
    /// A callout was made for a dry run, and not sent.
    DryRun {
        /// The integration's name.
        integration: String,
        /// The request.
        callout: SentCallout,
    },
    /// A delivery was matched or ended.
    Delivery {
        /// The integration's name.
        integration: String,
        /// Which of the two, and how it ended.
        outcome: Outcome,
    },
    /// A callout has ended.
    Callout {
        /// The integration's name.
        integration: String,
        /// Its result.
        status: CalloutStatus,
        /// How long it took; zero if it was refused.
        took: Duration,
    },
    /// The notice as `Debug` writes it.
    Notice {
        /// The integration's name.
        integration: String,
        /// The notice, in `Debug`'s words.
        notice: String,
    },
    /// Events were offered to no integration.
    EventsIgnored {
        /// Why not.
        reason: EventIgnored,
        /// The number of events.
        count: usize,
    },
    /// A request was not relayed for this reason.
    RequestIgnored(RequestIgnored),
    /// An anomaly that prevented no delivery.
    Note(Note),
    /// A value that was left out of an integration's request, in words.
    LeftOut {
        /// The integration's name.
        integration: String,
        /// The target and the reason.
        explanation: String,
    },
    /// What the decision about the visitor's consent to a delivery was based on, in words.
    Decided {
        /// The integration's name.
        integration: String,
        /// What the decision was based on.
        basis: String,
    },
}

/// A [`Callout`] that outlives its delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentCallout {
    /// `:method`.
    pub method: &'static str,
    /// `:path`, with its query.
    pub path: String,
    /// The headers beside `:method`, `:path` and `:authority`, by their names.
    pub headers: Vec<(String, String)>,
    /// The body; `None`: it has none.
    pub body: Option<String>,
}

/// The number of deliveries of one integration by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that an integration sends, or would.
    pub matched: usize,
    /// Those that the vendor accepted.
    pub delivered: usize,
    /// Those that were made and not sent, because the integration is a dry run.
    pub dry_run: usize,
    /// Those that their sender, who waited for them, was told to send again.
    pub given_back: usize,
    /// Those that will never be delivered.
    pub dropped: usize,
    /// Those of the dropped ones that went into the queue as dead letters.
    pub dead_lettered: usize,
}

impl Counts {
    /// Returns the deliveries that have not ended.
    ///
    /// # Panics
    ///
    /// Panics if more have ended than were matched, or more are dead letters than were dropped.
    pub fn pending(&self) -> usize {
        let ended = [self.delivered, self.dry_run, self.given_back, self.dropped]
            .into_iter()
            .fold(0, usize::saturating_add);
        assert!(ended <= self.matched, "more deliveries ended than were matched: {self:?}");
        assert!(self.dead_lettered <= self.dropped, "more dead letters than were dropped: {self:?}");
        self.matched.saturating_sub(ended)
    }

    pub(super) fn add(&mut self, outcome: Outcome) {
        let count = match outcome {
            Outcome::Matched => &mut self.matched,
            Outcome::Delivered => &mut self.delivered,
            Outcome::DryRun => &mut self.dry_run,
            Outcome::GivenBack => &mut self.given_back,
            Outcome::DeadLettered => &mut self.dead_lettered,
            Outcome::Dropped(_) => &mut self.dropped,
        };
        *count = count.saturating_add(1);
        self.pending();
    }
}

impl SentCallout {
    pub(super) fn of(callout: &Callout<'_>) -> Self {
        Self {
            method: callout.method,
            path: callout.path.to_string(),
            headers: callout
                .headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: callout.body.clone(),
        }
    }
}
