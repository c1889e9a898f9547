//! What is wrong with a form, and at which field.

use crate::configuration::Refusal;
use crate::manage::CatalogEntry;

/// The fields whose names begin so are the vendor's own settings.
pub const CONFIG: &str = "config.";

/// What is wrong with a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The name of the field; empty: no field of the form.
    pub field: String,
    /// What is wrong, and how to mend it.
    pub text: String,
}

impl Problem {
    /// Returns what the filter says of an integration. A setting that is missing has no path of its own, so it is known by its name.
    pub fn of(entry: &CatalogEntry, refusal: &Refusal) -> Self {
        let missing = (refusal.path == "config").then(|| {
            entry.config_fields.iter().find(|field| {
                refusal.problem.strip_prefix(&field.key).is_some_and(|rest| rest.starts_with(' '))
            })
        });
        match missing.flatten() {
            Some(field) => Self { field: format!("{CONFIG}{}", field.key), text: refusal.problem.clone() },
            None => Self::at(&refusal.path, &refusal.problem),
        }
    }

    /// Returns a problem of a setting, by its path in the object.
    pub fn at(path: &str, problem: &str) -> Self {
        let field = field_of(path);
        let names_it = field.is_empty() || field == "field_mappings" || field.ends_with(']');
        let text =
            if path.is_empty() || !names_it { problem.to_owned() } else { format!("{path}: {problem}") };
        Self { field, text }
    }
}

/// Returns the field that a setting is entered in, by the setting's path.
fn field_of(path: &str) -> String {
    let end = path.find(['.', '[']).unwrap_or(path.len());
    let (first, rest) = path.split_at(end);
    match first {
        "config" => {
            let inner = rest.trim_start_matches('.');
            let end = inner.find(['.', '[']).unwrap_or(inner.len());
            format!("{CONFIG}{}", inner.get(..end).unwrap_or_default())
        }
        "events" => "more_events".to_owned(),
        "consent_categories" => "more_categories".to_owned(),
        "name" | "preset" | "source_id" | "field_mappings" | "enabled" | "dry_run" => first.to_owned(),
        _ => String::new(),
    }
}
