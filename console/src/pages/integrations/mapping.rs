//! One mapping, entered in fields of its own instead of in the mapping document.

use conversion_relay::mapping::transform;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::fields::Fields;
use super::super::parts::{Input, read_yaml, yaml};
use super::problem::Problem;

const SOURCE: &str = "map_source";
const TARGET: &str = "map_target";
const EVENT: &str = "map_event";
const TRANSFORM: &str = "map_transform";

/// Returns the mapping document of a form, with the mapping that is entered beside it; `None`: there is neither.
pub fn document_of(fields: &Fields) -> Result<Option<Value>, Problem> {
    let text = fields.text("field_mappings");
    let in_document = |text| Problem { field: "field_mappings".to_owned(), text };
    let read: Option<Value> = if text.is_empty() { None } else { read_yaml(text).map_err(in_document)? };
    let Some(mapping) = entered(fields)? else { return Ok(read) };
    let mut document = read.unwrap_or_else(|| json!({"version": 2}));
    let list = list_for(&mut document, fields.text(EVENT));
    let list =
        list.ok_or_else(|| in_document("a mapping can only be added to a mapping document".to_owned()))?;
    list.push(mapping);
    Ok(Some(document))
}

/// Returns the fields with the entered mapping in the document.
pub fn folded_in(fields: &Fields) -> Result<Fields, Problem> {
    let document = document_of(fields)?.map_or_else(String::new, |document| written(&document));
    let emptied =
        [SOURCE, TARGET, TRANSFORM].iter().fold(fields.clone(), |fields, name| fields.with(name, ""));
    Ok(emptied.with("field_mappings", &document))
}

/// Returns a mapping document as people write it: with its version first.
pub fn written(value: &Value) -> String {
    let mut rest = value.clone();
    match rest.as_object_mut().and_then(|document| document.remove("version")) {
        Some(version) if rest.as_object().is_some_and(Map::is_empty) => format!("version: {version}"),
        Some(version) => format!("version: {version}\n{}", yaml(&rest)),
        None => yaml(value),
    }
}

fn entered(fields: &Fields) -> Result<Option<Value>, Problem> {
    let missing = |field: &str, text: &str| Err(Problem { field: field.to_owned(), text: text.to_owned() });
    match (fields.text(SOURCE), fields.text(TARGET)) {
        ("", "") => Ok(None),
        ("", _) => missing(SOURCE, "enter what the target gets, or empty the target"),
        (_, "") => missing(TARGET, "enter what the vendor calls it, or empty the source field"),
        (source, target) => {
            let mut mapping = json!({"source": source, "target": target});
            let transform = Some(fields.text(TRANSFORM)).filter(|name| !name.is_empty());
            if let (Some(members), Some(name)) = (mapping.as_object_mut(), transform) {
                members.insert("transform".to_owned(), name.into());
            }
            Ok(Some(mapping))
        }
    }
}

/// Returns the list of an event's mappings, or of every event's; `None`: the document has another form.
fn list_for<'d>(document: &'d mut Value, event: &str) -> Option<&'d mut Vec<Value>> {
    let keys: &[&str] = if event.is_empty() { &["global"] } else { &["events", event] };
    let mut at = document.as_object_mut()?;
    for key in keys {
        at = at.entry(*key).or_insert_with(|| Map::new().into()).as_object_mut()?;
    }
    at.entry("mappings").or_insert_with(|| json!([])).as_array_mut()
}

/// Returns the fields.
pub fn fields(fields: &Fields, events: &[String], problem: Option<&Problem>) -> Markup {
    let of =
        |field: &str| problem.filter(|problem| problem.field == field).map(|problem| problem.text.as_str());
    let input = |name, label, placeholder| Input {
        name,
        label,
        value: fields.get(name).unwrap_or_default(),
        kind: "text",
        placeholder: Some(placeholder),
        problem: of(name),
        ..Input::default()
    };
    // One of them needs a format besides.
    let transforms = transform::names().into_iter().filter(|name| *name != transform::DATE_FORMAT);
    let is_open = !fields.text(SOURCE).is_empty() || !fields.text(TARGET).is_empty();
    html! {
        details open[is_open] {
            summary { "Add a mapping" }
            div.stack {
                div.two {
                    (select(EVENT, "For", fields.text(EVENT), "Every event", events.iter().map(String::as_str)))
                    (input(SOURCE, "Source field", "properties.coupon").render())
                    (input(TARGET, "Target", "U3").render())
                    (select(TRANSFORM, "Transform", fields.text(TRANSFORM), "None", transforms))
                }
                div.buttons { button type="submit" name="do" value="map" { "Add to the mappings" } }
            }
        }
    }
}

fn select<'o>(
    name: &str,
    label: &str,
    chosen: &str,
    none: &str,
    options: impl Iterator<Item = &'o str>,
) -> Markup {
    let id = super::super::parts::id_of(name);
    html! {
        div.field {
            label for=(id) { (label) }
            select id=(id) name=(name) {
                option value="" { (none) }
                @for option in options { option value=(option) selected[option == chosen] { (option) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields_with(document: &str, mapping: [&str; 4]) -> Fields {
        let names = [EVENT, SOURCE, TARGET, TRANSFORM];
        let mapping = names.iter().zip(mapping).map(|(name, value)| ((*name).to_owned(), value.to_owned()));
        Fields::new(mapping.chain([("field_mappings".to_owned(), document.to_owned())]).collect())
    }

    #[test]
    fn a_mapping_is_added_to_its_events_or_to_all() {
        let coupon = ["Order Completed", "properties.coupon", "U3", "uppercase"];
        let folded = folded_in(&fields_with("", coupon)).unwrap();
        let expected = json!({"version": 2, "events": {"Order Completed": {"mappings":
            [{"source": "properties.coupon", "target": "U3", "transform": "uppercase"}]}}});
        assert_eq!(document_of(&folded).unwrap().unwrap(), expected, "and it is not entered any more");
        let plan = ["", "traits.plan", "U4", ""];
        let both = document_of(&fields_with(folded.text("field_mappings"), plan)).unwrap().unwrap();
        assert_eq!(both["global"]["mappings"], json!([{"source": "traits.plan", "target": "U4"}]));
        assert_eq!(both["events"], expected["events"]);
    }

    #[test]
    fn half_a_mapping_and_a_document_of_another_form_are_refused_at_their_fields() {
        let field = |document, mapping| document_of(&fields_with(document, mapping)).unwrap_err().field;
        assert_eq!(field("", ["", "a", "", ""]), TARGET);
        assert_eq!(field("", ["", "", "U1", ""]), SOURCE);
        for odd in ["[]", "events: []", "events: {page: 1}", "events: {page: {mappings: {}}}", "{"] {
            assert_eq!(field(odd, ["page", "a", "U1", ""]), "field_mappings", "{odd}");
        }
    }
}
