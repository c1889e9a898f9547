//! A Chromium of its own for each test, which uses a page as a user does: finds things by label and text, presses keys,
//! and listens to what a screen reader would say. Chromium and its driver are gone when the test ends, however it ends.
//!
//! ```ignore
//! #[tokio::test]
//! async fn an_integration_is_added_by_its_form() {
//!     let browser = Browser::start().await;
//!     browser.open(&format!("{console}/integrations/new")).await;
//!     browser.page.fill("Advertiser ID", "1234").await;
//!     browser.page.select("Vendor", "Flashtalking").await;
//!     browser.page.check("Enabled").await;
//!     browser.page.press("Save").await;
//!     browser.page.wait_for_text("The integration is saved").await;
//!     browser.page.row("Flashtalking").await.press("Edit").await;
//!     browser.assert_accessible().await;
//!     browser.finish().await;
//! }
//! ```
//!
//! Nothing sleeps: whatever is looked for is waited for.
#![allow(dead_code, unused_imports, reason = "each test crate uses another part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod checks;
mod driver;
mod page;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
pub use fantoccini::key::Key;
use serde_json::json;

pub use checks::{Theme, Violation};
pub use page::{Field, Part};

use driver::Driver;
use session::Session;

/// The widths that every page has to fit, in CSS pixels.
pub const PHONE: u32 = 360;
pub const DESKTOP: u32 = 1280;

pub struct Browser {
    /// What is open.
    pub page: Part,
    session: Arc<Session>,
    width: AtomicU32,
    finished: AtomicBool,
    driver: Driver,
}

/// The element that has the keyboard focus, as a screen reader announces it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Focused {
    /// As `button`, `link` or `textbox`.
    pub role: String,
    pub name: String,
}

impl Browser {
    /// Starts a headless Chromium with a window of [`DESKTOP`] width, in the light theme.
    pub async fn start() -> Self {
        let mut driver = Driver::start();
        let session = Arc::new(Session::new(driver.session().await));
        let browser = Self {
            page: Part::whole(session.clone()),
            session,
            width: AtomicU32::new(DESKTOP),
            finished: AtomicBool::new(false),
            driver,
        };
        browser.resize(DESKTOP).await;
        browser.set_theme(Theme::Light).await;
        browser
    }

    /// Ends the test: fails if the browser's console had an error, such as a violation of the content security policy, an
    /// exception in a script, or a file that could not be loaded. Has to be called last.
    pub async fn finish(self) {
        self.finished.store(true, Ordering::Relaxed);
        let errors = self.take_console_errors().await;
        assert!(errors.is_empty(), "the browser's console has errors: {errors:#?}");
    }

    /// The errors in the browser's console that were not taken yet, as `SOURCE: MESSAGE` (`security`, `javascript`,
    /// `console-api`, `network`). That the page itself was answered with a 4xx is not one of them.
    pub async fn take_console_errors(&self) -> Vec<String> {
        self.session.take_console_errors().await
    }

    /// Opens `url` and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.session.client.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
        self.session.settle().await;
    }

    pub async fn reload(&self) {
        self.session.client.refresh().await.expect("cannot reload");
        self.session.settle().await;
    }

    pub async fn back(&self) {
        self.session.client.back().await.expect("cannot go back");
        self.session.settle().await;
    }

    pub async fn url(&self) -> String {
        self.session.client.current_url().await.expect("a page has a URL").into()
    }

    pub async fn title(&self) -> String {
        self.session.client.title().await.expect("a page")
    }

    /// Makes the window `width` CSS pixels wide, such as [`PHONE`]. Below 600 it is a phone: a page that does not say
    /// `<meta name="viewport">` is then laid out too wide, as on a real one.
    pub async fn resize(&self, width: u32) {
        let (height, mobile) = if width < 600 { (740, true) } else { (900, false) };
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile });
        self.session.devtools("Emulation.setDeviceMetricsOverride", size).await;
        self.width.store(width, Ordering::Relaxed);
    }

    /// The width of the window in CSS pixels.
    pub fn width(&self) -> u32 {
        self.width.load(Ordering::Relaxed)
    }

    /// The ids of the processes that end with the test.
    pub fn processes(&self) -> [u64; 2] {
        self.driver.processes()
    }

    /// Runs a script in the page and returns what it returns.
    pub async fn run(&self, script: &str) -> serde_json::Value {
        self.session.run(script).await
    }

    /// Sends a command of the Chrome DevTools Protocol.
    pub async fn devtools(&self, command: &str, params: serde_json::Value) -> serde_json::Value {
        self.session.devtools(command, params).await
    }

    // --- The keyboard -------------------------------------------------------------------------------------------------

    /// Presses a key on whatever has the focus: `browser.key(Key::Enter)`.
    pub async fn key(&self, key: Key) {
        self.strike(&[key.into()]).await;
    }

    /// Types `text` into whatever has the focus.
    pub async fn type_text(&self, text: &str) {
        for letter in text.chars() {
            self.strike(&[letter]).await;
        }
    }

    /// Moves the focus on, and returns what has it now.
    pub async fn tab(&self) -> Focused {
        self.key(Key::Tab).await;
        self.focused().await
    }

    /// Moves the focus back, and returns what has it now.
    pub async fn shift_tab(&self) -> Focused {
        self.strike(&[Key::Shift.into(), Key::Tab.into()]).await;
        self.focused().await
    }

    /// Moves the focus on until what is called `name` has it. Fails if a hundred steps don't lead there.
    pub async fn tab_to(&self, name: &str) -> Focused {
        let mut passed = Vec::new();
        for _ in 0..100 {
            let focused = self.tab().await;
            if focused.name == name {
                return focused;
            }
            passed.push(focused.name);
        }
        panic!("the Tab key doesn't lead to {name:?}, but to {passed:?}");
    }

    /// What has the focus. It is the page itself if nothing else has.
    pub async fn focused(&self) -> Focused {
        let element = self.session.client.active_element().await.expect("a page");
        let role = self.session.role(&element).await.expect("a role");
        let name = self.session.name(&element).await.expect("a name");
        Focused { role, name }
    }

    /// Holds these keys down one after the other, and lets go of them in reverse.
    async fn strike(&self, keys: &[char]) {
        let down = keys.iter().map(|&value| KeyAction::Down { value });
        let up = keys.iter().rev().map(|&value| KeyAction::Up { value });
        let actions = down.chain(up).fold(KeyActions::new("keyboard".to_owned()), KeyActions::then);
        self.session.client.perform_actions(actions).await.expect("a key is pressed");
        self.session.settle().await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let forgotten = !self.finished.load(Ordering::Relaxed) && !std::thread::panicking();
        assert!(
            !forgotten,
            "the test has to end with `browser.finish().await`, which checks the browser's console"
        );
    }
}
