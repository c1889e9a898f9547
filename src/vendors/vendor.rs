//! What a vendor is to everybody else, and what its file has at hand to make a request.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::delivery::{self, Redirects};
use crate::event::whole::WholeEvent;
use crate::identity::Cookies;
use crate::json;
use crate::left_out::{LeftOut, Omissions, Reason, Target};
use crate::mapping::document::Document;
use crate::mapping::targets::Targets;
use crate::mapping::value::Value;
use crate::privacy::{Scrubbed, scrub};
use crate::request::has_control;
use crate::seal::{Keys, NONCE};
use crate::settings::{self, Invalid, MASK, Secret, Settings};
use crate::visitor::Visitor;

/// What is true of a vendor for every customer.
pub trait Vendor: Sync {
    /// As integrations name it, and as the metrics label it: `[a-z_]+`.
    fn name(&self) -> &'static str;

    /// The names beside [`name`](Vendor::name) that senders know the vendor by in an event's `integrations`, as Segment or
    /// RudderStack, for example, call their own destination for it. Case, blanks, `_` and `-` don't matter.
    fn other_names(&self) -> &'static [&'static str] {
        &[]
    }

    /// The presets, each a mapping document in JSON; the first is the default.
    fn presets(&self) -> &'static [(&'static str, &'static str)];

    /// What a 3xx from this vendor means.
    fn redirects(&self) -> Redirects;

    /// The vendor's number on IAB's Global Vendor List, for the TCF string; `None` where it isn't on it.
    fn tcf_vendor(&self) -> Option<u16>;

    /// What may stand as the target of a mapping.
    fn targets(&self) -> &'static dyn Targets;

    /// Returns the target that holds the order id of one of the vendor's events, by which a repeated order is recognized;
    /// `None` for an event that is no purchase, lead or signup, and where the vendor has no such target.
    fn order_target(&self, _vendor_event: &str) -> Option<&'static str> {
        None
    }

    /// Whether a member of a request's body may identify a visitor. Where a request is logged such members read `***`.
    fn is_personal(&self, _member: &str) -> bool {
        false
    }

    /// How much of a value of a request is shown in a record: a parameter of the path, or a member of the body, dotted. What can't be
    /// about a person nor is free text may be seen; of everything else only its type and length.
    fn shown(&self, name: &str) -> Shown {
        if self.targets().may_be_quoted(name) { Shown::Plain } else { Shown::Masked }
    }

    /// Whether a delivery by this preset (`None`: the default one) holds the whole event, as [`Content::whole`]. Then there are no
    /// mappings.
    fn sends_whole_events(&self, _preset: Option<&str>) -> bool {
        false
    }

    /// Returns the JSON Schema of an integration's `config`: that of the type which [`connect`](Vendor::connect) reads.
    #[cfg(feature = "schema")]
    fn settings_schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema;

    /// Reads an integration's `config`. The type that it is read into has a [`Secret`] for every setting that nobody may see.
    fn connect(&self, settings: Settings<'_>) -> Result<Box<dyn Destination>, Invalid>;
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
        settings::of_text(text).map_err(|error| error.to_string())
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

    /// What the deliveries are for, which decides whether opt-outs from advertising hold for them.
    fn purpose(&self) -> Purpose {
        Purpose::Advertising
    }

    /// Whether the visitor has opted out of this vendor.
    fn opted_out(&self, _cookies: &Cookies<'_>) -> bool {
        false
    }

    /// Whether a delivery, or the visitor's opt-out from the vendor, may depend on the cookie of this name. Where an event is
    /// passed on by a queue, only such cookies go along. The default is on the safe side: any.
    fn reads_cookie(&self, _name: &str) -> bool {
        true
    }

    /// Everything of one delivery that does not depend on the configuration at the time of sending. Tells `left_out` of
    /// every value that the request does not have.
    fn parcel(&self, content: Content<'_>, left_out: &mut Omissions<'_>) -> Parcel;

    /// Makes the request of one attempt.
    fn callout<'a>(&'a self, parcel: &'a Parcel, attempt: &Attempt) -> Callout<'a>;
}

/// How much of a value a record shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// All of it.
    Plain,
    /// Of an IP address the first two parts.
    Ip,
    /// Of a User-Agent the browser's name.
    UserAgent,
    /// Of a URL scheme, host and path, without what looks like an id.
    Url,
    /// Its type and length.
    Masked,
}

/// What an integration's deliveries are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Advertising: consent, opt-outs and Global Privacy Control decide.
    #[default]
    Advertising,
    /// The company's own use: consent as `consent_categories` say. Opt-outs and Global Privacy Control don't hold.
    Own,
}

/// One attempt at a delivery, or one look at what it would send.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// A random number of its own.
    pub random: u64,
    shows_secrets: bool,
}

impl Attempt {
    /// An attempt that is sent to the vendor.
    pub fn sent(random: u64) -> Self {
        Self { random, shows_secrets: true }
    }

    /// One that is shown to somebody, as a preview or in a log: every secret in it reads `***`.
    pub fn shown(random: u64) -> Self {
        Self { random, shows_secrets: false }
    }

    /// Returns the text of a secret for the request, wherever it stands there: path, headers or body.
    pub fn reveal<'s>(&self, secret: &'s Secret) -> &'s str {
        if self.shows_secrets { secret.expose() } else { MASK }
    }

    /// Returns a text with secrets in it for the request, or its `masked` form where the request is only shown.
    pub fn reveal_in<'s>(&self, text: &'s str, masked: &'s str) -> &'s str {
        if self.shows_secrets { text } else { masked }
    }
}

/// What a delivery is made of.
pub struct Content<'a> {
    /// The vendor's name for the event.
    pub event: &'a str,
    /// The mapped values, in the order of the vendor's targets.
    pub values: Vec<(&'a str, Value<'a>)>,
    /// The visitor that the event is about.
    pub visitor: &'a Visitor<'a>,
    /// The cookies of the request that carried the event.
    pub cookies: &'a Cookies<'a>,
    /// The whole event, where the vendor [asks for it](Vendor::sends_whole_events).
    pub whole: Option<Whole<'a>>,
}

/// A whole event, and what a message about it is known by.
pub struct Whole<'a> {
    /// The event.
    pub event: WholeEvent<'a>,
    /// The event's messageId.
    pub message_id: Option<Cow<'a, str>>,
    /// The plugin's name.
    pub plugin: &'a str,
    /// A random number, for an event without a messageId.
    pub random: u128,
    /// What goes along with the event, sealed; `None`: nothing.
    pub origin: Option<Unsealed<'a>>,
}

/// What the gateway knows of an event's request and the event does not say, as bytes that only a gateway can read again once they
/// are sealed.
pub struct Unsealed<'a> {
    /// The keys of [`cloud_events::RELAY`](crate::event::cloud_events::RELAY).
    pub keys: &'a Keys,
    /// The bytes.
    pub plain: Vec<u8>,
    /// Random bytes that are used only here.
    pub nonce: [u8; NONCE],
}

/// A delivery as it waits in the queue. Holds no cluster, authority, key, id or cachebuster: those are put in when it is
/// sent, from the newest configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parcel {
    /// The mapped part of the path or body.
    pub content: Box<str>,
    /// The media type of a body, where a vendor takes several.
    pub content_type: Cow<'static, str>,
    /// `X-Forwarded-For`.
    pub forwarded_for: Option<Box<str>>,
    /// `User-Agent`.
    pub user_agent: Option<Box<str>>,
    /// `Cookie`: the visitor's own cookie for the vendor.
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

/// The request of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub struct Callout<'a> {
    /// `:method`.
    pub method: &'static str,
    /// `:path`, with its query. It may hold secrets, if they are not masked.
    pub path: Cow<'a, str>,
    /// Beside `:method`, `:path` and `:authority`.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body; `None`: it has none.
    pub body: Option<String>,
}

impl Callout<'_> {
    /// Returns method, path and body for a log, with `***` for the [personal](Vendor::is_personal) members of the body.
    /// Its secrets are masked already where it was made for an [`Attempt::shown`].
    pub fn log_line(&self, is_personal: &dyn Fn(&str) -> bool) -> String {
        let body = self.body.as_deref().map(|body| masked(body, is_personal)).unwrap_or_default();
        format!("{} {} {body}", self.method, self.path)
    }
}

fn masked(body: &str, is_personal: &dyn Fn(&str) -> bool) -> String {
    let mut masked = "{".to_owned();
    let well_formed = json::for_each_member(body, &mut |name, value| {
        if masked.len() > 1 {
            masked.push(',');
        }
        json::write_string(&mut masked, &name);
        masked.push(':');
        match is_personal(&name) {
            true => json::write_string(&mut masked, MASK),
            false => masked.push_str(value.as_str()),
        }
    });
    if well_formed { masked + "}" } else { MASK.to_owned() }
}

/// Returns a value as it may leave, without an email address, and tells of what is left out. Whoever writes it into a path or
/// a body encodes it, control characters included.
pub fn presentable<'v>(
    target: Target<'_>,
    value: &'v str,
    left_out: &mut Omissions<'_>,
) -> Option<Cow<'v, str>> {
    match scrub(value) {
        Scrubbed::Clean => Some(Cow::Borrowed(value)),
        Scrubbed::Cut(rest) => {
            left_out(LeftOut::new(target, Reason::PartOfUrl));
            Some(Cow::Owned(rest))
        }
        Scrubbed::Dropped => {
            left_out(LeftOut::new(target, Reason::Email));
            None
        }
    }
}

/// Tells why a value of the visitor's is unusable, if it is. It was passed over if the target has another.
pub fn tell_unusable(
    target: Target<'_>,
    reason: Option<Reason>,
    has_another: bool,
    left_out: &mut Omissions<'_>,
) {
    if let Some(reason) = reason {
        left_out(LeftOut::new(target, reason).passed_over_if(has_another));
    }
}

/// The longest cookie or User-Agent that is forwarded, in bytes.
const MAX_HEADER_BYTES: usize = 4096;

/// Returns a header value of the visitor's as it may be forwarded: at most 4 KB, without control characters and without an
/// email address. Tells of what is left out.
pub fn forwardable(
    target: Target<'_>,
    value: Option<&str>,
    left_out: &mut Omissions<'_>,
) -> Option<Box<str>> {
    let value = value?;
    let reason = match value {
        value if value.len() > MAX_HEADER_BYTES => Some(Reason::TooLong(MAX_HEADER_BYTES as u32)),
        value => has_control(value).then_some(Reason::ControlCharacters),
    };
    if let Some(reason) = reason {
        left_out(LeftOut::new(target, reason));
        return None;
    }
    presentable(target, value, left_out).map(Into::into)
}
