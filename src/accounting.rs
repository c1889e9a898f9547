//! The books: every counter by its name and labels.
//!
//! For every integration, for the life of a VM: matched = delivered + dropped + dry_run + pending. Pending is what the
//! counters leave over; there is no gauge, because all VMs of a process would share it.
//!
//! A filter can't give its metrics labels. It writes them into the name, `_deliveries_total.integration.X.vendor.Y...`,
//! and Envoy's `stats_config.stats_tags` turn them into Prometheus labels.

use crate::delivery::{CalloutStatus, DropReason};

/// What became of a delivery, as the label `outcome` says, with the `reason` of `dropped`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    Matched,
    Delivered,
    DryRun,
    Dropped(DropReason),
}

impl Delivery {
    /// All of them, in the order of [`Delivery::index`].
    pub fn all() -> impl Iterator<Item = Delivery> {
        let dropped = DropReason::ALL.iter().map(|reason| Delivery::Dropped(*reason));
        [Delivery::Matched, Delivery::Delivered, Delivery::DryRun].into_iter().chain(dropped)
    }

    /// Its place in [`Delivery::all`].
    pub fn index(self) -> usize {
        match self {
            Delivery::Matched => 0,
            Delivery::Delivered => 1,
            Delivery::DryRun => 2,
            Delivery::Dropped(reason) => (reason as usize).saturating_add(3),
        }
    }

    fn labels(self) -> String {
        match self {
            Delivery::Matched => "outcome.matched".to_owned(),
            Delivery::Delivered => "outcome.delivered".to_owned(),
            Delivery::DryRun => "outcome.dry_run".to_owned(),
            Delivery::Dropped(reason) => format!("outcome.dropped.reason.{}", reason.label()),
        }
    }
}

/// Why a request was not relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestIgnored {
    Malformed,
    TooLarge,
    TooManyEvents,
    Overloaded,
    NotAccepted,
    Aborted,
}

impl RequestIgnored {
    pub const ALL: [Self; 6] = [
        Self::Malformed,
        Self::TooLarge,
        Self::TooManyEvents,
        Self::Overloaded,
        Self::NotAccepted,
        Self::Aborted,
    ];

    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::TooManyEvents => "too_many_events",
            Self::Overloaded => "overloaded",
            Self::NotAccepted => "not_accepted",
            Self::Aborted => "aborted",
        }
    }
}

/// Why an event of a relayed request came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventIgnored {
    Malformed,
    /// No key or signature of a configured source.
    Unauthorized,
    /// Its request's signature was seen before.
    Replayed,
    /// No integration sends such an event.
    Unmapped,
}

impl EventIgnored {
    pub const ALL: [Self; 4] = [Self::Malformed, Self::Unauthorized, Self::Replayed, Self::Unmapped];

    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unauthorized => "unauthorized",
            Self::Replayed => "replayed",
            Self::Unmapped => "unmapped",
        }
    }
}

/// Something odd that cost no delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    ClientGone,
    /// A server's event whose context is not believed went without IP address and User-Agent.
    ClientUntrusted,
    PrivateClientIp,
    /// A value that its target doesn't take, or with an email address in it.
    ValueLeftOut,
    /// A parameter for which the path had no room.
    PathCut,
}

impl Note {
    pub const ALL: [Self; 5] =
        [Self::ClientGone, Self::ClientUntrusted, Self::PrivateClientIp, Self::ValueLeftOut, Self::PathCut];

    pub fn label(self) -> &'static str {
        match self {
            Self::ClientGone => "client_gone",
            Self::ClientUntrusted => "client_untrusted",
            Self::PrivateClientIp => "private_client_ip",
            Self::ValueLeftOut => "value_left_out",
            Self::PathCut => "path_cut",
        }
    }
}

/// Counts what is not about a delivery in the engine's hands.
pub trait Counters {
    /// `integration` is its place in the newest configuration.
    fn count(&mut self, integration: usize, outcome: Delivery);
    fn events_ignored(&mut self, reason: EventIgnored, count: usize);
    fn request_ignored(&mut self, reason: RequestIgnored);
    fn note(&mut self, note: Note);
}

/// Names of metrics, as Envoy is given them. `integration` is the name as a label.
pub mod names {
    use super::*;

    pub fn delivery(integration: &str, vendor: &str, outcome: Delivery) -> String {
        let labels = outcome.labels();
        format!("conversion_relay_deliveries_total.integration.{integration}.vendor.{vendor}.{labels}")
    }

    pub fn callout(integration: &str, vendor: &str, status: CalloutStatus) -> String {
        let status = status.label();
        format!("conversion_relay_callouts_total.integration.{integration}.vendor.{vendor}.status.{status}")
    }

    pub fn callout_duration(integration: &str, vendor: &str) -> String {
        format!("conversion_relay_callout_duration_ms.integration.{integration}.vendor.{vendor}")
    }

    pub fn event_ignored(reason: EventIgnored) -> String {
        format!("conversion_relay_events_ignored_total.reason.{}", reason.label())
    }

    pub fn request_ignored(reason: RequestIgnored) -> String {
        format!("conversion_relay_requests_ignored_total.reason.{}", reason.label())
    }

    pub fn note(note: Note) -> String {
        format!("conversion_relay_notes_total.kind.{}", note.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_has_the_index_of_its_place() {
        for (place, outcome) in Delivery::all().enumerate() {
            assert_eq!(outcome.index(), place, "{outcome:?}");
        }
    }
}
