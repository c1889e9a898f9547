use std::borrow::Cow;

use conversion_relay::accounting::Note;
use conversion_relay::config::load::Invalid;
use conversion_relay::config::{Place, Read, Settings};
use conversion_relay::delivery::Redirects;
use conversion_relay::mapping::targets::Targets;
use conversion_relay::mapping::transform::Transform;
use conversion_relay::privacy::{Scrubbed, scrub};
use conversion_relay::vendors::{Callout, Content, Destination, Parcel, Vendor};

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

    fn secret_settings(&self) -> &'static [&'static str] {
        &["token"]
    }

    fn connect(&self, settings: Settings) -> Result<Box<dyn Destination>, Invalid> {
        settings.read::<Account>().map(|account| Box::new(account) as Box<dyn Destination>)
    }
}

/// What may stand as the target of a mapping: Acme's parameters.
struct Parameters;

impl Targets for Parameters {
    fn check(&self, target: &str) -> Result<(), String> {
        match target {
            "order" | "value" | "currency" => Ok(()),
            "token" | "nonce" => Err(format!("{target:?} is set by the relay itself")),
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

    /// Acme's terms forbid email addresses and phone numbers, hashed too.
    fn takes_contact_data(&self) -> bool {
        false
    }

    fn takes_objects(&self) -> bool {
        false
    }
}

/// An integration's `config`.
pub struct Account {
    pub token: String,
    pub cluster: String,
    pub authority: String,
}

impl Read for Account {
    fn read(place: Place<'_>) -> Self {
        place.object(|object| Self {
            token: object.required("token"),
            cluster: object.or("cluster", "acme".to_owned()),
            authority: object.or("authority", "in.acme.example".to_owned()),
        })
    }
}

impl Destination for Account {
    fn cluster(&self) -> &str {
        &self.cluster
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    /// When the event arrives: all that does not depend on the configuration at the time of sending.
    fn parcel(&self, content: Content<'_>, notes: &mut Vec<Note>) -> Parcel {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (target, value) in &content.values {
            let Some(text) = value.scalar() else { continue };
            // No email address leaves, wherever the site has put one.
            let text = match scrub(&text) {
                Scrubbed::Clean => text,
                Scrubbed::Cut(rest) => Cow::Owned(rest),
                Scrubbed::Dropped => {
                    notes.push(Note::ValueLeftOut);
                    continue;
                }
            };
            query.append_pair(target, &text);
        }
        Parcel {
            content: query.finish().into(),
            forwarded_for: content.visitor.client.ip.map(|ip| ip.to_string().into()),
            user_agent: content.visitor.client.user_agent.map(Into::into),
            ..Parcel::default()
        }
    }

    /// When it is sent, and again for each retry: with the token of the newest configuration.
    fn callout<'a>(&'a self, parcel: &'a Parcel, random: u64) -> Callout<'a> {
        let path = format!("/c?token={}&nonce={random}&{}", self.token, parcel.content);
        let mut headers = Vec::new();
        headers.extend(parcel.forwarded_for.as_deref().map(|ip| ("x-forwarded-for", ip)));
        headers.extend(parcel.user_agent.as_deref().map(|agent| ("user-agent", agent)));
        Callout { method: "GET", path: path.into(), headers, body: None }
    }
}
