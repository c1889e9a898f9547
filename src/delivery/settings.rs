//! The section `delivery`: how deliveries are queued, sent and retried.

use std::num::{NonZeroU32, NonZeroUsize};

use serde::Deserialize;
use smart_default::SmartDefault;

use super::backoff::Backoff;
use super::limits::Limits;
use crate::settings::{DAY, HOUR, MILLISECOND, MINUTE, SECOND, Time, Whole};

/// How deliveries are queued, sent and retried.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Delivery"))]
#[serde(deny_unknown_fields, default)]
pub struct DeliverySettings {
    /// The timeout of a callout.
    #[default(Time::literal::<{ 5 * SECOND }>())]
    pub timeout: Time<MILLISECOND, { 5 * MINUTE }>,
    /// The maximum number of attempts at one delivery; then it is dropped as `retries_exhausted`. Every callout counts that the vendor may
    /// have received.
    #[default(Whole::literal::<8>())]
    pub max_attempts: Whole<1, 1000>,
    /// The maximum age of a delivery; then it is dropped as `expired`.
    #[default(Time::literal::<HOUR>())]
    pub max_age: Time<SECOND, { 30 * DAY }>,
    /// The delay before the next attempt.
    #[cfg_attr(feature = "schema", schemars(with = "super::backoff::BackoffSettings"))]
    pub backoff: Backoff,
    /// The maximum number of concurrent callouts, per integration and worker.
    #[default(Whole::literal::<64>())]
    pub max_in_flight: Whole<1, 1024>,
    /// The queue of one worker. Each enabled integration has an equal share of it.
    pub queue: QueueSettings,
}

/// The largest queue of a worker.
const MAX_DELIVERIES: u64 = 1_000_000;

/// The queue of one worker. Each enabled integration has an equal share of it.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Queue"))]
#[serde(deny_unknown_fields, default)]
pub struct QueueSettings {
    /// The maximum number of deliveries; at least one for each enabled integration.
    #[default(Whole::literal::<10_000>())]
    pub max_deliveries: Whole<1, MAX_DELIVERIES>,
    /// The maximum size of all deliveries together, in bytes.
    #[default(Whole::literal::<{ 16 << 20 }>())]
    pub max_bytes: Whole<1024, { 512 << 20 }>,
}

impl DeliverySettings {
    /// Returns the limits that the engine keeps.
    pub fn limits(&self) -> Limits {
        let attempts = u32::try_from(self.max_attempts.get()).unwrap_or(u32::MAX);
        Limits {
            timeout: self.timeout.get(),
            max_attempts: NonZeroU32::new(attempts).unwrap_or(NonZeroU32::MIN),
            max_age: self.max_age.get(),
            backoff: self.backoff,
            max_in_flight: NonZeroUsize::new(self.max_in_flight.get()).unwrap_or(NonZeroUsize::MIN),
            max_deliveries: self.queue.max_deliveries.get(),
            max_bytes: self.queue.max_bytes.get(),
        }
    }
}

/// The limits of a configuration that does not set any.
impl Default for Limits {
    fn default() -> Self {
        DeliverySettings::default().limits()
    }
}
