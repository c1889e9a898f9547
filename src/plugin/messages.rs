//! The texts of log lines: WARN if nothing is lost, ERROR if a delivery is lost.

use std::fmt;

use log::Level;

use crate::accounting::{DropReason, Notice};
use crate::vendors::Callout;

pub const PRIVATE_CLIENT_IP: &str = "a visitor's IP address is a private one: if a proxy stands in front of this \
    gateway, set use_remote_address and xff_num_trusted_hops, else vendors can't match anybody (logged once)";

pub const BODY_HELD_BACK: &str = "a POST's body was held back for 5 s: set allow_on_headers_stop_iteration: true in \
    this plugin's configuration in Envoy, or `endpoints.reply: local` can't work";

pub const SHARED_NAME: &str = "another filter has the same name and vm_id. Each sends what it gets by its own configuration, but \
    they share counters and deduplication, which may drop orders of the other as repeated: give each filter a name";

pub const UNKNOWN_SECRET: &str = "an event that a queue passes on, or a dead letter, was sealed under a secret that this gateway doesn't \
    have: it is answered 503 and stays with its sender. List the secret in `secrets`, or that of a dead letter in \
    `dead_letters.secrets`; all gateways need the same";

/// A notice about an integration, as it is logged.
pub struct NoticeLine<'a> {
    pub integration: &'a str,
    /// The Envoy cluster that the integration's callouts go to.
    pub cluster: &'a str,
    pub notice: Notice<'a>,
}

impl NoticeLine<'_> {
    pub fn level(&self) -> Level {
        match self.notice {
            Notice::Recovered => Level::Info,
            Notice::Failing(_) | Notice::Redirected { .. } => Level::Warn,
            Notice::UnknownCluster | Notice::Rejected { .. } | Notice::Lost(_) => Level::Error,
        }
    }
}

impl fmt::Display for NoticeLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: ", self.integration)?;
        match self.notice {
            Notice::Failing(reason) => {
                write!(f, "five failures in a row ({reason}): one probe at a time until the vendor answers")
            }
            Notice::Recovered => f.write_str("the vendor answers again"),
            Notice::UnknownCluster => write!(
                f,
                "Envoy has no cluster {:?}: deliveries wait for it up to delivery.max_age",
                self.cluster
            ),
            Notice::Redirected { host } => {
                let host = host.unwrap_or("(no Location)");
                write!(f, "the vendor redirects to {host}: the delivery is not sent there")
            }
            Notice::Rejected { status } => write!(f, "the vendor answered {status}: a delivery is lost"),
            Notice::Lost(DropReason::QueueFull) => {
                f.write_str("its share of the queue is full: a delivery is lost")
            }
            Notice::Lost(reason) => write!(f, "a delivery is lost: {}", reason.label()),
        }
    }
}

/// A callout that a dry run did not send, masked only if the line is written.
pub struct DryRunLine<'a> {
    pub integration: &'a str,
    pub callout: &'a Callout<'a>,
    /// Whether a member of its body may identify a visitor.
    pub is_personal: &'a dyn Fn(&str) -> bool,
}

impl fmt::Display for DryRunLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.callout.log_line(self.is_personal);
        write!(f, "dry run of {:?}: {line}", self.integration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::RetryReason;

    #[test]
    fn a_line_names_the_integration_and_says_at_its_level_whether_something_is_lost() {
        let lines = [
            (
                Notice::Failing(RetryReason::Status(503)),
                "WARN \"FT\": five failures in a row (status 503): one probe at a time until the vendor answers",
            ),
            (Notice::Recovered, "INFO \"FT\": the vendor answers again"),
            (
                Notice::UnknownCluster,
                "ERROR \"FT\": Envoy has no cluster \"ft\": deliveries wait for it up to delivery.max_age",
            ),
            (
                Notice::Redirected { host: Some("ads.example") },
                "WARN \"FT\": the vendor redirects to ads.example: the delivery is not sent there",
            ),
            (
                Notice::Redirected { host: None },
                "WARN \"FT\": the vendor redirects to (no Location): the delivery is not sent there",
            ),
            (Notice::Rejected { status: 404 }, "ERROR \"FT\": the vendor answered 404: a delivery is lost"),
            (
                Notice::Lost(DropReason::QueueFull),
                "ERROR \"FT\": its share of the queue is full: a delivery is lost",
            ),
            (Notice::Lost(DropReason::Expired), "ERROR \"FT\": a delivery is lost: expired"),
        ];
        for (notice, expected) in lines {
            let line = NoticeLine { integration: "FT", cluster: "ft", notice };
            assert_eq!(format!("{} {line}", line.level()), expected);
        }
    }
}
