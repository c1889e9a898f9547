//! A record, as it is written.

use std::borrow::Cow;

use serde::Serialize;

use super::masking::MaskedRequest;
use crate::accounting::{DropReason, Outcome, RequestIgnored};

/// What most records have room in.
const USUAL_BYTES: usize = 1536;
/// The version of the format.
const VERSION: u32 = 1;

/// One record. Members that don't apply are absent.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Record<'r> {
    /// The version of this format, 1.
    version: u32,
    /// When it was written: RFC 3339, UTC, with milliseconds.
    pub time: String,
    /// The id of Envoy's node.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub gateway: Cow<'r, str>,
    /// The plugin's name.
    pub plugin: Cow<'r, str>,
    /// What it says.
    pub what: What,
    /// The id of the event's source.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub source: Cow<'r, str>,
    /// The event, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<&'r EventFacts>,
    /// The integration's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub integration: Option<Cow<'r, str>>,
    /// The integration's vendor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<Cow<'r, str>>,
    /// What the decision about the visitor's consent is based on, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consent: Option<Cow<'r, str>>,
    /// What was known of the visitor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<IdentityFacts>,
    /// The values that the request does not have, and why, each in a sentence.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub left_out: &'r [String],
    /// The request as it was built, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<MaskedRequest>,
    /// The attempts so far, in their order.
    #[serde(skip_serializing_if = "<[AttemptFacts]>::is_empty")]
    pub attempts: &'r [AttemptFacts],
    /// How the delivery ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<&'static str>,
    /// Why it was dropped, or ignored: one of the reasons of the metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Cow<'r, str>>,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// A delivery has ended.
    Ended,
    /// An attempt at a delivery has failed, and is to be repeated.
    Attempt,
    /// An event, or a whole request, was offered to no integration.
    Ignored,
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EventFacts {
    /// Its type, such as `track`.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The name by which mappings know it.
    pub name: String,
    /// Its messageId.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The order id as the vendor gets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<String>,
}

/// Which identity fields a delivery has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IdentityFacts {
    /// An anonymous id.
    pub anonymous_id: bool,
    /// An email address, or its digest.
    pub email: bool,
    /// An IP address that may be sent.
    pub ip: bool,
    /// A User-Agent.
    pub user_agent: bool,
    /// The vendor's own cookie.
    pub vendor_cookie: bool,
}

/// One attempt at a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AttemptFacts {
    /// What the vendor answered.
    pub status: Status,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// The vendor's Retry-After, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The first 256 bytes of the answer, masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// The status of an answer, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Status {
    /// The HTTP status.
    Code(u16),
    /// `timeout`, `transport` or `unusable`.
    None(&'static str),
}

impl<'r> Record<'r> {
    /// A record that says nothing else yet. Whoever writes it sets time, gateway and plugin.
    pub fn new(what: What) -> Self {
        Self {
            version: VERSION,
            time: String::new(),
            gateway: Cow::Borrowed(""),
            plugin: Cow::Borrowed(""),
            what,
            source: Cow::Borrowed(""),
            event: None,
            integration: None,
            vendor: None,
            consent: None,
            identity: None,
            left_out: &[],
            request: None,
            attempts: &[],
            outcome: None,
            reason: None,
            explanation: None,
        }
    }

    /// A record of a request that was not relayed.
    pub fn ignored_request(reason: RequestIgnored) -> Self {
        let mut record = Self::new(What::Ignored);
        record.reason = Some(reason.label());
        record.explanation = Some(Cow::Borrowed(match reason {
            RequestIgnored::Malformed => {
                "its body is no event and no batch of events, or its encoding is broken"
            }
            RequestIgnored::TooLarge => "its body is larger than max_body_bytes",
            RequestIgnored::TooManyEvents => "it holds more than max_events",
            RequestIgnored::Overloaded => "the worker has reached a limit of what it holds",
            RequestIgnored::NotAccepted => "the collector did not accept it",
            RequestIgnored::Aborted => "the client left before the end of it",
            RequestIgnored::CutOff => "Envoy ended it before it was complete or answered",
        }));
        record
    }

    /// Sets how the delivery ended.
    pub fn set_outcome(&mut self, outcome: Outcome) {
        (self.outcome, self.reason) = match outcome {
            Outcome::Dropped(reason) => (Some("dropped"), Some(reason.label())),
            other => (Some(other.label()), None),
        };
        self.explanation = Some(Cow::Borrowed(explained(outcome)));
    }

    /// Whether it tells of a loss, or of an attempt that is to be repeated.
    pub fn is_about_losses(&self) -> bool {
        let is_lost =
            |label| DropReason::ALL.iter().any(|reason| reason.is_loss() && reason.label() == label);
        match self.what {
            What::Attempt => true,
            What::Ended => self.reason.is_some_and(is_lost),
            What::Ignored => false,
        }
    }

    /// Returns the record as a line of JSON, without a line break.
    pub fn line(&self) -> String {
        let mut line = Vec::with_capacity(USUAL_BYTES);
        match serde_json::to_writer(&mut line, self) {
            Ok(()) => String::from_utf8(line).unwrap_or_default(),
            Err(_) => String::new(),
        }
    }
}

/// Returns in words what an end means.
fn explained(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Matched => "it is on its way",
        Outcome::DeadLettered => "it was lost, and is kept as a dead letter",
        Outcome::Delivered => "the vendor accepted it",
        Outcome::DryRun => "it was built and not sent, since the integration or its source is a dry run",
        Outcome::GivenBack => "it was not settled in time, so its sender was told to send it again",
        Outcome::Dropped(reason) => match reason {
            DropReason::DisabledByEvent => "the event's own integrations object excludes the integration",
            DropReason::Gpc => "Global Privacy Control is on",
            DropReason::SaleOptOut => {
                "the visitor has opted out of the sale or sharing of personal data, or of targeted advertising"
            }
            DropReason::ConsentDenied => {
                "a category that the integration requires is refused, or not granted"
            }
            DropReason::ConsentAbsent => "nothing is known of the visitor's consent",
            DropReason::OptedOut => "the visitor has the vendor's own opt-out cookie",
            DropReason::Bot => "the User-Agent is a bot's, or missing",
            DropReason::Duplicate => {
                "the same messageId is on its way to the integration, or was delivered to it"
            }
            DropReason::DuplicateOrder => {
                "the same order is on its way to the integration, or was delivered to it, in another message"
            }
            DropReason::Stale => "the event is older than max_event_age",
            DropReason::QueueFull => "the integration's share of the queue was full",
            DropReason::Rejected => "the vendor gave a final answer other than success",
            DropReason::RetriesExhausted => "the last of max_attempts attempts failed",
            DropReason::Expired => "it became older than max_age",
            DropReason::Misconfigured => {
                "it became older than max_age, and Envoy did not know the integration's cluster"
            }
            DropReason::Removed => "the integration was removed or disabled",
        },
    }
}
