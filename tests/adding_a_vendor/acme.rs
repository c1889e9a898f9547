use conversion_relay::delivery::Redirects;
use conversion_relay::left_out::{LeftOut, Omissions, Reason, Target};
use conversion_relay::mapping::targets::Targets;
use conversion_relay::mapping::transform::Transform;
use conversion_relay::settings::{Invalid, Secret, Settings};
use conversion_relay::vendors::{
    Attempt, Callout, Content, Destination, Parcel, Vendor, forwardable, presentable,
};
use serde::Deserialize;
use serde_inline_default::serde_inline_default;

/// Acme Ads: a GET with the order in its query.
pub struct Acme;

impl Vendor for Acme {
    fn name(&self) -> &'static str {
        "acme"
    }

    fn presets(&self) -> &'static [(&'static str, &'static str)] {
        &[("default", include_str!("acme-default.json"))]
    }

    /// Acme answers a conversion with a redirect to its pixel.
    fn redirects(&self) -> Redirects {
        Redirects::Delivered
    }

    fn tcf_vendor(&self) -> Option<u16> {
        None
    }

    fn targets(&self) -> &'static dyn Targets {
        &Parameters
    }

    #[cfg(feature = "schema")]
    fn settings_schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<Account>()
    }

    fn connect(&self, settings: Settings<'_>) -> Result<Box<dyn Destination>, Invalid> {
        settings.read::<Account>().map(|account| Box::new(account) as Box<dyn Destination>)
    }
}

/// What may stand as the target of a mapping: Acme's parameters.
struct Parameters;

impl Targets for Parameters {
    /// What every request has: no mapping may set it.
    fn reserved(&self) -> &'static [&'static str] {
        &["token", "nonce"]
    }

    fn check(&self, target: &str) -> Result<(), String> {
        match target {
            "order" | "value" | "currency" => Ok(()),
            _ => Err(format!("Acme has no parameter {target:?}: expected order, value or currency")),
        }
    }

    /// Acme takes them in any order: the document's.
    fn order(&self, _: &str) -> usize {
        0
    }

    /// Whatever a mapping says, a value is a number and a currency a currency.
    fn kind(&self, target: &str) -> Option<Transform> {
        match target {
            "value" => Some(Transform::Number),
            "currency" => Some(Transform::Currency),
            _ => None,
        }
    }

    /// What a preview may quote: never free text, nor anything that can be about a person.
    fn may_be_quoted(&self, target: &str) -> bool {
        matches!(target, "order" | "value" | "currency")
    }

    /// Acme's terms forbid email addresses and phone numbers, hashed too.
    fn takes_contact_data(&self) -> bool {
        false
    }

    fn takes_objects(&self) -> bool {
        false
    }

    fn names_events(&self) -> bool {
        false
    }
}

/// An integration's `config`. A key is a field: its documentation, its default and its type are all that there is to write.
#[serde_inline_default]
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Acme", title = "Acme Ads"))]
#[cfg_attr(feature = "schema", schemars(extend("x-summary" = "Counts conversions of Acme's ads", "x-category" = "advertising")))]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// The token of the account. A secret: write `${ACME_TOKEN}`.
    #[cfg_attr(feature = "schema", schemars(title = "Token", example = &"${ACME_TOKEN}"))]
    pub token: Secret,
    /// The Envoy cluster that callouts go to.
    #[cfg_attr(feature = "schema", schemars(title = "Envoy cluster", extend("x-advanced" = true)))]
    #[serde_inline_default("acme".to_owned())]
    pub cluster: String,
    /// The host that they ask for.
    #[cfg_attr(feature = "schema", schemars(title = "Host", extend("x-advanced" = true)))]
    #[serde_inline_default("in.acme.example".to_owned())]
    pub authority: String,
}

impl Destination for Account {
    fn cluster(&self) -> &str {
        &self.cluster
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    /// When the event arrives: all that does not depend on the configuration at the time of sending.
    fn parcel(&self, content: Content<'_>, left_out: &mut Omissions<'_>) -> Parcel {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &content.values {
            let target = Target::Named(name);
            let Some(text) = value.scalar() else {
                left_out(LeftOut::new(target, Reason::NotSingle));
                continue;
            };
            // Without an email address, wherever the site has put one.
            if let Some(text) = presentable(target, &text, left_out) {
                query.append_pair(name, &text);
            }
        }
        Parcel {
            content: query.finish().into(),
            forwarded_for: content.visitor.client.ip.map(|ip| ip.to_string().into()),
            user_agent: forwardable(
                Target::Header("User-Agent"),
                content.visitor.client.user_agent,
                left_out,
            ),
            ..Parcel::default()
        }
    }

    /// When it is sent, and again for each retry: with the token of the newest configuration.
    fn callout<'a>(&'a self, parcel: &'a Parcel, attempt: &Attempt) -> Callout<'a> {
        let token = attempt.reveal(&self.token);
        let path = format!("/c?token={token}&nonce={}&{}", attempt.random, parcel.content);
        let mut headers = Vec::new();
        headers.extend(parcel.forwarded_for.as_deref().map(|ip| ("x-forwarded-for", ip)));
        headers.extend(parcel.user_agent.as_deref().map(|agent| ("user-agent", agent)));
        Callout { method: "GET", path: path.into(), headers, body: None }
    }
}
