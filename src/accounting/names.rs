//! The names of the metrics in Envoy.
//!
//! A filter can't give its metrics labels. It writes them into the name, `_deliveries_total.integration.X.vendor.Y...`,
//! and Envoy's `stats_config.stats_tags` turn them into Prometheus labels. `integration` is the name as a label.

use super::labels::{CalloutStatus, EventIgnored, Note, RequestIgnored};
use super::outcome::Outcome;

/// Returns the name of the counter of an integration's deliveries with one outcome. For a drop it includes the reason.
/// Here and below, `integration` is the integration's [label](crate::config::label).
pub fn delivery(integration: &str, vendor: &str, outcome: Outcome) -> String {
    let labels = match outcome {
        Outcome::Dropped(reason) => format!("outcome.dropped.reason.{}", reason.label()),
        outcome => format!("outcome.{}", outcome.label()),
    };
    format!("conversion_relay_deliveries_total.integration.{integration}.vendor.{vendor}.{labels}")
}

/// Returns the name of the counter of the seconds that an integration's deliveries are pending, summed over the deliveries.
pub fn pending_seconds(integration: &str, vendor: &str) -> String {
    format!("conversion_relay_pending_seconds_total.integration.{integration}.vendor.{vendor}")
}

/// Returns the name of the counter of an integration's callouts with one result.
pub fn callout(integration: &str, vendor: &str, status: CalloutStatus) -> String {
    let status = status.label();
    format!("conversion_relay_callouts_total.integration.{integration}.vendor.{vendor}.status.{status}")
}

/// Returns the name of the histogram of how long an integration's callouts took, in milliseconds.
pub fn callout_duration(integration: &str, vendor: &str) -> String {
    format!("conversion_relay_callout_duration_ms.integration.{integration}.vendor.{vendor}")
}

/// Returns the name of the counter of events that were offered to no integration for this reason.
pub fn event_ignored(reason: EventIgnored) -> String {
    format!("conversion_relay_events_ignored_total.reason.{}", reason.label())
}

/// Returns the name of the counter of requests that were not relayed for this reason.
pub fn request_ignored(reason: RequestIgnored) -> String {
    format!("conversion_relay_requests_ignored_total.reason.{}", reason.label())
}

/// Returns the name of the counter of one kind of anomaly.
pub fn note(note: Note) -> String {
    format!("conversion_relay_notes_total.kind.{}", note.label())
}
