//! The OpenAPI document.

use conversion_relay_console::api;
use serde_json::{Value, json};

use super::support::Api;
use super::{add, podsights};

/// The OpenAPI document as it is in the repository.
const OPENAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");

#[test]
fn the_openapi_document_in_the_repository_is_what_the_code_says() {
    let now = format!("{:#}\n", api::document());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(OPENAPI, &now).unwrap();
    }
    let then = std::fs::read_to_string(OPENAPI).unwrap_or_default();
    assert!(now == then, "console/openapi.json is out of date: make docs");
}

#[test]
fn every_reference_in_the_openapi_document_leads_somewhere_and_every_operation_has_a_name() {
    let document = api::document();
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    match member {
                        Value::String(text) if key == "$ref" => found.push(text.clone()),
                        member => references(member, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 50);
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
    let mut names = Vec::new();
    for operations in document["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            assert!(operation["summary"].is_string(), "{operation}");
            names.push(operation["operationId"].as_str().unwrap());
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), count > 30), (count, true));
    assert_eq!(document["components"]["securitySchemes"]["bearer"]["scheme"], "bearer");
}

#[tokio::test]
async fn what_is_answered_is_what_the_openapi_document_says() {
    let api = Api::new();
    let document = api.get("/v1/openapi.json").await.json();
    let path = add(&api, podsights("Pod")).await;
    api.post("/v1/admin/sources", json!({"id": "src_a", "keys": ["k"]})).await;
    let event = json!({"event": {"type": "track", "event": "Order Completed", "anonymousId": "a"}});
    let answers = [
        (api.get(&path).await, "Integration"),
        (api.get("/v1/admin/sources/src_a").await, "Source"),
        (api.get("/v1/admin/settings").await, "Settings"),
        (api.get("/v1/admin/revisions/2?against=1").await, "RevisionDetail"),
        (api.get("/v1/admin/intake").await, "IntakeCounts"),
        (api.post(&format!("{path}/preview"), event).await, "Preview"),
        (api.get("/v1/admin/nothing").await, "ErrorBody"),
    ];
    for (answer, name) in answers {
        let mut schema = document.clone();
        schema["$ref"] = json!(format!("#/components/schemas/{name}"));
        let validator = jsonschema::draft202012::new(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&answer.json()).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}\n{answer:?}");
    }
}
