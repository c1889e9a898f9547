//! The tables of docs/configuration.md, generated from the JSON Schema, and so from the types that read the configuration.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The objects of the schema that docs/configuration.md has a table for, beside the vendors' settings.
pub const TABLES: [&str; 11] = [
    "Endpoints",
    "Source",
    "Identity",
    "Consent",
    "Deduplication",
    "Bots",
    "Delivery",
    "Records",
    "DeadLetters",
    "Integration",
    "FieldMappings",
];

/// Returns a Markdown table of all keys of an object of the schema, with those of the objects in it: key, default, what it
/// accepts, and its documentation. `definition` is the object's name, like `Endpoints`.
pub fn table(schema: &Value, definition: &str) -> String {
    let mut table = "| key | default | accepts | |\n|---|---|---|---|\n".to_owned();
    if let Some(object) = schema.pointer(&format!("/definitions/{definition}")) {
        rows(schema, object, "", &mut table);
    }
    table
}

/// Returns the tables of all vendors' settings, each below a line that names the vendor.
pub fn vendors(schema: &Value) -> String {
    let cases = schema.pointer("/definitions/Integration/allOf").and_then(Value::as_array);
    let mut tables = Vec::new();
    for case in cases.into_iter().flatten() {
        let vendor = case.pointer("/if/anyOf/0/properties/vendor/const").and_then(Value::as_str);
        let settings = case.pointer("/then/properties/config/$ref").and_then(Value::as_str);
        if let (Some(vendor), Some(name)) = (vendor, settings.and_then(|path| path.rsplit('/').next())) {
            tables.push(format!("`config` of `vendor: {vendor}`:\n\n{}", table(schema, name)));
        }
    }
    tables.join("\n")
}

fn rows(schema: &Value, object: &Value, prefix: &str, table: &mut String) {
    let empty = Map::new();
    let properties = object.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let is_required = |key: &str| {
        let required = object.get("required").and_then(Value::as_array);
        required.is_some_and(|names| names.iter().any(|name| name == key))
    };
    let (required, optional): (Vec<_>, Vec<_>) = properties.iter().partition(|(key, _)| is_required(key));
    for (key, property) in required.into_iter().chain(optional) {
        let name = format!("{prefix}{key}");
        let kind = resolve(schema, property);
        let documentation = documentation(property, kind);
        let default = match property.get("default") {
            _ if is_required(key) => "required".to_owned(),
            Some(default) => written(default),
            None if below(schema, kind).is_some() && !is_optional(property) => "below".to_owned(),
            None => "none".to_owned(),
        };
        _ = writeln!(table, "| `{name}` | {default} | {} | {documentation} |", accepts(schema, kind));
        match below(schema, kind) {
            Some((inner, suffix)) if !is_recursive(inner, object) && !has_table(schema, inner) => {
                rows(schema, inner, &format!("{name}{suffix}."), table);
            }
            _ => {}
        }
    }
}

/// The schema of a property behind references, and behind "or null".
fn resolve<'s>(schema: &'s Value, property: &'s Value) -> &'s Value {
    if let Some(name) = property.get("$ref").and_then(Value::as_str) {
        let target = name.strip_prefix('#').and_then(|pointer| schema.pointer(pointer));
        return target.map_or(property, |target| resolve(schema, target));
    }
    let all = property.get("allOf").and_then(Value::as_array);
    let any = property.get("anyOf").and_then(Value::as_array);
    match (all.map(Vec::as_slice), any.map(Vec::as_slice)) {
        (Some([one]), _) => resolve(schema, one),
        (_, Some([one, null])) if null.get("type").is_some_and(|kind| kind == "null") => resolve(schema, one),
        _ => property,
    }
}

/// The object whose keys are listed below a property's: its own, that of its items or of its members.
fn below<'s>(schema: &'s Value, kind: &'s Value) -> Option<(&'s Value, &'static str)> {
    let object = |value: &'s Value| value.get("properties").is_some().then_some(value);
    let items = || kind.get("items").map(|items| resolve(schema, items)).and_then(object);
    let members = || kind.get("additionalProperties").map(|all| resolve(schema, all)).and_then(object);
    object(kind)
        .map(|own| (own, ""))
        .or_else(|| items().map(|items| (items, "[]")))
        .or_else(|| members().map(|members| (members, ".*")))
}

/// A mapping holds mappings, in `each`.
fn is_recursive(inner: &Value, outer: &Value) -> bool {
    inner == outer
}

fn has_table(schema: &Value, object: &Value) -> bool {
    TABLES.iter().any(|name| schema.pointer(&format!("/definitions/{name}")) == Some(object))
}

fn is_optional(property: &Value) -> bool {
    property.get("anyOf").is_some()
}

/// What a key accepts, in a few words.
fn accepts(schema: &Value, kind: &Value) -> String {
    let text = |key: &str| kind.get(key).and_then(Value::as_str);
    if let (Some(least), Some(most)) = (text("x-minimum"), text("x-maximum")) {
        return format!("`{least}` to `{most}`");
    }
    if let (Some(least), Some(most)) = (kind.get("minimum"), kind.get("maximum")) {
        return format!("{least} to {most}");
    }
    if let Some(value) = kind.get("const") {
        return written(value);
    }
    if let Some(names) = names(kind) {
        return names.join(", ");
    }
    if let Some(any) = kind.get("anyOf").and_then(Value::as_array) {
        let all: Vec<_> = any.iter().map(|one| accepts(schema, resolve(schema, one))).collect();
        return all.join(" or ");
    }
    if kind.get("writeOnly").is_some() {
        return "a secret".to_owned();
    }
    match kinds(kind).as_slice() {
        ["array"] => {
            let items = kind.get("items").map(|items| accepts(schema, resolve(schema, items)));
            format!("a list: {}", items.unwrap_or_default())
        }
        kinds => kinds.iter().map(|kind| word(kind)).collect::<Vec<_>>().join(", "),
    }
}

/// The types of a value, without null.
fn kinds(kind: &Value) -> Vec<&str> {
    match kind.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(all)) => {
            all.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect()
        }
        _ => Vec::new(),
    }
}

fn word(kind: &str) -> &str {
    match kind {
        "boolean" => "`true`, `false`",
        "integer" | "number" => "a number",
        "object" => "an object",
        _ => "text",
    }
}

/// The names that a key accepts, if it accepts nothing else.
fn names(kind: &Value) -> Option<Vec<String>> {
    let listed = |names: &Vec<Value>| names.iter().filter(|name| !name.is_null()).map(written).collect();
    if let Some(names) = kind.get("enum").and_then(Value::as_array) {
        return Some(listed(names));
    }
    let all = kind.get("oneOf")?.as_array()?;
    let names: Vec<Value> = all.iter().filter_map(|one| one.get("const")).cloned().collect();
    Some(listed(&names))
}

/// The key's own documentation, with that of each of its names.
fn documentation(property: &Value, kind: &Value) -> String {
    let text = |value: &Value| Some(value.get("description")?.as_str()?.replace('\n', " "));
    let mut whole = text(property).or_else(|| text(kind)).unwrap_or_default();
    for one in kind.get("oneOf").and_then(Value::as_array).into_iter().flatten() {
        if let (Some(name), Some(text)) = (one.get("const"), text(one)) {
            _ = write!(whole, " {}: {}", written(name), text.trim_end_matches('.'));
            whole.push('.');
        }
    }
    whole
}

/// A value as YAML writes it on one line.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Object(members) if members.is_empty() => "none".to_owned(),
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| item.as_str().unwrap_or_default()).collect();
            format!("`[{}]`", items.join(", "))
        }
        other => format!("`{other}`"),
    }
}
