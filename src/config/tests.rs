mod hand_off;

use serde_json::{Value, json};

use super::*;

fn good() -> Value {
    json!({"identity": {}, "integrations": [
        {
            "name": "Flashtalking purchases",
            "vendor": "flashtalking",
            "config": {"advertiser_id": 1234567, "spotlight_id": "987654", "spotlight_group_id": 5},
            "consent_categories": ["advertising"]
        },
        {"name": "Podsights Production", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}}
    ]})
}

const KEY: &str = "ps_pixel_key_abc123";

fn load(config: &Value) -> Result<Compiled, Invalid> {
    let environment = |name: &str| (name == "PODSIGHTS_KEY").then(|| KEY.to_owned());
    Compiled::load(config.to_string().as_bytes(), &environment)
}

/// The message for a good configuration with one value changed, by JSON pointer; null takes the value away.
fn refusal(pointer: &str, value: Value) -> String {
    let mut config = good();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = config.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(members), Value::Null) => drop(members.remove(key)),
        (Value::Object(members), value) => drop(members.insert(key.to_owned(), value)),
        (parent, value) => parent[key.parse::<usize>().unwrap()] = value,
    }
    match load(&config) {
        Ok(_) => panic!("{pointer} was accepted"),
        Err(invalid) => invalid.to_string(),
    }
}

#[test]
fn a_good_configuration_is_compiled_with_numeric_strings_and_environment_variables() {
    let config = load(&good()).unwrap();
    assert_eq!(config.integrations.len(), 2);
    assert_eq!(config.integrations[0].destination.counts_as().as_deref(), Some("1234567;987654;5"));
    assert!(config.plain_secrets.is_empty());
}

#[test]
fn a_bad_configuration_is_refused_with_the_path_the_problem_and_the_fix() {
    let table = [
        ("/integrations/0/config/spotlight_id", json!(null), &["integrations[0].config", "spotlight_id"][..]),
        (
            "/integrations/0/config/spotlight_id",
            json!("abc"),
            &["integrations[0].config.spotlight_id: expected a number like 987654, got \"abc\""],
        ),
        (
            "/integrations/0/config/spotlight_id",
            json!(-1),
            &["integrations[0].config.spotlight_id", "got -1"],
        ),
        (
            "/integrations/0/config/spotlight_id",
            json!(1.5),
            &["integrations[0].config.spotlight_id", "got 1.5"],
        ),
        (
            "/integrations/0/config/spotlight",
            json!(1),
            &["integrations[0].config", "spotlight", "spotlight_id"],
        ),
        ("/integrations/1/config/key", json!(null), &["integrations[1].config", "key"]),
        ("/integrations/1/config/key", json!(""), &["integrations[1].config.key: expected a pixel key"]),
        (
            "/integrations/1/config/key",
            json!("${UNSET}"),
            &["integrations[1].config.key", "UNSET", "host_env_keys"],
        ),
        ("/integrations/1/config/key", json!("${OPEN"), &["integrations[1].config.key", "expected ${NAME}"]),
        (
            "/integrations/1/vendor",
            json!("podsight"),
            &["integrations[1].vendor", "\"podsight\"", "flashtalking, podsights"],
        ),
        ("/integrations/1/preset", json!("default"), &["integrations[1].preset", "\"default\"", "retail"]),
        ("/integrations/1/name", json!("Flashtalking_purchases"), &["integrations[1].name", "metric label"]),
        ("/integrations/1/name", json!(" "), &["integrations[1].name: expected a non-empty name"]),
        ("/integrations/1/enabled", json!("yes"), &["integrations[1].enabled", "expected a boolean"]),
        (
            "/integrations/1/consent_categories",
            json!(["ads"]),
            &["integrations[1].consent_categories", "ads", "aliases"],
        ),
        (
            "/integrations/1/events",
            json!(["Order Done"]),
            &["integrations[1].events[0]", "Order Done", "Order Completed"],
        ),
        (
            "/integrations/1/type",
            json!("flashtalking"),
            &["integrations[1].type: expected the same as vendor"],
        ),
        ("/integrations/0/vendor", json!(null), &["integrations[0]: vendor is missing: it is required"]),
        ("/integrations", json!({}), &["integrations", "expected a list"]),
        ("/integrations", json!(null), &["integrations"]),
        ("/integration", json!([]), &["integration", "unknown field"]),
        ("/endpoints", json!({"relay_when": "never"}), &["endpoints.relay_when", "never", "accepted"]),
        ("/endpoints", json!({"base_path": "collect"}), &["endpoints.base_path", "/collect"]),
        ("/endpoints", json!({"max_body_bytes": 0}), &["endpoints.max_body_bytes: expected 1 to"]),
        ("/delivery", json!({"timeout": "0s"}), &["delivery.timeout: expected 1ms to"]),
        ("/delivery", json!({"timeout": 5}), &["delivery.timeout"]),
        ("/delivery", json!({"max_age": "soon"}), &["delivery.max_age: expected a duration like 500ms"]),
        ("/delivery", json!({"backoff": {"base": "1m", "max": "1s"}}), &["delivery.backoff"]),
        ("/delivery", json!({"queue": {"max_deliveries": 1}}), &["delivery.queue.max_deliveries"]),
        ("/consent", json!({"aliases": {"ads": ["x"]}}), &["consent.aliases", "ads"]),
        (
            "/consent",
            json!({"cookies": {"foo": "x"}}),
            &["consent.cookies.foo: unknown field: expected one of onetrust, cookiebot, didomi, tcf, gpp"],
        ),
        ("/consent", json!({"when_absent": "never"}), &["consent.when_absent: expected deny, allow or"]),
        (
            "/consent",
            json!({"custom": [{"cookie": "c", "format": "list", "granted": {"ads": ["x"]}}]}),
            &["consent.custom[0].granted: unknown consent category `ads`"],
        ),
        (
            "/consent",
            json!({"custom": [{"cookie": "CookieConsent", "format": "list", "granted": {"marketing": ["x"]}}]}),
            &["consent.custom[0].cookie: CookieConsent is read as Cookiebot's cookie too"],
        ),
        ("/identity", json!({"anonymous_id_cookies": ["a b"]}), &["identity.anonymous_id_cookies[0]"]),
        ("/identity/issue_anonymous_id", json!({"cookie": "own"}), &[".cookie: expected one of", "\"own\""]),
        ("/identity/issue_anonymous_id", json!({"domain": "a b"}), &[".domain: expected a domain like"]),
        ("/identity/issue_anonymous_id", json!({"max_age": "401d"}), &[".max_age: expected 1s to"]),
        ("/identity/issue_anonymous_id", json!({"requires": ["ads"]}), &[".requires", "ads"]),
        ("/identity/remember_email", json!({}), &["identity.remember_email", "secrets"]),
        ("/identity/remember_email", json!({"secrets": []}), &["secrets: expected at least one secret"]),
        ("/identity/remember_email", json!({"secrets": ["short"]}), &["secrets: expected at least 32 bytes"]),
        (
            "/identity/remember_email",
            json!({"secrets": ["x".repeat(32)], "cookie": "_dfid"}),
            &["identity.remember_email.cookie: expected another cookie"],
        ),
    ];
    for (pointer, value, parts) in table {
        let message = refusal(pointer, value.clone());
        for part in parts {
            assert!(message.contains(part), "{pointer} = {value}: {message:?} lacks {part:?}");
        }
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn no_message_shows_a_secret_wherever_it_was_put() {
    for pointer in [
        "/integrations/1/vendor",
        "/integrations/1/preset",
        "/integrations/0/config/advertiser_id",
        "/integrations/0/enabled",
        "/endpoints",
    ] {
        let message = refusal(pointer, json!("${PODSIGHTS_KEY}"));
        assert!(!message.contains(KEY), "{pointer}: {message}");
    }
    for secrets in [json!("a_literal_secret"), json!(["a_literal_secret"]), json!({"a": "a_literal_secret"})]
    {
        let message = refusal("/identity/remember_email", json!({"secrets": secrets}));
        assert!(!message.contains("a_literal_secret"), "{message}");
    }
    for key in [json!(["ps_literal_key"]), json!({"a": "ps_literal_key"}), json!(771_177)] {
        let message = refusal("/integrations/1/config/key", key);
        assert!(!message.contains("ps_literal_key") && !message.contains("771177"), "{message}");
    }
}

#[test]
fn a_secret_written_out_is_named_but_not_shown() {
    let mut config = good();
    config["integrations"][1]["config"]["key"] = json!("ps_literal_key");
    config["identity"]["remember_email"] =
        json!({"secrets": ["${PODSIGHTS_KEY}${PODSIGHTS_KEY}", "x".repeat(32)]});
    config["sources"] = json!([
        {"id": "site", "keys": ["in_every_browser"], "signing_secret": "written out"},
        {"id": "server", "keys": ["a", "${PODSIGHTS_KEY}"], "client_from_context": "always"},
    ]);
    let expected = [
        "identity.remember_email.secrets[1]",
        "sources[0].signing_secret",
        "sources[1].keys[0]",
        "integrations[1].config.key",
    ];
    assert_eq!(load(&config).unwrap().plain_secrets, expected);
}

#[test]
fn what_signal_writes_into_an_integration_is_taken_and_two_ids_that_are_one_are_refused() {
    let mut config = good();
    for (at, integration) in config["integrations"].as_array_mut().unwrap().iter_mut().enumerate() {
        integration["id"] = json!(format!("int_{at}"));
        integration["created_at"] = json!("2026-01-01T00:00:00Z");
        integration["updated_at"] = json!("2026-01-01T00:00:00Z");
        let vendor = integration.as_object_mut().unwrap().remove("vendor").unwrap();
        integration["type"] = vendor;
    }
    let compiled = load(&config).unwrap();
    assert_eq!(compiled.integrations[1].vendor.name(), "podsights");
    assert_eq!(compiled.integrations[1].id.as_deref(), Some("int_1"));
    config["integrations"][1]["id"] = json!("int_0");
    let message = load(&config).err().unwrap().to_string();
    assert!(message.starts_with("integrations[1].id: expected an id that no other"), "{message}");
}

#[test]
fn an_empty_list_of_integrations_is_a_configuration_that_delivers_nothing() {
    assert!(load(&json!({"integrations": []})).unwrap().integrations.is_empty());
}

#[test]
fn two_integrations_that_would_count_an_event_twice_are_refused() {
    let mut config = good();
    let mut twin = config["integrations"][0].clone();
    twin["name"] = json!("Twin");
    config["integrations"].as_array_mut().unwrap().push(twin);
    let message = load(&config).err().unwrap().to_string();
    assert!(message.starts_with("integrations[2]: ") && message.contains("1234567;987654;5"), "{message}");

    config["integrations"][0]["events"] = json!(["Order Completed"]);
    config["integrations"][2]["events"] = json!(["Signed Up"]);
    assert!(load(&config).is_ok(), "different events of one tag count once each");
    config["integrations"][2]["events"] = json!(["order_completed"]);
    assert!(load(&config).is_err(), "a dialect of the same event");
    config["integrations"][2]["enabled"] = json!(false);
    assert!(load(&config).is_ok(), "a disabled integration sends nothing");
}

#[test]
fn one_tag_may_have_an_integration_for_each_source_since_an_event_has_one_source() {
    let mut config = good();
    config["sources"] = json!([{"id": "src_test", "keys": ["k1"]}, {"id": "src_live", "keys": ["k2"]}]);
    for integration in config["integrations"].as_array_mut().unwrap() {
        integration["source_id"] = json!("src_test");
    }
    let mut twin = config["integrations"][0].clone();
    twin["name"] = json!("Twin");
    config["integrations"].as_array_mut().unwrap().push(twin);
    assert!(load(&config).is_err(), "the same source");
    config["integrations"][2]["source_id"] = json!("src_live");
    assert!(load(&config).is_ok());
    config["integrations"][2]["source_id"] = json!(null);
    assert!(load(&config).is_err(), "the events of every source are those of the test source, too");
    config["integrations"][2]["source_id"] = json!("src_live");
    config.as_object_mut().unwrap().remove("sources");
    assert!(load(&config).is_err(), "without sources each gets every event");
}

#[test]
fn what_requests_and_deliveries_may_take_together_leaves_a_vm_some_memory() {
    let with = |captured: usize, queued: usize| {
        let mut config = good();
        config["endpoints"]["max_captured_bytes"] = json!(captured << 20);
        config["delivery"]["queue"]["max_bytes"] = json!(queued << 20);
        load(&config).map(|_| ()).map_err(|invalid| invalid.to_string())
    };
    assert!(with(512, 256).is_ok() && with(256, 512).is_ok());
    let message = with(512, 257).unwrap_err();
    assert!(message.starts_with("delivery.queue.max_bytes: expected at most 268435456"), "{message}");
}

#[test]
fn a_protobuf_struct_as_envoy_passes_it_is_read_like_json() {
    use prost::Message;
    use prost_types::{ListValue, Struct, Value, value::Kind};

    fn to_proto(json: &serde_json::Value) -> Value {
        let kind = match json {
            serde_json::Value::Null => Kind::NullValue(0),
            serde_json::Value::Bool(value) => Kind::BoolValue(*value),
            serde_json::Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
            serde_json::Value::String(text) => Kind::StringValue(text.clone()),
            serde_json::Value::Array(items) => {
                Kind::ListValue(ListValue { values: items.iter().map(to_proto).collect() })
            }
            serde_json::Value::Object(members) => Kind::StructValue(Struct {
                fields: members.iter().map(|(name, value)| (name.clone(), to_proto(value))).collect(),
            }),
        };
        Value { kind: Some(kind) }
    }

    let Some(Kind::StructValue(fields)) = to_proto(&good()).kind else { panic!() };
    let environment = |_: &str| Some(KEY.to_owned());
    let config = Compiled::load(&fields.encode_to_vec(), &environment).unwrap();
    assert_eq!(config.integrations[0].destination.counts_as().as_deref(), Some("1234567;987654;5"));
}

#[test]
fn what_is_neither_json_nor_a_struct_says_so() {
    for text in ["", " ", "{", "integrations: []", "\u{1}\u{2}"] {
        let message = Compiled::load(text.as_bytes(), &|_| None).err().unwrap().to_string();
        assert!(message.contains("integrations") || message.contains("JSON"), "{text:?}: {message}");
    }
}
