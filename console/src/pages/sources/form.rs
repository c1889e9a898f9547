//! The form of a source.

use conversion_relay::settings::MASK;
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::super::fields::Fields;
use super::super::guard::Visit;
use super::super::integrations::Problem;
use super::super::layout::form_token;
use super::super::parts::{Input, checkbox, text, texts};

/// Returns a source's fields.
pub fn fields_of(source: &Map<String, Value>) -> Fields {
    let mut fields = vec![
        ("id", text(source, "id").unwrap_or_default().to_owned()),
        ("keys", texts(source, "keys").join("\n")),
        ("signing_secret", text(source, "signing_secret").unwrap_or_default().to_owned()),
        ("origins", texts(source, "origins").join("\n")),
    ];
    for key in ["dry_run", "deliver"] {
        if source.get(key).and_then(Value::as_bool) == Some(true) {
            fields.push((key, "true".to_owned()));
        }
    }
    Fields::new(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Returns the source that a form stands for. What has no field stays as it is in `base`.
pub fn source_of(fields: &Fields, base: &Map<String, Value>) -> Result<Map<String, Value>, Problem> {
    same_lines(&texts(base, "keys"), &fields.list("keys"))?;
    let mut source = base.clone();
    let mut put = |key: &str, value: Option<Value>| match value {
        Some(value) => _ = source.insert(key.to_owned(), value),
        None => _ = source.remove(key),
    };
    let texts = |name: &str| Some(fields.list(name)).filter(|list| !list.is_empty()).map(Value::from);
    if !base.contains_key("id") {
        put("id", Some(fields.text("id")).filter(|id| !id.is_empty()).map(Value::from));
    }
    put("keys", texts("keys"));
    put("origins", texts("origins"));
    put(
        "signing_secret",
        Some(fields.text("signing_secret")).filter(|text| !text.is_empty()).map(Value::from),
    );
    for key in ["dry_run", "deliver"] {
        put(key, fields.has(key, "true").then_some(true.into()));
    }
    Ok(source)
}

/// Refuses write keys of which it isn't clear which ones are to stay: `***` stands for the key that is kept in the same line.
fn same_lines(before: &[&str], after: &[String]) -> Result<(), Problem> {
    let kept = |line: usize| before.get(line).is_some_and(|key| *key == MASK);
    let named = |line: usize| after.get(line).is_some_and(|key| key == MASK);
    let is_clear = (0..before.len().max(after.len())).all(|line| kept(line) == named(line))
        || !after.iter().any(|key| key == MASK);
    let text = "*** stands for the key in the same line: leave these lines as they are and write others below, or write all keys anew";
    if is_clear { Ok(()) } else { Err(Problem { field: "keys".to_owned(), text: text.to_owned() }) }
}

/// Returns the field that holds the setting at a path.
pub fn problem_at(path: &str, problem: &str) -> Problem {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let first = path.get(..end).unwrap_or_default();
    let known = ["id", "keys", "signing_secret", "origins", "deliver"];
    let field = known.into_iter().find(|known| *known == first).unwrap_or_default().to_owned();
    let text =
        if path.is_empty() || path == field { problem.to_owned() } else { format!("{path}: {problem}") };
    Problem { field, text }
}

/// Returns the form. `existing` is the state of the source that it changes.
pub fn form(
    visit: &Visit,
    address: &str,
    existing: Option<&str>,
    fields: &Fields,
    problem: Option<&Problem>,
) -> Markup {
    let editable = visit.is_admin();
    let value = |name: &str| fields.get(name).unwrap_or_default();
    let of =
        |field: &str| problem.filter(|problem| problem.field == field).map(|problem| problem.text.as_str());
    let secret = value("signing_secret");
    let is_kept = secret == MASK;
    html! {
        @if let Some(problem) = problem.filter(|problem| matches!(problem.field.as_str(), "" | "deliver")) {
            div.note.bad role="alert" { p { (problem.text) } }
        }
        form.card method="post" action=(address) novalidate {
            (form_token(visit))
            @if let Some(etag) = existing { input type="hidden" name="if_match" value=(etag); }
            fieldset disabled[!editable] {
                legend.visually-hidden { "Source" }
                div.stack {
                    @if existing.is_none() {
                        (Input { name: "id", label: "Id", value: value("id"), kind: "text", placeholder: Some("src_shop"),
                            help: Some("Letters, digits, `_` and `-`. It never changes. Without one it gets one."), problem: of("id"),
                            ..Input::default() }.render())
                    }
                    (Input { name: "keys", label: "Write keys", value: value("keys"), kind: "textarea",
                        help: Some("One a line: what the site's client sends as its write key. They are public where browsers use them."),
                        problem: of("keys"), ..Input::default() }.render())
                    (Input { name: "origins", label: "Hosts", value: value("origins"), kind: "textarea",
                        placeholder: Some("shop.example.com"),
                        help: Some("One a line: the hosts whose pages may send events of this source; `*.example.com` for all subdomains. Without any, all may."),
                        problem: of("origins"), ..Input::default() }.render())
                    (Input { name: "signing_secret", label: "Signing secret", value: secret,
                        kind: if secret.starts_with("${") { "text" } else { "password" },
                        help: Some(if is_kept { "A secret is kept. Leave the field as it is to keep it, or write another one." }
                            else { "For signed events of a server. Write `${NAME}` for one that the gateways have in their environment." }),
                        problem: of("signing_secret"), ..Input::default() }.render())
                    fieldset {
                        legend { "Treatment" }
                        (checkbox("dry_run", "true", &html! { "Dry run" span.help { "Its events are never delivered, only recorded: for a test site." } },
                            fields.has("dry_run", "true")))
                        (checkbox("deliver", "true", &html! { "Acknowledged route" span.help { "It may post to /v1/deliver. Not for a source that browsers use." } },
                            fields.has("deliver", "true")))
                    }
                }
            }
            @if editable {
                div.buttons { button.primary type="submit" { "Save" } a.button href="/sources" { "Cancel" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_keys_stay_in_their_lines_or_all_are_written_anew() {
        let judged = |before: &[&str], after: &[&str]| {
            same_lines(before, &after.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()).is_ok()
        };
        assert!(judged(&[MASK, MASK], &[MASK, MASK, "new"]));
        assert!(judged(&[MASK, MASK], &["new"]));
        assert!(judged(&["a", "b"], &["b"]));
        assert!(!judged(&[MASK, MASK], &[MASK]), "which of the two?");
        assert!(!judged(&[MASK], &["new", MASK]));
        assert!(!judged(&[], &[MASK]));
    }
}
