//! Dead letters: where deliveries that are lost are kept, and under which secrets.

use serde::Deserialize;

use super::carrier;
use super::hand_off::HandOff;
use super::integration::{Integration, IntegrationSettings};
use crate::seal::Keys;
use crate::settings::{Invalid, Secret};

/// What the keys are derived for.
const PURPOSE: &[u8] = b"conversion-relay dead letter v1\0";

/// What becomes of deliveries that are lost.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "DeadLetters"))]
#[serde(deny_unknown_fields)]
pub struct DeadLetterSettings {
    /// The name of the integration that sends dead letters to where they are kept: a webhook with `preset: cloudevents` and
    /// `purpose: own`. It gets no events, and not what the integration of `endpoints.hand_off` sends to.
    pub integration: String,
    /// Secrets as `${NAME}`, each 32 bytes or more, such as `openssl rand -base64 32` prints. The first seals, all open: to rotate,
    /// put a new one first, and remove the old one once no letter is left that it has sealed. All gateways that letters are replayed
    /// to need the same secrets.
    pub secrets: Vec<Secret>,
}

/// Dead letters as the relay makes and opens them.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    /// The index of the integration that sends them, among the enabled ones.
    pub lane: usize,
    /// What they are sealed and opened with.
    pub keys: Keys,
}

impl DeadLetters {
    /// Compiles `dead_letters`, if it is there. `all` are the integrations as configured, `enabled` those that are, compiled.
    pub(super) fn compile(
        settings: Option<&DeadLetterSettings>,
        hand_off: Option<HandOff>,
        all: &[IntegrationSettings],
        enabled: &[Integration],
    ) -> Result<Option<Self>, Invalid> {
        let Some(settings) = settings else { return Ok(None) };
        const AT: &str = "dead_letters.integration";
        let lane = carrier::find(AT, &settings.integration, all, enabled)?;
        let queue = hand_off.and_then(|hand_off| enabled.get(hand_off.lane));
        if let (Some(queue), Some(own)) = (queue, enabled.get(lane))
            && carrier::is_same_receiver(&*queue.destination, &*own.destination)
        {
            let problem = format!(
                "expected an integration that sends elsewhere than {:?} of endpoints.hand_off: the queue would push each letter \
                 straight back",
                queue.name
            );
            return Err(Invalid::new(AT, problem));
        }
        let keys = Keys::derive(PURPOSE, &settings.secrets)
            .map_err(|error| Invalid::new("dead_letters.secrets", error.to_string()))?;
        Ok(Some(Self { lane, keys }))
    }
}
