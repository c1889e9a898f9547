//! The catalog of vendors, made from the types that the filter reads their settings into. A vendor that is added to the filter is in it,
//! and has its form.

use conversion_relay::config::schema;
use conversion_relay::vendors::{VENDORS, Vendor};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A vendor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CatalogEntry {
    /// As integrations name it in `vendor`.
    pub key: &'static str,
    /// As people name it.
    pub name: String,
    /// What its integrations do, in one line.
    pub description: String,
    /// What kind of vendor it is.
    pub category: String,
    /// `available`, unless the vendor's integration says that it is `alpha` or `beta`.
    pub status: String,
    /// Its address, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    /// The members of an integration's `config`: required ones first, advanced ones last.
    pub config_fields: Vec<ConfigField>,
    /// Its presets; the first is the default.
    pub variants: Vec<Variant>,
}

/// A member of an integration's `config`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ConfigField {
    /// Its key.
    pub key: String,
    /// What people call it.
    pub label: String,
    /// What it holds.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// What the items of a list or the members of an object hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<FieldType>,
    /// Whether it has to be given.
    pub required: bool,
    /// Whether hardly anybody changes it.
    pub advanced: bool,
    /// An example.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// What it is, and how it is written.
    pub help_text: String,
    /// Its value where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The values that a `select` takes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<FieldOption>,
}

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// Text.
    String,
    /// Text that nobody may read back.
    Secret,
    /// A number; digits as text are accepted, too.
    Number,
    /// One of several texts.
    Select,
    /// `true` or `false`.
    Boolean,
    /// A list.
    List,
    /// Members with names of one's own.
    Object,
}

/// A value that a `select` takes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FieldOption {
    /// The value.
    pub value: String,
    /// What it means.
    pub help_text: String,
}

/// A preset of a vendor.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Variant {
    /// As integrations name it in `preset`.
    pub key: &'static str,
    /// As people name it.
    pub name: String,
    /// What it sends.
    pub description: String,
    /// The members of `config` that have a default.
    #[schema(value_type = Object)]
    pub default_config: Map<String, Value>,
    /// The events that it sends, by their names in the mapping document.
    pub events: Vec<String>,
}

/// Returns all vendors.
pub fn catalog() -> Vec<CatalogEntry> {
    VENDORS.into_iter().map(catalog_entry).collect()
}

/// Returns a vendor's entry.
pub fn catalog_entry(vendor: &'static dyn Vendor) -> CatalogEntry {
    let settings = schema::of_vendor(vendor);
    let config_fields = fields(&settings);
    let defaults: Map<String, Value> =
        config_fields.iter().filter_map(|field| Some((field.key.clone(), field.default.clone()?))).collect();
    CatalogEntry {
        key: vendor.name(),
        name: text(&settings, "title").unwrap_or_else(|| in_words(vendor.name())),
        description: text(&settings, "x-summary").unwrap_or_default(),
        category: text(&settings, "x-category").unwrap_or_else(|| "other".to_owned()),
        status: text(&settings, "x-status").unwrap_or_else(|| "available".to_owned()),
        website: text(&settings, "x-website"),
        variants: vendor.presets().iter().map(|(key, _)| variant(vendor, key, &defaults)).collect(),
        config_fields,
    }
}

fn variant(vendor: &'static dyn Vendor, key: &'static str, defaults: &Map<String, Value>) -> Variant {
    let preset = vendor.preset(Some(key)).ok();
    let events: Vec<String> = preset
        .into_iter()
        .flat_map(|preset| preset.events)
        .filter_map(|(name, event)| event.enabled.then_some(name))
        .collect();
    let description = match (vendor.sends_whole_events(Some(key)), events.is_empty()) {
        (true, _) => "Sends each event as it came".to_owned(),
        (false, true) => "Sends what the field mappings say".to_owned(),
        (false, false) => format!("Sends {}", events.join(", ")),
    };
    Variant { key, name: in_words(key), description, default_config: defaults.clone(), events }
}

fn fields(settings: &Value) -> Vec<ConfigField> {
    let required: Vec<&str> = settings
        .get("required")
        .and_then(Value::as_array)
        .map(|keys| keys.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = settings.get("properties").and_then(Value::as_object);
    let mut fields: Vec<ConfigField> = properties
        .into_iter()
        .flatten()
        .map(|(key, property)| field(key, property, required.contains(&key.as_str())))
        .collect();
    let place = |field: &ConfigField| {
        let index = required.iter().position(|key| *key == field.key);
        (field.advanced, index.unwrap_or(usize::MAX))
    };
    fields.sort_by_key(place);
    fields
}

fn field(key: &str, property: &Value, required: bool) -> ConfigField {
    let inner = property.get("items").or_else(|| property.get("additionalProperties"));
    ConfigField {
        key: key.to_owned(),
        label: text(property, "title").unwrap_or_else(|| in_words(key)),
        field_type: field_type(property),
        items: inner.filter(|inner| inner.is_object()).map(field_type),
        required,
        advanced: property.get("x-advanced") == Some(&Value::Bool(true)),
        placeholder: property.pointer("/examples/0").map(|example| match example {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }),
        help_text: text(property, "description").unwrap_or_default(),
        default: property.get("default").cloned(),
        options: options(property),
    }
}

fn field_type(schema: &Value) -> FieldType {
    let is_secret = schema.get("writeOnly") == Some(&Value::Bool(true));
    let kinds = |schema: &Value| match schema.get("type") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(all)) => all.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let any = schema.get("anyOf").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let kinds: Vec<String> = std::iter::once(schema).chain(any).flat_map(kinds).collect();
    let has = |wanted: &[&str]| kinds.iter().any(|kind| wanted.contains(&kind.as_str()));
    if is_secret {
        FieldType::Secret
    } else if !options(schema).is_empty() {
        FieldType::Select
    } else if has(&["integer", "number"]) {
        FieldType::Number
    } else if has(&["boolean"]) {
        FieldType::Boolean
    } else if has(&["array"]) {
        FieldType::List
    } else if has(&["object"]) {
        FieldType::Object
    } else {
        FieldType::String
    }
}

fn options(schema: &Value) -> Vec<FieldOption> {
    let listed = |key: &str| schema.get(key).and_then(Value::as_array).into_iter().flatten();
    let described = listed("oneOf").filter_map(|one| {
        let value = one.get("const")?.as_str()?.to_owned();
        Some(FieldOption { value, help_text: text(one, "description").unwrap_or_default() })
    });
    let plain = listed("enum")
        .filter_map(|one| Some(FieldOption { value: one.as_str()?.to_owned(), help_text: String::new() }));
    described.chain(plain).collect()
}

/// Returns a text of a schema on one line.
fn text(schema: &Value, key: &str) -> Option<String> {
    schema.get(key)?.as_str().map(|text| text.replace('\n', " "))
}

/// Returns a key as people write it: `spotlight_id` as `Spotlight id`.
fn in_words(key: &str) -> String {
    let words = key.replace('_', " ");
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str) -> CatalogEntry {
        catalog().into_iter().find(|entry| entry.key == key).unwrap()
    }

    /// Key, label, type, whether it is required, whether it is advanced, placeholder.
    type Described<'e> = (&'e str, &'e str, FieldType, bool, bool, Option<&'e str>);

    fn described(entry: &CatalogEntry) -> Vec<Described<'_>> {
        let fields = entry.config_fields.iter();
        fields
            .map(|field| {
                let placeholder = field.placeholder.as_deref();
                (&*field.key, &*field.label, field.field_type, field.required, field.advanced, placeholder)
            })
            .collect()
    }

    #[test]
    fn the_fields_of_a_form_come_from_the_vendors_own_settings() {
        use FieldType::{List, Number, Object, Secret, Select, String};
        assert_eq!(
            described(&entry("flashtalking")),
            [
                ("advertiser_id", "Advertiser ID", Number, true, false, Some("1234567")),
                ("spotlight_id", "Spotlight ID", Number, true, false, Some("987654")),
                ("spotlight_group_id", "Spotlight group ID", Number, true, false, Some("5")),
                ("ftrack_cookies", "FTrack cookies", List, false, false, None),
                ("authority", "Host", String, false, true, None),
                ("cluster", "Envoy cluster", String, false, true, None),
            ]
        );
        assert_eq!(
            described(&entry("podsights"))[0],
            ("key", "Pixel key", Secret, true, false, Some("${PODSIGHTS_KEY}"))
        );
        let webhook = entry("webhook");
        let field = |key: &str| webhook.config_fields.iter().find(|field| field.key == key).unwrap();
        assert_eq!((field("headers").field_type, field("headers").items), (Object, Some(Secret)));
        let purposes: Vec<&str> = field("purpose").options.iter().map(|one| &*one.value).collect();
        assert_eq!((field("purpose").field_type, purposes), (Select, vec!["advertising", "own"]));
        assert_eq!(field("method").default, Some("POST".into()));
    }

    #[test]
    fn every_vendor_says_what_it_is_and_every_field_what_it_holds() {
        for entry in catalog() {
            assert!(!entry.description.is_empty() && entry.category != "other", "{}", entry.key);
            for field in &entry.config_fields {
                assert!(!field.help_text.is_empty(), "{} {}", entry.key, field.key);
            }
        }
    }

    #[test]
    fn the_variants_are_the_presets() {
        let podsights = entry("podsights");
        assert_eq!(podsights.variants[0].name, "Retail");
        assert_eq!(
            podsights.variants[0].description,
            "Sends Lead Submitted, Order Completed, Product Added, Signed Up"
        );
        assert_eq!(podsights.variants[0].default_config["cluster"], "podsights");
        let keys: Vec<&str> = entry("webhook").variants.iter().map(|variant| variant.key).collect();
        assert_eq!(keys, ["json", "cloudevents"]);
    }
}
