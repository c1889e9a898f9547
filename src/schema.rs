//! The JSON Schema of the plugin configuration, made from the types that read it, so that an editor completes the YAML.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::Value;

use crate::config::types::Config;
use crate::mapping::document::Members;
use crate::vendors;

/// The schema, as it is kept in `conversion-relay.schema.json`.
pub fn write() -> String {
    let schema =
        schemars::generate::SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>();
    let mut schema = schema.to_value();
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), "conversion-relay plugin configuration".into());
    }
    format!("{schema:#}\n")
}

/// For a type whose settings have the defaults that its reader gives them: all but these, named with commas between. A
/// default of null goes as well, because it says no more than that the setting may be left out.
pub fn required(names: &'static str) -> impl Fn(&mut Schema) {
    let names: Vec<_> = names.split(", ").filter(|name| !name.is_empty()).collect();
    move |schema| {
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            let Some(property) = property.as_object_mut() else { continue };
            if names.contains(&name.as_str()) || property.get("default").is_some_and(Value::is_null) {
                property.remove("default");
            }
        }
        if !names.is_empty() {
            schema.insert("required".to_owned(), names.clone().into());
        }
    }
}

impl<T: JsonSchema> JsonSchema for Members<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, T>::json_schema(generator)
    }
}

/// `500ms`, `5s`, `10m`, `1h`, `400d`.
pub struct Duration;

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "examples": ["500ms", "5s", "10m", "1h", "400d"]})
    }
}

/// The name of a vendor.
pub struct VendorName;

impl JsonSchema for VendorName {
    fn schema_name() -> Cow<'static, str> {
        "Vendor".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"enum": vendors::VENDORS.map(vendors::Vendor::name)})
    }
}

/// An integration's `config`: that of any vendor.
pub struct Settings;

impl JsonSchema for Settings {
    fn schema_name() -> Cow<'static, str> {
        "Settings".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let any: Vec<_> = vendors::VENDORS.iter().map(|vendor| vendor.settings_schema(generator)).collect();
        json_schema!({"anyOf": any})
    }
}

/// A number, a string of digits, or a `${NAME}` that becomes one.
pub struct Id;

impl JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^([0-9]+|.*\\$\\{.+\\}.*)$"}]})
    }
}

/// A string, or a list of strings.
pub struct OneOrMore;

impl JsonSchema for OneOrMore {
    fn schema_name() -> Cow<'static, str> {
        "OneOrMore".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})
    }
}

/// One of the transforms, or a list of them.
pub struct Transforms;

impl JsonSchema for Transforms {
    fn schema_name() -> Cow<'static, str> {
        "Transforms".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({"enum": crate::mapping::transform::NAMES});
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// A string, a number or a boolean.
pub struct Scalar;

impl JsonSchema for Scalar {
    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "number", "boolean"]})
    }
}

/// The version of mapping documents.
pub struct Version;

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "Version".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"const": 2})
    }
}
