//! The preview: what the gateways would send for an event, beside the form.

use axum::extract::State;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::error::PageError;
use super::super::fields::Fields;
use super::super::guard::Asked;
use super::super::json::indented;
use super::super::parts::{Input, Request, badge, id_of, request, sentence};
use super::draft::{fields_of, object_of};
use super::hint::hint;
use super::known::entry;
use super::problem::{CONFIG, Problem};
use super::sample::SAMPLES;
use crate::configuration::{Collection, Refusal};
use crate::console::Shared;
use crate::manage::{
    self, CatalogEntry, Preview, PreviewRequest, PreviewedDelivery, PreviewedEvent, Subject,
};
use crate::store::Rejection;

/// The fields of the event that a preview is made for.
pub const SAMPLE_FIELDS: [&str; 5] =
    ["sample_kind", "sample", "sample_cookie", "sample_user_agent", "sample_ip"];

/// Returns what the gateways would send, or why nothing.
pub async fn of(
    console: &Shared,
    entry: &CatalogEntry,
    base: &Map<String, Value>,
    fields: &Fields,
) -> Markup {
    if let Some(text) = missing(entry, fields) {
        return not_yet(&text);
    }
    let object = match object_of(entry, fields, base) {
        Ok(object) => object,
        Err(Problem { text, .. }) => return not_yet(&text),
    };
    let request = match request_of(fields) {
        Ok(request) => request,
        Err(text) => return not_yet(text),
    };
    let subject = Subject::Draft(object);
    let made = console.with_store(move |store| manage::preview(store, subject, &request)).await;
    let hints = entry
        .config_fields
        .iter()
        .filter_map(|field| hint(entry.key, &field.key, fields.text(&format!("{CONFIG}{}", field.key))));
    match made {
        Ok(preview) => shown(&preview, hints.collect()),
        Err(Rejection::Refused(refusal)) => not_yet(&in_words(entry, &refusal)),
        Err(other) => {
            let told = crate::web::ApiError::from(other);
            not_yet(&told.message)
        }
    }
}

/// Answers with the preview alone, for the script.
pub async fn fragment(State(console): State<Shared>, asked: Asked) -> Result<Markup, PageError> {
    let id = asked.fields.text("id").to_owned();
    let base = match id.is_empty() {
        true => Map::new(),
        false => manage::get(&console.store.current(), Collection::Integrations, &id)?.object,
    };
    let entry = entry(asked.fields.text("vendor"))?;
    // Who may not change it sends no fields of it.
    let sends_all = asked.fields.get("name").is_some();
    let fields = if sends_all { asked.fields } else { with_sample(&entry, &base, &asked.fields) };
    Ok(of(&console, &entry, &base, &fields).await)
}

/// Returns the fields of an integration as it is kept, with the event that was sent along.
pub fn with_sample(entry: &CatalogEntry, object: &Map<String, Value>, sent: &Fields) -> Fields {
    SAMPLE_FIELDS
        .iter()
        .fold(fields_of(entry, object), |fields, name| fields.with(name, sent.get(name).unwrap_or_default()))
}

/// Names the fields that have to be filled in first.
fn missing(entry: &CatalogEntry, fields: &Fields) -> Option<String> {
    let required = entry.config_fields.iter().filter(|field| field.required);
    let empty = required.filter(|field| fields.text(&format!("{CONFIG}{}", field.key)).is_empty());
    let labels: Vec<&str> = empty.map(|field| field.label.as_str()).collect();
    (!labels.is_empty()).then(|| format!("Enter {} first.", labels.join(", ")))
}

/// Says where a setting is wrong by its label.
fn in_words(entry: &CatalogEntry, refusal: &Refusal) -> String {
    let key = refusal.path.strip_prefix("config.").unwrap_or_default();
    let field = entry.config_fields.iter().find(|field| field.key == key);
    match field {
        Some(field) => format!("{}: {}", field.label, refusal.problem),
        None if refusal.path.is_empty() => refusal.problem.clone(),
        None => refusal.to_string(),
    }
}

fn request_of(fields: &Fields) -> Result<PreviewRequest, &'static str> {
    let body = fields.get("sample").unwrap_or_default().to_owned();
    if serde_json::from_str::<serde::de::IgnoredAny>(&body).is_err() {
        return Err("the event is no JSON");
    }
    let header = |name: &str, field: &str| {
        let value = fields.text(field);
        (!value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
    };
    let headers = [header("cookie", "sample_cookie"), header("user-agent", "sample_user_agent")];
    let client_ip = Some(fields.text("sample_ip").to_owned()).filter(|address| !address.is_empty());
    if client_ip.as_ref().is_some_and(|address| address.parse::<std::net::IpAddr>().is_err()) {
        return Err("the IP address is none");
    }
    Ok(PreviewRequest { body, headers: headers.into_iter().flatten().collect(), client_ip, path: None })
}

fn not_yet(text: &str) -> Markup {
    html! {
        div.stack data-summary="No preview: something is missing or wrong." {
            div.note.warn { p { "No preview yet. " (text) } }
        }
    }
}

fn shown(preview: &Preview, hints: Vec<&str>) -> Markup {
    let sent = preview.events.iter().filter_map(|event| event.delivery.as_ref()?.request.as_ref()).count();
    let summary = match sent {
        0 => "Preview updated: nothing is sent.".to_owned(),
        1 => "Preview updated: one request.".to_owned(),
        many => format!("Preview updated: {many} requests."),
    };
    html! {
        div.stack data-summary=(summary) {
            @for hint in hints { div.note.warn { p { (hint) } } }
            @for event in &preview.events { (of_event(event)) }
        }
    }
}

fn of_event(event: &PreviewedEvent) -> Markup {
    html! {
        section.stack {
            h3 { (event.name) }
            @for reason in &event.ignored {
                p { (badge("", "not sent")) " " code { (reason.reason) } @if !reason.explanation.is_empty() { ": " (reason.explanation) } }
            }
            @if let Some(delivery) = &event.delivery { (of_delivery(delivery)) }
            @for note in &event.notes { p.small.soft { "Note: " code { (note) } } }
        }
    }
}

fn of_delivery(delivery: &PreviewedDelivery) -> Markup {
    let (kind, word) = match delivery.outcome {
        "sent" => ("good", "sent"),
        "dry_run" => ("warn", "dry run: built, and not sent"),
        _ => ("", "not sent"),
    };
    html! {
        p {
            (badge(kind, word))
            @if let Some(reason) = delivery.reason { " " code { (reason) } }
            @if let Some(words) = &delivery.explanation { ": " (words) }
        }
        p.small.soft { (sentence(&delivery.consent)) }
        @if let Some(built) = &delivery.request {
            (request(&Request {
                method: built.method,
                authority: &built.authority,
                path: &built.path,
                headers: built.headers.iter().map(|header| (header.name.clone(), header.value.clone())).collect(),
                body: built.body.as_deref().map(indented),
            }))
            p.small.soft { "Through Envoy's cluster " code { (built.cluster) } "." }
        }
        @if !delivery.left_out.is_empty() {
            ul.plain.small { @for text in &delivery.left_out { li { (text) } } }
        }
    }
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
                    (Input { name: "sample", label: "Event as JSON", value: &value("sample"), kind: "textarea", required: true, rows: 12,
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
