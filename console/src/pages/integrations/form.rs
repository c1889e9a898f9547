//! The form of an integration, made from its vendor's own schema.

use maud::{Markup, html};

use super::super::fields::Fields;
use super::super::guard::Visit;
use super::super::layout::form_token;
use super::super::parts::{Input, about, checkbox, described_by, id_of, prose};
use super::draft::{CATEGORIES, events_of};
use super::hint::hint;
use super::preview;
use super::problem::{CONFIG, Problem};
use crate::manage::{CatalogEntry, ConfigField, FieldType};

/// A form, as far as it is filled in.
pub struct Form<'f> {
    pub visit: &'f Visit,
    pub entry: &'f CatalogEntry,
    /// Where it is sent to.
    pub address: &'f str,
    /// The integration that it changes, and its state; `None`: a new one.
    pub existing: Option<(&'f str, &'f str)>,
    pub fields: &'f Fields,
    /// The ids of the configured sources.
    pub sources: &'f [String],
    pub problem: Option<&'f Problem>,
    /// The preview for these fields.
    pub preview: &'f Markup,
}

impl Form<'_> {
    /// Returns the form, with the preview beside it.
    pub fn render(&self) -> Markup {
        let editable = self.visit.is_admin();
        html! {
            (self.summary())
            form.columns method="post" action=(self.address) novalidate data-preview="/integrations/preview" {
                (form_token(self.visit))
                input type="hidden" name="vendor" value=(self.entry.key);
                @if let Some((id, etag)) = self.existing {
                    input type="hidden" name="id" value=(id);
                    input type="hidden" name="if_match" value=(etag);
                }
                div.stack {
                    fieldset disabled[!editable] {
                        legend.visually-hidden { "Settings" }
                        div.stack { (self.account()) (self.what()) (self.mappings()) }
                    }
                    @if editable {
                        div.buttons {
                            button.primary type="submit" name="do" value="save" { "Save" }
                            a.button href="/integrations" { "Cancel" }
                        }
                    }
                }
                (preview::beside(self.fields, self.preview))
            }
        }
    }

    /// Says that something is wrong, and where.
    fn summary(&self) -> Markup {
        html! {
            @if let Some(problem) = self.problem {
                div.note.bad role="alert" {
                    @if problem.field.is_empty() {
                        p { (problem.text) }
                    } @else {
                        p {
                            "Nothing was saved. "
                            a href={ "#" (id_of(&problem.field)) } { (self.label_of(&problem.field)) } ": " (problem.text)
                        }
                    }
                }
            }
        }
    }

    /// Returns what a field is called.
    fn label_of(&self, field: &str) -> &str {
        let of_vendor = field.strip_prefix(CONFIG).and_then(|key| {
            let known = self.entry.config_fields.iter().find(|known| known.key == key);
            known.map(|known| known.label.as_str())
        });
        of_vendor.unwrap_or(match field {
            "name" => "Name",
            "preset" => "Variant",
            "source_id" => "Source",
            "more_events" => "Events",
            "more_categories" => "Consent categories",
            "field_mappings" => "Field mappings",
            "map_source" => "Source field",
            "map_target" => "Target",
            _ => "One field",
        })
    }

    fn problem_of(&self, field: &str) -> Option<&str> {
        self.problem.filter(|problem| problem.field == field).map(|problem| problem.text.as_str())
    }

    fn account(&self) -> Markup {
        let (usual, advanced): (Vec<_>, Vec<_>) =
            self.entry.config_fields.iter().partition(|field| !field.advanced);
        let is_wrong = |field: &&ConfigField| self.problem_of(&format!("{CONFIG}{}", field.key)).is_some();
        html! {
            section.card {
                h2 { "Account" }
                @if self.entry.variants.len() > 1 { (self.variants()) } @else if let Some(only) = self.entry.variants.first() {
                    input type="hidden" name="preset" value=(self.fields.text("preset"));
                    p.field { span.label { "Variant" } span { (only.name) ": " (only.description) } }
                }
                (Input { name: "name", label: "Name", value: self.fields.get("name").unwrap_or_default(), kind: "text", required: true,
                    help: Some("Shown in lists, metrics and records."), problem: self.problem_of("name"), ..Input::default() }.render())
                @for field in usual { (self.setting(field)) }
                @if !advanced.is_empty() {
                    details open[advanced.iter().any(is_wrong)] {
                        summary { "Advanced" }
                        div.stack { @for field in &advanced { (self.setting(field)) } }
                    }
                }
            }
        }
    }

    fn variants(&self) -> Markup {
        let chosen = self.fields.text("preset");
        html! {
            div.field {
                label for="field-preset" { "Variant" }
                select #field-preset name="preset" aria-describedby="field-preset-help" {
                    @for (index, variant) in self.entry.variants.iter().enumerate() {
                        option value=(variant.key) selected[chosen == variant.key || (chosen.is_empty() && index == 0)] { (variant.name) }
                    }
                }
                p.help #field-preset-help {
                    @for variant in &self.entry.variants { (variant.name) ": " (variant.description) ". " }
                }
                @if let Some(text) = self.problem_of("preset") { p.problem { (text) } }
            }
        }
    }

    fn setting(&self, field: &ConfigField) -> Markup {
        let name = format!("{CONFIG}{}", field.key);
        let value = self.fields.get(&name).unwrap_or_default();
        let problem = self.problem_of(&name);
        let default = field.default.as_ref().map(super::draft::shown_default);
        let placeholder = field.placeholder.as_deref().or(default.as_deref());
        match field.field_type {
            FieldType::Select | FieldType::Boolean => self.select(field, &name, value, problem),
            kind => {
                let is_kept = kind == FieldType::Secret && value == conversion_relay::settings::MASK;
                let is_masked = kind == FieldType::Secret && !value.starts_with("${");
                let help = if is_kept { KEPT } else { field.help_text.as_str() };
                let input = match kind {
                    FieldType::List | FieldType::Object => "textarea",
                    _ if is_masked => "password",
                    _ => "text",
                };
                Input {
                    name: &name,
                    label: &field.label,
                    value,
                    kind: input,
                    required: field.required,
                    placeholder,
                    help: Some(help).filter(|help| !help.is_empty()),
                    hint: hint(self.entry.key, &field.key, value),
                    problem,
                    rows: 3,
                }
                .render()
            }
        }
    }

    fn select(&self, field: &ConfigField, name: &str, value: &str, problem: Option<&str>) -> Markup {
        let id = id_of(name);
        let truth = ["true", "false"].map(str::to_owned);
        let options: Vec<&String> = match field.field_type {
            FieldType::Boolean => truth.iter().collect(),
            _ => field.options.iter().map(|option| &option.value).collect(),
        };
        let default = field.default.as_ref().map(super::draft::shown_default);
        let help = Some(field.help_text.as_str()).filter(|help| !help.is_empty());
        html! {
            div.field {
                label for=(id) { (field.label) }
                select id=(id) name=(name) aria-describedby=[described_by(&id, help, None, problem)]
                    aria-invalid=[problem.map(|_| "true")] autofocus[problem.is_some()] {
                    option value="" selected[value.is_empty()] {
                        @if let Some(default) = &default { "Default (" (default) ")" } @else { "Choose" }
                    }
                    @for option in options { option value=(option) selected[option == value] { (option) } }
                }
                (about(&id, help, None, problem))
            }
        }
    }

    fn what(&self) -> Markup {
        html! {
            section.card {
                h2 { "What is sent" }
                (self.source())
                (self.events())
                (self.categories())
                fieldset {
                    legend { "State" }
                    (checkbox("enabled", "true", &html! { "Enabled" }, self.fields.has("enabled", "true")))
                    (checkbox("dry_run", "true", &html! { "Dry run" span.help { "Requests are built and recorded, and not sent." } },
                        self.fields.has("dry_run", "true")))
                }
            }
        }
    }

    fn source(&self) -> Markup {
        let chosen = self.fields.text("source_id");
        let problem = self.problem_of("source_id");
        let unknown = !chosen.is_empty() && !self.sources.iter().any(|source| source == chosen);
        html! {
            div.field {
                label for="field-source-id" { "Source" }
                @if self.sources.is_empty() {
                    input #field-source-id type="text" name="source_id" value=(chosen) autocomplete="off"
                        aria-describedby="field-source-id-help" aria-invalid=[problem.map(|_| "true")];
                    p.help #field-source-id-help {
                        "No sources are configured, so every integration gets the events of all sites. " a href="/sources" { "Sources" }
                    }
                } @else {
                    select #field-source-id name="source_id" aria-invalid=[problem.map(|_| "true")] autofocus[problem.is_some()] {
                        option value="" selected[chosen.is_empty()] { "Any source" }
                        @for source in self.sources { option value=(source) selected[source == chosen] { (source) } }
                        @if unknown { option value=(chosen) selected { (chosen) " (not configured)" } }
                    }
                }
                @if let Some(text) = problem { p.problem { (text) } }
            }
        }
    }

    fn events(&self) -> Markup {
        let known = events_of(self.entry, Some(self.fields.text("preset")));
        let further = self.fields.get("more_events").unwrap_or_default();
        let open = !further.is_empty() || self.problem_of("more_events").is_some() || known.is_empty();
        let input = Input {
            name: "more_events",
            label: "Further events",
            value: further,
            kind: "textarea",
            help: Some("One a line: events that the field mappings below add."),
            problem: self.problem_of("more_events"),
            ..Input::default()
        };
        html! {
            @if !known.is_empty() {
                fieldset {
                    legend { "Events" }
                    div.checks {
                        @for event in known {
                            (checkbox("event", event, &html! { (event) }, self.fields.has("event", event)))
                        }
                    }
                }
            }
            details open[open] { summary { "Further events" } (input.render()) }
        }
    }

    fn categories(&self) -> Markup {
        let further = self.fields.get("more_categories").unwrap_or_default();
        let input = Input {
            name: "more_categories",
            label: "Further categories",
            value: further,
            kind: "textarea",
            help: Some("One a line: names that your consent tool has for categories of its own."),
            problem: self.problem_of("more_categories"),
            ..Input::default()
        };
        html! {
            fieldset {
                legend { "Consent categories" }
                p.help { "A visitor must have granted these. Without any, no consent is asked for." }
                div.checks {
                    @for category in CATEGORIES {
                        (checkbox("category", category, &html! { (category) }, self.fields.has("category", category)))
                    }
                }
            }
            details open[!further.is_empty() || input.problem.is_some()] { summary { "Further categories" } (input.render()) }
        }
    }

    fn mappings(&self) -> Markup {
        let value = self.fields.get("field_mappings").unwrap_or_default();
        let input = Input {
            name: "field_mappings",
            label: "Field mappings",
            value,
            kind: "textarea",
            placeholder: Some(EXAMPLE),
            help: Some(
                "A mapping document, version 2, as YAML or JSON. It is applied on top of the variant's own mappings.",
            ),
            problem: self.problem_of("field_mappings"),
            rows: value.lines().count().clamp(8, 24),
            ..Input::default()
        };
        let events = events_of(self.entry, Some(self.fields.text("preset")));
        html! {
            section.card {
                h2 { "Mapping" }
                (input.render())
                (super::mapping::fields(self.fields, events, self.problem))
            }
        }
    }
}

const KEPT: &str = "A value is kept, which nobody can read back. Leave the field as it is to keep it, or write another value.";

const EXAMPLE: &str = "version: 2
events:
  Order Completed:
    mappings:
      - {source: properties.coupon, target: U3}";

/// The name of a vendor with what its form is for.
pub fn lead(entry: &CatalogEntry) -> Markup {
    html! { p.lead { (prose(&entry.description)) } }
}
