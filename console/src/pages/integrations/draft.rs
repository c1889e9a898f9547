//! A form's fields, and the integration that they stand for.

use serde_json::{Map, Value};

use super::super::fields::Fields;
use super::super::parts::{read_yaml, text, texts, yaml};
use super::events::Choice;
use super::problem::{CONFIG, Problem};
use super::{mapping, sample};
use crate::manage::{CatalogEntry, ConfigField, FieldType};

/// The canonical consent categories. Others may be typed.
pub const CATEGORIES: [&str; 5] = ["marketing", "analytics", "functional", "personalization", "essential"];

/// Returns the variant that a form or an integration has chosen; without a choice, the first one.
pub fn events_of<'e>(entry: &'e CatalogEntry, preset: Option<&str>) -> &'e [String] {
    let wanted = preset.filter(|name| !name.is_empty());
    let found = entry.variants.iter().find(|variant| wanted.is_none_or(|wanted| wanted == variant.key));
    found.map_or(&[], |variant| variant.events.as_slice())
}

/// Returns the fields of an integration's form, and of a preview with a purchase.
pub fn fields_of(entry: &CatalogEntry, object: &Map<String, Value>) -> Fields {
    let mut fields = Vec::new();
    let mut add = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
    for key in ["name", "source_id", "preset"] {
        add(key, text(object, key).unwrap_or_default());
    }
    for (key, default) in [("enabled", true), ("dry_run", false)] {
        if object.get(key).and_then(Value::as_bool).unwrap_or(default) {
            add(key, "true");
        }
    }
    let choice = Choice::of(object, events_of(entry, text(object, "preset")));
    for (event, _) in choice.of_preset.iter().filter(|(_, sent)| *sent) {
        add("event", event);
    }
    add("more_events", &choice.further.join("\n"));
    let (known, further): (Vec<&str>, Vec<&str>) =
        texts(object, "consent_categories").into_iter().partition(|category| CATEGORIES.contains(category));
    for category in known {
        add("category", category);
    }
    add("more_categories", &further.join("\n"));
    let config = object.get("config").and_then(Value::as_object);
    for field in &entry.config_fields {
        let value = config.and_then(|config| config.get(&field.key));
        add(&format!("{CONFIG}{}", field.key), &value.map_or_else(String::new, |value| shown(field, value)));
    }
    add("field_mappings", &object.get("field_mappings").map_or_else(String::new, mapping::written));
    let [purchase, ..] = sample::SAMPLES;
    add("sample_kind", purchase.key);
    add("sample", purchase.event);
    add("sample_user_agent", sample::USER_AGENT);
    add("sample_ip", sample::CLIENT_IP);
    Fields::new(fields)
}

/// Returns a setting's value as its field shows it.
fn shown(field: &ConfigField, value: &Value) -> String {
    match (field.field_type, value) {
        (_, Value::String(text)) => text.clone(),
        (FieldType::List, Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
        }
        (FieldType::Object | FieldType::List, value) => yaml(value),
        (_, value) => value.to_string(),
    }
}

/// Returns a default as a placeholder shows it.
pub fn shown_default(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown_default).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// Returns the integration that a form stands for. `base` is the one that it changes; what has no field stays.
pub fn object_of(
    entry: &CatalogEntry,
    fields: &Fields,
    base: &Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let mut object = base.clone();
    object.insert("name".to_owned(), fields.text("name").into());
    object.insert("vendor".to_owned(), entry.key.into());
    object.remove("type");
    for key in ["source_id", "preset"] {
        put(&mut object, key, Some(fields.text(key)).filter(|text| !text.is_empty()).map(Value::from));
    }
    object.insert("enabled".to_owned(), fields.has("enabled", "true").into());
    put(&mut object, "dry_run", fields.has("dry_run", "true").then_some(true.into()));
    put(&mut object, "events", events(entry, fields)?);
    let categories: Vec<String> =
        fields.all("category").map(str::to_owned).chain(fields.list("more_categories")).collect();
    object.insert("consent_categories".to_owned(), categories.into());
    let mut config = base.get("config").and_then(Value::as_object).cloned().unwrap_or_default();
    for field in &entry.config_fields {
        let was = config.get(&field.key).cloned();
        let value = setting(field, fields, was.as_ref())?;
        put(&mut config, &field.key, value);
    }
    object.insert("config".to_owned(), config.into());
    put(&mut object, "field_mappings", mapping::document_of(fields)?);
    Ok(object)
}

fn put(object: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => _ = object.insert(key.to_owned(), value),
        None => _ = object.remove(key),
    }
}

fn events(entry: &CatalogEntry, fields: &Fields) -> Result<Option<Value>, Problem> {
    let known = events_of(entry, Some(fields.text("preset")));
    let of_preset = known.iter().map(|event| (event.clone(), fields.has("event", event))).collect();
    let choice = Choice { of_preset, further: fields.list("more_events") };
    match choice.list() {
        Some(none) if none.is_empty() => {
            let text = "choose at least one event, or disable the integration".to_owned();
            Err(Problem { field: "more_events".to_owned(), text })
        }
        chosen => Ok(chosen.map(Value::from)),
    }
}

/// Returns one of the vendor's settings as it was entered; `None`: the default. A text that the field can't hold goes on as it is, for
/// the filter to say what is wrong.
fn setting(field: &ConfigField, fields: &Fields, was: Option<&Value>) -> Result<Option<Value>, Problem> {
    let name = format!("{CONFIG}{}", field.key);
    let Some(entered) = fields.get(&name) else { return Ok(was.cloned()) };
    let entered = entered.replace("\r\n", "\n");
    if was.is_some_and(|was| shown(field, was) == entered) {
        return Ok(was.cloned());
    }
    let text = entered.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let value = match field.field_type {
        FieldType::String | FieldType::Secret | FieldType::Select => text.into(),
        FieldType::Number => number(text).unwrap_or_else(|| text.into()),
        FieldType::Boolean => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
        FieldType::List if field.items == Some(FieldType::String) => fields.list(&name).into(),
        FieldType::List | FieldType::Object => {
            read_yaml(text).map_err(|text| Problem { field: name.clone(), text })?
        }
    };
    Ok(Some(value))
}

/// Reads a number that is written as JSON writes it, so that no digit of an id is lost.
fn number(text: &str) -> Option<Value> {
    let value: u64 = text.parse().ok()?;
    (value.to_string() == text).then(|| value.into())
}
