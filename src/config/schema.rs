//! The JSON Schema of the plugin configuration, made from the types that read it, so that an editor completes the YAML.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;

/// Returns the schema (draft 7, which editors know), as it is kept in `conversion-relay.schema.json`.
pub fn of_configuration() -> Value {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>();
    let mut schema = schema.to_value();
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), "conversion-relay plugin configuration".into());
    }
    schema
}
