//! The JSON Schemas of the plugin configuration and of records, made from the types that read and write them.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;
use crate::records::Record;
use crate::vendors::Vendor;

/// Returns the schema of a record, as it is kept in `conversion-relay.record.schema.json`.
pub fn of_record() -> Value {
    let schema =
        SchemaSettings::draft07().for_serialize().into_generator().into_root_schema_for::<Record<'_>>();
    let mut schema = schema.to_value();
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), "conversion-relay record".into());
        members.insert("additionalProperties".to_owned(), false.into());
    }
    schema
}

/// Returns the schema (draft 7, which editors know), as it is kept in `conversion-relay.schema.json`.
pub fn of_configuration() -> Value {
    let schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>();
    let mut schema = schema.to_value();
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), "conversion-relay plugin configuration".into());
    }
    schema
}

/// Returns the schema of the `config` of a vendor's integrations, without references.
pub fn of_vendor(vendor: &dyn Vendor) -> Value {
    let mut generator =
        SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true).into_generator();
    vendor.settings_schema(&mut generator).to_value()
}
