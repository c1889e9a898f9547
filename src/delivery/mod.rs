//! The delivery engine: bounded queues, retries, isolation of the integrations from each other, and exact books.
//!
//! A pure state machine, made to live in a single-threaded VM: the clock, randomness, the callouts and the books are
//! passed in. The host adapter
//!
//! * calls [`Engine::configure`] with every new configuration, on the same engine: it is the VM's, not a root's,
//! * [`offer`](Engine::offer)s it deliveries,
//! * calls [`Engine::settle`] with what comes back from a callout,
//! * and calls [`Engine::step`] when the time that [`Engine::next_due`] names has come. It asks for that time after
//!   each of the other calls, and arms its timer for it, rounded up.
//!
//! Every integration has a lane of its own (`lane.rs`): a queue, a pace, a share of the limits. What is in flight is kept
//! across lanes (`flights.rs`), because an answer names nothing but a token.
//!
//! For each lane, at any time: offered = delivered + dropped + pending.

mod answer;
mod backoff;
mod engine;
mod flights;
mod lane;
mod limits;
mod order;
mod pace;
mod queue;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use crate::accounting::{
    CalloutStatus, DeliveryLedger, DropReason, IntegrationRef, Notice, Outcome, Refusal, RetryReason,
};
pub use crate::rank::Rank;
pub use answer::{Answer, Facts, Redirects, Verdict};
pub use backoff::{Backoff, InvalidBackoff};
pub use engine::Engine;
pub use lane::{Held, LaneSpec};
pub use limits::Limits;

/// Time on a monotonic clock, from the VM's start.
pub type Instant = Duration;

/// What is delivered. The engine never looks inside, and never changes it.
pub trait Parcel {
    /// What it takes up of the share of max_bytes, asked once, when it is offered.
    fn bytes(&self) -> usize;
}

/// Sends deliveries.
pub trait Callouts<P> {
    /// Starts one attempt, with cluster, authority and key of the newest configuration.
    ///
    /// The callout must time out after [`Limits::timeout`], and must not be answered from within this call.
    fn dispatch(&mut self, lane: LaneId, parcel: &P) -> Result<Token, Refusal>;
}

/// The place of an integration among those that the newest [`Engine::configure`] was called with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneId(pub usize);

/// The host's name for a callout. The host may use it again once that callout is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u32);

/// A delivery that was offered and not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// The lane's share is full; the delivery is booked as `queue_full`.
    #[error("the integration's share of the queue is full")]
    QueueFull,
    /// There is no such lane in the newest configuration; nothing is booked.
    #[error("no such integration in the newest configuration")]
    NoSuchLane,
}
