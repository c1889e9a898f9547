//! The JSON Schema says what the filter's own code says: what the schema refuses the code refuses, and what runs is valid.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use conversion_relay::config::{Compiled, schema};
use jsonschema::Validator;
use serde_json::{Value, json};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn validator() -> Validator {
    jsonschema::draft7::new(&schema::of_configuration()).unwrap()
}

fn yaml(file: &str) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap()).unwrap()
}

fn is_accepted(configuration: &Value) -> bool {
    Compiled::load(configuration.to_string().as_bytes(), &|_| Some("12345678".to_owned())).is_ok()
}

fn good() -> Value {
    json!({
        "endpoints": {"max_events": 500},
        "delivery": {"max_attempts": 8, "timeout": "5s"},
        "integrations": [
            {"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}},
            {"name": "FT", "type": "flashtalking", "id": "int_1", "created_at": "2026-01-01T00:00:00Z",
             "config": {"advertiser_id": 1, "spotlight_id": "2", "spotlight_group_id": "${GROUP}"}},
        ],
    })
}

#[test]
fn every_configuration_of_the_repository_is_valid_by_the_schema() {
    let validator = validator();
    let golden = yaml("cli/tests/golden/preview.yaml");
    let golden = golden["configurations"].as_object().unwrap();
    let filter = yaml("conversion-relay.yaml");
    let shipped = filter.pointer("/resources/0/typed_config/config/configuration/value").unwrap();
    for (name, configuration) in golden.iter().map(|(name, it)| (name.as_str(), it)).chain([
        ("shipped", shipped),
        ("good", &good()),
        ("nothing", &json!({"integrations": []})),
    ]) {
        let errors: Vec<_> = validator.iter_errors(configuration).map(|error| error.to_string()).collect();
        assert!(errors.is_empty() && is_accepted(configuration), "{name}: {errors:#?}");
    }
}

#[test]
fn a_sealed_value_is_valid_wherever_a_text_has_a_form() {
    let mut sealed = good();
    for pointer in
        ["/delivery/timeout", "/integrations/0/config/key", "/integrations/1/config/spotlight_group_id"]
    {
        *sealed.pointer_mut(pointer).unwrap() = json!("sealed:v1:AAAA");
    }
    let errors: Vec<_> = validator().iter_errors(&sealed).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn what_is_out_of_range_unknown_or_of_another_vendor_is_refused_by_schema_and_code_alike() {
    let validator = validator();
    let table = [
        ("/delivery/max_attempts", json!(0)),
        ("/delivery/max_attempts", json!(1001)),
        ("/delivery/max_attempts", json!(1.5)),
        ("/delivery/max_attempts", json!("8")),
        ("/delivery/timeout", json!(5)),
        ("/delivery/timeout", json!("5 s")),
        ("/delivery/timeout", json!("soon")),
        ("/delivery/time_out", json!("5s")),
        ("/endpoints/max_events", json!(0)),
        ("/endpoints/reply", json!("remote")),
        ("/identity", json!({"anonymous_id_cookies": [""]})),
        ("/identity", json!({"remember_email": {}})),
        ("/consent", json!({"cookies": {"onetrst": "x"}})),
        ("/integrations/0/vendor", json!("podsight")),
        ("/integrations/0/vendor", json!("flashtalking")),
        ("/integrations/0/preset", json!("default")),
        ("/integrations/0/config", json!({})),
        ("/integrations/0/config", json!({"key": 7})),
        ("/integrations/0/config", json!({"key": "k", "advertiser_id": 1})),
        ("/integrations/1/config", json!({"advertiser_id": 1, "spotlight_id": 2})),
        ("/integrations/1/config/spotlight_id", json!("abc")),
        ("/integrations/1/config/spotlight_id", json!(-1)),
        ("/integrations/1/type", json!("podsights")),
        ("/integrations/0/field_mappings", json!({"version": 1})),
        ("/integrations/0/field_mappings", json!({"version": 2, "defaults": {"action": "keep"}})),
    ];
    for (pointer, value) in table {
        let mut configuration = good();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        configuration.pointer_mut(parent).unwrap()[key] = value.clone();
        let verdicts = (validator.is_valid(&configuration), is_accepted(&configuration));
        assert_eq!(verdicts, (false, false), "{pointer} = {value}, by schema and by code");
    }
}
