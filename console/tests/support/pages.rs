//! What the tests of the pages put into a console, and the addresses that it has.
#![allow(dead_code)]

use axum::http::StatusCode;
use conversion_relay_console::clock;
use conversion_relay_console::console::Shared;
use conversion_relay_console::store::{NewRecord, RecordFacts};
use serde_json::{Value, json};

use crate::api::Api;

pub const SCRIPT: &str = "<script>alert(1)</script>\"'&";

pub fn flashtalking(name: &str) -> Value {
    json!({"name": name, "vendor": "flashtalking", "consent_categories": ["marketing"],
        "config": {"advertiser_id": 1_234_567, "spotlight_id": 987_654, "spotlight_group_id": 5}})
}

pub fn podsights(name: &str) -> Value {
    json!({"name": name, "vendor": "podsights", "config": {"key": "ps_pixel_key_abc123"}})
}

/// Adds an integration by the API, and returns its id.
pub async fn add(api: &Api, integration: Value) -> String {
    let answer = api.post("/v1/admin/integrations", integration).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// Keeps a record as a gateway would send it, and returns its number.
pub fn keep(console: &Shared, record: &Value) -> i64 {
    let facts = RecordFacts::of(record).unwrap();
    console.store.add_records(&[NewRecord { facts, text: record.to_string() }], clock::now()).unwrap()
}

/// The addresses of all pages, for a console with an integration of this id and a record.
pub fn pages(id: &str) -> Vec<String> {
    let fixed = [
        "/",
        "/integrations",
        "/integrations/new",
        "/integrations/new/podsights",
        "/events",
        "/events/1",
        "/dead-letters",
        "/gateways",
        "/sources",
        "/new-source",
        "/settings",
        "/revisions",
        "/revisions/1",
        "/revisions/1/rollback",
    ];
    let of_one = ["", "/delete", "/promote"].map(|rest| format!("/integrations/{id}{rest}"));
    fixed.into_iter().map(str::to_owned).chain(of_one).collect()
}

/// The addresses that forms which change something are sent to.
pub fn changes(id: &str) -> Vec<String> {
    let fixed = [
        "/integrations/new/podsights",
        "/new-source",
        "/settings",
        "/revisions/1/rollback",
        "/dead-letters/replay",
        "/dead-letters/replay-all",
        "/sources/src_a",
        "/sources/src_a/delete",
    ];
    let of_one = ["", "/enabled", "/delete", "/promote"].map(|rest| format!("/integrations/{id}{rest}"));
    fixed.into_iter().map(str::to_owned).chain(of_one).collect()
}
