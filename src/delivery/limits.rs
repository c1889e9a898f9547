//! The limits that the engine keeps.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use super::backoff::Backoff;
use super::terms::Instant;

/// How long after its timeout a callout that never called back counts as lost.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// The limits of one engine, that is of one worker: section `delivery` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The timeout of a callout. For Envoy zero means no timeout.
    pub timeout: Duration,
    /// The maximum number of attempts at one delivery, including the first and those that were probes. A callout counts unless it
    /// certainly did not reach the vendor.
    pub max_attempts: NonZeroU32,
    /// The maximum age of a delivery since it was offered. An older one is dropped instead of retried.
    pub max_age: Duration,
    /// The delays between the attempts at a delivery.
    pub backoff: Backoff,
    /// Callouts in flight, for each lane.
    pub max_in_flight: NonZeroUsize,
    /// Deliveries held by all lanes together, queued and in flight. Each lane has an equal share, rounded down.
    pub max_deliveries: usize,
    /// Bytes of parcels held by all lanes together. Each lane has an equal share, rounded down.
    pub max_bytes: usize,
}

impl Limits {
    /// Returns the longest time from a delivery's offer to its end: `max_age`, and a callout that has started just before.
    pub fn lease(&self) -> Duration {
        self.max_age.saturating_add(self.after_timeout())
    }

    /// Returns the longest time from the start of a callout to its end.
    pub fn after_timeout(&self) -> Duration {
        self.timeout.saturating_add(GRACE)
    }

    /// Returns the timeout of a callout that starts `now`, for a sender that waits until then.
    pub(super) fn timeout(&self, waits_until: Option<Instant>, now: Instant) -> Duration {
        waits_until.map_or(self.timeout, |until| self.timeout.min(until.saturating_sub(now)))
    }

    pub(super) fn share(&self, lanes: usize) -> Share {
        Share {
            deliveries: self.max_deliveries.checked_div(lanes).unwrap_or(0),
            bytes: self.max_bytes.checked_div(lanes).unwrap_or(0),
        }
    }
}

/// What one lane may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub deliveries: usize,
    pub bytes: usize,
}
