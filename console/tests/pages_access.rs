//! Who sees which page, and which forms are refused: sessions, roles, and what other sites can't do. By requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/api.rs"]
mod api;
#[path = "support/pages.rs"]
mod pages;
#[path = "support/visitor.rs"]
mod visitor;

use std::sync::Arc;

use api::{ADMIN, Api, Folder, GATEWAY, VIEWER};
use axum::http::StatusCode;
use conversion_relay_console::access::Role;
use conversion_relay_console::clock;
use pages::{add, changes, flashtalking, keep, pages};
use serde_json::json;
use visitor::Visitor;

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in_and_shows_nothing() {
    let api = Api::new();
    let id = add(&api, flashtalking("Hidden")).await;
    keep(&api.console, &json!({"version": 1, "what": "ended", "integration": "Hidden"}));
    for cookies in ["", "console=", "console=0123456789abcdef0123456789abcdef", "console=a; console=b"] {
        let mut visitor = Visitor::new(&api.console);
        visitor.cookies = cookies.to_owned();
        for path in pages(&id).iter().filter(|path| *path != "/") {
            let page = visitor.get(path).await;
            assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
            assert!(page.header("location").starts_with("/sign-in?next=%2F"), "{path}: {page:?}");
            assert!(!page.html.contains("Hidden"), "{path}");
        }
        let stream = visitor.get("/events/stream").await;
        assert_eq!((stream.status, stream.html.as_str()), (StatusCode::UNAUTHORIZED, ""));
        for path in changes(&id) {
            let page = visitor.post_as_it_is(&path, &[("csrf", "")], &[]).await;
            assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/sign-in"), "{path}");
        }
    }
    assert_eq!(api.console.store.current().revision, 2);
}

#[tokio::test]
async fn every_page_keeps_out_scripts_frames_and_caches() {
    let api = Api::new();
    let id = add(&api, flashtalking("Shop")).await;
    keep(&api.console, &json!({"version": 1, "what": "ended"}));
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    let others = ["/sign-in", "/no-such-page", "/events/9", "/integrations/int_x"].map(str::to_owned);
    for path in pages(&id).into_iter().chain(others) {
        let page = visitor.get(&path).await;
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.split("; ").any(|one| one == part), "{path}: {part}");
        }
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        for inline in ["style=", "onclick=", "onload=", "<script>", "javascript:"] {
            assert!(!page.html.contains(inline), "{path}: {inline}");
        }
        assert!(
            !page.html.contains("http://") && !page.html.contains("//cdn"),
            "{path}: something from another host"
        );
    }
}

#[tokio::test]
async fn a_sessions_cookie_is_for_this_host_alone_and_no_script() {
    let api = Api::new();
    let page = Visitor::new(&api.console).sign_in(ADMIN).await;
    let (pair, attributes) = page.cookie();
    assert!(pair.starts_with("console=") && pair.len() == "console=".len() + 32, "{pair}");
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
    assert!(!page.html.contains(ADMIN));

    let folder = Folder::new();
    let mut console = api::open(&folder);
    Arc::get_mut(&mut console).unwrap().options.behind_proxy = true;
    let (pair, attributes) = Visitor::new(&console).sign_in(ADMIN).await.cookie();
    assert!(pair.starts_with("__Host-console="), "{pair}");
    assert!(attributes.ends_with("; Secure"), "{attributes}");
}

#[tokio::test]
async fn each_sign_in_has_a_session_of_its_own_and_ends_the_one_before() {
    let api = Api::new();
    let mut visitor = Visitor::new(&api.console);
    // What an attacker has put into the browser before.
    let planted = "console=00000000000000000000000000000000";
    visitor.cookies = planted.to_owned();
    visitor.sign_in(ADMIN).await;
    let first = visitor.cookies.clone();
    assert_ne!(first, planted);
    visitor.sign_in(ADMIN).await;
    assert_ne!(visitor.cookies, first);
    for (cookies, status) in [
        (planted, StatusCode::SEE_OTHER),
        (&*first, StatusCode::SEE_OTHER),
        (&*visitor.cookies.clone(), StatusCode::OK),
    ] {
        visitor.cookies = cookies.to_owned();
        assert_eq!(visitor.get("/integrations").await.status, status, "{cookies}");
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_for_everybody_who_has_its_cookie() {
    let api = Api::new();
    let visitor = Visitor::signed_in(&api.console, VIEWER).await;
    let page = visitor.post("/sign-out", &[]).await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/sign-in"));
    assert!(page.cookie().1.contains("Max-Age=0"), "{page:?}");
    assert_eq!(visitor.get("/integrations").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_wrong_token_and_a_gateways_one_are_refused_and_guessing_is_slowed_down() {
    let api = Api::new();
    let mut visitor = Visitor::new(&api.console);
    for (token, status, words) in [
        ("no-such-token-0123456789", 401, "This token is not known"),
        ("", 401, "This token is not known"),
        (GATEWAY, 403, "a gateway's token"),
    ] {
        let page = visitor.sign_in(token).await;
        assert_eq!(page.status.as_u16(), status, "{token}");
        assert!(page.html.contains(words), "{}", page.html);
        assert!(page.html.contains("aria-invalid=\"true\""));
    }
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(visitor.sign_in("no-such-token-0123456789").await.status.as_u16());
    }
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(visitor.sign_in(ADMIN).await.status.as_u16(), 429, "or the limit would not slow anybody down");
}

#[tokio::test]
async fn a_sign_in_form_of_another_browser_is_refused() {
    let api = Api::new();
    let visitor = Visitor::new(&api.console);
    let token = visitor.get("/sign-in").await.hidden("csrf");
    let page = visitor.post_as_it_is("/sign-in", &[("csrf", &token), ("token", ADMIN)], &[]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(!page.header("set-cookie").starts_with("console="), "{page:?}");
}

#[tokio::test]
async fn a_sign_in_link_works_once() {
    let api = Api::new();
    let admin = api.console.tokens.first(Role::Admin).unwrap().clone();
    let code = api.console.sessions.link(admin, clock::now()).unwrap();
    let mut visitor = Visitor::new(&api.console);
    let page = visitor.get(&format!("/sign-in?code={code}")).await;
    assert_eq!((page.status, page.header("location")), (StatusCode::SEE_OTHER, "/integrations"));
    visitor.cookies = page.cookie().0;
    assert!(visitor.get("/integrations").await.html.contains("alice"));
    let again = Visitor::new(&api.console).get(&format!("/sign-in?code={code}")).await;
    assert_eq!(again.status, StatusCode::UNAUTHORIZED);
    assert!(again.html.contains("This link has been used"), "{}", again.html);
}

#[tokio::test]
async fn a_form_that_this_sessions_pages_did_not_send_changes_nothing() {
    let api = Api::new();
    let id = add(&api, flashtalking("Shop")).await;
    let visitor = Visitor::signed_in(&api.console, ADMIN).await;
    let (own, other) =
        (visitor.form_token().await, Visitor::signed_in(&api.console, ADMIN).await.form_token().await);
    let no_headers: &[(&str, &str)] = &[];
    for path in changes(&id).iter().map(String::as_str).chain(["/sign-out", "/integrations/preview"]) {
        for (token, headers) in [
            (None, no_headers),
            (Some(""), no_headers),
            (Some("0123456789abcdef0123456789abcdef"), no_headers),
            (Some(other.as_str()), no_headers),
            (Some(own.as_str()), &[("origin", "https://evil.example")][..]),
            (Some(own.as_str()), &[("sec-fetch-site", "cross-site")][..]),
            (Some(own.as_str()), &[("sec-fetch-site", "same-site"), ("origin", "null")][..]),
        ] {
            let fields: Vec<(&str, &str)> = token.map(|token| ("csrf", token)).into_iter().collect();
            let page = visitor.post_as_it_is(path, &fields, headers).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} {token:?} {headers:?}");
        }
    }
    assert_eq!(api.console.store.current().revision, 2);
    assert_eq!(visitor.get("/integrations").await.status, StatusCode::OK, "still signed in");
}

#[tokio::test]
async fn a_viewer_sees_no_button_that_changes_something_and_is_refused_if_he_sends_a_form_all_the_same() {
    let api = Api::new();
    let id = add(&api, flashtalking("Shop")).await;
    keep(&api.console, &json!({"version": 1, "what": "ended"}));
    let viewer = Visitor::signed_in(&api.console, VIEWER).await;
    for path in [
        "/integrations",
        "/events",
        "/events/1",
        "/dead-letters",
        "/gateways",
        "/sources",
        "/settings",
        "/revisions",
        "/revisions/1",
    ] {
        let page = viewer.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        for words in ["Add ", "Disable", "Delete", "Promote", "Roll back", "Replay", ">Save<"] {
            assert!(!page.html.contains(words), "{path}: {words}");
        }
    }
    let page = viewer.get(&format!("/integrations/{id}")).await;
    assert!(page.html.contains("<fieldset disabled>") && !page.html.contains(">Save<"), "{}", page.html);
    for path in changes(&id) {
        assert_eq!(viewer.post(&path, &[("enabled", "false")]).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(api.console.store.current().revision, 2);
    let event = r#"{"type":"track","event":"Order Completed","properties":{"order_id":"A-1"},"context":{"consent":{"marketing":true}}}"#;
    let fields = [("id", id.as_str()), ("vendor", "flashtalking"), ("sample", event)];
    let preview = viewer.post("/integrations/preview", &fields).await;
    assert!(preview.html.contains("ftXRef=A-1"), "{}", preview.html);
}
