//! Webhook: a POST or PUT of JSON to any HTTP receiver, such as a queue, a warehouse or a vendor that has no file here.

mod clean;
mod cloud_event;
mod settings;

use std::borrow::Cow;

use super::body::{Body, is_body_path};
use super::vendor::{Attempt, Callout, Content, Destination, Parcel, Purpose, Vendor};
use crate::delivery::Redirects;
use crate::event::cloud_events;
use crate::left_out::Omissions;
use crate::mapping::targets::Targets;
use crate::mapping::transform::Transform;
use crate::settings::{Invalid, Settings};
use settings::{Endpoint, MAX_BODY_BYTES};

pub struct Webhook;

/// The preset whose deliveries are CloudEvents, each with a whole event in it.
const CLOUD_EVENTS: &str = "cloudevents";

impl Vendor for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    /// Those of `json` are the mappings of the integration alone.
    fn presets(&self) -> &'static [(&'static str, &'static str)] {
        &[
            ("json", include_str!("presets/webhook-json.json")),
            (CLOUD_EVENTS, include_str!("presets/webhook-cloudevents.json")),
        ]
    }

    /// A redirect would lead to a host that is not configured to receive visitors' data.
    fn redirects(&self) -> Redirects {
        Redirects::Rejected
    }

    fn tcf_vendor(&self) -> Option<u16> {
        None
    }

    fn targets(&self) -> &'static dyn Targets {
        &BodyPaths
    }

    /// What a mapping puts where is the configuration's own business, so nothing is known not to be personal.
    fn is_personal(&self, _: &str) -> bool {
        true
    }

    fn sends_whole_events(&self, preset: Option<&str>) -> bool {
        preset == Some(CLOUD_EVENTS)
    }

    #[cfg(feature = "schema")]
    fn settings_schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<Endpoint>()
    }

    fn connect(&self, settings: Settings<'_>) -> Result<Box<dyn Destination>, Invalid> {
        let endpoint: Endpoint = settings.read()?;
        for secret in endpoint.path.secrets() {
            settings.note_secret("path", secret);
        }
        let shown_path = settings.mask(endpoint.path.as_str());
        Ok(Box::new(Receiver { endpoint, shown_path }))
    }
}

struct BodyPaths;

impl Targets for BodyPaths {
    fn reserved(&self) -> &'static [&'static str] {
        &[]
    }

    fn check(&self, target: &str) -> Result<(), String> {
        let is_name = |name: &str| {
            let name = name.strip_suffix("[0]").unwrap_or(name);
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-$".contains(&byte))
        };
        if is_body_path(target, &is_name) {
            return Ok(());
        }
        Err(format!(
            "expected a dotted path of the body like order_id, user.id or data[0].value, where [0] makes a list of one item, \
             got {target:?}"
        ))
    }

    fn order(&self, _: &str) -> usize {
        0
    }

    fn kind(&self, _: &str) -> Option<Transform> {
        None
    }

    fn may_be_quoted(&self, _: &str) -> bool {
        false
    }

    fn takes_contact_data(&self) -> bool {
        true
    }

    fn takes_objects(&self) -> bool {
        true
    }

    /// A body names the event where a mapping says so.
    fn names_events(&self) -> bool {
        false
    }
}

/// A receiver, and how its path is shown.
#[derive(Debug)]
struct Receiver {
    endpoint: Endpoint,
    /// The path with its secrets as `***`.
    shown_path: String,
}

const JSON: &str = "application/json";

impl Destination for Receiver {
    fn cluster(&self) -> &str {
        &self.endpoint.cluster
    }

    fn authority(&self) -> &str {
        self.endpoint.authority.as_str()
    }

    fn purpose(&self) -> Purpose {
        self.endpoint.purpose
    }

    fn reads_cookie(&self, _: &str) -> bool {
        false
    }

    fn parcel(&self, content: Content<'_>, left_out: &mut Omissions<'_>) -> Parcel {
        if let Some(whole) = &content.whole {
            let policy = content.visitor.client.ip_policy;
            let body = cloud_event::written(whole, policy, left_out);
            return Parcel {
                content: body.into(),
                content_type: cloud_events::MEDIA_TYPE.into(),
                ..Parcel::default()
            };
        }
        let mut body = Body::new(MAX_BODY_BYTES, BRACES, left_out);
        for (target, value) in &content.values {
            body.member(target, |body, target| body.value(target, value, 0));
        }
        Parcel { content: body.into_object().into(), content_type: JSON.into(), ..Parcel::default() }
    }

    fn callout<'a>(&'a self, parcel: &'a Parcel, attempt: &Attempt) -> Callout<'a> {
        let Endpoint { method, path, headers, .. } = &self.endpoint;
        let configured = headers.iter().map(|(name, value)| (name, attempt.reveal(value)));
        let content_type =
            Some(("content-type", &*parcel.content_type)).filter(|_| !headers.has("content-type"));
        Callout {
            method: method.name(),
            path: Cow::Borrowed(attempt.reveal_in(path.as_str(), &self.shown_path)),
            headers: content_type.into_iter().chain(configured).collect(),
            body: Some(parcel.content.to_string()),
        }
    }
}

/// `{` and `}`.
const BRACES: usize = 2;

#[cfg(test)]
mod tests;
