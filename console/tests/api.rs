//! The management API, by requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/api.rs"]
mod support;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use conversion_relay_console::{api, server};
use serde_json::{Value, json};
use support::{ADMIN, Api, GATEWAY, VIEWER};

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
async fn roles_say_who_may_what() {
    let api = Api::new();
    let path = add(&api, podsights("Pod")).await;
    let preview = format!("{path}/preview");
    let reads = [
        INTEGRATIONS,
        &path,
        "/v1/admin/sources",
        "/v1/admin/settings",
        "/v1/admin/revisions",
        "/v1/admin/revisions/1",
        "/v1/admin/integration-catalog",
        "/v1/admin/events",
        "/v1/admin/dead-letters",
        "/v1/admin/gateways",
        "/v1/admin/intake",
    ];
    for read in reads {
        let mut statuses = Vec::new();
        for token in [ADMIN, VIEWER, GATEWAY, "another-wrong-token"] {
            statuses.push(api.call(token, "GET", read, None).await.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 403, 401], "{read}");
    }
    let writes = [
        ("POST", INTEGRATIONS),
        ("PUT", &*path),
        ("PATCH", &path),
        ("DELETE", &path),
        ("POST", &*format!("{path}/promote")),
        ("POST", "/v1/admin/sources"),
        ("PUT", "/v1/admin/settings"),
        ("POST", "/v1/admin/rollback"),
        ("POST", "/v1/admin/dead-letters/replay"),
        ("DELETE", "/v1/admin/dead-letters/replay"),
    ];
    for (method, write) in writes {
        for (token, expected) in [(VIEWER, 403), (GATEWAY, 403), ("", 401)] {
            let answer = api.call(token, method, write, Some(json!({}))).await;
            assert_eq!(answer.status.as_u16(), expected, "{method} {write}: {answer:?}");
        }
    }
    let event = json!({"event": {"type": "page", "anonymousId": "a"}});
    assert_eq!(api.call(VIEWER, "POST", &preview, Some(event.clone())).await.status, 200);
    assert_eq!(api.call(GATEWAY, "POST", &preview, Some(event)).await.error(), (403, "FORBIDDEN".into()));
    let without = api.send(Request::get(INTEGRATIONS).body(Body::empty()).unwrap()).await;
    assert_eq!(
        (without.error(), without.header("www-authenticate")),
        ((401, "UNAUTHORIZED".into()), "Bearer")
    );
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
async fn a_token_has_a_hundred_requests_a_minute_beside_previews() {
    let api = Api::new();
    let path = add(&api, podsights("Pod")).await;
    let mut limited = None;
    for _ in 0..110 {
        let answer = api.get(&path).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.expect("a limit");
    assert_eq!(limited.error(), (429, "RATE_LIMITED".into()));
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(api.call(VIEWER, "GET", &path, None).await.status, 200, "another token has its own");
    for _ in 0..110 {
        let event = json!({"event": {"type": "page", "anonymousId": "a"}});
        assert_eq!(api.post(&format!("{path}/preview"), event).await.status, 200);
    }
}

#[tokio::test]
async fn what_is_no_request_of_the_api_is_answered_in_its_form() {
    let api = Api::new();
    for path in
        ["/v1/admin/integration", "/v1/nothing", "/v1/admin/integrations/", "/v1/admin/integrations/a/b"]
    {
        assert_eq!(api.get(path).await.error(), (404, "NOT_FOUND".into()), "{path}");
    }
    for (method, path) in [
        ("PUT", INTEGRATIONS),
        ("DELETE", "/v1/admin/settings"),
        ("TRACE", INTEGRATIONS),
        ("GET", "/v1/records"),
    ] {
        let answer = api.call(ADMIN, method, path, None).await;
        assert_eq!(answer.error(), (405, "METHOD_NOT_ALLOWED".into()), "{method} {path}");
        assert!(!answer.header("allow").is_empty(), "{method} {path}");
    }
    let body = podsights("Pod").to_string();
    for content_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let answer = api.post_bytes(INTEGRATIONS, content_type, body.clone()).await;
        assert_eq!(answer.error(), (415, "UNSUPPORTED_MEDIA_TYPE".into()), "{content_type}");
    }
    let zipped = Request::post(INTEGRATIONS)
        .header("authorization", format!("Bearer {ADMIN}"))
        .header("content-type", "application/json")
        .header("content-encoding", "gzip")
        .body(Body::from(&[0x1f, 0x8b, 8, 0][..]))
        .unwrap();
    assert_eq!(api.send(zipped).await.error(), (415, "UNSUPPORTED_MEDIA_TYPE".into()));
}

#[tokio::test]
async fn hostile_ids_lead_to_nothing() {
    let api = Api::new();
    add(&api, podsights("Pod")).await;
    let long = "a".repeat(8_000);
    for id in
        ["%2e%2e", "..%2fsettings", "%00", "int_%0a", "%27%20OR%201=1--", "%3Cscript%3E", "*", "~", &long]
    {
        for list in [INTEGRATIONS, "/v1/admin/sources", "/v1/admin/dead-letters"] {
            let answer = api.get(&format!("{list}/{id}")).await;
            assert_eq!(answer.error(), (404, "NOT_FOUND".into()), "{list} {id}");
            assert!(answer.body.len() < 1_000, "{}", answer.body.len());
        }
        let path = format!("{INTEGRATIONS}/{id}");
        assert_eq!(api.put(&path, podsights("X")).await.error().0, 404, "{id}");
        assert_eq!(api.delete(&path).await.error().0, 404, "{id}");
    }
    assert_eq!(api.get(&format!("{INTEGRATIONS}/%ff%fe")).await.error(), (400, "MALFORMED".into()));
    for number in ["0", "-1", "1e3", "99999999999999999999999", "%00"] {
        let (status, _) = api.get(&format!("/v1/admin/revisions/{number}")).await.error();
        assert!(matches!(status, 400 | 404), "{number}: {status}");
    }
    assert_eq!(api.get(INTEGRATIONS).await.json()["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn hostile_bodies_are_refused_and_nothing_is_kept() {
    let api = Api::new();
    let json = "application/json";
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep_object = format!("{}1{}", r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let malformed: [&[u8]; 9] = [
        b"",
        b"{",
        b"null",
        b"[]",
        b"\"text\"",
        b"{\"name\":\"\xff\xfe\"}",
        b"{\"a\":1,\"a\":2}",
        deep.as_bytes(),
        deep_object.as_bytes(),
    ];
    for body in malformed {
        let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
        for path in [INTEGRATIONS, "/v1/admin/sources", "/v1/admin/preview", "/v1/admin/rollback"] {
            let answer = api.post_bytes(path, json, body.to_vec()).await;
            assert_eq!(answer.error(), (400, "MALFORMED".into()), "{path} {shown}");
        }
    }
    let large = format!(r#"{{"name":"{}"}}"#, "a".repeat((1 << 20) + 1));
    assert_eq!(api.post_bytes(INTEGRATIONS, json, large.clone()).await.error(), (413, "TOO_LARGE".into()));
    assert_eq!(
        api.post_bytes("/v1/admin/preview", json, large[..300_000].to_owned()).await.error(),
        (413, "TOO_LARGE".into())
    );
    for name in ["\u{0}", "\u{202e}", "<script>alert(1)</script>", "'; DROP TABLE revision; --"] {
        let answer = api.post(INTEGRATIONS, podsights(name)).await;
        assert!(matches!(answer.status.as_u16(), 201 | 422), "{answer:?}");
    }
    assert_eq!(api.get("/v1/admin/revisions").await.status, 200);
}

#[tokio::test]
async fn records_are_listed_by_what_is_asked_for_and_one_event_tells_its_whole_story() {
    use conversion_relay_console::store::{NewRecord, RecordFacts};
    let api = Api::new();
    let record = |integration: &str, order: &str, outcome: &str| {
        let record = json!({"integration": integration, "outcome": outcome, "gateway": "edge",
            "event": {"name": "Order Completed", "order_id": order, "message_id": format!("m-{order}")}});
        NewRecord { facts: RecordFacts::of(&record).unwrap(), text: record.to_string() }
    };
    let records =
        [record("Pod", "A1", "delivered"), record("FT", "A1", "dropped"), record("Pod", "A2", "delivered")];
    api.console.store.add_records(&records, 1_000).unwrap();
    let orders = |page: Value| -> Vec<String> {
        let data = page["data"].as_array().unwrap().clone();
        data.iter()
            .map(|one| {
                format!(
                    "{} {}",
                    one["record"]["integration"].as_str().unwrap(),
                    one["record"]["event"]["order_id"].as_str().unwrap()
                )
            })
            .collect()
    };
    assert_eq!(orders(api.get("/v1/admin/events?limit=2").await.json()), ["Pod A2", "FT A1"]);
    assert_eq!(orders(api.get("/v1/admin/events?order_id=A1&outcome=delivered").await.json()), ["Pod A1"]);
    assert_eq!(
        orders(api.get("/v1/admin/events?integration=Pod&order_id=").await.json()),
        ["Pod A2", "Pod A1"]
    );
    assert_eq!(orders(api.get("/v1/admin/events/2").await.json()), ["Pod A1", "FT A1"]);
    assert_eq!(api.get("/v1/admin/events/99").await.error(), (404, "NOT_FOUND".into()));
}

#[tokio::test]
async fn records_are_streamed_as_they_come() {
    use conversion_relay_console::store::StoredRecord;
    use std::sync::Arc;
    use tower::ServiceExt;
    let api = Api::new();
    let request = Request::get("/v1/admin/events/stream?integration=Pod")
        .header("authorization", format!("Bearer {VIEWER}"));
    let response =
        server::app(api.console.clone()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    for (number, integration) in [(1, "FT"), (2, "Pod")] {
        let record = json!({"integration": integration, "event": {"name": "<b>\n\ndata: x"}});
        assert_eq!(api.console.live.send(Arc::new(StoredRecord { number, at: 5, record })).unwrap(), 1);
    }
    let mut body = response.into_body();
    let frame = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    let lines: Vec<&str> = text.trim_end().lines().collect();
    assert_eq!((lines[0], lines[1], lines.len()), ("event: record", "id: 2", 3), "{text}");
    let data: Value = serde_json::from_str(lines[2].strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data["record"]["event"]["name"], "<b>\n\ndata: x");
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
