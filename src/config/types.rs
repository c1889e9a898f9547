//! The plugin configuration as users write it. Defaults and limits stand on the fields.

use std::fmt;
use std::time::Duration;

use super::Tree;
use super::read::{Place, Read};
use crate::consent::{CookieNames, Require, WhenAbsent};
use crate::identity::ClientFromContext;
use crate::mapping::document::{Document, Members};
use crate::sources::SourceSettings;

/// The whole plugin configuration.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
#[cfg_attr(feature = "cli", schemars(transform = crate::cli::schema::required("integrations")))]
pub struct Config {
    pub endpoints: Endpoints,
    pub identity: Identity,
    /// Absent: any tracking request is taken; the gateway in front authenticates.
    pub sources: Option<Vec<SourceSettings>>,
    pub consent: Consent,
    pub deduplication: Deduplication,
    pub delivery: Delivery,
    /// The vendors' destinations; at least one.
    pub integrations: Vec<Integration>,
}

impl Read for Config {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            endpoints: object.or_absent("endpoints"),
            identity: object.or_absent("identity"),
            sources: object.optional("sources"),
            consent: object.or_absent("consent"),
            deduplication: object.or_absent("deduplication"),
            delivery: object.or_absent("delivery"),
            integrations: object.required("integrations"),
        })
    }
}

/// Which requests are tracking requests, and how much of them is held.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
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
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max_event_age: Duration,
    /// Whether POST /v1/import, historical data, is a tracking request at all. Default false.
    pub import: bool,
    /// The most bytes of open streams and requests not yet parsed that one worker holds. Default 33554432.
    pub max_captured_bytes: usize,
}

impl Read for Endpoints {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            base_path: object.or_absent("base_path"),
            reply: object.or("reply", ReplyFrom::Upstream),
            relay_when: object.or("relay_when", RelayWhen::Accepted),
            max_body_bytes: object.or("max_body_bytes", 512_000),
            max_events: object.or("max_events", 500),
            max_event_age: object.or("max_event_age", Duration::from_secs(24 * 3600)),
            import: object.or("import", false),
            max_captured_bytes: object.or("max_captured_bytes", 32 << 20),
        })
    }
}

/// Who answers tracking requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(rename_all = "snake_case"))]
pub enum ReplyFrom {
    /// The collector; requests pass on untouched. The default.
    Upstream,
    /// The filter itself, where no collector is behind it.
    Local,
}

impl Read for ReplyFrom {
    fn read(place: Place<'_>) -> Self {
        place.choice(&[("upstream", Self::Upstream), ("local", Self::Local)]).unwrap_or(Self::Upstream)
    }
}

/// Which requests with `reply: upstream` are relayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(rename_all = "snake_case"))]
pub enum RelayWhen {
    /// The collector answered below 400. The default.
    Accepted,
    /// Whatever the collector answered.
    Always,
}

impl Read for RelayWhen {
    fn read(place: Place<'_>) -> Self {
        place.choice(&[("accepted", Self::Accepted), ("always", Self::Always)]).unwrap_or(Self::Accepted)
    }
}

/// Who an event is about.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
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

impl Read for Identity {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            anonymous_id_cookies: object.or(
                "anonymous_id_cookies",
                ["_dfid", "ajs_anonymous_id", "rl_anonymous_id"].map(str::to_owned).into(),
            ),
            client_from_context: object.or("client_from_context", ClientFromContext::Signed),
            issue_anonymous_id: object.optional("issue_anonymous_id"),
            remember_email: object.optional("remember_email"),
        })
    }
}

/// The cookie that an anonymous id is issued in.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
pub struct IssueAnonymousId {
    /// One of anonymous_id_cookies. Default _dfid.
    pub cookie: String,
    /// Like `.example.com`: the cookie is for that domain and all below it. Default: for the gateway's own host alone.
    pub domain: Option<String>,
    /// Default 400d, which is the longest that browsers keep a cookie.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max_age: Duration,
    /// The consent categories that a visitor must have granted, all of them. Default marketing.
    pub requires: Vec<String>,
}

impl Read for IssueAnonymousId {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            cookie: object.or("cookie", "_dfid".to_owned()),
            domain: object.optional("domain"),
            max_age: object.or("max_age", Duration::from_secs(400 * 86_400)),
            requires: object.or("requires", vec!["marketing".to_owned()]),
        })
    }
}

/// The cookie that an email's digest is remembered in.
#[derive(Clone)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
#[cfg_attr(feature = "cli", schemars(transform = crate::cli::schema::required("secrets")))]
pub struct RememberEmail {
    /// Default _cr_em.
    pub cookie: String,
    /// Each 32 bytes or more, such as `openssl rand -base64 32` prints. The first seals, all open: to rotate, put a new one
    /// first and take the old one away after max_age. All gateways of a fleet need the same.
    pub secrets: Vec<String>,
    /// Default 30d.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max_age: Duration,
}

impl Read for RememberEmail {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            cookie: object.or("cookie", "_cr_em".to_owned()),
            secrets: object.required("secrets"),
            max_age: object.or("max_age", Duration::from_secs(30 * 86_400)),
        })
    }
}

/// Without the secrets.
impl fmt::Debug for RememberEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RememberEmail").field("cookie", &self.cookie).field("max_age", &self.max_age).finish()
    }
}

/// What counts as consent.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
pub struct Consent {
    /// What counts when nothing says anything about consent at all. Default deny.
    pub when_absent: WhenAbsent,
    /// How many of an integration's consent_categories must be granted: all or any. Default all.
    pub require: Require,
    /// `Sec-GPC: 1` stops every delivery. Default true.
    pub respect_gpc: bool,
    pub cookies: CookieNames,
    /// Category names of your own, e.g. `marketing: [my_ads]`, added to the built-in ones.
    pub aliases: Members<Vec<String>>,
}

impl Read for Consent {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            when_absent: object.or("when_absent", WhenAbsent::Deny),
            require: object.or("require", Require::All),
            respect_gpc: object.or("respect_gpc", true),
            cookies: object.or_absent("cookies"),
            aliases: object.or_absent("aliases"),
        })
    }
}

/// Events that arrive more than once.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
pub struct Deduplication {
    /// How long a messageId is remembered; 0s: not at all. Default 10m.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub window: Duration,
}

impl Read for Deduplication {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self { window: object.or("window", Duration::from_secs(600)) })
    }
}

/// How deliveries are queued, sent and retried.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
pub struct Delivery {
    /// How long a vendor has to answer. Default 5s.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub timeout: Duration,
    /// Attempts at one delivery. Default 8.
    pub max_attempts: u32,
    /// How long a delivery is tried at all. Default 1h.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max_age: Duration,
    pub backoff: Backoff,
    /// Callouts under way at once, per integration and worker. Default 64.
    pub max_in_flight: u32,
    pub queue: Queue,
}

impl Read for Delivery {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            timeout: object.or("timeout", Duration::from_secs(5)),
            max_attempts: object.or("max_attempts", 8),
            max_age: object.or("max_age", Duration::from_secs(3600)),
            backoff: object.or_absent("backoff"),
            max_in_flight: object.or("max_in_flight", 64),
            queue: object.or_absent("queue"),
        })
    }
}

#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
pub struct Backoff {
    /// The longest delay before the second attempt; it doubles from there. Default 1s.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub base: Duration,
    /// The longest delay of all. Default 5m.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Duration"))]
    pub max: Duration,
}

impl Read for Backoff {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            base: object.or("base", Duration::from_secs(1)),
            max: object.or("max", Duration::from_secs(300)),
        })
    }
}

/// The queue of one worker; each integration has its equal share.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
pub struct Queue {
    /// Default 10000.
    pub max_deliveries: usize,
    /// Default 16777216.
    pub max_bytes: usize,
}

impl Read for Queue {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            max_deliveries: object.or("max_deliveries", 10_000),
            max_bytes: object.or("max_bytes", 16 << 20),
        })
    }
}

/// One configured vendor destination: the object of Signal's Management API, plus what is ours.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "cli", schemars(deny_unknown_fields, default = "Self::absent"))]
#[cfg_attr(feature = "cli", schemars(transform = crate::cli::schema::required("name, vendor")))]
pub struct Integration {
    /// Unique, also once it is written as a metric label.
    pub name: String,
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::VendorName"))]
    pub vendor: String,
    /// Default true.
    pub enabled: bool,
    /// true: everything but the dispatch. Default false.
    pub dry_run: bool,
    /// With `sources`: only that source's events. Without, a label and nothing more.
    pub source_id: Option<String>,
    /// Default: the vendor's first preset.
    pub preset: Option<String>,
    /// Restricts the integration to these events. Default: all of preset and field_mappings.
    pub events: Option<Vec<String>>,
    /// The vendor's own settings.
    #[cfg_attr(feature = "cli", schemars(with = "crate::cli::schema::Settings", extend("default" = serde_json::json!({}))))]
    pub config: Tree,
    /// What a visitor must have granted; none: no consent is needed.
    pub consent_categories: Vec<String>,
    /// Signal's version-2 document, applied over the preset.
    pub field_mappings: Option<Document>,
}

impl Read for Integration {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            name: object.required("name"),
            vendor: object.required("vendor"),
            enabled: object.or("enabled", true),
            dry_run: object.or("dry_run", false),
            source_id: object.optional("source_id"),
            preset: object.optional("preset"),
            events: object.optional("events"),
            config: object.or("config", Tree::Object(Vec::new())),
            consent_categories: object.or_absent("consent_categories"),
            field_mappings: object.optional("field_mappings"),
        })
    }
}
