//! The JSON Schema of what depends on an integration's vendor.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::vendors;

/// The name of a vendor.
pub(super) struct VendorName;

impl JsonSchema for VendorName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "VendorName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": vendors::VENDORS.map(vendors::Vendor::name)})
    }
}

/// An integration's `config`: an object whose members depend on its vendor. The schemas of all vendors are listed in
/// `anyOf`; [`integration`] picks one of them by the vendor's name.
pub(super) struct VendorSettings;

impl JsonSchema for VendorSettings {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "VendorSettings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let any: Vec<_> = vendors::VENDORS.iter().map(|vendor| vendor.settings_schema(generator)).collect();
        json_schema!({"anyOf": any})
    }
}

/// Says which vendor has which presets and settings, and that a vendor has to be named.
pub(super) fn integration(schema: &mut Schema) {
    let settings = schema.get_mut("properties").and_then(|all| all.get_mut("config")).map(Value::take);
    let schemas = settings.as_ref().and_then(|config| config.get("anyOf")?.as_array()).cloned();
    let mut cases = Vec::new();
    for (vendor, settings) in vendors::VENDORS.iter().zip(schemas.unwrap_or_default()) {
        let presets: Vec<_> = vendor.presets().iter().map(|(name, _)| *name).collect();
        let named = json!({"const": vendor.name()});
        cases.push(json!({
            "if": {"anyOf": [
                {"properties": {"vendor": named}, "required": ["vendor"]},
                {"properties": {"type": named}, "required": ["type"]},
            ]},
            "then": {
                "properties": {"config": settings, "preset": {"enum": presets}},
                "required": ["config"],
            },
        }));
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert(
            "config".to_owned(),
            json!({"type": "object", "description": "The vendor's own settings."}),
        );
    }
    cases.push(json!({"anyOf": [{"required": ["vendor"]}, {"required": ["type"]}]}));
    schema.insert("allOf".to_owned(), cases.into());
}
