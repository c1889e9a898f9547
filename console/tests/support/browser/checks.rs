//! What is checked of every page: accessibility in both themes, that it fits its width, and how it looks.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::Browser;

/// What the user prefers, and what CSS reads as `prefers-color-scheme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    Light,
    Dark,
}

/// A rule of axe-core that a page breaks.
#[derive(Debug)]
pub struct Violation {
    pub theme: Theme,
    /// axe-core's name of the rule, as `label` or `color-contrast`.
    pub rule: String,
    pub help: String,
    /// Where, as a CSS selector, and what is wrong there.
    pub places: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({:?}): {}", self.rule, self.theme, self.help)?;
        self.places.iter().try_for_each(|place| write!(out, "\n    {place}"))
    }
}

impl Browser {
    /// Draws the page as for a user who prefers `theme`, and who wants no animations: nothing is checked halfway.
    pub async fn set_theme(&self, theme: Theme) {
        let scheme = if theme == Theme::Light { "light" } else { "dark" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.session.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// The rules of axe-core, those of good practice included, that the page breaks in either theme. Leaves the page light.
    pub async fn axe(&self) -> Vec<Violation> {
        // WebDriver's scripts run beside the page's content security policy, which would forbid a script element.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.tools/axe.min.js");
        let axe = std::fs::read_to_string(&path).expect("axe-core: run `scripts/setup browser`");
        let run = |theme| async move {
            self.set_theme(theme).await;
            // Without `preload`, which would fetch the style sheets once more, by a request that a policy may forbid.
            let script = "const done = arguments[0];
                axe.run(document, { preload: false, resultTypes: ['violations'] })
                   .then(found => done(found.violations), error => done(String(error)))";
            let found = self.session.client.execute_async(script, vec![]).await.expect("axe-core");
            let Value::Array(found) = found else { panic!("axe-core: {found}") };
            found.iter().map(|violation| read(theme, violation)).collect::<Vec<_>>()
        };
        self.session.run(&axe).await;
        let mut violations = run(Theme::Dark).await;
        violations.splice(0..0, run(Theme::Light).await);
        violations
    }

    /// Fails if [`Browser::axe`] finds anything.
    pub async fn assert_accessible(&self) {
        let violations = self.axe().await;
        let list = violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("\n");
        assert!(violations.is_empty(), "{}:\n{list}", self.url().await);
    }

    /// The elements that make the page wider than the window, as tag, id, class and right edge in pixels; empty if it fits.
    pub async fn overflow(&self) -> Vec<String> {
        // Of the window, not `innerWidth`: a phone zooms out until everything fits.
        let script = "const width = arguments[0];
            if (document.documentElement.scrollWidth <= width) return [];
            const name = e => e.localName + (e.id && '#' + e.id) + (e.className && '.' + e.className);
            const right = e => Math.ceil(e.getBoundingClientRect().right);
            const wide = [...document.body.querySelectorAll('*')].filter(e => right(e) > width);
            return ['the page: ' + document.documentElement.scrollWidth, ...wide.map(e => name(e) + ': ' + right(e))]";
        let width = json!(self.width());
        let found = self.session.client.execute(script, vec![width]).await.expect("a page");
        found.as_array().expect("a list").iter().map(|name| name.as_str().unwrap_or("?").to_owned()).collect()
    }

    /// Fails if the page has to be scrolled sideways.
    pub async fn assert_fits(&self) {
        let wide = self.overflow().await;
        assert!(wide.is_empty(), "wider than {}: {wide:#?}\n{}", self.width(), self.url().await);
    }

    /// Writes the whole page, not only what the window shows, as a PNG to `path`, and makes its folder.
    pub async fn screenshot(&self, path: impl AsRef<Path>) {
        let path = path.as_ref();
        let size = self.session.devtools("Page.getLayoutMetrics", json!({})).await["cssContentSize"].clone();
        // The window's width: while the picture is taken, no scroll bar takes some of it.
        let width = size["width"].as_f64().unwrap_or_default().max(self.width().into());
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": size["height"], "scale": 1 });
        let params = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let picture = self.session.devtools("Page.captureScreenshot", params).await;
        let picture = BASE64_STANDARD.decode(picture["data"].as_str().expect("a picture")).expect("base64");
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).expect("cannot make the folder for a screenshot");
        }
        std::fs::write(path, picture).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn read(theme: Theme, violation: &Value) -> Violation {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let place = |node: &Value| {
        let summary = text(&node["failureSummary"]).split_whitespace().collect::<Vec<_>>().join(" ");
        format!("{} {summary}", node["target"])
    };
    let places = violation["nodes"].as_array().expect("nodes").iter().map(place).collect();
    Violation { theme, rule: text(&violation["id"]), help: text(&violation["help"]), places }
}
