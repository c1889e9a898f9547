//! The settings of hand-off: a durable queue takes events from the clients' gateway, and passes them on to the acknowledged route.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_inline_default::serde_inline_default;

use crate::settings::{MINUTE, SECOND, Time, Whole};

/// How events are handed off to a durable queue, which passes them on to `POST /v1/deliver`.
#[serde_inline_default]
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "HandOff"))]
pub struct HandOffSettings {
    /// The name of the integration that hands events off: a webhook with `preset: cloudevents` and `purpose: own`. It gets each event
    /// of a client that another integration wants and may have, and those get it when the queue passes it on.
    pub integration: String,
    /// When clients are answered, with `reply: local`.
    #[serde(default)]
    pub answer_when: AnswerWhen,
    /// With `accepted`: how long a client waits for the queue. What the queue has not accepted by then is given back to the client,
    /// which gets 503 and sends it again.
    #[serde_inline_default(Time::literal::<{ 3 * SECOND }>())]
    pub within: Time<SECOND, MINUTE>,
    /// With `accepted`: the maximum number of clients that wait in one worker. A further one gets 429.
    #[serde_inline_default(Whole::literal::<256>())]
    pub max_open: Whole<1, 10_000>,
}

/// When a client is answered whose events are handed off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AnswerWhen {
    /// Once the queue has accepted its events: what is answered 200 survives any crash. Pixels are answered at once all the same.
    #[default]
    Accepted,
    /// At once. A crash can lose what is on its way to the queue.
    Queued,
}

/// The limits of clients that wait for the queue.
#[derive(Clone, Copy, Debug)]
pub struct HandOffLimits {
    /// How long a client waits.
    pub within: Duration,
    /// Clients that wait at once, in one worker.
    pub max_open: usize,
}

impl HandOffSettings {
    /// Returns the limits of waiting clients; `None` if they don't wait.
    pub fn limits(&self) -> Option<HandOffLimits> {
        let limits = HandOffLimits { within: self.within.get(), max_open: self.max_open.get() };
        (self.answer_when == AnswerWhen::Accepted).then_some(limits)
    }
}
