//! The browser that the other tests look through: it finds what a user finds, and it reports what is wrong with a page.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::Path;

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::Html;
use axum::routing::get;
use support::browser::{Browser, DESKTOP, Focused, Key, PHONE, Theme};

const STYLE: &str = "
    body { color: #222; background: #fff; margin: 1rem; font-family: sans-serif }
    @media (prefers-color-scheme: dark) { body { color: #eee; background: #111 } }";

/// A page without a fault.
const GOOD: &str = r#"
    <h1>Integrations</h1>
    <form method="post">
        <p><label>Advertiser ID <input name="advertiser" aria-describedby="hint"></label> <span id="hint">4 digits</span></p>
        <p><label for="vendor">Vendor</label>
           <select id="vendor" name="vendor"><option value="ft">Flashtalking</option><option value="ps">Podsights</option></select></p>
        <p><label><input type="checkbox" name="enabled"> Enabled</label></p>
        <p><button>Save</button></p>
    </form>
    <table aria-label="All"><thead><tr><th>Name</th><th>Action</th></tr></thead><tbody>
        <tr><td>Shop<ul><li>Paused</li></ul></td><td><button>Edit</button></td></tr>
        <tr><td>Blog</td><td><button id="blog">Edit</button></td></tr>
    </tbody></table>
    <p id="said"></p>
    <script src="/script.js"></script>"#;

/// Late on purpose: the test has to wait for it.
const SCRIPT: &str = "
    document.querySelector('#blog').onclick = () =>
        setTimeout(() => document.querySelector('#said').textContent = 'Blog is edited', 100);";

/// Serves `body` in a page under a strict policy, on a free port, for as long as the test runs.
async fn serve(body: &'static str) -> String {
    let page = move |heading: &str| {
        Html(format!(
            r#"<!doctype html><html lang="en"><head><title>Console</title><link rel="icon" href="data:,">
            <meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css"></head>
            <body><main>{heading}{body}</main></body></html>"#
        ))
    };
    let refused = page("<p>The advertiser has to be a number</p>");
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; img-src data:";
    let router = Router::new()
        .route(
            "/",
            get(async move || ([(CONTENT_SECURITY_POLICY, policy)], page("")))
                .post(async || (StatusCode::UNPROCESSABLE_ENTITY, refused)),
        )
        .route("/style.css", get(async || ([("content-type", "text/css")], STYLE)))
        .route("/script.js", get(async || ([("content-type", "text/javascript")], SCRIPT)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

#[tokio::test]
async fn fields_and_buttons_are_found_by_what_a_user_reads() {
    let browser = Browser::start().await;
    browser.open(&serve(GOOD).await).await;
    let page = &browser.page;

    page.fill("Advertiser ID", "12").await;
    page.fill("Advertiser ID", "1234").await;
    page.select("Vendor", "Podsights").await;
    page.check("Enabled").await;
    assert_eq!(page.field("Advertiser ID").await.value().await, "1234");
    assert_eq!(page.field("Advertiser ID").await.description().await, "4 digits");
    assert_eq!(page.field("Vendor").await.value().await, "ps");
    assert!(page.field("Enabled").await.is_checked().await);
    page.uncheck("Enabled").await;

    // The innermost row that has the text.
    assert_eq!(page.row("Paused").await.text().await, "Paused");
    assert!(page.row("Shop").await.text().await.contains("Edit"));
    page.region("All").await.row("Blog").await.press("Edit").await;
    page.wait_for_text("Blog is edited").await;
    browser.reload().await;
    page.wait_until_gone("Blog is edited").await;

    // That a form is refused is no error of the page.
    page.press("Save").await;
    page.wait_for_text("The advertiser has to be a number").await;
    browser.finish().await;
}

#[tokio::test]
async fn the_keyboard_leads_through_the_page() {
    let browser = Browser::start().await;
    browser.open(&serve(GOOD).await).await;

    let focused = |role: &str, name: &str| Focused { role: role.to_owned(), name: name.to_owned() };
    assert_eq!(browser.tab().await, focused("textbox", "Advertiser ID"));
    browser.type_text("1234").await;
    assert_eq!(browser.page.field("Advertiser ID").await.value().await, "1234");
    assert_eq!(browser.tab().await, focused("combobox", "Vendor"));
    assert_eq!(browser.tab().await, focused("checkbox", "Enabled"));
    browser.key(Key::Space).await;
    assert!(browser.page.field("Enabled").await.is_checked().await);
    assert_eq!(browser.shift_tab().await, focused("combobox", "Vendor"));
    assert_eq!(browser.tab_to("Save").await.role, "button");
    browser.key(Key::Enter).await;
    browser.page.wait_for_text("The advertiser has to be a number").await;
    browser.finish().await;
}

#[tokio::test]
async fn a_page_without_a_fault_passes_every_check_in_both_themes_and_widths() {
    let browser = Browser::start().await;
    browser.open(&serve(GOOD).await).await;
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser-harness");
    for width in [PHONE, DESKTOP] {
        browser.resize(width).await;
        browser.assert_fits().await;
        browser.assert_accessible().await;
        for theme in [Theme::Light, Theme::Dark] {
            browser.set_theme(theme).await;
            let path = dir.join(format!("{width}-{theme:?}.png"));
            browser.screenshot(&path).await;
            assert_eq!(png_width(&path), width);
        }
    }
    let [light, dark] = ["360-Light.png", "360-Dark.png"].map(|name| std::fs::read(dir.join(name)).unwrap());
    assert_ne!(light, dark);
    browser.finish().await;
}

#[tokio::test]
async fn a_missing_label_and_a_low_contrast_are_found_in_the_theme_that_has_them() {
    // In the light theme #777 has a contrast of 4.48 to 1 on white; in the dark one it is the background that is too light.
    let body = "<h1>Integrations</h1><input name='advertiser'><p><font color='#777777'>4 digits</font></p>";
    let browser = Browser::start().await;
    browser.open(&serve(body).await).await;
    let found = browser.axe().await;
    let found: Vec<_> = found.iter().map(|violation| (violation.theme, violation.rule.as_str())).collect();
    assert_eq!(
        found,
        [
            (Theme::Light, "color-contrast"),
            (Theme::Light, "label"),
            (Theme::Dark, "color-contrast"),
            (Theme::Dark, "label"),
        ]
    );
    browser.finish().await;
}

#[tokio::test]
async fn a_violation_of_the_content_security_policy_is_an_error() {
    let browser = Browser::start().await;
    browser.open(&serve("<h1>Integrations</h1><p style='color: red'>Red</p>").await).await;
    let errors = browser.take_console_errors().await;
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(errors[0].contains("Content Security Policy"), "{errors:#?}");
    assert_eq!(browser.take_console_errors().await, [""; 0]);
    browser.finish().await;
}

#[tokio::test]
#[should_panic(expected = "the browser's console has errors")]
async fn a_test_ends_in_failure_if_the_page_asked_for_something_it_did_not_get() {
    let browser = Browser::start().await;
    browser.open(&serve("<h1>Integrations</h1><script src='/missing.js'></script>").await).await;
    browser.finish().await;
}

#[tokio::test]
#[should_panic(expected = "has to end with")]
async fn a_test_that_does_not_look_at_the_console_fails() {
    drop(Browser::start().await);
}

#[tokio::test]
async fn a_page_wider_than_the_phone_does_not_fit() {
    let browser = Browser::start().await;
    browser.open(&serve("<h1>Integrations</h1><hr id='wide' width='500'>").await).await;
    assert_eq!(browser.overflow().await, [""; 0]);
    browser.resize(PHONE).await;
    let wide = browser.overflow().await;
    assert!(wide.iter().any(|element| element.starts_with("hr#wide: 5")), "{wide:?}");
    browser.finish().await;
}

#[tokio::test]
async fn the_browser_is_gone_when_a_test_has_failed() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let failed = tokio::spawn(async move {
        let browser = Browser::start().await;
        sender.send(browser.processes()).unwrap();
        panic!("the test fails");
    });
    assert!(failed.await.unwrap_err().is_panic());
    for process in receiver.recv().unwrap() {
        assert!(!Path::new(&format!("/proc/{process}")).exists(), "{process} still runs");
    }
}

/// The width in the header of a PNG.
fn png_width(path: &Path) -> u32 {
    let bytes = std::fs::read(path).unwrap();
    u32::from_be_bytes(bytes[16..20].try_into().unwrap())
}
