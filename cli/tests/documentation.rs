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

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let (file, schema) =
        (root("conversion-relay.schema.json"), format!("{:#}\n", schema::of_configuration()));
    if is_writing() {
        std::fs::write(&file, &schema).unwrap();
    }
    assert!(std::fs::read_to_string(&file).unwrap() == schema, "run: make docs");
}

#[test]
fn the_tables_of_the_configuration_reference_are_those_of_the_types() {
    let (page, schema) = (root("docs/configuration.md"), schema::of_configuration());
    for name in reference::TABLES {
        let table = format!("\n{}\n", reference::table(&schema, name));
        if is_writing() {
            documents::write(&page, name, &table);
        }
        let text = std::fs::read_to_string(&page).unwrap();
        let shown = format!("<!-- {name}: begin -->\n{table}<!-- {name}: end -->");
        assert!(text.contains(&shown), "the table of {name} is out of date, run: make docs");
    }
}
