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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::config::Compiled;

    const SECRET: &str = "a secret of thirty-two bytes, yes";

    fn carrier(name: &str, cluster: &str, path: &str) -> Value {
        json!({"name": name, "vendor": "webhook", "preset": "cloudevents",
            "config": {"cluster": cluster, "authority": "own.internal", "path": path, "purpose": "own"}})
    }

    /// A configuration with a queue at `/events` of the cluster `own`, and dead letters in the integration `Letters`.
    fn configuration(letters: &Value) -> Value {
        json!({
            "secrets": [SECRET],
            "endpoints": {"hand_off": {"integration": "Queue"}},
            "dead_letters": {"integration": "Letters", "secrets": [SECRET]},
            "integrations": [
                {"name": "Pod", "vendor": "podsights", "config": {"key": "k"}},
                carrier("Queue", "own", "/events"),
                letters,
            ],
        })
    }

    fn load(configuration: &Value) -> Result<Compiled, String> {
        Compiled::load(configuration.to_string().as_bytes(), &|_| None).map_err(|invalid| invalid.to_string())
    }

    fn refusal(configuration: &Value) -> String {
        load(configuration).err().unwrap_or_else(|| panic!("accepted: {configuration}"))
    }

    #[test]
    fn letters_may_go_to_the_queues_cluster_but_not_into_the_queue() {
        for (cluster, path) in [("own", "/letters"), ("own", "/events?of=letters"), ("other", "/events")] {
            let compiled = load(&configuration(&carrier("Letters", cluster, path))).unwrap();
            assert_eq!(compiled.dead_letters.as_ref().map(|letters| letters.lane), Some(2));
            assert_eq!([0, 1, 2].map(|lane| compiled.is_carrier(lane)), [false, true, true]);
            assert_eq!([1, 2].map(|lane| compiled.is_for_dead_letters(lane)), [false, true]);
        }
        let mut same = carrier("Letters", "own", "/events");
        same["config"]["authority"] = json!("OWN.internal");
        let expected =
            "dead_letters.integration: expected an integration that sends elsewhere than \"Queue\"";
        let message = refusal(&configuration(&same));
        assert!(message.starts_with(expected), "{message}");
        let mut itself = configuration(&carrier("Letters", "own", "/letters"));
        itself["dead_letters"]["integration"] = json!("Queue");
        itself["integrations"].as_array_mut().unwrap().truncate(2);
        let message = refusal(&itself);
        assert!(message.starts_with(expected), "{message}");
    }

    #[test]
    fn a_second_way_to_the_queue_stays_refused() {
        let mut configuration = configuration(&carrier("Letters", "own", "/letters"));
        configuration["integrations"].as_array_mut().unwrap().push(carrier("Another", "own", "/more"));
        let message = refusal(&configuration);
        assert!(message.starts_with("endpoints.hand_off: \"Another\" sends events to the same"), "{message}");
    }

    #[test]
    fn what_has_a_say_in_what_it_gets_carries_no_letters() {
        let mut without_queue = configuration(&carrier("Letters", "own", "/letters"));
        without_queue.as_object_mut().unwrap().remove("endpoints");
        assert!(load(&without_queue).is_ok());
        for (key, value) in [
            ("consent_categories", json!(["marketing"])),
            ("source_id", json!("shop")),
            ("events", json!(["Order Completed"])),
            ("preset", json!("json")),
        ] {
            let mut configuration = without_queue.clone();
            configuration["integrations"][2][key] = value;
            if key == "preset" {
                configuration["integrations"][2]["field_mappings"] =
                    json!({"version": 2, "defaults": {"action": "send"}});
            }
            let message = refusal(&configuration);
            let place = format!("integrations[2].{key}: ");
            assert!(message.starts_with(&place) && message.contains("dead_letters.integration"), "{message}");
        }
        let mut advertising = without_queue.clone();
        advertising["integrations"][2]["config"]["purpose"] = json!("advertising");
        let message = refusal(&advertising);
        assert!(message.starts_with("integrations[2].config.purpose: expected own"), "{message}");
        for name in ["Nobody", "letters"] {
            let mut configuration = without_queue.clone();
            configuration["dead_letters"]["integration"] = json!(name);
            let message = refusal(&configuration);
            assert!(
                message.starts_with("dead_letters.integration: expected the name of an enabled"),
                "{message}"
            );
        }
    }

    #[test]
    fn secrets_are_long_and_never_shown() {
        for secrets in [json!([]), json!([SECRET, "too short"])] {
            let mut configuration = configuration(&carrier("Letters", "own", "/letters"));
            configuration["dead_letters"]["secrets"] = secrets;
            let message = refusal(&configuration);
            assert!(message.starts_with("dead_letters.secrets: expected at least"), "{message}");
            assert!(!message.contains("too short"), "{message}");
        }
        let compiled = load(&configuration(&carrier("Letters", "own", "/letters"))).unwrap();
        assert!(!format!("{:?}", compiled.dead_letters).contains(SECRET));
        assert!(compiled.plain_secrets.iter().any(|path| path == "dead_letters.secrets[0]"));
    }
}
