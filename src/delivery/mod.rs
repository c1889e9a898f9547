//! The delivery engine: bounded queues, retries, isolation of the integrations from each other, and exact accounting.
//!
//! A pure state machine for a single-threaded VM: the clock, randomness, the callouts and the ledger are passed in. The host
//! adapter
//!
//! * calls [`Engine::configure`] with every new configuration, on the same engine, which belongs to the VM and not to a root,
//! * [`offer`](Engine::offer)s it deliveries,
//! * calls [`Engine::settle`] with what comes back from a callout,
//! * and calls [`Engine::step`] when the time that [`Engine::next_due`] names has come. It asks for that time after
//!   each of the other calls, and arms its timer for it, rounded up.
//!
//! Every integration has its own lane (`lane.rs`): a queue, a pace, a share of the limits. Flights are kept for all lanes
//! together (`flights.rs`), because an answer only carries a token.
//!
//! A delivery may be one whose sender waits for its end (`Offer::waits_until`). Then no limit but that time ends it: it is given back
//! as soon as it can't be sent again before then, and no callout of it is open afterwards.
//!
//! For each lane, at any time: offered = delivered + dropped + given back + pending.

mod answer;
mod backoff;
mod engine;
mod flights;
mod lane;
mod limits;
mod order;
mod pace;
mod queue;
mod settings;
#[cfg(test)]
mod simulation;
mod terms;
#[cfg(test)]
mod tests;

pub use crate::accounting::{
    CalloutStatus, DeliveryLedger, DropReason, IntegrationRef, Notice, Outcome, Refusal, RetryReason,
};
pub use crate::rank::Rank;
pub use answer::{Answer, CalloutResponse, Redirects, Verdict};
pub use backoff::{Backoff, InvalidBackoff};
pub use engine::Engine;
pub use lane::{LaneConfig, Usage};
pub use limits::Limits;
pub use settings::DeliverySettings;
pub use terms::{Callouts, End, Ends, Instant, LaneId, Offer, OfferRejected, Parcel, Token};
