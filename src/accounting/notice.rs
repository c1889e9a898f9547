//! What deserves a log line about an integration's deliveries, and the causes that such a line names.

use std::fmt;

use super::labels::DropReason;

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

/// Why a delivery is tried again. Displays as a few words for a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryReason {
    Status(u16),
    Timeout,
    Transport,
    Refused(Refusal),
}

/// Why the host did not send a callout. That is no attempt at the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No healthy host, or the cluster's circuit breaker is open.
    NoHost,
    /// Not known to Envoy; it may be on its way by CDS.
    UnknownCluster,
}

impl fmt::Display for RetryReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(code) => write!(f, "status {code}"),
            Self::Timeout => f.write_str("timeout"),
            Self::Transport => f.write_str("transport failure"),
            Self::Refused(Refusal::NoHost) => f.write_str("no healthy host or circuit breaker overflow"),
            Self::Refused(Refusal::UnknownCluster) => f.write_str("unknown cluster"),
        }
    }
}
