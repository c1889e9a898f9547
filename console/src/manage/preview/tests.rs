use super::*;
use crate::access::{Caller, Role};
use crate::manage::{create, put_settings};
use crate::testing::Folder;

fn alice() -> Caller {
    Caller { name: "alice".to_owned(), role: Role::Admin, index: 0 }
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn add(store: &Store, value: Value) -> String {
    create(store, &alice(), Collection::Integrations, object(value)).unwrap().id().to_owned()
}

fn purchase() -> PreviewRequest {
    let event = json!({
        "type": "track", "event": "Order Completed", "anonymousId": "anon_1", "messageId": "m1",
        "properties": {"order_id": "ORD-001", "revenue": 129.99, "currency": "USD"},
        "context": {"consent": {"categoryPreferences": {"marketing": true}}},
    });
    PreviewRequest {
        body: event.to_string(),
        headers: vec![("User-Agent".into(), "Mozilla/5.0".into())],
        client_ip: Some("203.0.113.50".into()),
        path: None,
    }
}

fn delivery(preview: &Preview) -> &PreviewedDelivery {
    preview.events[0].delivery.as_ref().unwrap()
}

#[test]
fn the_exact_request_is_shown_without_the_secret() {
    let folder = Folder::new();
    let store = folder.open();
    let id = add(
        &store,
        json!({"name": "Pod", "vendor": "podsights", "enabled": false, "source_id": "src_a",
               "config": {"key": "ps_pixel_key_abc123"}, "consent_categories": ["marketing"]}),
    );
    let shown = preview(&store, Subject::Kept(id), &purchase()).unwrap();
    assert_eq!(shown.events[0].name, "Order Completed");
    let delivery = delivery(&shown);
    assert_eq!(delivery.outcome, "sent");
    let request = delivery.request.as_ref().unwrap();
    assert_eq!(
        (request.method, &*request.authority, &*request.path),
        ("POST", "collector.podsights.com", "/v1/server")
    );
    let body: Value = serde_json::from_str(request.body.as_deref().unwrap()).unwrap();
    assert_eq!(
        body,
        json!({"key": "***", "event": "purchase", "id": "anon_1", "ip": "203.0.113.50", "user_agent": "Mozilla/5.0",
               "order_id": "ORD-001", "value": 129.99, "currency": "USD"})
    );
    let without_consent = PreviewRequest { body: purchase().body.replace("true", "false"), ..purchase() };
    let id = crate::manage::list(&store.current(), Collection::Integrations)[0].id().to_owned();
    let shown = preview(&store, Subject::Kept(id), &without_consent).unwrap();
    assert_eq!(
        (self::delivery(&shown).outcome, self::delivery(&shown).reason),
        ("not_sent", Some("consent_denied"))
    );
    assert!(!serde_json::to_string(&shown).unwrap().contains("ps_pixel_key"));
}

#[test]
fn a_draft_is_judged_as_it_would_be_when_it_is_kept() {
    let folder = Folder::new();
    let store = folder.open();
    let kept = add(&store, json!({"name": "Pod", "vendor": "podsights", "config": {"key": "kept"}}));
    let draft = |value: Value| preview(&store, Subject::Draft(object(value)), &purchase());
    let literal =
        draft(json!({"name": "New", "vendor": "podsights", "config": {"key": "typed_just_now"}})).unwrap();
    assert!(!format!("{literal:?}").contains("typed_just_now"));
    assert_eq!(delivery(&literal).outcome, "sent");
    let stars =
        json!({"id": kept, "name": "Pod", "type": "podsights", "dry_run": true, "config": {"key": "***"}});
    assert_eq!(delivery(&draft(stars).unwrap()).outcome, "dry_run");
    for (wrong, path) in [
        (json!({"name": "New", "vendor": "podsights", "config": {"key": "***"}}), "config.key"),
        (json!({"name": "New", "vendor": "podsights", "config": {"key": "k", "colour": 1}}), "config.colour"),
        (json!({"name": "New", "vendor": "podsight"}), "vendor"),
    ] {
        let Err(Rejection::Refused(refusal)) = draft(wrong) else { panic!("{path}") };
        assert_eq!(refusal.path, path);
    }
}

#[test]
fn a_secret_that_has_a_form_of_its_own_is_shown_as_stars_too() {
    let folder = Folder::new();
    let store = folder.open();
    let id = add(
        &store,
        json!({"name": "Queue", "vendor": "webhook", "preset": "cloudevents",
               "config": {"cluster": "queue", "authority": "queue.internal", "path": "/in?token=tok_1234567", "headers": {"authorization": "Bearer abc"}}}),
    );
    let shown = preview(&store, Subject::Kept(id), &purchase()).unwrap();
    let request = delivery(&shown).request.as_ref().unwrap();
    assert!(request.path.ends_with("***"), "{}", request.path);
    let authorization = request.headers.iter().find(|header| header.name == "authorization").unwrap();
    assert_eq!(authorization.value, "***");
}

#[test]
fn what_concerns_other_integrations_and_sources_is_left_out() {
    let folder = Folder::new();
    let store = folder.open();
    let id = add(&store, json!({"name": "Pod", "vendor": "podsights", "config": {"key": "kept"}}));
    add(
        &store,
        json!({"name": "Letters", "vendor": "webhook", "preset": "cloudevents",
               "config": {"cluster": "queue", "authority": "queue.internal", "path": "/in", "purpose": "own"}}),
    );
    create(
        &store,
        &alice(),
        Collection::Sources,
        object(json!({"id": "src_a", "keys": ["k"], "deliver": true})),
    )
    .unwrap();
    let mut settings = crate::manage::settings(&store.current()).object;
    settings.insert("dead_letters".into(), json!({"integration": "Letters", "secrets": ["${RELAY_KEY}"]}));
    settings.insert("endpoints".into(), json!({"deliver": {}}));
    put_settings(&store, &alice(), settings, None).unwrap();
    let shown = preview(&store, Subject::Kept(id), &purchase()).unwrap();
    assert_eq!(shown.events.len(), 1);
    assert_eq!(delivery(&shown).outcome, "sent");
}

#[test]
fn an_event_that_nothing_is_made_of_says_why_and_a_wrong_request_what_is_wrong() {
    let folder = Folder::new();
    let store = folder.open();
    let id = add(&store, json!({"name": "Pod", "vendor": "podsights", "config": {"key": "kept"}}));
    let show = |request: PreviewRequest| preview(&store, Subject::Kept(id.clone()), &request);
    let page =
        show(PreviewRequest { body: r#"{"type":"page","anonymousId":"a"}"#.into(), ..purchase() }).unwrap();
    assert_eq!(page.events[0].ignored[0].reason, "unmapped");
    assert!(page.events[0].delivery.is_none());
    let broken = show(PreviewRequest { body: "{".into(), ..purchase() }).unwrap();
    assert!(!broken.events[0].ignored.is_empty());
    for (request, path) in [
        (PreviewRequest { client_ip: Some("localhost".into()), ..purchase() }, "client_ip"),
        (PreviewRequest { path: Some("/etc/passwd".into()), ..purchase() }, "path"),
    ] {
        let Err(Rejection::Refused(refusal)) = show(request) else { panic!("{path}") };
        assert_eq!(refusal.path, path);
    }
    assert!(matches!(
        preview(&store, Subject::Kept("int_no".into()), &purchase()),
        Err(Rejection::NotFound(_))
    ));
}
