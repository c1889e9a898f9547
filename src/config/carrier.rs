//! Integrations that carry what others decide: whole events to a queue, or dead letters to where they are kept.

use super::integration::{Integration, IntegrationSettings};
use crate::settings::Invalid;
use crate::vendors::{Attempt, Destination, Parcel, Purpose};

/// Returns the index, among the enabled integrations, of one that carries what others decide: a webhook that sends CloudEvents to a
/// system of the company's own, and has no say in what it gets. `at` is the setting that names it.
pub(super) fn find(
    at: &str,
    name: &str,
    all: &[IntegrationSettings],
    enabled: &[Integration],
) -> Result<usize, Invalid> {
    let found = enabled.iter().position(|integration| integration.name == name);
    let (Some(lane), Some(place)) = (found, all.iter().position(|settings| settings.name == name)) else {
        let problem = format!("expected the name of an enabled integration, got {name:?}");
        return Err(Invalid::new(at, problem));
    };
    let (Some(integration), Some(settings)) = (enabled.get(lane), all.get(place)) else {
        return Err(Invalid::new(at, "expected the name of an enabled integration"));
    };
    let invalid = |key: &str, problem: &str| {
        Err(Invalid::new(format!("integrations[{place}].{key}"), format!("{problem}, since {at} names it")))
    };
    if !integration.sends_whole_events {
        return invalid("preset", "expected a webhook with preset: cloudevents");
    }
    if integration.destination.purpose() != Purpose::Own {
        return invalid("config.purpose", "expected own");
    }
    if !settings.consent_categories.is_empty() {
        return invalid(
            "consent_categories",
            "expected none: what the visitor allows is decided for the integrations that it carries something of",
        );
    }
    let restricts = [
        ("source_id", settings.source_id.is_some()),
        ("events", settings.events.is_some()),
        ("field_mappings", settings.field_mappings.is_some()),
    ];
    match restricts.into_iter().find(|(_, is_set)| *is_set) {
        Some((key, _)) => invalid(key, "expected none: it takes whatever there is of the others"),
        None => Ok(lane),
    }
}

/// Whether callouts to both destinations reach the same receiver, as far as the configuration tells.
pub(super) fn is_same_receiver(one: &dyn Destination, other: &dyn Destination) -> bool {
    // The paths as they are sent, with their secrets, since only these tell them apart.
    let (parcel, attempt) = (Parcel::default(), Attempt::sent(0));
    one.cluster() == other.cluster()
        && one.authority().eq_ignore_ascii_case(other.authority())
        && one.callout(&parcel, &attempt).path == other.callout(&parcel, &attempt).path
}
