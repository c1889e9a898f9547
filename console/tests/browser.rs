//! The pages in a real browser, as people use them: by mouse and by keyboard, on a desk and on a phone, light and dark.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "support/api.rs"]
mod api;
#[path = "browser/served.rs"]
mod served;
mod support;

use serde_json::json;
use served::Served;
use support::browser::{Browser, DESKTOP, Key, PHONE, Theme};

const SCRIPT: &str = "<script>document.title='taken over'</script><img src=x onerror=alert(1)>";

/// Fills in the three ids of a Spotlight tag.
async fn fill_ids(browser: &Browser, spotlight: &str) {
    browser.page.fill("Advertiser ID", "1234567").await;
    browser.page.fill("Spotlight ID", spotlight).await;
    browser.page.fill("Spotlight group ID", "5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_is_added_by_its_form_as_the_vendors_document_describes_it() {
    let served = Served::start().await;
    let browser = served.signed_in(api::ADMIN).await;
    let page = &browser.page;
    page.wait_for_text("No integrations yet").await;
    page.follow("Add integration").await;
    page.follow("Add Flashtalking").await;
    assert_eq!(browser.title().await, "Add Flashtalking - conversion-relay");

    page.fill("Name", "Flashtalking purchases").await;
    fill_ids(&browser, "98x").await;
    assert!(page.field("marketing").await.is_checked().await, "the default of the vendor's document");
    page.uncheck("page").await;
    page.press("Save").await;

    let problem = r#"expected a number like 987654, got "98x""#;
    page.wait_for_text(problem).await;
    let field = page.field("Spotlight ID").await;
    assert!(field.is_invalid().await && field.description().await.contains(problem));
    assert_eq!(browser.focused().await.name, "Spotlight ID");
    assert_eq!(page.field("Name").await.value().await, "Flashtalking purchases", "what was entered stays");
    assert!(!page.field("page").await.is_checked().await);

    field.fill("987654").await;
    let preview = page.region("Preview").await;
    preview.wait_for_text("/container/1234567;987654;5;num/").await;
    preview.wait_for_text("ftXRef=ORD-001&ftXValue=129.99&ftXCurrency=USD").await;
    page.press("Save").await;
    page.wait_for_text("Added. The gateways have it within seconds.").await;
    page.follow("Integrations").await;
    let row = page.row("Flashtalking purchases").await.text().await;
    assert!(row.contains("Enabled") && row.contains("Lead Generated, Order Completed, Signed Up"), "{row}");
    browser.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_preview_follows_what_one_types_and_says_why_nothing_is_sent() {
    let served = Served::start().await;
    let browser = served.signed_in(api::ADMIN).await;
    browser.open(&served.url("/integrations/new/flashtalking")).await;
    let page = &browser.page;
    let preview = page.region("Preview").await;
    preview.wait_for_text("Enter Advertiser ID, Spotlight ID, Spotlight group ID first.").await;
    fill_ids(&browser, "987654").await;
    preview.wait_for_text("ftXRef=ORD-001").await;
    page.select("Event", "Page view").await;
    preview.wait_for_text("U1=").await;
    page.uncheck("page").await;
    preview.wait_for_text("unmapped").await;
    page.select("Event", "Purchase").await;
    let mapping =
        "version: 2\nevents: {Order Completed: {mappings: [{source: properties.email, target: U3}]}}";
    page.fill("Field mappings (optional)", mapping).await;
    preview.wait_for_text("field_mappings.").await;
    let mapping = "version: 2\nevents: {Order Completed: {mappings: [{value: web, target: U3}]}}";
    page.fill("Field mappings (optional)", mapping).await;
    preview.wait_for_text("U3=web").await;
    browser.run("document.querySelector('[name=map_source]').closest('details').open = true").await;
    page.fill("Source field (optional)", "properties.order_id").await;
    page.fill("Target (optional)", "U4").await;
    preview.wait_for_text("U3=web&U4=ORD-001").await;
    page.press("Add to the mappings").await;
    let document = page.field("Field mappings (optional)").await.value().await;
    assert!(document.starts_with("version: 2\n") && document.contains("target: U4"), "{document}");
    page.region("Preview").await.wait_for_text("U3=web&U4=ORD-001").await;
    browser.open(&served.url("/integrations/new/podsights")).await;
    page.fill("Pixel key", "ps_pixel_key_abc123").await;
    page.region("Preview").await.wait_for_text("32 hexadecimal digits").await;
    browser.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_form_can_be_filled_in_and_sent_by_keyboard_alone() {
    let served = Served::start().await;
    let browser = served.signed_in(api::ADMIN).await;
    assert_eq!(browser.tab().await.name, "Skip to the content");
    browser.tab_to("Add integration").await;
    browser.key(Key::Enter).await;
    browser.page.wait_for_text("Choose the vendor").await;
    browser.tab_to("Add Flashtalking").await;
    browser.key(Key::Enter).await;
    browser.page.wait_for_text("Spotlight ID").await;
    for (name, text) in
        [("Advertiser ID", "1234567"), ("Spotlight ID", "987654"), ("Spotlight group ID", "5")]
    {
        assert_eq!(browser.tab_to(name).await.role, "textbox");
        browser.type_text(text).await;
    }
    assert_eq!(browser.tab_to("page").await.role, "checkbox");
    browser.key(Key::Space).await;
    browser.tab_to("Save").await;
    browser.key(Key::Enter).await;
    browser.page.wait_for_text("Added.").await;
    browser.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_shows_without_a_reload_and_tells_its_whole_story() {
    let served = Served::start().await;
    let browser = served.signed_in(api::VIEWER).await;
    browser.open(&served.url("/events")).await;
    let page = &browser.page;
    page.wait_for_text("Live: new events appear at the top.").await;
    served.record(&served::delivered("Flashtalking purchases", "ORD-777")).await;
    let row = page.row("ORD-777").await;
    row.wait_for_text("delivered").await;
    assert!(!page.text().await.contains("No events yet"));

    page.press("Pause").await;
    served.record(&served::delivered("Flashtalking purchases", "ORD-778")).await;
    served.record(&served::delivered("Podsights Production", "ORD-777")).await;
    page.wait_for_text("Paused.").await;
    assert!(!page.text().await.contains("ORD-778"));
    page.follow("Refresh").await;
    page.wait_for_text("ORD-778").await;

    page.fill("Order id", "ORD-777").await;
    page.press("Show").await;
    page.wait_until_gone("ORD-778").await;
    page.row("Podsights Production").await.follow("Order Completed").await;
    let story = page.wait_for_text("The vendor accepted it.").await;
    for part in [
        "Flashtalking purchases",
        "Podsights Production",
        "granted by the event's context.consent",
        "anonymous id",
        "https://servedby.flashtalking.com/container/1;2;3;num/?ftXRef=ORD-777",
        "cookie: <text, 12 characters>",
        "after 6 ms",
    ] {
        assert!(story.contains(part), "{part}: {story}");
    }
    browser.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_with_a_script_in_each_field_shows_as_text() {
    let served = Served::start().await;
    let browser = served.signed_in(api::VIEWER).await;
    browser.open(&served.url("/events")).await;
    browser.page.wait_for_text("Live:").await;
    served.record(&served::of_one_text(SCRIPT)).await;
    browser.page.wait_for_text("<script>").await;
    assert_eq!(browser.title().await, "Events - conversion-relay");
    browser.page.region("Events, newest first").await.follow(SCRIPT).await;
    browser.page.wait_for_text("<img src=x onerror=alert(1)>").await;
    assert_eq!(browser.title().await, format!("{SCRIPT} - conversion-relay"));
    assert_eq!(
        browser
            .run("return document.scripts.length + ' ' + document.querySelectorAll('main img').length")
            .await,
        "1 0"
    );
    browser.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_without_a_token_sees_nothing_and_one_whose_session_ends_is_told() {
    let served = Served::start().await;
    served.record(&served::delivered("Flashtalking purchases", "ORD-777")).await;
    let browser = Browser::start().await;
    for path in ["/", "/events", "/integrations", "/settings", "/events?order=ORD-777"] {
        browser.open(&served.url(path)).await;
        let text = browser.page.wait_for_text("Sign in").await;
        assert!(!text.contains("ORD-777") && !text.contains("Events"), "{path}: {text}");
    }
    browser.page.fill("Token", "no-such-token-0123456789").await;
    browser.page.press("Sign in").await;
    browser.page.wait_for_text("This token is not known.").await;
    assert!(browser.page.field("Token").await.is_invalid().await);
    browser.page.fill("Token", api::VIEWER).await;
    browser.page.press("Sign in").await;
    browser.page.wait_for_text("ORD-777").await;
    assert!(browser.url().await.ends_with("/events?order=ORD-777"), "where he wanted to go");
    browser.page.wait_for_text("Live:").await;

    // In another window he signs out; here he is told so, and sees nothing new.
    browser.run("const form = document.querySelector('form.who'); return fetch(form.action, {method: 'POST', body: new URLSearchParams(new FormData(form))}).then(() => 1)").await;
    served.record(&served::delivered("Podsights Production", "ORD-777")).await;
    let text = browser.page.wait_for_text("Your session has ended. Sign in again.").await;
    assert!(!text.contains("Podsights Production"), "{text}");
    browser.reload().await;
    browser.page.wait_for_text("Sign in").await;
    browser.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_from_another_site_leads_to_its_page_if_the_reader_has_signed_in() {
    let served = Served::start().await;
    let browser = served.signed_in(api::VIEWER).await;
    let link = format!("data:text/html,<a href={}>The events</a>", served.url("/events?order=ORD-1"));
    browser.open(&link).await;
    browser.page.follow("The events").await;
    browser.page.wait_for_text("No such events").await;
    assert!(browser.url().await.ends_with("/events?order=ORD-1"));
    browser.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_promoted_disabled_rolled_back_and_the_last_one_deleted() {
    let served = Served::start().await;
    served.add_sources().await;
    let browser = served.signed_in(api::ADMIN).await;
    let page = &browser.page;
    browser.open(&served.url("/integrations/new/flashtalking")).await;
    page.select("Source", "src_test").await;
    fill_ids(&browser, "987654").await;
    page.press("Save").await;
    page.wait_for_text("Added.").await;

    page.follow("Promote").await;
    page.select("Source", "src_live").await;
    page.fill("Name of the copy (optional)", "Flashtalking live").await;
    page.press("Promote").await;
    page.wait_for_text("Promoted:").await;
    assert_eq!(page.field("Source").await.value().await, "src_live");

    page.press("Disable").await;
    page.wait_for_text("deliver nothing to it any more").await;
    page.follow("Revisions").await;
    page.wait_for_text("Disabled integration Flashtalking live").await;
    page.row("Promoted integration").await.follow("5").await;
    page.follow("Roll back to this revision").await;
    page.wait_for_text("enabled").await;
    page.press("Roll back").await;
    page.wait_for_text("Rolled back.").await;
    assert!(page.row("Flashtalking live").await.text().await.contains("Enabled"));

    for name in ["Flashtalking live", "Flashtalking"] {
        page.follow(name).await;
        page.follow("Delete").await;
        page.press("Delete").await;
        page.wait_for_text("Deleted.").await;
    }
    page.wait_for_text("No integrations yet").await;
    assert_eq!(served.console.store.current().served["integrations"], json!([]));
    browser.finish().await;
}

/// The folder that pictures of all pages are written to, if they are asked for.
fn pictures() -> Option<std::path::PathBuf> {
    std::env::var_os("CONSOLE_PICTURES").map(Into::into)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_accessible_light_and_dark_and_fits_a_phone() {
    let served = Served::start().await;
    let addresses = served.filled().await;
    let browser = served.signed_in(api::ADMIN).await;
    for (name, path) in &addresses {
        browser.resize(DESKTOP).await;
        browser.open(&served.url(path)).await;
        browser.page.wait_for_text("conversion-relay").await;
        browser.assert_accessible().await;
        let headings = browser.run(HEADINGS).await;
        assert_eq!(headings, json!([]), "{path}: headings that skip a level");
        for (width, theme, suffix) in [
            (DESKTOP, Theme::Light, "1280"),
            (PHONE, Theme::Light, "360"),
            (PHONE, Theme::Dark, "360-dark"),
            (DESKTOP, Theme::Dark, "1280-dark"),
        ] {
            browser.resize(width).await;
            browser.set_theme(theme).await;
            browser.assert_fits().await;
            if let Some(folder) = pictures() {
                browser.screenshot(folder.join(format!("{name}-{suffix}.png"))).await;
            }
        }
        browser.set_theme(Theme::Light).await;
    }
    browser.finish().await;
}

/// Returns the headings that are more than one level below the one before.
const HEADINGS: &str = "const levels = [...document.querySelectorAll('h1,h2,h3,h4')].filter(h => h.offsetParent);
    return levels.filter((h, i) => i > 0 && Number(h.localName[1]) > Number(levels[i - 1].localName[1]) + 1).map(h => h.innerText)";
