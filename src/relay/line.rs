//! What the runs of all requests share.

use fastrand::Rng;

use super::shipment::Shipment;
use super::waiting::Waiting;
use crate::deduplication::SeenIds;
use crate::delivery::{End, Engine, Instant};

/// What every event goes through.
pub struct Line<'l> {
    /// The plugin's name.
    pub plugin: &'l str,
    pub messages: &'l SeenIds,
    pub orders: &'l SeenIds,
    pub engine: &'l mut Engine<Shipment>,
    /// What has ended in the engine meanwhile.
    pub ended: &'l mut Vec<(Shipment, End)>,
    /// The requests of the acknowledged route.
    pub waiting: &'l mut Waiting,
    pub cachebusters: &'l mut Rng,
    pub now: Instant,
}

/// Digits that no other callout has, as far as chance can promise.
pub fn cachebuster(rng: &mut Rng) -> u64 {
    rng.u64(1_000_000..1_000_000_000_000_000)
}
