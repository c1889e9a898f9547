//! One integration: its settings as users write them, and its compiled form.

use serde::Deserialize;
use serde_inline_default::serde_inline_default;
use serde_json::{Map, Value};

use crate::accounting::IntegrationRef;
use crate::consent::{ConsentRules, Requirement};
use crate::event::projection::Projection;
use crate::mapping::document::Document as FieldMappings;
use crate::mapping::plan::Plan;
use crate::settings::{Document, Invalid};
use crate::sources::{SourceIndex, Sources};
use crate::vendors::{self, Destination, Vendor};

/// One configured destination at a vendor: the object of Signal's Management API, and what this filter adds to it.
#[serde_inline_default]
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Integration", transform = super::vendor_schema::integration))]
#[serde(deny_unknown_fields)]
pub struct IntegrationSettings {
    /// The integration's name. Must be unique, also as a metric label, in which anything but letters, digits, `_` and `-`
    /// becomes `_`.
    pub name: String,
    /// The vendor that it delivers to.
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::vendor_schema::VendorName>"))]
    pub vendor: Option<String>,
    /// `false`: it sends nothing, as if it were not configured.
    #[serde_inline_default(true)]
    pub enabled: bool,
    /// `true`: everything is done except the sending. A debug log line shows what would be sent, masked.
    #[serde(default)]
    pub dry_run: bool,
    /// With `sources`: restricts the integration to that source's events. Without `sources` it has no effect.
    pub source_id: Option<String>,
    /// The vendor's [mapping document](../src/vendors/presets) to which `field_mappings` is applied. Absent: the vendor's
    /// first preset, `default` for Flashtalking, `retail` for Podsights and `json`, which maps nothing, for webhooks. Those have
    /// `cloudevents` too, which sends [whole events](webhook.md#whole-events) and takes no mappings.
    pub preset: Option<String>,
    /// Restricts the integration to these events of `preset` and `field_mappings`. Absent: all of them.
    pub events: Option<Vec<String>>,
    /// The vendor's own settings.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(with = "super::vendor_schema::VendorSettings"))]
    pub config: Map<String, Value>,
    /// The consent categories that a visitor must have granted; see `consent.require`. None: no consent is needed.
    #[serde(default)]
    pub consent_categories: Vec<String>,
    /// Mappings that are applied on top of the preset's.
    pub field_mappings: Option<FieldMappings>,
    /// Signal's id of the integration, which identifies it even if its name changes.
    pub id: Option<String>,
    /// Another name for `vendor`, in Signal's older documents.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<super::vendor_schema::VendorName>"))]
    pub vendor_type: Option<String>,
    /// Accepted as Signal writes it, and not used.
    #[serde(rename = "created_at")]
    pub _created_at: Option<String>,
    /// Accepted as Signal writes it, and not used.
    #[serde(rename = "updated_at")]
    pub _updated_at: Option<String>,
}

/// One enabled integration.
pub struct Integration {
    /// The name in the configuration, unique even as a metric [`label`].
    pub name: String,
    /// Signal's id, which identifies the integration even if its name changes.
    pub id: Option<String>,
    /// Identifies the integration in deduplication: its id, else its name.
    pub identity: String,
    /// What is true of its vendor for every customer.
    pub vendor: &'static dyn Vendor,
    /// Whether its callouts are only shown in the log, masked, instead of sent.
    pub dry_run: bool,
    /// The only source whose events it gets; `None`: every source's.
    pub source: Option<SourceIndex>,
    /// The events that it sends, and their mappings.
    pub plan: Plan,
    /// Whether it sends events as they came instead of mapped values.
    pub sends_whole_events: bool,
    /// The consent that an event of it needs.
    pub requirement: Requirement,
    /// Its `config`, compiled: one account at the vendor.
    pub destination: Box<dyn Destination>,
}

impl Integration {
    /// Returns what the integration is counted under.
    pub fn reference(&self) -> IntegrationRef<'_> {
        IntegrationRef { name: &self.name, vendor: self.vendor.name() }
    }

    /// Returns the names by which an event's `integrations` may mean it.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        let vendors = self.vendor.other_names().iter().copied();
        [self.name.as_str(), self.vendor.name()].into_iter().chain(vendors)
    }
}

/// Returns an integration's name as a metric label: anything outside `[A-Za-z0-9_-]` becomes `_`.
pub fn label(name: &str) -> String {
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    name.chars().map(|character| if legal(character) { character } else { '_' }).collect()
}

/// The parts of a configuration that its integrations are compiled with.
pub(super) struct Compiler<'c> {
    pub document: &'c Document,
    pub sources: Option<&'c Sources>,
    pub consent: &'c ConsentRules,
    pub projection: &'c mut Projection,
}

impl Compiler<'_> {
    /// Compiles all integrations, and returns the enabled ones.
    pub fn integrations(&mut self, all: &[IntegrationSettings]) -> Result<Vec<Integration>, Invalid> {
        unique_names(all)?;
        let mut enabled = Vec::new();
        for (index, settings) in all.iter().enumerate() {
            let at = format!("integrations[{index}]");
            let compiled = self.integration(settings, &at)?;
            if settings.enabled {
                refuse_double_count(&enabled, &compiled, &at)?;
                enabled.push(compiled);
            }
        }
        Ok(enabled)
    }

    fn integration(&mut self, settings: &IntegrationSettings, at: &str) -> Result<Integration, Invalid> {
        if settings.name.trim().is_empty() {
            return Err(Invalid::new(format!("{at}.name"), "expected a non-empty name"));
        }
        let vendor = vendor(settings, at)?;
        let source = self.source(settings.source_id.as_deref(), at)?;
        let destination = vendor.connect(self.document.settings(&settings.config, format!("{at}.config")))?;
        let preset = vendor.preset(settings.preset.as_deref()).map_err(|known| {
            let name = settings.preset.as_deref().unwrap_or_default();
            let problem = format!("unknown preset {name:?}: expected one of {known}");
            Invalid::new(format!("{at}.preset"), problem)
        })?;
        let (user, events) = (settings.field_mappings.as_ref(), settings.events.as_deref());
        let sends_whole_events = vendor.sends_whole_events(settings.preset.as_deref());
        if let (true, Some(mapped)) = (sends_whole_events, user.and_then(FieldMappings::first_mapped)) {
            let problem =
                "this preset sends each event as it came, so there is nothing to map: remove the mappings";
            return Err(Invalid::new(format!("{at}.field_mappings.{mapped}"), problem));
        }
        let plan = Plan::compile(&preset, user, events, vendor.targets(), self.projection)
            .map_err(|bad| Invalid::new(format!("{at}.{}", bad.place), bad.problem))?;
        if preset.sends_nothing() && plan.sends_nothing() {
            let problem =
                "expected the events to send, with their mappings: this preset sends none by itself";
            return Err(Invalid::new(format!("{at}.field_mappings"), problem));
        }
        let requirement = Requirement::compile(&settings.consent_categories, &self.consent.vocabulary)
            .map_err(|unknown| Invalid::new(format!("{at}.consent_categories"), unknown.to_string()))?;
        // No name begins with a NUL that anybody could write in YAML, so no id is another integration's name.
        let identity = settings.id.as_ref().map_or_else(|| settings.name.clone(), |id| format!("\0{id}"));
        Ok(Integration {
            name: settings.name.clone(),
            id: settings.id.clone(),
            identity,
            vendor,
            dry_run: settings.dry_run,
            source,
            plan,
            sends_whole_events,
            requirement,
            destination,
        })
    }

    /// Returns the source whose events an integration gets.
    fn source(&self, source_id: Option<&str>, at: &str) -> Result<Option<SourceIndex>, Invalid> {
        let (Some(sources), Some(id)) = (self.sources, source_id) else { return Ok(None) };
        let unknown = || {
            Invalid::new(
                format!("{at}.source_id"),
                format!("unknown source {id:?}: expected the id of a configured source"),
            )
        };
        sources.find(id).map(Some).ok_or_else(unknown)
    }
}

/// Returns the vendor by `vendor` or, as Signal's older documents call it, `type`.
fn vendor(settings: &IntegrationSettings, at: &str) -> Result<&'static dyn Vendor, Invalid> {
    let (key, name) = match (&settings.vendor, &settings.vendor_type) {
        (Some(vendor), Some(other)) if vendor != other => {
            let problem = format!("expected the same as vendor, {vendor:?}, got {other:?}");
            return Err(Invalid::new(format!("{at}.type"), problem));
        }
        (Some(vendor), _) => ("vendor", vendor),
        (None, Some(vendor)) => ("type", vendor),
        (None, None) => return Err(Invalid::new(at, "vendor is missing: it is required")),
    };
    vendors::find(name).ok_or_else(|| {
        let known = vendors::VENDORS.map(Vendor::name).join(", ");
        Invalid::new(format!("{at}.{key}"), format!("unknown vendor {name:?}: expected one of {known}"))
    })
}

/// Refuses two integrations with the same name, with the same name as metric labels, or with the same id.
fn unique_names(integrations: &[IntegrationSettings]) -> Result<(), Invalid> {
    let labels: Vec<String> = integrations.iter().map(|integration| label(&integration.name)).collect();
    for (at, (integration, label)) in integrations.iter().zip(&labels).enumerate() {
        let before = || integrations.iter().take(at);
        if let Some((first, _)) = before().zip(&labels).find(|(_, other)| *other == label) {
            let problem = format!(
                "{:?} and {:?} are both {label:?} as a metric label: rename one of them",
                first.name, integration.name
            );
            return Err(Invalid::new(format!("integrations[{at}].name"), problem));
        }
        if let Some(id) = &integration.id
            && before().any(|other| other.id.as_ref() == Some(id))
        {
            let problem = format!("expected an id that no other integration has, got {id:?}");
            return Err(Invalid::new(format!("integrations[{at}].id"), problem));
        }
    }
    Ok(())
}

/// Refuses two integrations that would send the same event to the same account and so count it twice. An event has one source, so
/// integrations of different sources never send the same one.
fn refuse_double_count(before: &[Integration], new: &Integration, at: &str) -> Result<(), Invalid> {
    let same = |other: &&Integration| {
        let apart = other.source.zip(new.source).is_some_and(|(one, another)| one != another);
        !apart
            && other.vendor.name() == new.vendor.name()
            && new.destination.counts_as().is_some_and(|place| other.destination.counts_as() == Some(place))
            && other.plan.overlaps(&new.plan)
    };
    match before.iter().find(same) {
        None => Ok(()),
        Some(other) => Err(Invalid::new(
            at,
            format!(
                "sends the same events to {} as {:?}, so each would count twice: give them different ids or events",
                new.destination.counts_as().unwrap_or_default(),
                other.name
            ),
        )),
    }
}
