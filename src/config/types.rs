//! The plugin configuration as users write it. Defaults and limits stand on the fields.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

use crate::consent::{ConsentCookies, Require, WhenAbsent};
use crate::identity::ClientFromContext;
use crate::mapping::document::{Document, Members};
use crate::sources::SourceSettings;

/// The whole plugin configuration.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    pub endpoints: Endpoints,
    #[serde(default)]
    pub identity: Identity,
    /// Absent: any tracking request is taken; the gateway in front authenticates.
    pub sources: Option<Vec<SourceSettings>>,
    #[serde(default)]
    pub consent: Consent,
    #[serde(default)]
    pub deduplication: Deduplication,
    #[serde(default)]
    pub delivery: Delivery,
    /// The vendors' destinations; at least one.
    pub integrations: Vec<Integration>,
}

/// Which requests are tracking requests, and how much of them is held.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Endpoints {
    /// Stands before the tracking paths: `/collect` makes `/collect/v1/track` one. Default: none.
    pub base_path: String,
    pub reply: ReplyFrom,
    pub relay_when: RelayWhen,
    /// The largest body that is read, in bytes. Default 512000.
    pub max_body_bytes: usize,
    /// The most events of one request. Default 500.
    pub max_events: usize,
    /// Events that are older, by their own timestamp, are `stale`. Default 24h.
    #[serde(deserialize_with = "duration")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max_event_age: Duration,
    /// Whether POST /v1/import, historical data, is a tracking request at all. Default false.
    pub import: bool,
    /// The most bytes of open streams and requests not yet parsed that one worker holds. Default 33554432.
    pub max_captured_bytes: usize,
}

impl Default for Endpoints {
    fn default() -> Self {
        Self {
            base_path: String::new(),
            reply: ReplyFrom::Upstream,
            relay_when: RelayWhen::Accepted,
            max_body_bytes: 512_000,
            max_events: 500,
            max_captured_bytes: 32 << 20,
            max_event_age: Duration::from_secs(24 * 3600),
            import: false,
        }
    }
}

/// Who answers tracking requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReplyFrom {
    /// The collector; requests pass on untouched. The default.
    Upstream,
    /// The filter itself, where no collector is behind it.
    Local,
}

/// Which requests with `reply: upstream` are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RelayWhen {
    /// The collector answered below 400. The default.
    Accepted,
    /// Whatever the collector answered.
    Always,
}

/// Who an event is about.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Where the anonymous id is when the event has none: the first of these cookies that is present. Default: _dfid,
    /// ajs_anonymous_id, rl_anonymous_id.
    pub anonymous_id_cookies: Vec<String>,
    /// When the IP address and User-Agent in an event's `context` are believed: signed, always or never. Default signed.
    pub client_from_context: ClientFromContext,
    /// Gives visitors without an anonymous id one, in a cookie. Absent: off.
    pub issue_anonymous_id: Option<IssueAnonymousId>,
    /// Lets a visitor's browser keep the digest of their email address, sealed, for a later purchase. Absent: off.
    pub remember_email: Option<RememberEmail>,
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            anonymous_id_cookies: ["_dfid", "ajs_anonymous_id", "rl_anonymous_id"].map(str::to_owned).into(),
            client_from_context: ClientFromContext::Signed,
            issue_anonymous_id: None,
            remember_email: None,
        }
    }
}

/// The cookie that an anonymous id is issued in.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct IssueAnonymousId {
    /// One of anonymous_id_cookies. Default _dfid.
    pub cookie: String,
    /// Like `.example.com`: the cookie is for that domain and all below it. Default: for the gateway's own host alone.
    pub domain: Option<String>,
    /// Default 400d, which is the longest that browsers keep a cookie.
    #[serde(deserialize_with = "duration")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max_age: Duration,
    /// The consent categories that a visitor must have granted, all of them. Default marketing.
    pub requires: Vec<String>,
}

impl Default for IssueAnonymousId {
    fn default() -> Self {
        Self {
            cookie: "_dfid".to_owned(),
            domain: None,
            max_age: Duration::from_secs(400 * 86_400),
            requires: vec!["marketing".to_owned()],
        }
    }
}

/// The cookie that an email's digest is remembered in.
#[derive(Clone, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct RememberEmail {
    /// Default _cr_em.
    #[serde(default = "email_cookie")]
    pub cookie: String,
    /// Each 32 bytes or more, such as `openssl rand -base64 32` prints. The first seals, all open: to rotate, put a new one
    /// first and take the old one away after max_age. All gateways of a fleet need the same.
    pub secrets: Vec<String>,
    /// Default 30d.
    #[serde(default = "email_max_age", deserialize_with = "duration")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max_age: Duration,
}

fn email_cookie() -> String {
    "_cr_em".to_owned()
}

fn email_max_age() -> Duration {
    Duration::from_secs(30 * 86_400)
}

/// Without the secrets.
impl fmt::Debug for RememberEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RememberEmail").field("cookie", &self.cookie).field("max_age", &self.max_age).finish()
    }
}

/// What counts as consent.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Consent {
    /// What counts when nothing says anything about consent at all. Default deny.
    pub when_absent: WhenAbsent,
    /// How many of an integration's consent_categories must be granted: all or any. Default all.
    pub require: Require,
    /// `Sec-GPC: 1` stops every delivery. Default true.
    pub respect_gpc: bool,
    pub cookies: Cookies,
    /// Category names of your own, e.g. `marketing: [my_ads]`, added to the built-in ones.
    pub aliases: Members<Vec<String>>,
}

impl Default for Consent {
    fn default() -> Self {
        Self {
            when_absent: WhenAbsent::Deny,
            require: Require::All,
            respect_gpc: true,
            cookies: Cookies::default(),
            aliases: Members::default(),
        }
    }
}

/// The names of the cookies of consent tools; an empty name: that tool is not asked.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Cookies {
    /// Default OptanonConsent.
    pub onetrust: String,
    /// Default CookieConsent.
    pub cookiebot: String,
    /// Default euconsent-v2.
    pub tcf: String,
}

impl Default for Cookies {
    fn default() -> Self {
        let ConsentCookies { onetrust, cookiebot, tcf } = ConsentCookies::default();
        Self { onetrust, cookiebot, tcf }
    }
}

/// Events that arrive more than once.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Deduplication {
    /// How long a messageId is remembered; 0s: not at all. Default 10m.
    #[serde(deserialize_with = "duration")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub window: Duration,
}

impl Default for Deduplication {
    fn default() -> Self {
        Self { window: Duration::from_secs(600) }
    }
}

/// How deliveries are queued, sent and retried.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// How long a vendor has to answer. Default 5s.
    #[serde(deserialize_with = "duration")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub timeout: Duration,
    /// Attempts at one delivery. Default 8.
    pub max_attempts: u32,
    /// How long a delivery is tried at all. Default 1h.
    #[serde(deserialize_with = "duration")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max_age: Duration,
    pub backoff: Backoff,
    /// Callouts under way at once, per integration and worker. Default 64.
    pub max_in_flight: u32,
    pub queue: Queue,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            max_attempts: 8,
            max_age: Duration::from_secs(3600),
            backoff: Backoff::default(),
            max_in_flight: 64,
            queue: Queue::default(),
        }
    }
}

#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Backoff {
    /// The longest delay before the second attempt; it doubles from there. Default 1s.
    #[serde(deserialize_with = "duration")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub base: Duration,
    /// The longest delay of all. Default 5m.
    #[serde(deserialize_with = "duration")]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), max: Duration::from_secs(300) }
    }
}

/// The queue of one worker; each integration has its equal share.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Queue {
    /// Default 10000.
    pub max_deliveries: usize,
    /// Default 16777216.
    pub max_bytes: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { max_deliveries: 10_000, max_bytes: 16 << 20 }
    }
}

/// One configured vendor destination: the object of Signal's Management API, plus what is ours.
#[derive(Clone, Debug, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Integration {
    /// Unique, also once it is written as a metric label.
    pub name: String,
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::VendorName"))]
    pub vendor: String,
    /// Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// true: everything but the dispatch. Default false.
    #[serde(default)]
    pub dry_run: bool,
    /// With `sources`: only that source's events. Without, a label and nothing more.
    pub source_id: Option<String>,
    /// Default: the vendor's first preset.
    pub preset: Option<String>,
    /// Restricts the integration to these events. Default: all of preset and field_mappings.
    pub events: Option<Vec<String>>,
    /// The vendor's own settings.
    #[serde(default)]
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Settings"))]
    pub config: serde_json::Map<String, serde_json::Value>,
    /// What a visitor must have granted; none: no consent is needed.
    #[serde(default)]
    pub consent_categories: Vec<String>,
    /// Signal's version-2 document, applied over the preset.
    pub field_mappings: Option<Document>,
}

fn yes() -> bool {
    true
}

/// `500ms`, `5s`, `10m`, `1h`, `400d`.
pub fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|_| {
        D::Error::custom(format!("expected a duration like 500ms, 5s, 10m, 1h or 400d, got {text:?}"))
    })
}
