//! Small parts that several pages have.

use maud::{Markup, html};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::clock;

/// Returns a time, given in milliseconds of Unix time. The script shows it in the browser's zone.
pub fn time(milliseconds: i64) -> Markup {
    let rfc3339 = clock::rfc3339(milliseconds);
    let text = rfc3339.get(..19).unwrap_or(&rfc3339).replace('T', " ");
    html! { time datetime=(rfc3339) { (text) " UTC" } }
}

/// Returns a small label. Its kind is `good`, `warn`, `bad` or empty.
pub fn badge(kind: &str, text: &str) -> Markup {
    html! { span class={ "badge " (kind) } { (text) } }
}

/// Returns a message. Its kind is as a badge's. It is read out as soon as it is there.
pub fn note(kind: &str, content: &Markup) -> Markup {
    html! { div class={ "note " (kind) } role="status" { (content) } }
}

/// Returns what a list shows that holds nothing, and how to change that.
pub fn empty(title: &str, content: &Markup) -> Markup {
    html! { div.card.empty { h2 { (title) } (content) } }
}

/// Returns a table. Each row holds the cells that [`cell`] returns.
pub fn table(caption: &str, columns: &[&str], rows: &Markup) -> Markup {
    html! {
        div.table {
            table role="table" {
                caption.visually-hidden { (caption) }
                (head(columns))
                tbody role="rowgroup" { (rows) }
            }
        }
    }
}

/// Returns the head of a table.
pub fn head(columns: &[&str]) -> Markup {
    html! {
        thead role="rowgroup" {
            tr role="row" { @for column in columns { th role="columnheader" scope="col" { (column) } } }
        }
    }
}

/// Returns a cell, which says on a narrow screen to which column it belongs. Its role is written out, because there it is none by its
/// looks.
pub fn cell(column: &str, content: &Markup) -> Markup {
    html! { td role="cell" data-label=(column) { (content) } }
}

/// Returns the first cell of a row, which names it.
pub fn row_head(content: &Markup) -> Markup {
    html! { th role="rowheader" scope="row" { (content) } }
}

/// Returns a value as YAML, for people.
pub fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).map_or_else(|_| value.to_string(), |text| text.trim_end().to_owned())
}

/// Reads YAML, or JSON, which is YAML, too. The error says where it is broken.
pub fn read_yaml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.to_string();
        format!("expected YAML: {}", error.lines().next().unwrap_or_default())
    })
}

/// Returns a text of an object, if there is one.
pub fn text<'v>(object: &'v Map<String, Value>, key: &str) -> Option<&'v str> {
    object.get(key).and_then(Value::as_str)
}

/// Returns the texts of a list.
pub fn texts<'v>(object: &'v Map<String, Value>, key: &str) -> Vec<&'v str> {
    let list = object.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    list.iter().filter_map(Value::as_str).collect()
}

/// Returns a text as a part of an address.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// A request to a vendor.
pub struct Request<'r> {
    pub method: &'r str,
    pub authority: &'r str,
    pub path: &'r str,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

/// Returns a request as people read it.
pub fn request(request: &Request<'_>) -> Markup {
    let Request { method, authority, path, headers, body } = request;
    html! {
        pre.request tabindex="0" role="group" aria-label="Request" {
            strong { (method) } " https://" (authority) (path) "\n"
            @for (name, value) in headers { span.soft { (name) ":" } " " (value) "\n" }
            @if let Some(body) = body { "\n" (body) }
        }
    }
}

/// A text field of a form and what is said about it.
#[derive(Default)]
pub struct Input<'f> {
    pub name: &'f str,
    pub label: &'f str,
    pub value: &'f str,
    /// `text`, `password`, ..., or `textarea`.
    pub kind: &'f str,
    pub required: bool,
    pub placeholder: Option<&'f str>,
    pub help: Option<&'f str>,
    /// Something odd that is no error.
    pub hint: Option<&'f str>,
    /// What is wrong with its value.
    pub problem: Option<&'f str>,
    /// The height of a `textarea`.
    pub rows: usize,
}

impl Input<'_> {
    /// Returns the field with its label, help and problem. One with a problem gets the focus.
    pub fn render(&self) -> Markup {
        let id = id_of(self.name);
        let described = self.described_by(&id);
        let invalid = self.problem.map(|_| "true");
        html! {
            div.field {
                label for=(id) { (self.label) @if !self.required { span.optional { " (optional)" } } }
                @if self.kind == "textarea" {
                    textarea id=(id) name=(self.name) rows=(self.rows.max(3)) required[self.required] spellcheck="false"
                        placeholder=[self.placeholder] aria-describedby=[described] aria-invalid=[invalid]
                        autofocus[self.problem.is_some()] { "\n" (self.value) }
                } @else {
                    input id=(id) type=(self.kind) name=(self.name) value=(self.value) required[self.required]
                        spellcheck="false" autocomplete=(if self.kind == "password" { "new-password" } else { "off" })
                        placeholder=[self.placeholder] aria-describedby=[described] aria-invalid=[invalid]
                        autofocus[self.problem.is_some()];
                }
                (about(&id, self.help, self.hint, self.problem))
            }
        }
    }

    fn described_by(&self, id: &str) -> Option<String> {
        described_by(id, self.help, self.hint, self.problem)
    }
}

/// Returns the ids of what [`about`] says of a field.
pub fn described_by(
    id: &str,
    help: Option<&str>,
    hint: Option<&str>,
    problem: Option<&str>,
) -> Option<String> {
    let parts = [("problem", problem), ("hint", hint), ("help", help)];
    let ids: Vec<String> =
        parts.iter().filter(|(_, text)| text.is_some()).map(|(part, _)| format!("{id}-{part}")).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

/// Returns what is said of the field with that id.
pub fn about(id: &str, help: Option<&str>, hint: Option<&str>, problem: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = problem { p.problem id={ (id) "-problem" } { (text) } }
        @if let Some(text) = hint { p.hint id={ (id) "-hint" } { (text) } }
        @if let Some(text) = help { p.help id={ (id) "-help" } { (prose(text)) } }
    }
}

/// Returns a text in which code stands between backticks.
pub fn prose(text: &str) -> Markup {
    html! {
        @for (index, part) in text.split('`').enumerate() {
            @if index % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// Returns words as a sentence: with a capital letter, and a full stop.
pub fn sentence(words: &str) -> String {
    let mut characters = words.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let stop = if words.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{stop}", characters.as_str())
}

/// Returns a checkbox.
pub fn checkbox(name: &str, value: &str, label: &Markup, checked: bool) -> Markup {
    html! {
        label.check {
            input type="checkbox" name=(name) value=(value) checked[checked];
            span { (label) }
        }
    }
}

/// Returns a filter: one of several values, each with its words, or any. One that is chosen and not among them stays.
pub fn choice<'o>(
    name: &str,
    label: &str,
    chosen: &str,
    options: impl Iterator<Item = (&'o str, &'o str)>,
) -> Markup {
    let options: Vec<(&str, &str)> = options.collect();
    let is_known = chosen.is_empty() || options.iter().any(|(value, _)| *value == chosen);
    html! {
        div.field {
            label for={ "filter-" (name) } { (label) }
            select id={ "filter-" (name) } name=(name) {
                option value="" { "Any" }
                @for (value, words) in options { option value=(value) selected[value == chosen] { (words) } }
                @if !is_known { option value=(chosen) selected { (chosen) } }
            }
        }
    }
}

/// Returns the id of the field with that name.
pub fn id_of(name: &str) -> String {
    let legal = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    format!("field-{}", name.chars().map(legal).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_for_people_and_for_the_script() {
        let expected = r#"<time datetime="2023-11-14T22:13:20.123Z">2023-11-14 22:13:20 UTC</time>"#;
        assert_eq!(time(1_700_000_000_123).into_string(), expected);
    }

    #[test]
    fn a_fields_texts_are_escaped_and_tied_to_it() {
        let field = Input {
            name: "config.key",
            label: "<b>",
            value: "\"><script>",
            kind: "text",
            help: Some("help"),
            problem: Some("<i>wrong</i>"),
            ..Input::default()
        };
        let html = field.render().into_string();
        assert!(
            html.contains(r#"aria-describedby="field-config-key-problem field-config-key-help""#),
            "{html}"
        );
        assert!(html.contains(r#"value="&quot;&gt;&lt;script&gt;""#), "{html}");
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("<i>"), "{html}");
    }
}
