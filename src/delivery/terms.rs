//! Types that the engine and its callers share.

use std::time::Duration;

use super::answer::Answer;
use crate::accounting::{CalloutStatus, DeliveryLedger, IntegrationRef, Outcome, Refusal};
use crate::rank::Rank;

/// Time on a monotonic clock, from the VM's start.
pub type Instant = Duration;

/// The content of a delivery. The engine never inspects or changes it.
pub trait Parcel {
    /// Returns its size, which counts towards the share of max_bytes. Called once, when it is offered.
    fn bytes(&self) -> usize;
}

/// A delivery as it is offered to the engine.
#[derive(Debug)]
pub struct Offer<P> {
    /// What is to be delivered.
    pub parcel: P,
    /// Whether it may displace others, or be displaced.
    pub rank: Rank,
    /// How long its sender waits for its end. `None`: nobody waits, and it ends by `max_attempts` or `max_age`.
    pub waits_until: Option<Instant>,
}

/// The end of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// As it was counted.
    pub outcome: Outcome,
    /// How often it was sent so that the vendor may have received it.
    pub attempts: u32,
    /// What its last callout came to, a refused one included; `None`: there was none.
    pub last_status: Option<CalloutStatus>,
}

/// Sends deliveries.
pub trait Callouts<P> {
    /// Starts one attempt, with cluster, authority and key of the newest configuration.
    ///
    /// The callout must time out after `timeout`, and must not be answered from within this call.
    fn dispatch(&mut self, lane: LaneId, parcel: &P, timeout: Duration) -> Result<Token, Refusal>;
}

/// Counts deliveries, and takes them back at their end.
pub trait Ends<P>: DeliveryLedger {
    /// An attempt at a delivery has ended after `took`. `is_repeated`: it failed, and there is to be another one.
    fn attempted(&mut self, _parcel: &P, _answer: &Answer<'_>, _took: Duration, _is_repeated: bool) {}

    /// A delivery that the engine was offered has ended, and was counted. The engine has forgotten it.
    /// `integration`: the one that it was counted for.
    fn ended(&mut self, integration: IntegrationRef<'_>, parcel: P, end: End);
}

/// The index of an integration among those that the newest [`Engine::configure`](super::Engine::configure) was called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneId(pub usize);

/// The host's name for a callout. The host may use it again once that callout is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u32);

/// A delivery that was offered but not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OfferRejected {
    /// The lane's share is full; the delivery is counted as `queue_full`.
    #[error("the integration's share of the queue is full")]
    QueueFull,
    /// There is no such lane in the newest configuration; nothing is counted.
    #[error("no such integration in the newest configuration")]
    NoSuchLane,
}
