//! The preview: what the gateways would send for an event, beside the form.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::fields::Fields;
use super::super::guard::Asked;
use super::super::parts::{Input, id_of};
use super::draft::{Problem, object_of};
use super::edit::entry;
use super::sample::SAMPLES;
use crate::console::Shared;
use crate::manage::CatalogEntry;

/// The fields of the event that a preview is made for.
pub const SAMPLE_FIELDS: [&str; 5] =
    ["sample_kind", "sample", "sample_cookie", "sample_user_agent", "sample_ip"];

pub async fn of(
    _console: &Shared,
    entry: &CatalogEntry,
    base: &Map<String, Value>,
    fields: &Fields,
) -> Markup {
    match object_of(entry, fields, base) {
        Err(Problem { text, .. }) => html! { (text) },
        Ok(_) => html! {},
    }
}

pub async fn fragment(State(console): State<Shared>, asked: Asked) -> Response {
    let Ok(entry) = entry(asked.fields.text("vendor")) else { return StatusCode::NOT_FOUND.into_response() };
    of(&console, &entry, &Map::new(), &asked.fields).await.into_response()
}

/// Returns the column beside the form: the event, and what comes out.
pub fn beside(fields: &Fields, preview: &Markup) -> Markup {
    let kind = fields.text("sample_kind");
    let value = |name: &str| fields.get(name).unwrap_or_default().to_owned();
    html! {
        section.card.sticky aria-labelledby="preview-title" {
            div.head { h2 #preview-title { "Preview" } }
            div.field {
                label for=(id_of("sample_kind")) { "Event" }
                select id=(id_of("sample_kind")) name="sample_kind" data-sample-for=(id_of("sample")) {
                    @for sample in &SAMPLES {
                        option value=(sample.key) data-sample=(sample.event) selected[sample.key == kind] { (sample.label) }
                    }
                }
            }
            details {
                summary { "Edit the event and the request that carries it" }
                div.stack {
                    (Input { name: "sample", label: "Event", value: &value("sample"), kind: "textarea", required: true, rows: 12,
                        help: Some("JSON, as a browser's client sends it."), ..Input::default() }.render())
                    (Input { name: "sample_cookie", label: "Cookie", value: &value("sample_cookie"), kind: "text",
                        placeholder: Some("_ga=GA1.1.1; FTrack=abc"), ..Input::default() }.render())
                    (Input { name: "sample_user_agent", label: "User-Agent", value: &value("sample_user_agent"), kind: "text",
                        ..Input::default() }.render())
                    (Input { name: "sample_ip", label: "IP address", value: &value("sample_ip"), kind: "text",
                        ..Input::default() }.render())
                }
            }
            div.buttons {
                button type="submit" name="do" value="preview" data-preview-now { "Update the preview" }
                noscript { button type="submit" name="do" value="sample" { "Take the chosen event" } }
            }
            p.small.soft #preview-state role="status" {}
            div #preview.stack { (preview) }
        }
    }
}
