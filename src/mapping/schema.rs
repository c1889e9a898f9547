//! The JSON Schema of transforms.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::transform;

/// A transform, or a list of them.
pub struct Transforms;

impl JsonSchema for Transforms {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Transforms".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({"enum": transform::names()});
        json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}
