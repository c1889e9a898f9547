//! Preview: the exact requests that an event would lead to, without sending anything, and without opening any secret that is kept.

use conversion_relay::accounting::EventIgnored;
use conversion_relay::config::Compiled;
use conversion_relay::sealed::place;
use conversion_relay::settings::MASK;
use conversion_relay_cli::preview::{Visit, stories};
use conversion_relay_cli::story::{BuiltRequest, Decision, Delivery, Event, Fact};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::get;
use super::objects::{one_vendor, within};
use crate::configuration::{Collection, Document, Refusal, for_each_text};
use crate::store::{Current, Rejection, Store};

/// The integration that a preview is of.
#[derive(Clone, Debug)]
pub enum Subject {
    /// One that is kept, by its id.
    Kept(String),
    /// One that is not, or not in this form. With the `id` of one that is kept, `***` stands for the secrets of that one.
    Draft(Map<String, Value>),
}

/// The tracking request that a preview is of.
#[derive(Clone, Debug, Default)]
pub struct PreviewRequest {
    /// The body: one event, or a batch, in JSON.
    pub body: String,
    /// The request's headers, such as `Cookie` and `User-Agent`.
    pub headers: Vec<(String, String)>,
    /// The visitor's IP address.
    pub client_ip: Option<String>,
    /// The request's path with its query; `None`: whatever takes the body.
    pub path: Option<String>,
}

/// What would become of a request's events.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Preview {
    /// Each event.
    pub events: Vec<PreviewedEvent>,
}

/// What would become of an event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewedEvent {
    /// Its name, or its type where it has none.
    pub name: String,
    /// What the integration makes of it; absent: nothing, for the reasons in `ignored`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<PreviewedDelivery>,
    /// Why the event, or the whole request, is not even considered: the reasons as the metrics name them, in words.
    pub ignored: Vec<Reason>,
    /// What an operator should know, as the metrics name it.
    pub notes: Vec<&'static str>,
}

/// A reason.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reason {
    /// As the metrics name it, such as `unmapped`.
    pub reason: &'static str,
    /// The same in words; empty: the name says it all.
    pub explanation: &'static str,
}

/// What an integration makes of an event.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewedDelivery {
    /// `sent`, `dry_run` or `not_sent`.
    pub outcome: &'static str,
    /// Why it is not sent, as the metrics name it, such as `consent_denied`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// The consent that the integration needs, and what grants it.
    pub consent: String,
    /// Values that are left out of the request, and why.
    pub left_out: Vec<String>,
    /// The request, with `***` for each secret; absent: it is not sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<PreviewedRequest>,
}

/// A request as it would go to a vendor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewedRequest {
    /// The method.
    pub method: &'static str,
    /// The vendor's host.
    pub authority: String,
    /// The path with its query.
    pub path: String,
    /// The Envoy cluster that it goes through.
    pub cluster: String,
    /// Further headers.
    pub headers: Vec<PreviewedHeader>,
    /// The body; absent: it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// A header of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PreviewedHeader {
    /// Its name, in lowercase.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Returns what an integration would make of a request's events, whether or not it is enabled. No key of a source is needed.
pub fn preview(store: &Store, subject: Subject, request: &PreviewRequest) -> Result<Preview, Rejection> {
    let current = store.current();
    let integration = match subject {
        Subject::Kept(id) => get(&current, Collection::Integrations, &id)?.object,
        Subject::Draft(object) => one_vendor(Collection::Integrations, object),
    };
    let document = alone(&current, integration);
    let compiled = compile(store, &current, &document)
        .map_err(|refusal| within(refusal.into(), Collection::Integrations, Some(0)))?;
    let mut visit = Visit::default();
    visit.path.clone_from(&request.path);
    if let Some(address) = &request.client_ip {
        visit.client_ip(address).map_err(|_| Refusal::new("client_ip", "expected an IP address"))?;
    }
    for (name, value) in &request.headers {
        visit.add_header(name, value);
    }
    let events = stories(compiled, &request.body, &visit)
        .map_err(|_| Refusal::new("path", "expected the path of a tracking request, such as /v1/track"))?;
    Ok(Preview { events: events.into_iter().map(previewed).collect() })
}

/// Returns a configuration that has this integration alone: what concerns others and what authenticates events is left out.
fn alone(current: &Current, mut integration: Map<String, Value>) -> Document {
    integration.insert("enabled".to_owned(), true.into());
    integration.entry("id").or_insert_with(|| "int_preview".into());
    let mut settings = current.document.settings();
    for key in ["dead_letters", "records"] {
        settings.remove(key);
    }
    if let Some(Value::Object(endpoints)) = settings.get_mut("endpoints") {
        for key in ["deliver", "hand_off"] {
            endpoints.remove(key);
        }
    }
    if let Some(policy) =
        source_of(current, &integration).and_then(|source| source.get("client_from_context"))
    {
        let identity = settings.entry("identity").or_insert_with(|| json!({}));
        if let Value::Object(identity) = identity {
            identity.insert("client_from_context".to_owned(), policy.clone());
        }
    }
    let mut document = Document::empty(None);
    document.set_settings(settings);
    document.put(Collection::Integrations, "", integration);
    document
}

fn source_of<'c>(current: &'c Current, integration: &Map<String, Value>) -> Option<&'c Map<String, Value>> {
    let id = integration.get("source_id")?.as_str()?;
    current.document.find(Collection::Sources, id).map(|(_, source)| source)
}

/// What can stand for a secret: the first that the filter accepts at its place does.
const STAND_INS: [&str; 3] = [MASK, "/***", "00000000000000000000000000000000"];

/// Compiles a configuration whose `***` are not opened: other texts stand for them.
fn compile(store: &Store, current: &Current, document: &Document) -> Result<Compiled, Refusal> {
    let masked = document.to_value();
    let mut kept: Vec<(String, usize)> = Vec::new();
    for_each_text(&mut masked.clone(), &mut |path, text| {
        if text == MASK {
            if !place(&masked, path).is_some_and(|place| current.keeps(&place)) {
                return Err(Refusal::new(path, "*** stands for the secret that is kept here, and none is"));
            }
            kept.push((path.to_owned(), 0));
        }
        Ok(())
    })?;
    loop {
        let mut filled = masked.clone();
        for_each_text(&mut filled, &mut |path, text| {
            if let Some((_, nth)) = kept.iter().find(|(known, _)| known == path) {
                STAND_INS.get(*nth).copied().unwrap_or(MASK).clone_into(text);
            }
            Ok::<_, Refusal>(())
        })?;
        match store.compile(&filled) {
            Ok(compiled) => return Ok(compiled),
            Err(refusal) => match kept.iter_mut().find(|(path, _)| *path == refusal.path) {
                Some((_, nth)) if nth.saturating_add(1) < STAND_INS.len() => *nth = nth.saturating_add(1),
                _ => return Err(refusal),
            },
        }
    }
}

fn previewed(event: Event) -> PreviewedEvent {
    let mut all = PreviewedEvent { name: event.name, delivery: None, ignored: Vec::new(), notes: Vec::new() };
    for fact in event.facts {
        match fact {
            Fact::Delivery(delivery) => all.delivery = Some((*delivery).into()),
            Fact::Ignored { reason, .. } => {
                let explanation = match reason {
                    EventIgnored::Unmapped => "the integration has no entry for an event of this name",
                    _ => "",
                };
                all.ignored.push(Reason { reason: reason.label(), explanation });
            }
            Fact::RequestIgnored(reason) => {
                all.ignored.push(Reason { reason: reason.label(), explanation: "" });
            }
            Fact::Note(note) => all.notes.push(note.label()),
        }
    }
    all
}

impl From<Delivery> for PreviewedDelivery {
    fn from(delivery: Delivery) -> Self {
        let (outcome, reason, explanation) = match delivery.outcome {
            Decision::Sent => ("sent", None, None),
            Decision::DryRun => ("dry_run", None, None),
            Decision::NotSent { reason, because } => ("not_sent", Some(reason.label()), Some(because)),
        };
        Self {
            outcome,
            reason,
            explanation,
            consent: delivery.consent,
            left_out: delivery.left_out,
            request: delivery.request.map(Into::into),
        }
    }
}

impl From<BuiltRequest> for PreviewedRequest {
    fn from(request: BuiltRequest) -> Self {
        let BuiltRequest { method, authority, path, cluster, headers, body } = request;
        let headers = headers.into_iter().map(|(name, value)| PreviewedHeader { name, value }).collect();
        Self { method, authority, path, cluster, headers, body }
    }
}

#[cfg(test)]
mod tests;
