//! From the form in a browser to the vendor, through the real Envoy, and back to the page of events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "fleet/kit.rs"]
mod kit;
#[path = "support/mod.rs"]
mod shared;
#[path = "../../tests/support/mod.rs"]
mod support;

use conversion_relay_console::options::Options;
use kit::{ADMIN_TOKEN, LIMIT, Running, discovering, plugin};
use serde_json::json;
use shared::browser::Browser;
use support::orders::order_event;
use support::{Flashtalking, Gateway, Request, TempDir, wait_until};

/// A console, and an Envoy that asks it for its configuration.
struct Fleet {
    console: Running,
    gateway: Gateway,
    _folder: TempDir,
}

impl Fleet {
    fn start() -> Self {
        let folder = TempDir::new();
        let console = Running::start(Options { plugin: Some(plugin(&folder.0)), ..Options::default() });
        console.set(&json!({"records": {"cluster": "console", "authority": "console.internal"}}));
        let gateway = Gateway::start(discovering(console.address, &folder.0.join("token.yaml")));
        Self { console, gateway, _folder: folder }
    }

    /// Sends a purchase of a site's visitor who has allowed marketing, with the site's write key.
    fn purchase(&self, key: &str, order: &str) {
        let mut event = order_event(order);
        event["context"]["consent"] = json!({"marketing": true});
        let request = Request::post("/v1/t", event.to_string()).header("x-write-key", key);
        assert_eq!(self.gateway.send(request).status, 200);
    }

    /// Sends a page view of the same.
    fn page_view(&self, key: &str) {
        let event = json!({"type": "page", "anonymousId": "anon-1", "messageId": "m-page",
            "context": {"consent": {"marketing": true}, "page": {"url": "https://shop.example/thanks", "path": "/thanks"}}});
        let request = Request::post("/v1/p", event.to_string()).header("x-write-key", key);
        assert_eq!(self.gateway.send(request).status, 200);
    }

    /// Waits until the vendor has got so many requests, and returns the path of the last one.
    fn delivered(&self, count: usize) -> String {
        self.gateway.wait_for(Flashtalking, count).pop().unwrap().path
    }

    /// Waits until the gateway works by the configuration in force.
    fn is_up_to_date(&self) {
        let wanted = self.console.console.store.current().revision;
        let has_it = wait_until(LIMIT, || {
            self.console.gateways().first().is_some_and(|gateway| gateway.revision == Some(wanted))
        });
        assert!(has_it, "{wanted}: {:#?}", self.console.gateways());
    }
}

/// Does something that waits, while the browser goes on.
fn waiting<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

async fn add_source(browser: &Browser, url: &str, id: &str) {
    browser.open(&format!("{url}/sources")).await;
    browser.page.follow("Add source").await;
    browser.page.fill("Id (optional)", id).await;
    browser.page.fill("Write keys (optional)", &format!("key-of-{id}")).await;
    browser.page.press("Save").await;
    browser.page.wait_for_text("Added.").await;
}

#[test]
fn what_is_entered_in_the_form_reaches_the_vendor_and_its_story_the_page_of_events() {
    let fleet = Fleet::start();
    tokio::runtime::Runtime::new().unwrap().block_on(from_the_form_to_the_vendor(&fleet));
}

async fn from_the_form_to_the_vendor(fleet: &Fleet) {
    let url = format!("http://{}", fleet.console.address);
    let browser = Browser::start().await;
    browser.open(&url).await;
    let page = &browser.page;
    page.fill("Token", ADMIN_TOKEN).await;
    page.press("Sign in").await;
    page.wait_for_text("No integrations yet").await;
    for id in ["src_test", "src_live"] {
        add_source(&browser, &url, id).await;
    }

    // Integrations > Add integration > Flashtalking, as the vendor's document describes it, but for page views.
    page.follow("Integrations").await;
    page.follow("Add integration").await;
    page.follow("Add Flashtalking").await;
    page.fill("Name", "Flashtalking purchases").await;
    page.fill("Advertiser ID", "1234567").await;
    page.fill("Spotlight ID", "wrong").await;
    page.fill("Spotlight group ID", "5").await;
    page.select("Source", "src_test").await;
    page.uncheck("page").await;
    page.press("Save").await;
    page.wait_for_text(r#"expected a number like 987654, got "wrong""#).await;
    page.fill("Spotlight ID", "987654").await;
    page.press("Save").await;
    page.wait_for_text("Added.").await;
    waiting(|| fleet.is_up_to_date());

    page.follow("Events").await;
    page.wait_for_text("Live: new events appear at the top.").await;
    let path = waiting(|| {
        fleet.page_view("key-of-src_test");
        fleet.purchase("key-of-src_live", "ORD-of-another-source");
        fleet.purchase("key-of-src_test", "ORD-1");
        fleet.delivered(1)
    });
    assert!(path.contains("/1234567;987654;5;num/") && path.contains("ftXRef=ORD-1"), "{path}");
    // Without a reload, with the request that was built.
    page.row("ORD-1").await.wait_for_text("delivered").await;
    page.row("ORD-1").await.follow("Order Completed").await;
    let story = page.wait_for_text("/container/1234567;987654;5;num/").await;
    assert!(
        story.contains("ftXRef=ORD-1") && story.contains("granted by the event's context.consent"),
        "{story}"
    );

    // What was tried out is promoted to the live site.
    page.follow("Integrations").await;
    page.follow("Flashtalking purchases").await;
    page.follow("Promote").await;
    page.select("Source", "src_live").await;
    page.fill("Name of the copy (optional)", "Flashtalking live").await;
    page.press("Promote").await;
    page.wait_for_text("Promoted:").await;
    waiting(|| fleet.is_up_to_date());
    let path = waiting(|| {
        fleet.purchase("key-of-src_live", "ORD-2");
        fleet.delivered(2)
    });
    assert!(path.contains("ftXRef=ORD-2"));

    // Disabled, it delivers nothing; rolled back, it does again.
    page.press("Disable").await;
    page.wait_for_text("Disabled.").await;
    waiting(|| fleet.is_up_to_date());
    waiting(|| fleet.purchase("key-of-src_live", "ORD-3"));
    page.follow("Revisions").await;
    page.row("Promoted integration").await.follow("6").await;
    page.follow("Roll back to this revision").await;
    page.press("Roll back").await;
    page.wait_for_text("Rolled back.").await;
    waiting(|| fleet.is_up_to_date());
    let path = waiting(|| {
        fleet.purchase("key-of-src_live", "ORD-4");
        fleet.delivered(3)
    });
    assert!(path.contains("ftXRef=ORD-4"), "and not the one that came while it was disabled");

    // Once the last one is deleted, nothing is delivered any more.
    for name in ["Flashtalking live", "Flashtalking purchases"] {
        page.follow(name).await;
        page.follow("Delete").await;
        page.press("Delete").await;
        page.wait_for_text("Deleted.").await;
    }
    waiting(|| fleet.is_up_to_date());
    page.follow("Gateways").await;
    page.wait_for_text("1 of 1 gateways have it").await;
    waiting(|| {
        fleet.purchase("key-of-src_live", "ORD-5");
        // The page view, the other source's purchase, and those that came while there was nothing to deliver to.
        fleet.gateway.wait_for_counter("conversion_relay_events_ignored_total", &[], 4);
        assert_eq!(fleet.gateway.requests(Flashtalking).len(), 3);
    });
    browser.finish().await;
}
