//! The outcomes of a delivery.

use super::labels::DropReason;

/// The state of a delivery as it is counted. Every delivery is `Matched` first, and then exactly one of the others, beside which a
/// dropped one may be `DeadLettered`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An integration sends the event, or would.
    Matched,
    /// The vendor accepted it.
    Delivered,
    /// It was made and not sent, because the integration is a dry run.
    DryRun,
    /// Its sender, who waited for it, was told to send it again: it is no longer ours.
    GivenBack,
    /// It was dropped, and what could still make it is in the queue as a dead letter. It is counted beside the reason, so it is
    /// not part of the sum.
    DeadLettered,
    /// It will never be delivered.
    Dropped(DropReason),
}

impl Outcome {
    /// Returns all of them, in the order of [`Outcome::index`].
    pub fn all() -> impl Iterator<Item = Outcome> {
        let dropped = DropReason::ALL.iter().map(|reason| Outcome::Dropped(*reason));
        let others = [
            Outcome::Matched,
            Outcome::Delivered,
            Outcome::DryRun,
            Outcome::GivenBack,
            Outcome::DeadLettered,
        ];
        others.into_iter().chain(dropped)
    }

    /// Returns its name: of a drop the reason.
    pub fn label(self) -> &'static str {
        match self {
            Outcome::Matched => "matched",
            Outcome::Delivered => "delivered",
            Outcome::DryRun => "dry_run",
            Outcome::GivenBack => "given_back",
            Outcome::DeadLettered => "dead_lettered",
            Outcome::Dropped(reason) => reason.label(),
        }
    }

    /// Returns its index in [`Outcome::all`].
    pub fn index(self) -> usize {
        match self {
            Outcome::Matched => 0,
            Outcome::Delivered => 1,
            Outcome::DryRun => 2,
            Outcome::GivenBack => 3,
            Outcome::DeadLettered => 4,
            Outcome::Dropped(reason) => (reason as usize).saturating_add(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_the_index_of_its_place() {
        for (place, outcome) in Outcome::all().enumerate() {
            assert_eq!(outcome.index(), place, "{outcome:?}");
        }
    }
}
