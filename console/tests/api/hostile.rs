//! Requests that are refused: for their token, their number, their form, or what they try.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::json;

use super::support::{ADMIN, Api, GATEWAY, VIEWER};
use super::{INTEGRATIONS, add, podsights};

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
