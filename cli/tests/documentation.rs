//! The configuration's JSON Schema and the tables of docs/configuration.md are those of the types that read it. `make docs`
//! writes both anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../tests/support/documents.rs"]
mod documents;

use std::path::{Path, PathBuf};

use conversion_relay::config::schema;
use conversion_relay_cli::reference;

fn root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn is_writing() -> bool {
    std::env::var_os("UPDATE_DOCS").is_some()
}

/// Asserts that a file of the repository is that schema; writes it first, where the documents are made anew.
fn assert_schema(name: &str, schema: &serde_json::Value) {
    let (file, schema) = (root(name), format!("{schema:#}\n"));
    if is_writing() {
        std::fs::write(&file, &schema).unwrap();
    }
    assert!(std::fs::read_to_string(&file).unwrap() == schema, "run: make docs");
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    assert_schema("conversion-relay.schema.json", &schema::of_configuration());
}

#[test]
fn the_schema_of_records_in_the_repository_is_that_of_the_types() {
    assert_schema("conversion-relay.record.schema.json", &schema::of_record());
}

#[test]
fn the_tables_of_the_configuration_reference_are_those_of_the_types() {
    let (page, schema) = (root("docs/configuration.md"), schema::of_configuration());
    let vendors = ("vendors", reference::vendors(&schema));
    for (name, table) in
        reference::TABLES.map(|name| (name, reference::table(&schema, name))).into_iter().chain([vendors])
    {
        let table = format!("\n{table}\n");
        if is_writing() {
            documents::write(&page, name, &table);
        }
        let text = std::fs::read_to_string(&page).unwrap();
        let shown = format!("<!-- {name}: begin -->\n{table}<!-- {name}: end -->");
        assert!(text.contains(&shown), "the table of {name} is out of date, run: make docs");
    }
}

/// The default of an enum stands in the schema only if the enum derives `Serialize`, which nothing else asks for.
#[test]
fn every_key_that_takes_one_of_some_names_has_its_default_in_the_schema() {
    let schema = schema::of_configuration();
    let mut missing = Vec::new();
    for (name, object) in schema["definitions"].as_object().unwrap() {
        let required = object["required"].as_array().cloned().unwrap_or_default();
        for (key, property) in object["properties"].as_object().into_iter().flatten() {
            let reference = property.pointer("/allOf/0/$ref").or_else(|| property.get("$ref"));
            let kind = reference.and_then(|path| schema.pointer(path.as_str()?.strip_prefix('#')?));
            let takes_names = kind.is_some_and(|kind| kind.get("oneOf").is_some());
            let is_required = required.iter().any(|name| name == key);
            if takes_names && !is_required && property.get("default").is_none() {
                missing.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(missing.is_empty(), "derive Serialize for the types of {missing:?}");
}
