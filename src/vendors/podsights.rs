//! Podsights: a POST of JSON, authenticated only by the pixel key in the body.

use std::borrow::Cow;

use serde::Deserialize;
use serde_inline_default::serde_inline_default;

use super::body::{Body, is_body_path};
use super::vendor::{Attempt, Callout, Content, Destination, Parcel, Shown, Vendor};
use crate::delivery::Redirects;
use crate::identity::{Client, address};
use crate::json;
use crate::left_out::{Omissions, Reason};
use crate::mapping::targets::Targets;
use crate::mapping::transform::Transform;
use crate::settings::{Invalid, Secret, Settings};

pub struct Podsights;

impl Vendor for Podsights {
    fn name(&self) -> &'static str {
        "podsights"
    }

    /// What Podsights became when Spotify bought it: RudderStack's destination, and the product.
    fn other_names(&self) -> &'static [&'static str] {
        &["Spotify Pixel", "Spotify Ad Analytics"]
    }

    fn presets(&self) -> &'static [(&'static str, &'static str)] {
        &[("retail", include_str!("presets/podsights-retail.json"))]
    }

    /// Its collector answers 2xx or an error; a redirect would lead to a host that is not configured to receive visitors' data.
    fn redirects(&self) -> Redirects {
        Redirects::Rejected
    }

    fn tcf_vendor(&self) -> Option<u16> {
        None
    }

    fn targets(&self) -> &'static dyn Targets {
        &BodyPaths
    }

    fn order_target(&self, vendor_event: &str) -> Option<&'static str> {
        matches!(vendor_event, "purchase" | "lead" | "signup").then_some("order_id")
    }

    fn is_personal(&self, member: &str) -> bool {
        matches!(member, "id" | "em" | "ip" | "user_agent")
    }

    fn shown(&self, name: &str) -> Shown {
        match name {
            "event" => Shown::Plain,
            "ip" => Shown::Ip,
            "user_agent" => Shown::UserAgent,
            "url" => Shown::Url,
            _ if BodyPaths.may_be_quoted(name) => Shown::Plain,
            _ => Shown::Masked,
        }
    }

    #[cfg(feature = "schema")]
    fn settings_schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<Pixel>()
    }

    fn connect(&self, settings: Settings<'_>) -> Result<Box<dyn Destination>, Invalid> {
        settings.read::<Pixel>().map(|pixel| Box::new(pixel) as Box<dyn Destination>)
    }
}

struct BodyPaths;

impl Targets for BodyPaths {
    /// The members that the filter puts into every body, and names that only make sense for Flashtalking.
    fn reserved(&self) -> &'static [&'static str] {
        &["key", "event", "ip", "user_agent", "cachebuster"]
    }

    fn check(&self, target: &str) -> Result<(), String> {
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        };
        if !is_body_path(target, &is_name) {
            return Err(format!(
                "expected a dotted path of the body like order_id or custom.plan, got {target:?}"
            ));
        }
        if target.starts_with("em.") {
            return Err(format!(
                "\"em\" is the SHA-256 of an email address and has no members, got {target:?}"
            ));
        }
        Ok(())
    }

    fn order(&self, _: &str) -> usize {
        0
    }

    fn kind(&self, target: &str) -> Option<Transform> {
        match target {
            "value" | "quantity" => Some(Transform::Number),
            "currency" => Some(Transform::Currency),
            "em" => Some(Transform::EmailHash),
            // Some shops and clients send numbers; an id is a text.
            "id" | "order_id" => Some(Transform::String),
            _ => None,
        }
    }

    fn may_be_quoted(&self, target: &str) -> bool {
        matches!(
            target,
            "order_id" | "value" | "currency" | "quantity" | "line_items.value" | "line_items.quantity"
        )
    }

    fn takes_contact_data(&self) -> bool {
        true
    }

    fn takes_objects(&self) -> bool {
        true
    }

    fn names_events(&self) -> bool {
        true
    }
}

/// An integration's `config`: one pixel.
#[serde_inline_default]
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Podsights", title = "Podsights"))]
#[cfg_attr(feature = "schema", schemars(extend(
    "x-summary" = "Credits podcast ad impressions with purchases, leads and signups (Spotify Ad Analytics)",
    "x-category" = "advertising",
    "x-website" = "https://www.podsights.com",
)))]
#[serde(deny_unknown_fields)]
struct Pixel {
    /// The pixel key. A secret: write `${PODSIGHTS_KEY}` and set that variable in Envoy's environment.
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Secret", title = "Pixel key", example = &"${PODSIGHTS_KEY}")
    )]
    key: PixelKey,
    /// The Envoy cluster that callouts go to.
    #[cfg_attr(feature = "schema", schemars(title = "Envoy cluster", extend("x-advanced" = true)))]
    #[serde_inline_default("podsights".to_owned())]
    cluster: String,
    /// The Host header of callouts.
    #[cfg_attr(feature = "schema", schemars(title = "Host", extend("x-advanced" = true)))]
    #[serde_inline_default("collector.podsights.com".to_owned())]
    authority: String,
}

/// A pixel key: 1 to 256 bytes without control characters.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Secret")]
struct PixelKey(Secret);

impl TryFrom<Secret> for PixelKey {
    type Error = String;

    fn try_from(key: Secret) -> Result<Self, String> {
        let trimmed = key.expose().trim();
        if key.expose().len() > MAX_KEY_BYTES {
            return Err(format!("expected a pixel key of at most {MAX_KEY_BYTES} bytes"));
        }
        if trimmed.is_empty() {
            return Err("expected a pixel key, got an empty string".to_owned());
        }
        if trimmed.chars().any(char::is_control) {
            return Err("expected a pixel key, got control characters".to_owned());
        }
        Ok(Self(Secret::new(trimmed)))
    }
}

/// The largest body in bytes, and the part of it that is reserved for the key with its escapes and for the brackets.
const MAX_BODY_BYTES: usize = 65_536;
const RESERVED: usize = 1_024;
/// The longest pixel key, in bytes. Real ones have 32.
const MAX_KEY_BYTES: usize = 256;

impl Destination for Pixel {
    fn cluster(&self) -> &str {
        &self.cluster
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn reads_cookie(&self, _: &str) -> bool {
        false
    }

    fn parcel(&self, content: Content<'_>, left_out: &mut Omissions<'_>) -> Parcel {
        let visitor = content.visitor;
        let mapped =
            |target: &str| content.values.iter().find(|(known, _)| *known == target).map(|(_, value)| value);
        let mut body = Body::new(MAX_BODY_BYTES, RESERVED, left_out);
        // The configuration's own word, or a name in snake_case: no email address in it.
        body.plain("event", content.event);
        match mapped("id") {
            Some(id) => body.member("id", |body, target| body.value(target, id, 0)),
            None => {
                body.text("id", visitor.anonymous_id.as_deref());
                body.tell_unusable("id", visitor.unusable_id, visitor.anonymous_id.is_some());
            }
        }
        // Whatever a mapping puts at `em`, nothing but a hash leaves there.
        let email = match mapped("em") {
            Some(value) => value.scalar().and_then(|text| crate::identity::email::hash(&text)),
            None => {
                let email = visitor.email();
                let unread =
                    (email.is_none() && visitor.has_email_cookie()).then_some(Reason::UnreadableCookie);
                body.tell_unusable("em", visitor.unusable_email.or(unread), email.is_some());
                email
            }
        };
        if let Some(email) = &email {
            body.plain("em", email.as_str());
        }
        let Client { ip, user_agent, unusable_ip, unusable_user_agent, .. } = visitor.client;
        body.tell_unusable("ip", unusable_ip, ip.is_some());
        if let Some(ip) = ip {
            body.plain("ip", &address::written(ip));
        }
        body.tell_unusable("user_agent", unusable_user_agent, user_agent.is_some());
        body.text("user_agent", user_agent);
        for (target, value) in content.values.iter().filter(|(target, _)| !matches!(*target, "id" | "em")) {
            body.member(target, |body, target| body.value(target, value, 0));
        }
        Parcel { content: body.into_rest().into(), ..Parcel::default() }
    }

    fn callout<'a>(&'a self, parcel: &'a Parcel, attempt: &Attempt) -> Callout<'a> {
        let key = attempt.reveal(&self.key.0);
        let room = key.len().saturating_add(parcel.content.len()).saturating_add(16);
        let mut body = String::with_capacity(room);
        body.push_str("{\"key\":");
        json::write_string(&mut body, key);
        body.push_str(&parcel.content);
        Callout {
            method: "POST",
            path: Cow::Borrowed("/v1/server"),
            headers: vec![("content-type", "application/json")],
            body: Some(body),
        }
    }
}

#[cfg(test)]
mod tests;
