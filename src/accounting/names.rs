//! The names of the metrics in Envoy.
//!
//! A filter can't give its metrics labels. It writes them into the name, `_deliveries_total.integration.X.vendor.Y...`,
//! and Envoy's `stats_config.stats_tags` turn them into Prometheus labels. `integration` is the name as a label.

use super::labels::{CalloutStatus, EventIgnored, Note, RequestIgnored};
use super::outcome::Outcome;

pub fn delivery(integration: &str, vendor: &str, outcome: Outcome) -> String {
    let labels = match outcome {
        Outcome::Matched => "outcome.matched".to_owned(),
        Outcome::Delivered => "outcome.delivered".to_owned(),
        Outcome::DryRun => "outcome.dry_run".to_owned(),
        Outcome::Dropped(reason) => format!("outcome.dropped.reason.{}", reason.label()),
    };
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
