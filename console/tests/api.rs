//! The management API, by requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "api/events.rs"]
mod events;
#[path = "api/hostile.rs"]
mod hostile;
#[path = "api/openapi.rs"]
mod openapi;
#[path = "support/api.rs"]
mod support;

use axum::http::StatusCode;
use conversion_relay_console::server;
use serde_json::{Value, json};
use support::{ADMIN, Api, VIEWER};

const INTEGRATIONS: &str = "/v1/admin/integrations";

/// The request that the Podsights page of Signal's documentation prints.
const CURL: &str = r#"curl -X POST http://localhost:8084/v1/admin/integrations \
-H "Authorization: Bearer YOUR_TOKEN" \
-H "Content-Type: application/json" \
-d '{
"source_id": "src_abc123",
"vendor": "podsights",
"name": "Podsights Production",
"enabled": true,
"config": {
"key": "ps_pixel_key_abc123"
},
"consent_categories": ["marketing"]
}'"#;

fn podsights(name: &str) -> Value {
    json!({"name": name, "vendor": "podsights", "config": {"key": format!("key of {name}")}})
}

fn flashtalking() -> Value {
    json!({
        "source_id": "src_abc123", "vendor": "flashtalking", "name": "Flashtalking Production", "enabled": true,
        "config": {"advertiser_id": "1234567", "spotlight_id": "987654", "spotlight_group_id": "5"},
        "consent_categories": ["advertising"],
    })
}

/// Adds an integration and returns its path.
async fn add(api: &Api, integration: Value) -> String {
    let answer = api.post(INTEGRATIONS, integration).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.header("location").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_curl_works_as_it_is_printed() {
    let api = Api::new();
    let (ready, address) = tokio::sync::oneshot::channel();
    let console = api.console.clone();
    let serving = tokio::spawn(server::run(console, move |address| ready.send(address).unwrap()));
    let address = address.await.unwrap();
    let command = CURL.replace("localhost:8084", &address.to_string()).replace("YOUR_TOKEN", ADMIN);
    let output = tokio::process::Command::new("bash").args(["-c", &command]).output().await.unwrap();
    serving.abort();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert!(answer["id"].as_str().unwrap().starts_with("int_"));
    assert_eq!(
        (&answer["vendor"], &answer["type"], &answer["name"], &answer["config"]["key"]),
        (&json!("podsights"), &json!("podsights"), &json!("Podsights Production"), &json!("***"))
    );
    assert_eq!(api.get(INTEGRATIONS).await.json()["data"], json!([answer]));
}

#[tokio::test]
async fn an_integration_is_made_read_replaced_patched_and_deleted() {
    let api = Api::new();
    let created = api.post(INTEGRATIONS, flashtalking()).await;
    assert_eq!(created.status, StatusCode::CREATED);
    let path = created.header("location").to_owned();
    assert_eq!(path, format!("{INTEGRATIONS}/{}", created.json()["id"].as_str().unwrap()));
    let read = api.get(&path).await;
    assert_eq!((read.json(), read.header("etag")), (created.json(), created.header("etag")));
    assert_eq!(read.header("cache-control"), "no-store");
    let mut whole = read.json();
    whole["name"] = json!("Flashtalking");
    let replaced = api.put(&path, whole).await;
    assert_eq!((replaced.status, &replaced.json()["name"]), (StatusCode::OK, &json!("Flashtalking")));
    assert_ne!(replaced.header("etag"), read.header("etag"));
    let patched = api.patch(&path, json!({"enabled": false, "consent_categories": null})).await.json();
    assert_eq!((&patched["enabled"], patched.get("consent_categories")), (&json!(false), None));
    let deleted = api.delete(&path).await;
    assert_eq!((deleted.status, deleted.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(api.get(&path).await.error(), (404, "NOT_FOUND".into()));
    assert_eq!(
        api.get(INTEGRATIONS).await.json(),
        json!({"data": [], "next_cursor": null, "has_more": false})
    );
    let summaries: Vec<Value> = api.get("/v1/admin/revisions").await.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|revision| revision["change_summary"].clone())
        .collect();
    assert_eq!(
        summaries,
        [
            "Deleted integration Flashtalking",
            "Changed consent_categories and enabled of integration Flashtalking",
            "Renamed integration Flashtalking Production to Flashtalking",
            "Added integration Flashtalking Production",
            "Started without integrations",
        ]
    );
}

#[tokio::test]
async fn a_secret_is_read_back_as_stars_and_stars_keep_it() {
    let api = Api::new();
    let path = add(&api, podsights("Pod")).await;
    let place = format!("integrations[id={}].config.key", path.rsplit('/').next().unwrap());
    let kept = || api.console.store.secret(&place).unwrap().unwrap().expose().to_owned();
    let mut read = api.get(&path).await.json();
    assert_eq!(read["config"]["key"], "***");
    read["dry_run"] = json!(true);
    api.put(&path, read).await;
    api.patch(&path, json!({"config": {"key": "***", "cluster": "pod"}})).await;
    assert_eq!(kept(), "key of Pod");
    let before = api.get(&path).await;
    let rotated = api.patch(&path, json!({"config": {"key": "rotated_key_0001"}})).await;
    assert_eq!(kept(), "rotated_key_0001");
    assert_ne!(rotated.header("etag"), before.header("etag"));
    let everything = [
        api.get(INTEGRATIONS).await,
        api.get("/v1/admin/revisions/4").await,
        api.get("/v1/admin/revisions/5?against=2").await,
        api.get("/v1/admin/settings").await,
    ];
    for answer in everything {
        let text = String::from_utf8(answer.body).unwrap();
        assert!(
            !text.contains("key of Pod") && !text.contains("rotated_key") && !text.contains("sealed:v1"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn what_somebody_else_has_changed_meanwhile_is_a_conflict() {
    let api = Api::new();
    let path = add(&api, podsights("Pod")).await;
    let stale = api.get(&path).await.header("etag").to_owned();
    let change = json!({"config": {"key": "rotated"}});
    let current = api.call_if(&stale, "PATCH", &path, Some(change)).await;
    assert_eq!(current.status, StatusCode::OK);
    for (method, body) in
        [("PUT", Some(podsights("Pod"))), ("PATCH", Some(json!({"enabled": false}))), ("DELETE", None)]
    {
        assert_eq!(
            api.call_if(&stale, method, &path, body).await.error(),
            (409, "CONFLICT".into()),
            "{method}"
        );
    }
    let settings = api.get("/v1/admin/settings").await;
    let mut changed = settings.json();
    changed["bots"] = json!({"patterns": ["a bot"]});
    let etag = settings.header("etag");
    assert_eq!(api.call_if(etag, "PUT", "/v1/admin/settings", Some(changed.clone())).await.status, 200);
    changed["bots"] = json!({});
    assert_eq!(
        api.call_if(etag, "PUT", "/v1/admin/settings", Some(changed)).await.error(),
        (409, "CONFLICT".into())
    );
    let either = format!("{stale}, {}", current.header("etag"));
    assert_eq!(api.call_if(&either, "DELETE", &path, None).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_the_filter_refuses_is_refused_with_its_own_message_at_its_field() {
    let api = Api::new();
    add(&api, podsights("Pod")).await;
    let mut wrong = flashtalking();
    wrong["config"]["spotlight_id"] = json!("12a");
    let refused = api.post(INTEGRATIONS, wrong).await;
    assert_eq!(refused.error(), (422, "INVALID_CONFIGURATION".into()));
    assert_eq!(
        refused.json()["error"],
        json!({"code": "INVALID_CONFIGURATION", "path": "config.spotlight_id",
               "message": "config.spotlight_id: expected a number like 987654, got \"12a\""})
    );
    let path = |answer: support::Answer| answer.json()["error"]["path"].clone();
    assert_eq!(
        path(api.post(INTEGRATIONS, json!({"vendor": "podsights", "config": {}})).await),
        json!("name")
    );
    assert_eq!(path(api.post(INTEGRATIONS, podsights("Pod")).await), json!("name"));
    assert_eq!(
        path(api.put("/v1/admin/settings", json!({"delivery": {"timeout": 5}})).await),
        json!("delivery.timeout")
    );
    assert_eq!(path(api.put("/v1/admin/settings", json!({"integrations": []})).await), json!("integrations"));
    assert_eq!(path(api.post("/v1/admin/sources", json!({"id": "a/../b"})).await), json!("id"));
    assert_eq!(api.get(INTEGRATIONS).await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let api = Api::new();
    for name in ["A", "B", "C", "D", "E"] {
        add(&api, podsights(name)).await;
    }
    let mut names = Vec::new();
    let mut cursor = String::new();
    loop {
        let page =
            api.call(VIEWER, "GET", &format!("{INTEGRATIONS}?limit=2&cursor={cursor}"), None).await.json();
        names.extend(
            page["data"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()),
        );
        assert_eq!(page["has_more"], !page["next_cursor"].is_null());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["A", "B", "C", "D", "E"]);
    let first = api.get("/v1/admin/revisions?limit=4").await.json();
    let second = api
        .get(&format!("/v1/admin/revisions?limit=4&cursor={}", first["next_cursor"].as_str().unwrap()))
        .await
        .json();
    assert_eq!(
        (&first["data"][0]["revision_number"], &second["data"][1]["revision_number"]),
        (&json!(6), &json!(1))
    );
    for wrong in ["limit=0", "limit=101", "limit=x", "limit=-1", "cursor=%00", "cursor=eA", "limit=1&limit=2"]
    {
        for list in [INTEGRATIONS, "/v1/admin/revisions", "/v1/admin/events", "/v1/admin/dead-letters"] {
            assert_eq!(
                api.get(&format!("{list}?{wrong}")).await.error(),
                (400, "MALFORMED".into()),
                "{list} {wrong}"
            );
        }
    }
}

#[tokio::test]
async fn an_earlier_revision_is_compared_and_rolled_back_to() {
    let api = Api::new();
    let path = add(&api, podsights("Pod")).await;
    api.patch(&path, json!({"enabled": false})).await;
    let compared = api.get("/v1/admin/revisions/3?against=2").await.json();
    let id = path.rsplit('/').next().unwrap();
    assert_eq!(compared["created_by"], "alice");
    assert_eq!(compared["config"]["integrations"][0]["config"]["key"], "***");
    let enabled = &compared["differences"][0];
    assert_eq!(enabled, &json!({"path": format!("integrations[id={id}].enabled"), "to": false}));
    let back = api.post("/v1/admin/rollback", json!({"revision": 2})).await.json();
    assert_eq!(
        (&back["revision_number"], &back["change_summary"]),
        (&json!(4), &json!("Rolled back to revision 2"))
    );
    assert_eq!(api.get(&path).await.json().get("enabled"), None);
    api.delete(&path).await;
    let refused = api.post("/v1/admin/rollback", json!({"revision": 2})).await;
    assert_eq!(refused.error(), (422, "INVALID_CONFIGURATION".into()));
    assert_eq!(refused.json()["error"]["path"], "integrations[0].config.key");
    let secrets = json!({"integrations[0].config.key": "given anew"});
    assert_eq!(api.post("/v1/admin/rollback", json!({"revision": 2, "secrets": secrets})).await.status, 200);
    assert_eq!(api.get(&path).await.status, 200);
    for missing in [
        "/v1/admin/revisions/99",
        "/v1/admin/revisions/1?against=99",
        "/v1/admin/revisions/18446744073709551615",
    ] {
        assert_eq!(api.get(missing).await.error(), (404, "NOT_FOUND".into()), "{missing}");
    }
    assert_eq!(
        api.post("/v1/admin/rollback", json!({"revision": 99})).await.error(),
        (404, "NOT_FOUND".into())
    );
    assert_eq!(
        api.post("/v1/admin/rollback", json!({"revision": "2"})).await.error(),
        (400, "MALFORMED".into())
    );
}

#[tokio::test]
async fn an_integration_is_promoted_from_a_test_source_to_the_live_one() {
    let api = Api::new();
    for source in
        [json!({"id": "src_test", "keys": ["wk_test"]}), json!({"id": "src_live", "keys": ["wk_live"]})]
    {
        assert_eq!(api.post("/v1/admin/sources", source).await.status, 201);
    }
    let mut test = flashtalking();
    test["source_id"] = json!("src_test");
    let path = add(&api, test).await;
    let promoted = api
        .post(&format!("{path}/promote"), json!({"source_id": "src_live", "name": "Flashtalking live"}))
        .await;
    assert_eq!(promoted.status, StatusCode::CREATED, "{promoted:?}");
    assert_eq!(
        (&promoted.json()["source_id"], &promoted.json()["name"]),
        (&json!("src_live"), &json!("Flashtalking live"))
    );
    let unknown = api.post(&format!("{path}/promote"), json!({"source_id": "src_no"})).await;
    assert_eq!(unknown.json()["error"]["path"], "source_id");
    let refused = api.delete("/v1/admin/sources/src_live").await;
    assert_eq!(refused.error(), (422, "INVALID_CONFIGURATION".into()));
}

#[tokio::test]
async fn a_preview_shows_the_exact_request() {
    let api = Api::new();
    let path = add(&api, podsights("Pod")).await;
    let purchase = r#"{"event": {"type": "track", "event": "Order Completed", "anonymousId": "a",
        "properties": {"order_id": 12345678901234567890123, "revenue": 129.990}}, "client_ip": "203.0.113.50", "headers": {"User-Agent": "Mozilla/5.0"}}"#;
    let shown = api.post_bytes(&format!("{path}/preview"), "application/json", purchase).await.json();
    let request = &shown["events"][0]["delivery"]["request"];
    assert_eq!(
        request["body"],
        r#"{"key":"***","event":"purchase","id":"a","ip":"203.0.113.50","user_agent":"Mozilla/5.0","order_id":"12345678901234567890123","value":129.990}"#
    );
    let draft =
        json!({"integration": flashtalking(), "request": {"event": {"type": "page", "anonymousId": "a"}}});
    let shown = api.post("/v1/admin/preview", draft).await.json();
    assert_eq!(shown["events"][0]["delivery"]["reason"], "consent_absent");
    let wrong = json!({"integration": {"name": "x", "vendor": "flashtalking", "config": {"advertiser_id": 1}}, "request": {"event": {}}});
    assert_eq!(api.post("/v1/admin/preview", wrong).await.error(), (422, "INVALID_CONFIGURATION".into()));
    assert_eq!(api.get(INTEGRATIONS).await.json()["data"].as_array().unwrap().len(), 1, "nothing is kept");
}

#[tokio::test]
async fn the_catalog_has_what_a_form_needs() {
    let api = Api::new();
    let catalog = api.get("/v1/admin/integration-catalog").await.json();
    let podsights = catalog["data"].as_array().unwrap().iter().find(|one| one["key"] == "podsights").unwrap();
    assert_eq!(podsights["config_fields"][0]["type"], "secret");
    assert_eq!(podsights["config_fields"][0]["required"], true);
    assert_eq!(podsights["variants"][0]["key"], "retail");
}
