//! Hand-off, compiled: which integration takes the events of clients to a durable queue.

use super::integration::{Integration, IntegrationSettings};
use crate::endpoints::{EndpointSettings, HandOffLimits, ReplyFrom};
use crate::settings::Invalid;
use crate::vendors::Purpose;

/// Hand-off as the relay does it.
#[derive(Clone, Copy, Debug)]
pub struct HandOff {
    /// The index of the integration that hands events off, among the enabled ones.
    pub lane: usize,
    /// How long clients wait for the queue; `None`: they don't, or somebody else answers them.
    pub limits: Option<HandOffLimits>,
}

impl HandOff {
    /// Compiles `endpoints.hand_off`, if it is there. `all` are the integrations as configured, `enabled` those that are, compiled.
    pub(super) fn compile(
        endpoints: &EndpointSettings,
        has_secrets: bool,
        all: &[IntegrationSettings],
        enabled: &[Integration],
    ) -> Result<Option<Self>, Invalid> {
        let Some(settings) = &endpoints.hand_off else { return Ok(None) };
        const AT: &str = "endpoints.hand_off.integration";
        let lane = carrier(AT, &settings.integration, all, enabled)?;
        if !has_secrets {
            let problem = "expected at least one secret of 32 bytes or more: endpoints.hand_off seals with it what the queue may not read";
            return Err(Invalid::new("secrets", problem));
        }
        refuse_second_way(lane, enabled)?;
        let limits = settings.limits().filter(|_| endpoints.reply == ReplyFrom::Local);
        Ok(Some(Self { lane, limits }))
    }
}

/// Returns the index, among the enabled integrations, of one that carries what others decide: a webhook that sends CloudEvents to a
/// system of the company's own, and has no say in what it gets. `at` is the setting that names it.
pub(super) fn carrier(
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
            "expected none: what the visitor allows is decided for the integrations that get the event in the end",
        );
    }
    let restricts = [
        ("source_id", settings.source_id.is_some()),
        ("events", settings.events.is_some()),
        ("field_mappings", settings.field_mappings.is_some()),
    ];
    match restricts.into_iter().find(|(_, is_set)| *is_set) {
        Some((key, _)) => invalid(key, "expected none: it takes whatever the others want"),
        None => Ok(lane),
    }
}

/// Refuses a second integration that sends whole events to the same cluster: each event would reach the queue twice.
fn refuse_second_way(lane: usize, enabled: &[Integration]) -> Result<(), Invalid> {
    let Some(hand_off) = enabled.get(lane) else { return Ok(()) };
    let second = enabled.iter().find(|other| {
        other.name != hand_off.name
            && other.sends_whole_events
            && other.destination.cluster() == hand_off.destination.cluster()
    });
    match second {
        None => Ok(()),
        Some(second) => {
            let problem = format!(
                "{:?} sends events to the same cluster, {:?}, so the queue would get each twice: remove it, or give it another cluster",
                second.name,
                second.destination.cluster()
            );
            Err(Invalid::new("endpoints.hand_off", problem))
        }
    }
}
