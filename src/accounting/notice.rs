//! Events in an integration's deliveries that are logged, and their causes.

use std::fmt;

use super::labels::DropReason;

/// Something that is logged about an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// WARN: five failures in a row, from now on one probe at a time. Carries the last failure.
    Failing(RetryReason),
    /// INFO: the vendor answers again.
    Recovered,
    /// ERROR: Envoy does not know the integration's cluster. Once until it does, or until the next configuration.
    UnknownCluster,
    /// WARN: the vendor rejected a delivery by a redirect to `host`, if it names one.
    Redirected {
        /// The host that the redirect points to.
        host: Option<&'a str>,
    },
    /// ERROR: the vendor rejected a delivery.
    Rejected {
        /// The HTTP status of its answer.
        status: u16,
    },
    /// ERROR: a delivery was lost: queue_full, retries_exhausted, expired or misconfigured.
    Lost(DropReason),
}

/// Why a delivery is retried. Displays as a few words for a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryReason {
    /// The vendor answered with this status, which is worth a retry.
    Status(u16),
    /// Envoy gave up waiting for the vendor.
    Timeout,
    /// There was no connection, so the vendor has received nothing.
    Unreached,
    /// The connection ended without an answer, or the callout was never called back.
    Transport,
    /// The vendor answered, and Envoy could not use the answer.
    Unusable,
    /// The host did not send the callout.
    Refused(Refusal),
}

/// Why the host did not send a callout. This does not count as an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No healthy host, or the cluster's circuit breaker is open.
    NoHost,
    /// The cluster is unknown to Envoy; it may still come by CDS.
    UnknownCluster,
}

impl fmt::Display for RetryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "status {code}"),
            Self::Timeout => f.write_str("timeout"),
            Self::Unreached => f.write_str("no connection"),
            Self::Transport => f.write_str("the connection ended without an answer"),
            Self::Unusable => f.write_str(
                "an answer that Envoy cannot use: not HTTP, with too many or too large headers, incomplete or too large",
            ),
            Self::Refused(Refusal::NoHost) => f.write_str("no healthy host or circuit breaker overflow"),
            Self::Refused(Refusal::UnknownCluster) => f.write_str("unknown cluster"),
        }
    }
}
