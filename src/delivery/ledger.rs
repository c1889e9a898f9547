//! What the engine tells its surroundings: every outcome, every callout, and what deserves a log line.

use std::time::Duration;

use super::{LaneId, RetryReason};

/// Keeps the books. The engine calls it for each outcome of a delivery exactly once, and for each callout exactly once.
pub trait Ledger {
    /// A delivery that `Engine::offer` was called with has ended, in the queue, in flight, or before either.
    fn delivery(&mut self, lane: LaneRef<'_>, outcome: Outcome);

    /// A callout has ended after `took`; a refused one took no time and was seen by no vendor.
    fn callout(&mut self, lane: LaneRef<'_>, status: CalloutStatus, took: Duration);

    /// Something worth a log line happened. The ledger limits their rate: there can be one for each delivery.
    fn notice(&mut self, lane: LaneRef<'_>, notice: Notice<'_>);
}

/// The lane that something happened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneRef<'a> {
    /// Its place in the newest configuration; none for a lane that is no longer in it.
    pub id: Option<LaneId>,
    /// The integration's name.
    pub name: &'a str,
    pub vendor: &'a str,
}

/// How a delivery ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Delivered,
    Dropped(DropReason),
}

/// An enum of labels: each variant with its label, `ALL` to define the counters of, and `label`.
macro_rules! labels {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The value of the counter's label.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)* }
            }
        }
    };
}

labels! {
    /// Why a delivery was dropped. Those up to `Stale` are decided before the queue, the others by the engine.
    DropReason {
        DisabledByEvent = "disabled_by_event",
        Gpc = "gpc",
        ConsentDenied = "consent_denied",
        ConsentAbsent = "consent_absent",
        OptedOut = "opted_out",
        Duplicate = "duplicate",
        Stale = "stale",
        /// Its lane held its full share.
        QueueFull = "queue_full",
        /// The vendor gave a final answer other than success.
        Rejected = "rejected",
        RetriesExhausted = "retries_exhausted",
        /// Older than max_age.
        Expired = "expired",
        /// Older than max_age while Envoy did not know the integration's cluster.
        Misconfigured = "misconfigured",
        /// Its integration was removed or disabled.
        Removed = "removed",
    }
}

labels! {
    /// What a callout ended with.
    CalloutStatus {
        Success = "2xx",
        Redirect = "3xx",
        ClientError = "4xx",
        TooManyRequests = "429",
        ServerError = "5xx",
        Timeout = "timeout",
        /// Connection refused or reset, or no callback within timeout + 1 s.
        Transport = "transport",
        /// Envoy did not send it.
        Refused = "refused",
    }
}

/// What is worth a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// WARN: five failures in a row, from now on one probe at a time. The last failure is given.
    Failing(RetryReason),
    /// INFO: the vendor answers again.
    Recovered,
    /// ERROR: Envoy does not know the integration's cluster. Once until it does, or until the next configuration.
    UnknownCluster,
    /// WARN: the vendor rejected a delivery by a redirect to `host`, if it names one.
    Redirected { host: Option<&'a str> },
    /// ERROR: the vendor rejected a delivery.
    Rejected { status: u16 },
    /// ERROR: a delivery was lost: queue_full, retries_exhausted, expired or misconfigured.
    Lost(DropReason),
}
