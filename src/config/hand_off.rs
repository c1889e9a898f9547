//! Hand-off, compiled: which integration takes the events of clients to a durable queue.

use super::carrier;
use super::integration::{Integration, IntegrationSettings};
use crate::endpoints::{EndpointSettings, HandOffLimits, ReplyFrom};
use crate::settings::Invalid;

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
    /// The integration of the name `dead_letters` gets no events.
    pub(super) fn compile(
        endpoints: &EndpointSettings,
        has_secrets: bool,
        dead_letters: Option<&str>,
        all: &[IntegrationSettings],
        enabled: &[Integration],
    ) -> Result<Option<Self>, Invalid> {
        let Some(settings) = &endpoints.hand_off else { return Ok(None) };
        const AT: &str = "endpoints.hand_off.integration";
        let lane = carrier::find(AT, &settings.integration, all, enabled)?;
        if !has_secrets {
            let problem = "expected at least one secret of 32 bytes or more: endpoints.hand_off seals with it what the queue may not read";
            return Err(Invalid::new("secrets", problem));
        }
        refuse_second_way(lane, dead_letters, enabled)?;
        let limits = settings.limits().filter(|_| endpoints.reply == ReplyFrom::Local);
        Ok(Some(Self { lane, limits }))
    }
}

/// Refuses a second integration that sends whole events to the same cluster: each event would reach the queue twice.
fn refuse_second_way(
    lane: usize,
    dead_letters: Option<&str>,
    enabled: &[Integration],
) -> Result<(), Invalid> {
    let Some(hand_off) = enabled.get(lane) else { return Ok(()) };
    let second = enabled.iter().find(|other| {
        other.name != hand_off.name
            && dead_letters.is_none_or(|name| name != other.name)
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
