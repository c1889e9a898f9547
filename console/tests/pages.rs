//! What the pages show, and what their forms do. By requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/api.rs"]
mod api;
#[path = "support/pages.rs"]
mod pages;
#[path = "support/visitor.rs"]
mod visitor;

use api::{ADMIN, Api, OTHER_ADMIN, VIEWER};
use axum::http::StatusCode;
use pages::{SCRIPT, add, flashtalking, keep, pages, podsights};
use serde_json::json;
use tokio_stream::StreamExt;
use visitor::Visitor;

#[tokio::test]
async fn an_integration_is_added_by_its_form_and_what_the_filter_refuses_stands_at_its_field() {
    let api = Api::new();
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    let path = "/integrations/new/flashtalking";
    let form = |spotlight: &'static str| {
        [
            ("name", "Flashtalking purchases"),
            ("config.advertiser_id", "1234567"),
            ("config.spotlight_id", spotlight),
            ("config.spotlight_group_id", "5"),
            ("event", "Order Completed"),
            ("category", "marketing"),
            ("enabled", "true"),
            ("do", "save"),
        ]
    };
    let page = visitor.post(path, &form("12x4")).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let input =
        page.html.split("<input").find(|input| input.contains("name=\"config.spotlight_id\"")).unwrap();
    for part in ["value=\"12x4\"", "aria-invalid=\"true\"", "autofocus", "field-config-spotlight-id-problem"]
    {
        assert!(input.contains(part), "{part}: {input}");
    }
    assert!(page.html.contains(
        "id=\"field-config-spotlight-id-problem\">expected a number like 987654, got &quot;12x4&quot;<"
    ));
    assert!(page.html.contains("value=\"Flashtalking purchases\""), "what was entered stays");
    assert_eq!(page.html.matches("aria-invalid").count(), 1);

    let page = visitor.post(path, &form("987654")).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");
    let stored = &api.get("/v1/admin/integrations").await.json()["data"][0];
    assert_eq!(
        stored["config"],
        json!({"advertiser_id": 1_234_567, "spotlight_id": 987_654, "spotlight_group_id": 5})
    );
    assert_eq!(stored["events"], json!(["Order Completed"]), "no page views");
    assert_eq!(stored["consent_categories"], json!(["marketing"]));
    let revision = &api.get("/v1/admin/integrations").await;
    assert_eq!(revision.status, StatusCode::OK);
    assert!(visitor.get("/revisions").await.html.contains("Added integration Flashtalking purchases"));
}

#[tokio::test]
async fn a_secret_is_never_shown_and_stays_when_its_field_is_left_as_it_is() {
    let api = Api::new();
    let id = add(&api, podsights("Pod")).await;
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    let address = format!("/integrations/{id}");
    let page = visitor.get(&address).await;
    assert!(!page.html.contains("ps_pixel_key_abc123"));
    assert!(page.html.contains("A value is kept"));
    let etag = page.hidden("if_match");
    let fields = [
        ("if_match", etag.as_str()),
        ("name", "Pod, renamed"),
        ("config.key", "***"),
        ("enabled", "true"),
        ("event", "Order Completed"),
        ("do", "save"),
    ];
    let saved = visitor.post(&address, &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{saved:?}");
    let place = format!("integrations[id={id}].config.key");
    assert_eq!(api.console.store.secret(&place).unwrap().unwrap().expose(), "ps_pixel_key_abc123");
    assert!(visitor.get(&address).await.html.contains("Pod, renamed"));
}

#[tokio::test]
async fn a_change_that_somebody_else_has_made_meanwhile_is_not_overwritten() {
    let api = Api::new();
    let id = add(&api, flashtalking("Shop")).await;
    let address = format!("/integrations/{id}");
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    let etag = visitor.get(&address).await.hidden("if_match");
    let other = Visitor::signed_in(&api.console, OTHER_ADMIN).await;
    other.post(&format!("{address}/enabled"), &[("if_match", &etag), ("enabled", "false")]).await;
    let fields = [
        ("if_match", etag.as_str()),
        ("name", "Mine"),
        ("event", "Order Completed"),
        ("do", "save"),
        ("config.advertiser_id", "1"),
        ("config.spotlight_id", "2"),
        ("config.spotlight_group_id", "3"),
    ];
    let page = visitor.post(&address, &fields).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    assert!(
        page.html.contains("Somebody else has changed") && page.html.contains("value=\"Mine\""),
        "{}",
        page.html
    );
    let stored = api.get(&format!("/v1/admin{address}")).await.json();
    assert_eq!((&stored["name"], &stored["enabled"]), (&json!("Shop"), &json!(false)));
    for path in ["/delete", "/enabled"] {
        let page = visitor.post(&format!("{address}{path}"), &[("if_match", &etag)]).await;
        assert_eq!(page.status, StatusCode::CONFLICT, "{path}");
    }
    let settings = [("if_match", "\"another state\""), ("settings", "dead_letters: {}")];
    assert_eq!(visitor.post("/settings", &settings).await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_preview_shows_the_request_that_the_form_would_send_and_keeps_nothing() {
    let api = Api::new();
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    let event = r#"{"type":"track","event":"Order Completed","properties":{"order_id":"A-1","revenue":12.50,"currency":"EUR"},"context":{"consent":{"marketing":true}}}"#;
    let with = |name: &'static str, value: &'static str| {
        let fields = [
            ("vendor", "flashtalking"),
            ("name", "Shop"),
            ("config.advertiser_id", "1"),
            ("config.spotlight_id", "2"),
            ("config.spotlight_group_id", "3"),
            ("event", "Order Completed"),
            ("category", "marketing"),
            ("sample", event),
            (
                "field_mappings",
                "version: 2\nevents: {Order Completed: {mappings: [{value: web, target: U7}]}}",
            ),
        ];
        let others = fields.into_iter().filter(move |(known, _)| *known != name);
        others.chain([(name, value)]).collect::<Vec<_>>()
    };
    let shown = visitor.post("/integrations/preview", &with("enabled", "true")).await;
    assert!(shown.html.contains("https://servedby.flashtalking.com/container/1;2;3;num/"), "{}", shown.html);
    assert!(
        shown.html.contains("ftXRef=A-1&amp;ftXValue=12.50&amp;ftXCurrency=EUR&amp;U7=web"),
        "{}",
        shown.html
    );
    for (field, value, expected) in [
        ("event", "page", "unmapped"),
        ("config.spotlight_id", "x", "Spotlight ID: expected a number"),
        ("config.spotlight_id", "", "Enter Spotlight ID first"),
        ("sample", "{", "the event is no JSON"),
        ("sample_ip", "not-an-address", "the IP address is none"),
        ("field_mappings", "version: [", "expected YAML"),
        ("field_mappings", "version: 1", "field_mappings.version"),
        (
            "sample",
            r#"{"type":"track","event":"Order Completed","context":{"consent":{"marketing":false}}}"#,
            "consent_denied",
        ),
    ] {
        let shown = visitor.post("/integrations/preview", &with(field, value)).await;
        assert_eq!(shown.status, StatusCode::OK);
        assert!(shown.html.contains(expected), "{field}: {value}: {}", shown.html);
    }
    let whole = visitor.post("/integrations/new/flashtalking", &with("do", "preview")).await;
    assert!(whole.html.contains("U7=web") && whole.html.contains("Save"), "without a script, too");

    // A mapping that is entered in fields of its own, and then put into the document.
    let mut mapped = with("do", "map");
    mapped.extend([
        ("map_event", "Order Completed"),
        ("map_source", "properties.order_id"),
        ("map_target", "U8"),
        ("map_transform", "lowercase"),
    ]);
    let shown = visitor.post("/integrations/preview", &mapped).await;
    assert!(shown.html.contains("U7=web&amp;U8=a-1"), "{}", shown.html);
    let whole = visitor.post("/integrations/new/flashtalking", &mapped).await.html;
    assert!(whole.contains("U7=web&amp;U8=a-1") && whole.contains("transform: lowercase"), "{whole}");
    mapped.retain(|(name, _)| *name != "map_target");
    let whole = visitor.post("/integrations/new/flashtalking", &mapped).await.html;
    assert!(whole.contains("enter what the vendor calls it"), "{whole}");
    assert_eq!(api.console.store.current().revision, 1);
}

#[tokio::test]
async fn what_comes_from_an_event_or_a_name_is_shown_as_text() {
    let api = Api::new();
    let id = add(&api, flashtalking(SCRIPT)).await;
    let record = json!({
        "version": 1, "time": SCRIPT, "gateway": SCRIPT, "plugin": SCRIPT, "what": "ended", "source": SCRIPT, "integration": SCRIPT,
        "vendor": SCRIPT, "consent": SCRIPT, "outcome": SCRIPT, "reason": SCRIPT, "explanation": SCRIPT, "left_out": [SCRIPT],
        "event": {"type": SCRIPT, "name": SCRIPT, "message_id": SCRIPT, "order_id": SCRIPT},
        "request": {"method": SCRIPT, "authority": SCRIPT, "path": SCRIPT, "headers": {SCRIPT: SCRIPT}, "body": {SCRIPT: SCRIPT}},
        "attempts": [{"status": SCRIPT, "ms": SCRIPT, "retry_after": SCRIPT, "answer": SCRIPT}],
        "identity": {"email": SCRIPT},
    });
    let number = keep(&api.console, &record);
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    let encoded: String = form_urlencoded::byte_serialize(SCRIPT.as_bytes()).collect();
    let more = [
        format!("/events/{number}"),
        format!(
            "/events?order={encoded}&integration={encoded}&outcome={encoded}&event={encoded}&gateway={encoded}"
        ),
        format!("/dead-letters?integration={encoded}&reason={encoded}&done={encoded}"),
        format!("/integrations/{id}?done={encoded}&hint={encoded}"),
        format!("/integrations/{encoded}"),
        format!("/integrations/new/{encoded}"),
        format!("/sign-in?next=/{encoded}"),
        "/revisions/2".to_owned(),
    ];
    for path in pages(&id).into_iter().chain(more) {
        let page = visitor.get(&path).await;
        assert!(!page.html.contains("<script>"), "{path}: {}", page.html);
        assert!(!page.html.contains("alert(1)</script>\"'"), "{path}");
    }
    assert!(
        visitor
            .get(&format!("/events/{number}"))
            .await
            .html
            .contains("&lt;script&gt;alert(1)&lt;/script&gt;")
    );
}

#[tokio::test]
async fn records_of_any_shape_are_shown() {
    let api = Api::new();
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    for odd in [
        json!({}),
        json!({"event": 1, "attempts": {}, "request": [], "identity": null, "left_out": "x"}),
        json!({"attempts": [null, 1, {"ms": {}}], "request": {"headers": [1], "body": null}, "event": {"name": ["x"]}}),
    ] {
        let number = keep(&api.console, &odd);
        assert_eq!(visitor.get(&format!("/events/{number}")).await.status, StatusCode::OK, "{odd}");
        assert_eq!(visitor.get("/events").await.status, StatusCode::OK, "{odd}");
    }
}

#[tokio::test]
async fn odd_addresses_and_forms_are_refused_without_a_trace() {
    let api = Api::new();
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    for path in [
        "/integrations/..%2f..%2fsettings",
        "/integrations/%00",
        "/events/-1",
        "/events/x",
        "/events/99999999999999999999",
        "/revisions/0",
        "/revisions/-1",
        "/revisions/18446744073709551616",
        "/events?before=x",
        "/assets/..%2fconsole.css",
        "//evil.example",
    ] {
        let page = visitor.get(path).await;
        assert!(page.status.is_client_error(), "{path}: {}", page.status);
        assert!(!page.html.contains("panicked"), "{path}");
    }
    let token = visitor.form_token().await;
    let long = "x".repeat(2 << 20);
    let fields = [("csrf", token.as_str()), ("settings", long.as_str())];
    assert!(visitor.post_as_it_is("/settings", &fields, &[]).await.status.is_client_error());
    for settings in ["a: &a [*a, *a]", "- 1", "integrations: []", "{", "a: !!binary x", "\u{0}"] {
        let etag = visitor.get("/settings").await.hidden("if_match");
        let page = visitor.post("/settings", &[("if_match", &etag), ("settings", settings)]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{settings}");
    }
    assert_eq!(api.console.store.current().revision, 1);
}

#[tokio::test]
async fn it_is_promoted_rolled_back_and_deleted() {
    let api = Api::new();
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    for (id, key) in [("src_test", "key-of-test"), ("src_live", "key-of-live")] {
        let page = visitor.post("/new-source", &[("id", id), ("keys", key)]).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");
    }
    let mut tested = podsights("Pod");
    tested["source_id"] = "src_test".into();
    let id = add(&api, tested).await;
    let page = visitor
        .post(&format!("/integrations/{id}/promote"), &[("source_id", "src_live"), ("name", "Pod live")])
        .await;
    let (copy, _) = page.header("location").split_once('?').unwrap();
    let stored = api.get(&format!("/v1/admin{copy}")).await.json();
    assert_eq!((&stored["name"], &stored["source_id"]), (&json!("Pod live"), &json!("src_live")));

    for address in [format!("/integrations/{id}"), copy.to_owned()] {
        let etag = visitor.get(&format!("{address}/delete")).await.hidden("if_match");
        let page = visitor.post(&format!("{address}/delete"), &[("if_match", &etag)]).await;
        assert_eq!(page.header("location"), "/integrations?done=deleted", "{page:?}");
    }
    assert!(visitor.get("/integrations").await.html.contains("No integrations yet"));
    assert_eq!(
        api.console.store.current().served["integrations"],
        json!([]),
        "nothing is delivered any more"
    );

    // The keys are forgotten with their integrations, so the way back asks for them.
    let page = visitor.get("/revisions/5/rollback").await;
    let secrets: Vec<&str> =
        page.html.split("name=\"secret.").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(secrets, ["integrations[0].config.key", "integrations[1].config.key"], "{}", page.html);
    let revision = page.hidden("revision");
    let without = visitor.post("/revisions/5/rollback", &[("revision", &revision)]).await;
    assert_eq!(without.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields: Vec<(String, &str)> =
        secrets.iter().map(|path| (format!("secret.{path}"), "0123456789abcdef0123456789abcdef")).collect();
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    fields.push(("revision", &revision));
    let back = visitor.post("/revisions/5/rollback", &fields).await;
    assert_eq!(back.header("location"), "/integrations?done=rolled-back", "{back:?}");
    let page = visitor.get("/integrations").await;
    assert!(page.html.contains("Pod live") && !page.html.contains("0123456789abcdef"));
}

#[tokio::test]
async fn what_came_while_a_browser_had_lost_the_connection_is_sent_once_it_is_there_again() {
    let api = Api::new();
    let visitor = Visitor::signed_in(&api.console, VIEWER).await;
    let record = |order: &str| json!({"version": 1, "what": "ended", "event": {"type": "track", "name": SCRIPT, "order_id": order}});
    let first = keep(&api.console, &record("ORD-1"));
    keep(&api.console, &record("ORD-2"));
    keep(&api.console, &record("ORD-3"));
    let mut stream = visitor.follow("/events/stream", &[("last-event-id", &first.to_string())]).await;
    let mut text = String::new();
    while !text.contains("ORD-3") {
        text.push_str(&stream.next().await.unwrap());
    }
    assert!(!text.contains("ORD-1") && text.find("ORD-2") < text.find("ORD-3"), "{text}");
    assert!(!text.contains("<script>") && text.matches("event: row").count() == 2, "{text}");
}
