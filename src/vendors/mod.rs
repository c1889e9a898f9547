//! The vendors: what each one's requests look like. A new vendor is one file here and one line in [`VENDORS`].

mod flashtalking;
mod podsights;
#[cfg(test)]
mod testing;

use std::borrow::Cow;

use crate::accounting::Note;
use crate::config::Settings;
use crate::config::load::{self, Invalid};
use crate::delivery::{self, Redirects};
use crate::identity::Cookies;
use crate::json;
use crate::mapping::document::Document;
use crate::mapping::targets::Targets;
use crate::mapping::value::Value;
use crate::privacy::{Scrubbed, scrub};
use crate::request::has_control;
use crate::visitor::Visitor;

/// Every vendor that an integration can name.
pub const VENDORS: [&dyn Vendor; 2] = [&flashtalking::Flashtalking, &podsights::Podsights];

/// The vendor of that name.
pub fn find(name: &str) -> Option<&'static dyn Vendor> {
    VENDORS.into_iter().find(|vendor| vendor.name() == name)
}

/// What is true of a vendor for every customer.
pub trait Vendor: Sync {
    /// As integrations name it, and as the metrics label it: `[a-z_]+`.
    fn name(&self) -> &'static str;

    /// The presets, each a mapping document in JSON; the first is the default.
    fn presets(&self) -> &'static [(&'static str, &'static str)];

    /// What a 3xx from this vendor means.
    fn redirects(&self) -> Redirects;

    /// The vendor's number on IAB's Global Vendor List, for the TCF string; `None` where it isn't on it.
    fn tcf_vendor(&self) -> Option<u16>;

    /// What may stand as the target of a mapping.
    fn targets(&self) -> &'static dyn Targets;

    /// The settings that are secrets.
    fn secret_settings(&self) -> &'static [&'static str];

    /// The JSON Schema of an integration's `config`; of a vendor that gives none, an editor takes any object.
    #[cfg(feature = "schema")]
    fn settings_schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<serde_json::Map<String, serde_json::Value>>()
    }

    /// Reads an integration's `config`.
    fn connect(&self, settings: Settings) -> Result<Box<dyn Destination>, Invalid>;
}

impl dyn Vendor {
    /// A preset by name, or the default. The error lists the names there are.
    pub fn preset(&self, name: Option<&str>) -> Result<Document, String> {
        let presets = self.presets();
        let known = || presets.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        let found = match name {
            Some(name) => presets.iter().find(|(known, _)| *known == name),
            None => presets.first(),
        };
        let (_, text) = found.ok_or_else(known)?;
        // A test reads every preset, so that a bad one can't be shipped.
        load::of_text(text).map_err(|error| error.to_string())
    }
}

/// One customer's place at a vendor: an integration's `config`, compiled.
pub trait Destination {
    /// The Envoy cluster that callouts go to.
    fn cluster(&self) -> &str;

    /// The host that callouts ask for.
    fn authority(&self) -> &str;

    /// What the vendor counts conversions under, where two integrations that share it would count one event twice.
    fn counts_as(&self) -> Option<String> {
        None
    }

    /// Whether the visitor has opted out of this vendor.
    fn opted_out(&self, _cookies: &Cookies<'_>) -> bool {
        false
    }

    /// Everything of one delivery that does not depend on the configuration at the time of sending.
    fn parcel(&self, content: Content<'_>, notes: &mut Vec<Note>) -> Parcel;

    /// The request of one attempt. `random` is fresh for each.
    fn callout<'a>(&'a self, parcel: &'a Parcel, random: u64) -> Callout<'a>;
}

/// What a delivery is made of.
pub struct Content<'a> {
    /// The vendor's name for the event.
    pub event: &'a str,
    /// The mapped values, in the order of the vendor's targets.
    pub values: Vec<(&'a str, Value<'a>)>,
    pub visitor: &'a Visitor<'a>,
    pub cookies: &'a Cookies<'a>,
}

/// A delivery as it waits in the queue. Holds no cluster, authority, key, id or cachebuster: those are put in when it is
/// sent, from the newest configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parcel {
    /// The mapped part of the path or body.
    pub content: Box<str>,
    /// `X-Forwarded-For`.
    pub forwarded_for: Option<Box<str>>,
    pub user_agent: Option<Box<str>>,
    pub cookie: Option<Box<str>>,
}

impl delivery::Parcel for Parcel {
    fn bytes(&self) -> usize {
        let headers = [&self.forwarded_for, &self.user_agent, &self.cookie];
        let length = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        headers
            .into_iter()
            .map(length)
            .fold(self.content.len(), usize::saturating_add)
            .saturating_add(OVERHEAD)
    }
}

/// What a queued delivery takes up beside its text, roughly: the parcel itself and its place in the queue.
const OVERHEAD: usize = 200;

/// One attempt at a delivery.
#[derive(Debug, PartialEq, Eq)]
pub struct Callout<'a> {
    pub method: &'static str,
    pub path: Cow<'a, str>,
    /// Beside `:method`, `:path` and `:authority`.
    pub headers: Vec<(&'static str, &'a str)>,
    pub body: Option<String>,
}

impl Callout<'_> {
    /// The callout for a log: no key, hash, address, id, User-Agent or cookie in it.
    pub fn masked(&self) -> String {
        let body = self.body.as_deref().map(masked_body).unwrap_or_default();
        format!("{} {} {body}", self.method, self.path)
    }
}

/// Members of a body that are secret or personal.
const MASKED: [&str; 5] = ["key", "em", "ip", "id", "user_agent"];

fn masked_body(body: &str) -> String {
    let mut masked = "{".to_owned();
    let well_formed = json::for_each_member(body, &mut |name, value| {
        if masked.len() > 1 {
            masked.push(',');
        }
        json::write_string(&mut masked, &name);
        masked.push(':');
        masked.push_str(if MASKED.contains(&&*name) { "\"***\"" } else { value.as_str() });
    });
    if well_formed { masked + "}" } else { "***".to_owned() }
}

/// A value as it may leave: without an email address. Counts what is left out. Whoever writes it into a path or a body
/// encodes it, control characters included.
fn presentable<'v>(value: &'v str, notes: &mut Vec<Note>) -> Option<Cow<'v, str>> {
    match scrub(value) {
        Scrubbed::Clean => Some(Cow::Borrowed(value)),
        Scrubbed::Cut(rest) => {
            notes.push(Note::ValueLeftOut);
            Some(Cow::Owned(rest))
        }
        Scrubbed::Dropped => {
            notes.push(Note::ValueLeftOut);
            None
        }
    }
}

/// The longest cookie or User-Agent that is forwarded, in bytes.
const LONGEST_HEADER: usize = 4096;

/// A visitor's header value as it may be forwarded: short enough, and without control characters.
fn forwardable(value: Option<&str>, notes: &mut Vec<Note>) -> Option<Box<str>> {
    let value = value?;
    if value.len() > LONGEST_HEADER || has_control(value) {
        notes.push(Note::ValueLeftOut);
        return None;
    }
    presentable(value, notes).map(Into::into)
}
