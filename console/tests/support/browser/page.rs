//! A page, or a part of one, as a user finds their way in it: by labels, roles and text.

use std::sync::Arc;

use fantoccini::Locator;
use fantoccini::elements::Element;

use super::session::{Again, Session, retry};

/// What a user looks for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Field,
    Button,
    Link,
    Region,
}

impl Kind {
    /// The elements that may be of this kind.
    fn css(self) -> &'static str {
        match self {
            Self::Field => {
                "input:not([type=hidden], [type=submit], [type=button], [type=reset], [type=image]), textarea, select, \
                 [role=textbox], [role=searchbox], [role=combobox], [role=checkbox], [role=radio], [role=switch]"
            }
            Self::Button => {
                "button, summary, input:is([type=submit], [type=button], [type=reset], [type=image]), [role=button]"
            }
            Self::Link => "a[href], [role=link]",
            Self::Region => {
                "section, nav, main, aside, form, fieldset, dialog, table, [role=region], [role=group], [role=navigation], \
                 [role=dialog], [role=table], [role=list], [role=log], [role=status], [role=alert]"
            }
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Button => "button",
            Self::Link => "link",
            Self::Region => "region",
        }
    }
}

/// A page, or what [`Part::row`] and [`Part::region`] narrow it to. Whatever is looked for is waited for, and has to be the
/// only one of its name: otherwise the test fails and lists the names that are there.
#[derive(Clone)]
pub struct Part {
    session: Arc<Session>,
    root: Option<Element>,
}

impl Part {
    pub(super) fn whole(session: Arc<Session>) -> Self {
        Self { session, root: None }
    }

    /// The field with this label. Also a checkbox, a radio button or a list to choose from.
    pub async fn field(&self, label: &str) -> Field {
        let element = self.find(Kind::Field, label, async |element| Ok(element)).await;
        Field { session: self.session.clone(), element, label: label.to_owned() }
    }

    /// Writes `text` into the field with this label, in place of what is in it.
    pub async fn fill(&self, label: &str, text: &str) {
        self.field(label).await.fill(text).await;
    }

    /// Chooses the option that reads `option` from the list with this label.
    pub async fn select(&self, label: &str, option: &str) {
        self.field(label).await.select(option).await;
    }

    /// Ticks the checkbox or the radio button with this label.
    pub async fn check(&self, label: &str) {
        self.field(label).await.set_checked(true).await;
    }

    pub async fn uncheck(&self, label: &str) {
        self.field(label).await.set_checked(false).await;
    }

    /// Presses the button with this name, and waits for the page that it leads to, if any.
    pub async fn press(&self, name: &str) {
        self.find(Kind::Button, name, async |element| Ok(element.click().await?)).await;
        self.session.settle().await;
    }

    /// Follows the link with this name.
    pub async fn follow(&self, name: &str) {
        self.find(Kind::Link, name, async |element| Ok(element.click().await?)).await;
        self.session.settle().await;
    }

    /// The section, form, table, dialog or group with this name.
    pub async fn region(&self, name: &str) -> Self {
        let root = self.find(Kind::Region, name, async |element| Ok(element)).await;
        Self { session: self.session.clone(), root: Some(root) }
    }

    /// The row of a table or the item of a list in which `text` stands.
    pub async fn row(&self, text: &str) -> Self {
        let found = retry(async || {
            let mut rows = Vec::new();
            for row in self.all(ROWS).await? {
                if row.text().await?.contains(text) && !has_row(&row, text).await? {
                    rows.push(row);
                }
            }
            only(rows)
        });
        let root = match found.await {
            Ok(root) => root,
            Err(count) => panic!("{count} rows with {text:?}, not one\n{}", self.session.picture().await),
        };
        Self { session: self.session.clone(), root: Some(root) }
    }

    /// The text that is shown.
    pub async fn text(&self) -> String {
        let text = retry(async || self.try_text().await).await;
        text.unwrap_or_else(|error| panic!("no text: {error}"))
    }

    /// Waits until `text` is shown, and returns all that is.
    pub async fn wait_for_text(&self, text: &str) -> String {
        self.wait_for(text, true).await
    }

    /// Waits until `text` is no longer shown, and returns all that is.
    pub async fn wait_until_gone(&self, text: &str) -> String {
        self.wait_for(text, false).await
    }

    async fn wait_for(&self, text: &str, shown: bool) -> String {
        let found = retry(async || {
            let all = self.try_text().await?;
            if all.contains(text) == shown { Ok(all) } else { Err(Again(all)) }
        });
        match found.await {
            Ok(all) => {
                self.session.settle().await;
                all
            }
            Err(all) => {
                let problem = if shown { "is not shown" } else { "is still shown" };
                panic!("{text:?} {problem} in:\n{all}\n{}", self.session.picture().await)
            }
        }
    }

    async fn try_text(&self) -> Result<String, Again> {
        let body;
        let root = match &self.root {
            Some(root) => root,
            None => {
                body = self.session.client.find(Locator::Css("body")).await?;
                &body
            }
        };
        Ok(root.text().await?)
    }

    async fn all(&self, css: &str) -> Result<Vec<Element>, Again> {
        Ok(match &self.root {
            Some(root) => root.find_all(Locator::Css(css)).await?,
            None => self.session.client.find_all(Locator::Css(css)).await?,
        })
    }

    /// Waits for the only element of this kind with this name, and does `then` with it.
    async fn find<T>(&self, kind: Kind, name: &str, then: impl AsyncFn(Element) -> Result<T, Again>) -> T {
        let found = retry(async || {
            let mut named = Vec::new();
            let mut others = Vec::new();
            for element in self.all(kind.css()).await? {
                let its_name = self.session.name(&element).await?;
                if its_name != name {
                    others.push(its_name);
                } else if element.is_displayed().await? {
                    named.push(element);
                }
            }
            match only(named) {
                Ok(element) => then(element).await,
                Err(Again(count)) => Err(Again(format!("{count} such; the others are {others:?}"))),
            }
        });
        match found.await {
            Ok(value) => value,
            Err(error) => {
                panic!("no single {} called {name:?}: {error}\n{}", kind.noun(), self.session.picture().await)
            }
        }
    }
}

const ROWS: &str = "tr, li, [role=row], [role=listitem]";

/// Whether a row inside of `outer`, such as an item of a list in a list, has the text itself.
async fn has_row(outer: &Element, text: &str) -> Result<bool, Again> {
    for inner in outer.find_all(Locator::Css(ROWS)).await? {
        if inner.text().await?.contains(text) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The element, if it is the only one; otherwise their number.
fn only(elements: Vec<Element>) -> Result<Element, Again> {
    let count = elements.len();
    <[Element; 1]>::try_from(elements).map(|[element]| element).map_err(|_| Again(count.to_string()))
}

/// What a user fills in, chooses from or ticks.
pub struct Field {
    session: Arc<Session>,
    element: Element,
    label: String,
}

impl Field {
    /// Writes `text` into the field, in place of what is in it.
    pub async fn fill(&self, text: &str) {
        let label = &self.label;
        self.element.clear().await.unwrap_or_else(|error| panic!("{label} can't be cleared: {error}"));
        self.element.send_keys(text).await.unwrap_or_else(|error| panic!("{label} can't be filled: {error}"));
        self.session.settle().await;
    }

    /// Chooses the option that reads `option`.
    pub async fn select(&self, option: &str) {
        let selected = self.element.select_by_label(option).await;
        selected.unwrap_or_else(|error| panic!("{} has no option {option:?}: {error}", self.label));
        self.session.settle().await;
    }

    pub async fn set_checked(&self, checked: bool) {
        if self.is_checked().await != checked {
            self.element
                .click()
                .await
                .unwrap_or_else(|error| panic!("{} can't be ticked: {error}", self.label));
            self.session.settle().await;
        }
        assert_eq!(self.is_checked().await, checked, "{}", self.label);
    }

    pub async fn is_checked(&self) -> bool {
        self.element.is_selected().await.expect("a field of this page")
    }

    /// What is in the field. For a list, the value of the chosen option, not its text.
    pub async fn value(&self) -> String {
        self.element.prop("value").await.expect("a field of this page").unwrap_or_default()
    }

    /// The help and the errors that are read out with the field (`aria-describedby`), one a line; empty without any.
    pub async fn description(&self) -> String {
        let script =
            "return (arguments[0].getAttribute('aria-describedby') || '').split(/\\s+/).filter(id => id)
            .map(id => document.getElementById(id)?.innerText ?? '(no element ' + id + ')').join('\\n')";
        let element = serde_json::to_value(&self.element).expect("a reference");
        let text = self.session.client.execute(script, vec![element]).await.expect("a field of this page");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Whether the field is marked as wrong (`aria-invalid`).
    pub async fn is_invalid(&self) -> bool {
        let mark = self.element.attr("aria-invalid").await.expect("a field of this page");
        mark.is_some_and(|mark| mark != "false")
    }
}
