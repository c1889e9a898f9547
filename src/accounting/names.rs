//! The names of the metrics in Envoy.
//!
//! A filter can't give its metrics labels. It writes them into the name, `_deliveries_total.integration.X.vendor.Y...`,
//! and Envoy's `stats_config.stats_tags` turn them into Prometheus labels. `integration` is the name as a label.

use super::labels::{CalloutStatus, EventIgnored, Note, RequestIgnored};
use super::outcome::Outcome;

/// The counter of an integration's deliveries with one outcome; a drop's name has its reason, too. The integration is
/// given by its [label](crate::config::label), here and below.
pub fn delivery(integration: &str, vendor: &str, outcome: Outcome) -> String {
    let labels = match outcome {
        Outcome::Matched => "outcome.matched".to_owned(),
        Outcome::Delivered => "outcome.delivered".to_owned(),
        Outcome::DryRun => "outcome.dry_run".to_owned(),
        Outcome::Dropped(reason) => format!("outcome.dropped.reason.{}", reason.label()),
    };
    format!("conversion_relay_deliveries_total.integration.{integration}.vendor.{vendor}.{labels}")
}

/// The counter of an integration's callouts with one result.
pub fn callout(integration: &str, vendor: &str, status: CalloutStatus) -> String {
    let status = status.label();
    format!("conversion_relay_callouts_total.integration.{integration}.vendor.{vendor}.status.{status}")
}

/// The histogram of how long an integration's callouts took, in milliseconds.
pub fn callout_duration(integration: &str, vendor: &str) -> String {
    format!("conversion_relay_callout_duration_ms.integration.{integration}.vendor.{vendor}")
}

/// The counter of events that were offered to no integration for this reason.
pub fn event_ignored(reason: EventIgnored) -> String {
    format!("conversion_relay_events_ignored_total.reason.{}", reason.label())
}

/// The counter of requests that were not relayed for this reason.
pub fn request_ignored(reason: RequestIgnored) -> String {
    format!("conversion_relay_requests_ignored_total.reason.{}", reason.label())
}

/// The counter of one kind of anomaly.
pub fn note(note: Note) -> String {
    format!("conversion_relay_notes_total.kind.{}", note.label())
}
