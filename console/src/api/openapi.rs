//! The OpenAPI document. Its operations come from the handlers, and the schemas of what the filter reads from the filter.

use conversion_relay::config::schema;
use serde_json::{Value, json};
use utoipa::openapi::OpenApi as Described;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};

use crate::web::ErrorBody;

/// The head of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "conversion-relay console",
        description = "The management API of a fleet of gateways with conversion-relay, in the shapes of Signal's Management API.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "http://localhost:8084")),
    components(schemas(ErrorBody)),
    security(("bearer" = [])),
    modifiers(&Bearer),
)]
pub struct Head;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Described) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of CONSOLE_TOKENS. Changes take the role admin; reading and previews take admin or viewer."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

/// Stands for an integration, whose schema is the filter's.
#[derive(ToSchema)]
pub struct Integration;

/// Stands for a source, whose schema is the filter's.
#[derive(ToSchema)]
pub struct Source;

/// Stands for the settings, whose schema is the filter's.
#[derive(ToSchema)]
pub struct Settings;

/// Returns the whole document, with the filter's own schemas in it.
pub fn complete(document: &Described) -> Value {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let mut filter = schema::of_configuration();
    refer(&mut filter);
    let definitions = filter.get_mut("definitions").map(Value::take);
    let settings = settings(filter);
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        if let Some(Value::Object(definitions)) = definitions {
            schemas.extend(definitions);
        }
        schemas.insert("Settings".to_owned(), settings);
        if let Some(Value::Object(source)) = schemas.get_mut("Source") {
            // A new source without an id gets one.
            source.remove("required");
        }
    }
    document
}

/// Returns the schema of the configuration without the lists that have resources of their own.
fn settings(mut configuration: Value) -> Value {
    if let Some(members) = configuration.as_object_mut() {
        for key in ["$schema", "definitions", "required"] {
            members.remove(key);
        }
        members.insert("title".to_owned(), json!("Settings"));
        if let Some(Value::Object(properties)) = members.get_mut("properties") {
            properties.remove("integrations");
            properties.remove("sources");
        }
    }
    configuration
}

/// Lets references lead to where the document has its schemas.
fn refer(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix("#/definitions/") {
                *text = format!("#/components/schemas/{name}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        Value::Object(members) => members.values_mut().for_each(refer),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
