//! The section `endpoints`.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use smart_default::SmartDefault;

use super::{DeliverSettings, HandOffSettings};
use crate::settings::{HOUR, SECOND, Time, Whole, YEAR};

/// Which requests are tracking requests, and how much of them is buffered.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Endpoints"))]
pub struct EndpointSettings {
    /// The prefix of all tracking paths: with `/collect`, `/collect/v1/track` is a tracking path. Compared with the path as
    /// the client sent it, before Envoy's `prefix_rewrite`.
    pub base_path: String,
    /// Who answers tracking requests.
    pub reply: ReplyFrom,
    /// Which requests are relayed, with `reply: upstream`.
    pub relay_when: RelayWhen,
    /// The largest body that is parsed, in bytes after decompression. A request with a larger one passes unparsed (`too_large`).
    #[default(Whole::literal::<512_000>())]
    pub max_body_bytes: Whole<1, { 16 << 20 }>,
    /// The maximum number of events in one request (`too_many_events`).
    #[default(Whole::literal::<500>())]
    pub max_events: Whole<1, 100_000>,
    /// The maximum age of an event, by its own timestamp corrected by `sentAt`. Older events are `stale`.
    #[default(Time::literal::<{ 24 * HOUR }>())]
    pub max_event_age: Time<SECOND, YEAR>,
    /// Whether `POST /v1/import` is a tracking request. Segment's libraries for Ruby, Java and .NET send live events there.
    /// Historical data that is imported this way is `stale` by `max_event_age`.
    #[default(true)]
    pub import: bool,
    /// The [acknowledged route](requests.md#deliveries-that-are-acknowledged), `POST /v1/deliver`, for senders that keep an event until it is delivered. Absent: off. Needs a
    /// source with `deliver: true`, and `allow_on_headers_stop_iteration: true` in Envoy's plugin configuration.
    pub deliver: Option<DeliverSettings>,
    /// [Hand-off](durability.md#hand-off): a durable queue stands between the clients' events and the vendors. Absent: off. Needs `secrets`.
    pub hand_off: Option<HandOffSettings>,
    /// The maximum number of bytes that one worker holds of open requests, of requests whose events are not all processed, and of
    /// events that were parsed early for the response. Beyond it requests pass unparsed (`overloaded`). It and
    /// `delivery.queue.max_bytes` together are at most 805306368, since a VM has 1 GiB.
    #[default(Whole::literal::<{ 32 << 20 }>())]
    pub max_captured_bytes: Whole<1024, { 512 << 20 }>,
}

/// Who answers tracking requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReplyFrom {
    /// The collector answers; requests pass to it unchanged.
    #[default]
    Upstream,
    /// The filter answers; there is no collector. Needs `allow_on_headers_stop_iteration: true` in Envoy's plugin configuration.
    Local,
}

/// Which requests with `reply: upstream` are relayed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RelayWhen {
    /// Those that the collector answered with a status below 400.
    #[default]
    Accepted,
    /// All requests, whatever the collector answered.
    Always,
}

/// The limits on what is buffered and parsed of requests.
#[derive(Clone, Copy, Debug)]
pub struct CaptureLimits {
    /// Of one body, in bytes.
    pub body_bytes: usize,
    /// Of one request.
    pub events: usize,
    /// Of all requests of a worker, in bytes.
    pub captured_bytes: usize,
    /// Of an event, by its own timestamp.
    pub event_age: Duration,
}

impl EndpointSettings {
    /// Returns the limits among the settings.
    pub fn limits(&self) -> CaptureLimits {
        CaptureLimits {
            body_bytes: self.max_body_bytes.get(),
            events: self.max_events.get(),
            captured_bytes: self.max_captured_bytes.get(),
            event_age: self.max_event_age.get(),
        }
    }
}
