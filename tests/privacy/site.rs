//! The configurations of the test: each as the oracle sees it, and as the filter reads it.

use serde_json::{Value, json};

use crate::dice::{Rng, chance, pick};
use crate::oracle::{Category, Integration, Policy, Vendor, WhenAbsent};

/// How the site's own cookie is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    List,
    Query,
    Json,
    /// JSON whose ids are dotted: `categories.ads`.
    Nested,
}

/// A configuration.
#[derive(Clone, Debug)]
pub struct Site {
    pub policy: Policy,
    pub integrations: Vec<Integration>,
    /// Whether `BG_ADS` is a name of marketing, and `BG_STATS` a code of analytics.
    pub aliases: bool,
    /// The site's own cookie, `my_consent`, and whether it knows analytics beside marketing.
    pub custom: Option<(Format, bool)>,
}

const CATEGORIES: &[&[Category]] = &[
    &[],
    &[Category::Marketing],
    &[Category::Marketing],
    &[Category::Marketing, Category::Analytics],
    &[Category::Analytics],
    &[Category::Essential],
    &[Category::Essential, Category::Marketing],
];

/// In pairs of one vendor.
const NAMES: [(&str, Vendor); 6] = [
    ("First Spotlight", Vendor::Flashtalking),
    ("Second Spotlight", Vendor::Flashtalking),
    ("First Pod", Vendor::Podsights),
    ("Second Pod", Vendor::Podsights),
    ("First Hook", Vendor::Webhook),
    (OWN, Vendor::Webhook),
];

/// The integration of `purpose: own`.
const OWN: &str = "Own Hook";

impl Site {
    pub fn any(rng: &mut Rng) -> Self {
        let integrations = NAMES
            .map(|(name, vendor)| Integration {
                name,
                vendor,
                categories: pick(rng, CATEGORIES),
                is_own: name == OWN,
            })
            .to_vec();
        let format = pick(rng, &[Format::List, Format::Query, Format::Json, Format::Nested]);
        Self {
            policy: Policy {
                when_absent: pick(rng, &[WhenAbsent::Deny, WhenAbsent::Allow, WhenAbsent::Header]),
                require_all: chance(rng, 60),
                respect_gpc: chance(rng, 75),
            },
            integrations,
            aliases: rng.bool(),
            custom: chance(rng, 70).then_some((format, rng.bool())),
        }
    }

    /// The plugin configuration, as JSON.
    pub fn configuration(&self) -> Value {
        let mut consent = json!({
            "when_absent": match self.policy.when_absent {
                WhenAbsent::Deny => json!("deny"),
                WhenAbsent::Allow => json!("allow"),
                WhenAbsent::Header => json!({"header": "x-country", "allow": ["US", "CA"]}),
            },
            "require": if self.policy.require_all { "all" } else { "any" },
            "respect_gpc": self.policy.respect_gpc,
        });
        if self.aliases {
            consent["aliases"] = json!({"marketing": ["BG_ADS"], "analytics": ["BG_STATS"]});
        }
        if let Some((format, analytics)) = self.custom {
            let (name, prefix) = match format {
                Format::List => ("list", ""),
                Format::Query => ("query", ""),
                Format::Json => ("json", ""),
                Format::Nested => ("json", "categories."),
            };
            let mut granted = json!({"marketing": [format!("{prefix}ads"), format!("{prefix}3")]});
            if analytics {
                granted["analytics"] = json!([format!("{prefix}stats")]);
            }
            consent["custom"] = json!([{"cookie": "my_consent", "format": name, "granted": granted}]);
        }
        let integrations: Vec<Value> =
            (0..).zip(&self.integrations).map(|(nth, one)| integration(nth, one)).collect();
        json!({
            "endpoints": {"import": true, "max_event_age": "366d"},
            "consent": consent,
            // Whether an event came before is not what this is about, and every message id is new.
            "deduplication": {"window": "0s"},
            "integrations": integrations,
        })
    }
}

/// The cluster that an integration sends to, by its place: by it a callout is known for the integration's.
pub fn cluster(nth: usize) -> String {
    format!("vendor-{nth}")
}

fn integration(nth: usize, integration: &Integration) -> Value {
    let categories: Vec<&str> = integration
        .categories
        .iter()
        .map(|category| match category {
            Category::Essential => "essential",
            Category::Analytics => "analytics",
            // One category by two names.
            Category::Marketing if nth.is_multiple_of(2) => "marketing",
            Category::Marketing => "advertising",
        })
        .collect();
    let (vendor, prefix, mark, config) = match integration.vendor {
        Vendor::Flashtalking => (
            "flashtalking",
            "U",
            "U20",
            json!({"advertiser_id": 1, "spotlight_id": nth + 1, "spotlight_group_id": 3,
                   "ftrack_cookies": ["FTrack"], "cluster": cluster(nth)}),
        ),
        Vendor::Podsights => {
            ("podsights", "custom.u", "custom.mark", json!({"key": "ps_key", "cluster": cluster(nth)}))
        }
        Vendor::Webhook => {
            let purpose = if integration.is_own { "own" } else { "advertising" };
            let config =
                json!({"cluster": cluster(nth), "authority": "q.example", "path": "/", "purpose": purpose});
            return json!({
                "name": integration.name, "vendor": "webhook", "preset": "cloudevents", "config": config,
                "consent_categories": categories,
            });
        }
    };
    json!({
        "name": integration.name, "vendor": vendor, "config": config, "consent_categories": categories,
        "field_mappings": {"version": 2, "global": {"mappings": mappings(prefix, mark)}},
    })
}

/// Brings a value from every place that a client can write to into each request.
fn mappings(prefix: &str, mark: &str) -> Vec<Value> {
    let sources = [
        "properties.title",
        "context.page.url",
        "request.header.referer",
        "request.header.user-agent",
        "request.cookie._dfid",
        "request.cookie.FTrack",
        "request.query.e",
        "user_id",
        "message_id",
        "context.page.title",
        "properties.link",
    ];
    let mut mappings: Vec<Value> = (2..)
        .zip(sources)
        .map(|(nth, source)| json!({"source": source, "target": format!("{prefix}{nth}")}))
        .collect();
    mappings.push(json!({"source": "properties.products[*].name", "target": format!("{prefix}15"), "transform": "join"}));
    mappings.push(json!({"source": "properties.mark", "target": mark}));
    mappings
}
