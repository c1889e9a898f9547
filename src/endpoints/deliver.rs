//! The settings of the acknowledged route, `POST /v1/deliver`.

use std::time::Duration;

use serde::Deserialize;
use smart_default::SmartDefault;

use crate::settings::{MINUTE, SECOND, Time, Whole};

/// The route that is answered once what it carries is delivered.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Deliver"))]
pub struct DeliverSettings {
    /// How long a request waits for its deliveries. What is not settled by then is given back to the sender, which gets 503.
    #[default(Time::literal::<{ 8 * SECOND }>())]
    pub within: Time<SECOND, { 5 * MINUTE }>,
    /// The maximum number of requests that wait in one worker. A further one gets 429.
    #[default(Whole::literal::<256>())]
    pub max_open: Whole<1, 10_000>,
}

/// The limits of the acknowledged route.
#[derive(Clone, Copy, Debug)]
pub struct DeliverLimits {
    /// How long a request waits.
    pub within: Duration,
    /// Requests that wait at once, in one worker.
    pub max_open: usize,
}

impl DeliverSettings {
    /// Returns the limits that the relay keeps.
    pub fn limits(&self) -> DeliverLimits {
        DeliverLimits { within: self.within.get(), max_open: self.max_open.get() }
    }
}
