use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::Compiled;
use crate::vendors::{Attempt, Parcel};

const RELAY_KEY: &str = "the gateways' secret, 32 bytes or more";
const NEW_KEY: &str = "the gateways' new secret, 32 bytes or more";
const PLAIN: &str = "ps_pixel_key_abc123";

fn keys(secrets: &[&str]) -> SealingKeys {
    let secrets: Vec<Secret> = secrets.iter().copied().map(Secret::new).collect();
    SealingKeys::new(&secrets).unwrap()
}

fn seal(plain: &str, place: &str) -> String {
    keys(&[RELAY_KEY]).seal(plain, place, [7; NONCE]).unwrap()
}

const KEY_PLACE: &str = "integrations[id=int_abc].config.key";
const HEADER_PLACE: &str = "integrations[id=int_q].config.headers.authorization";

/// Podsights and a webhook, both with a sealed value.
fn configuration() -> Value {
    json!({"secrets": ["${RELAY_KEY}"], "integrations": [
        {"id": "int_abc", "name": "Pod", "vendor": "podsights", "config": {"key": seal(PLAIN, KEY_PLACE)}},
        {
            "id": "int_q", "name": "Hook", "vendor": "webhook",
            "config": {"cluster": "hook", "authority": "hook.internal", "path": "/in",
                "headers": {"authorization": seal("Bearer token-of-ours", HEADER_PLACE)}},
            "preset": "cloudevents"
        }
    ]})
}

fn environment(name: &str) -> Option<String> {
    match name {
        "RELAY_KEY" => Some(RELAY_KEY.to_owned()),
        "NEW_KEY" => Some(NEW_KEY.to_owned()),
        "SHORT" => Some("short".to_owned()),
        "ELSEWHERE" => Some(seal("x", "elsewhere")),
        _ => None,
    }
}

fn load(configuration: &Value) -> Result<Compiled, String> {
    Compiled::load(configuration.to_string().as_bytes(), &environment).map_err(|invalid| invalid.to_string())
}

fn refusal(configuration: &Value) -> String {
    load(configuration).err().unwrap_or_else(|| panic!("it was taken: {configuration:#}"))
}

/// The pixel key and the header as the vendors get them.
fn sent(config: &Compiled) -> (String, String) {
    let (parcel, attempt) = (Parcel::default(), Attempt::sent(0));
    let callout = |name| config.integration(name).unwrap().destination.callout(&parcel, &attempt);
    let (body, headers) = (callout("Pod").body, callout("Hook").headers);
    // An empty parcel's body is only the beginning of an object, with the key.
    let key = body.unwrap().strip_prefix("{\"key\":\"").unwrap().trim_end_matches(['"', ',']).to_owned();
    let header = headers.iter().find(|(name, _)| *name == "authorization").unwrap().1.to_string();
    (key, header)
}

#[test]
fn sealed_values_reach_the_vendors_opened_and_are_no_secrets_in_plain_text() {
    let config = load(&configuration()).unwrap();
    assert_eq!(sent(&config), (PLAIN.to_owned(), "Bearer token-of-ours".to_owned()));
    assert!(config.plain_secrets.is_empty(), "{:?}", config.plain_secrets);
}

#[test]
fn wherever_a_request_is_shown_what_was_sealed_is_masked() {
    let mut configuration = configuration();
    let place = "integrations[id=int_q].config.path";
    configuration["integrations"][1]["config"]["path"] = json!(seal("/hooks/a-token?to=b", place));
    let config = load(&configuration).unwrap();
    assert!(config.plain_secrets.is_empty(), "{:?}", config.plain_secrets);
    let (parcel, shown) = (Parcel::default(), Attempt::shown(0));
    for name in ["Pod", "Hook"] {
        let callout = config.integration(name).unwrap().destination.callout(&parcel, &shown);
        let text = format!("{} {:?} {:?}", callout.path, callout.headers, callout.body);
        for secret in [PLAIN, "token-of-ours", "a-token"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let sent = Attempt::sent(0);
    let callout = config.integration("Hook").unwrap().destination.callout(&parcel, &sent);
    assert_eq!(callout.path, "/hooks/a-token?to=b");
}

#[test]
fn a_list_may_be_reordered_and_get_further_items() {
    let mut changed = configuration();
    let list = changed["integrations"].as_array_mut().unwrap();
    list.reverse();
    list.insert(0, json!({"name": "Other", "vendor": "podsights", "events": ["Signed Up"], "config": {"key": "${NEW_KEY}"}}));
    assert_eq!(sent(&load(&changed).unwrap()).0, PLAIN);
}

#[test]
fn a_value_is_refused_at_another_key_of_another_integration_and_once_its_own_has_another_id() {
    let mut moved = configuration();
    moved["integrations"][1]["config"]["headers"]["authorization"] = json!(seal(PLAIN, KEY_PLACE));
    let message = refusal(&moved);
    let path = "integrations[1].config.headers.authorization: changed, or sealed for another place";
    assert!(message.starts_with(path), "{message}");
    let mut renamed = configuration();
    renamed["integrations"][0]["id"] = json!("int_other");
    assert!(
        refusal(&renamed).starts_with("integrations[0].config.key: changed, or sealed for another place")
    );
}

#[test]
fn a_name_counts_as_it_is_written_whatever_the_environment_makes_of_it() {
    let mut configuration = configuration();
    let pod = configuration["integrations"][0].as_object_mut().unwrap();
    pod.remove("id");
    pod.insert("name".to_owned(), json!("Pod ${NEW_KEY}"));
    let place = place(&configuration, "integrations[0].config.key").unwrap();
    assert_eq!(place, "integrations[name=\"Pod ${NEW_KEY}\"].config.key");
    configuration["integrations"][0]["config"]["key"] = json!(seal(PLAIN, &place));
    assert!(load(&configuration).is_ok());
}

#[test]
fn what_was_sealed_is_not_expanded() {
    let mut configuration = configuration();
    configuration["integrations"][0]["config"]["key"] = json!(seal("${NEW_KEY}", KEY_PLACE));
    assert_eq!(sent(&load(&configuration).unwrap()).0, "${NEW_KEY}");
}

#[test]
fn any_string_may_be_sealed_even_one_that_comes_from_the_environment() {
    let mut configuration = configuration();
    configuration["delivery"] = json!({"timeout": seal("7s", "delivery.timeout")});
    configuration["identity"] = json!({"remember_email": {
        "secrets": [seal(NEW_KEY, "identity.remember_email.secrets[0]")]}});
    assert_eq!(load(&configuration).unwrap().delivery.timeout.as_secs(), 7);
    configuration["delivery"]["timeout"] = json!("${ELSEWHERE}");
    assert!(refusal(&configuration).starts_with("delivery.timeout: changed, or sealed for another place"));
}

#[test]
fn a_refusal_names_the_path_the_problem_and_the_fix() {
    let key = |value: Value| {
        let mut changed = configuration();
        changed["integrations"][0]["config"]["key"] = value;
        changed
    };
    let secrets = |value: Value| {
        let mut changed = configuration();
        changed["secrets"] = value;
        changed
    };
    let of_other = keys(&[NEW_KEY]).seal(PLAIN, KEY_PLACE, [7; NONCE]).unwrap();
    let table = [
        (
            key(json!(of_other)),
            "integrations[0].config.key: sealed under a secret that is not among secrets: add that",
        ),
        (key(json!("sealed:v1:")), "integrations[0].config.key: changed, or sealed for another place: "),
        (key(json!("sealed:v1:not base64")), "integrations[0].config.key: changed"),
        (
            secrets(json!([])),
            "integrations[0].config.key: a sealed value, but there are no secrets to open it: add",
        ),
        (secrets(json!(["${NEW_KEY}"])), "integrations[0].config.key: sealed under a secret"),
        (secrets(json!(["${SHORT}"])), "secrets: expected at least 32 bytes in secret 0"),
        (
            secrets(json!(["${RELAY_KEY}", seal(NEW_KEY, "secrets[1]")])),
            "secrets[1]: expected a secret as ${NAME}, got a sealed value",
        ),
    ];
    for (configuration, expected) in table {
        let message = refusal(&configuration);
        assert!(message.starts_with(expected) || message.contains(expected), "{message}\n{expected}");
        assert!(!message.contains('\n') && !message.contains(PLAIN), "{message}");
    }
}

#[test]
fn the_first_secret_seals_and_all_open_so_that_it_can_be_rotated() {
    let mut rotated = configuration();
    rotated["secrets"] = json!(["${NEW_KEY}", "${RELAY_KEY}"]);
    assert!(load(&rotated).is_ok());
    let keys = keys(&[NEW_KEY, RELAY_KEY]);
    let anew = keys.seal(PLAIN, KEY_PLACE, [8; NONCE]).unwrap();
    assert_eq!(sealed_under(&anew), Some(keys.id()));
    assert_ne!(sealed_under(&seal(PLAIN, KEY_PLACE)), Some(keys.id()), "it has to be sealed anew");
    for other in ["", "sealed:v1:", "sealed:v1:AAAA", "sealed:v1:%", "v1.AAAAAAAA", PLAIN] {
        assert_eq!(sealed_under(other), None, "{other}");
    }
}

#[test]
fn no_message_shows_what_was_sealed_wherever_it_was_put() {
    for (pointer, place) in [
        ("/integrations/0/vendor", "integrations[id=int_abc].vendor"),
        ("/integrations/0/preset", "integrations[id=int_abc].preset"),
        ("/integrations/0/enabled", "integrations[id=int_abc].enabled"),
        ("/integrations/1/config/purpose", "integrations[id=int_q].config.purpose"),
        ("/delivery", "delivery"),
    ] {
        let mut configuration = configuration();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        configuration.pointer_mut(parent).unwrap()[key] = json!(seal("a-sealed-text", place));
        let message = refusal(&configuration);
        assert!(
            !message.contains("a-sealed-text") && !message.contains("sealed for"),
            "{pointer}: {message}"
        );
    }
    assert!(!format!("{:?}", keys(&[RELAY_KEY])).contains("gateways"));
}

#[test]
fn a_placeholder_stands_for_a_value_whose_secret_is_unknown_but_not_for_one_that_was_changed() {
    let load = |configuration: &Value| {
        let placeholder = |path: &str| path.ends_with(".key").then(|| "0000".to_owned());
        let text = configuration.to_string();
        Compiled::load_with_placeholders(text.as_bytes(), &environment, &placeholder)
            .map_err(|it| it.to_string())
    };
    let mut configuration = configuration();
    configuration["integrations"].as_array_mut().unwrap().truncate(1);
    configuration["secrets"] = json!(["${NEW_KEY}"]);
    assert!(load(&configuration).is_ok());
    configuration["integrations"][0]["config"]["key"] = json!("sealed:v1:AAAA");
    assert!(load(&configuration).err().unwrap().contains("changed, or sealed for another place"));
}

proptest! {
    #[test]
    fn whatever_is_sealed_opens_at_its_place_alone(plain: String, place: String, other: String, nonce: [u8; NONCE]) {
        let keys = keys(&[RELAY_KEY]);
        let sealed = keys.seal(&plain, &place, nonce).unwrap();
        prop_assert!(is_sealed(&sealed));
        prop_assert_eq!(keys.open(&sealed, &place), Ok(plain));
        if other != place {
            prop_assert_eq!(keys.open(&sealed, &other), Err(Unopened::Altered));
        }
        prop_assert_eq!(keys_of_another().open(&sealed, &place), Err(Unopened::UnknownSecret));
    }

    #[test]
    fn no_text_but_ours_opens(text in "(sealed:v1:)?[A-Za-z0-9_-]{0,200}", any: String) {
        for text in [text, any] {
            prop_assert!(keys(&[RELAY_KEY]).open(&text, "").is_err());
        }
    }
}

fn keys_of_another() -> SealingKeys {
    keys(&[NEW_KEY])
}
