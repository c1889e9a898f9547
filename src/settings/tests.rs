use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::delivery::DeliverySettings;

fn read<T: DeserializeOwned>(json: &Value) -> Result<T, Invalid> {
    of_text(&json.to_string())
}

fn config(changed: &Value) -> Value {
    let mut config = json!({"integrations": [{"name": "a", "vendor": "podsights"}]});
    let (Value::Object(config), Value::Object(changed)) = (&mut config, changed) else { panic!() };
    config.extend(changed.clone());
    Value::Object(config.clone())
}

fn integration(changed: &Value) -> Value {
    let mut integration = json!({"name": "b", "vendor": "flashtalking"});
    let (Value::Object(members), Value::Object(changed)) = (&mut integration, changed) else { panic!() };
    members.extend(changed.clone());
    json!({"integrations": [{"name": "a", "vendor": "podsights"}, integration]})
}

#[test]
fn an_error_names_the_place_the_problem_and_what_is_expected() {
    let mapping = |mapping: Value| {
        integration(&json!({"field_mappings": {"version": 2, "global": {"mappings": [mapping]}}}))
    };
    let table = [
        (json!([]), "expected an object, got a list"),
        (json!({}), "integrations is missing: it is required"),
        (config(&json!({"integrations": {}})), "integrations: expected a list, got an object"),
        (config(&json!({"integrations": ["a"]})), "integrations[0]: expected an object, got a string"),
        (
            config(&json!({"integrations": [{"vendor": "podsights"}]})),
            "integrations[0]: name is missing: it is required",
        ),
        (config(&json!({"endpoints": null})), "endpoints: expected an object, got null"),
        (
            config(&json!({"delivery": {"backoff": {"bass": "1s"}}})),
            "delivery.backoff.bass: unknown field: expected one of base, max",
        ),
        (
            config(&json!({"delivery": {"a key": 1}})),
            "delivery[\"a key\"]: unknown field: expected one of timeout, max_attempts",
        ),
        (
            config(&json!({"delivery": {"max_attempts": -1}})),
            "delivery.max_attempts: expected a whole number, got -1",
        ),
        (
            config(&json!({"delivery": {"max_attempts": 4_294_967_296_u64}})),
            "delivery.max_attempts: expected 1 to 1000, got 4294967296",
        ),
        (
            config(&json!({"delivery": {"max_attempts": 1.5}})),
            "delivery.max_attempts: expected a whole number, got a number with a fraction",
        ),
        (
            config(&json!({"delivery": {"max_attempts": "8"}})),
            "delivery.max_attempts: expected a whole number, got a string",
        ),
        (config(&json!({"delivery": {"timeout": 5}})), "delivery.timeout: expected a string, got a number"),
        (
            config(&json!({"delivery": {"timeout": "soon"}})),
            "delivery.timeout: expected a duration like 500ms, 5s, 10m, 1h or 400d, got \"soon\"",
        ),
        (
            config(&json!({"endpoints": {"relay_when": "never"}})),
            "endpoints.relay_when: expected accepted or always, got \"never\"",
        ),
        (
            config(&json!({"endpoints": {"relay_when": {"always": 1}}})),
            "endpoints.relay_when: expected a string, got an object",
        ),
        (
            config(&json!({"consent": {"aliases": {"my ads": [1]}}})),
            "consent.aliases[\"my ads\"][0]: expected a string, got a number",
        ),
        (
            integration(&json!({"enabled": "yes"})),
            "integrations[1].enabled: expected a boolean, got a string",
        ),
        (integration(&json!({"preset": 1})), "integrations[1].preset: expected a string, got a number"),
        (
            integration(&json!({"field_mappings": {"version": 1}})),
            "integrations[1].field_mappings.version: expected 2, got 1",
        ),
        (
            mapping(json!({"target": "a", "source": 1})),
            "integrations[1].field_mappings.global.mappings[0].source: expected a string or a list of strings, \
             got a number",
        ),
        (
            mapping(json!({"target": "a", "source": ["b", null]})),
            "integrations[1].field_mappings.global.mappings[0].source[1]: expected a string, got null",
        ),
        (
            mapping(json!({"target": "a", "value": [1]})),
            "integrations[1].field_mappings.global.mappings[0].value: expected a string, a number or a boolean, \
             got a list",
        ),
    ];
    for (value, message) in table {
        let refused = read::<Config>(&value).err().map(|invalid| invalid.to_string()).unwrap_or_default();
        assert!(refused.starts_with(message), "{value}\n{refused}\n{message}");
    }
}

#[test]
fn every_kind_of_setting_is_read() {
    let read = read::<Config>(&json!({
        "endpoints": {"relay_when": "always", "max_events": 7},
        "consent": {"respect_gpc": false, "aliases": {"marketing": ["my_ads", "ours"]}},
        "delivery": {"timeout": "2s"},
        "integrations": [{
            "name": "a", "vendor": "podsights", "source_id": "src_1", "preset": null, "events": ["Order Completed"],
            "config": {"key": "k", "deep": [1, -1, 1.5, true, null, {"a": "b"}]},
            "field_mappings": {"version": 2, "events": {"Signed Up": {"mappings": [
                {"target": "plan", "value": -1.5, "value_map": {"a": true, "*": 3}},
                {"target": "items", "source": ["a", "b"], "each": [{"target": "id", "source": "sku"}]}
            ]}}}
        }]
    }));
    let config = read.unwrap();
    assert_eq!(config.endpoints.max_events.get(), 7);
    assert!(!config.consent.respect_gpc);
    assert_eq!(config.delivery.timeout.get().as_secs(), 2);
    let integration = &config.integrations[0];
    assert!(integration.enabled && integration.preset.is_none());
    assert_eq!(
        Value::Object(integration.config.clone()),
        json!({"key": "k", "deep": [1, -1, 1.5, true, null, {"a": "b"}]})
    );
    let document = format!("{:?}", integration.field_mappings.as_ref().unwrap());
    assert!(document.contains("OneOrMore([\"a\", \"b\"])") && document.contains("-1.5"), "{document}");
}

#[test]
fn a_misspelled_setting_is_named_rather_than_the_required_one_that_is_missing() {
    let refused = read::<Config>(&json!({"integrations": [{"nam": "a", "vendor": "podsights"}]}));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.starts_with("integrations[0].nam: unknown field: expected one of name, vendor"),
        "{refused}"
    );
}

#[test]
fn of_several_problems_the_first_in_the_order_of_the_keys_is_named() {
    let refused = read::<Config>(&json!({"delivery": {"timeout": "soon"}, "consent": 1, "integrations": 2}));
    assert_eq!(refused.unwrap_err().to_string(), "consent: expected an object, got a number");
}

#[test]
fn what_is_absent_is_read_like_an_empty_object() {
    let config = read::<Config>(&json!({"delivery": {}, "integrations": []})).unwrap();
    assert_eq!(format!("{:?}", config.delivery), format!("{:?}", DeliverySettings::default()));
    assert_eq!(config.delivery.queue.max_deliveries.get(), 10_000);
}
