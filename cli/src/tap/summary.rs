//! What a record comes down to, in a word and a colour.

use anstyle::Style;

use conversion_relay::accounting::DropReason;

use super::record::{Record, What};
use crate::terminal::{BAD, CAUTION, FAINT, GOOD, PLAIN};

/// What a record comes down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// The vendor has it.
    Delivered,
    /// It will never be delivered, although somebody wanted it.
    Lost,
    /// An attempt has failed; there will be another one.
    Retry,
    /// Its sender was told to send it again.
    GivenBack,
    /// The visitor or the site does not want it, or it was there before.
    NotWanted,
    /// It was built and not sent, as configured.
    DryRun,
    /// No integration was offered it.
    Ignored,
}

impl Summary {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Delivered,
        Self::Lost,
        Self::Retry,
        Self::GivenBack,
        Self::NotWanted,
        Self::DryRun,
        Self::Ignored,
    ];

    /// Returns what a record comes down to. Reasons that are unknown here count as losses, so that none goes unnoticed.
    pub fn of(record: &Record) -> Self {
        let reason = record.reason.as_deref().unwrap_or_default();
        match (record.what, record.outcome.as_deref()) {
            (What::Attempt, _) => Self::Retry,
            (What::Ignored, _) => Self::Ignored,
            (What::Ended, Some("delivered")) => Self::Delivered,
            (What::Ended, Some("given_back")) => Self::GivenBack,
            (What::Ended, Some("dry_run")) => Self::DryRun,
            (What::Ended, _) if is_no_loss(reason) => Self::NotWanted,
            (What::Ended, _) => Self::Lost,
        }
    }

    /// Returns its name, as `--outcome` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Lost => "lost",
            Self::Retry => "retry",
            Self::GivenBack => "given_back",
            Self::NotWanted => "not_wanted",
            Self::DryRun => "dry_run",
            Self::Ignored => "ignored",
        }
    }

    /// Returns the style in which it is shown. Of what was ignored, only an event that nobody asked for is of no interest.
    pub fn style(self, record: &Record) -> Style {
        match self {
            Self::Delivered => GOOD,
            Self::Lost => BAD,
            Self::Retry | Self::GivenBack => CAUTION,
            Self::NotWanted => FAINT,
            Self::DryRun => PLAIN,
            Self::Ignored if record.reason.as_deref() == Some("unmapped") => FAINT,
            Self::Ignored => CAUTION,
        }
    }
}

/// Whether a delivery that was dropped for this reason is no loss: what is decided before the queue is somebody's wish, or no news.
fn is_no_loss(reason: &str) -> bool {
    DropReason::ALL.iter().any(|known| *known <= DropReason::Stale && known.label() == reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_or_a_repetition_is_no_loss_and_what_failed_or_is_unknown_is_one() {
        let no_losses = ["disabled_by_event", "gpc", "consent_denied", "bot", "duplicate_order", "stale"];
        let losses = ["queue_full", "rejected", "expired", "misconfigured", "removed", "unheard_of", ""];
        assert!(no_losses.iter().all(|reason| is_no_loss(reason)));
        assert!(!losses.iter().any(|reason| is_no_loss(reason)));
    }
}
