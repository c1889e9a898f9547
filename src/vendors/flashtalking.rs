//! Flashtalking: a GET of the Spotlight container tag.
//!
//! `GET /container/{advertiser_id};{spotlight_id};{spotlight_group_id};num/?cachebuster={digits}&...`. The ids in the path
//! are the credential; the visitor is matched by the FTrack cookie, the IP address and the User-Agent.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};
use serde_inline_default::serde_inline_default;

use super::vendor::{
    Attempt, Callout, Content, Destination, Parcel, Shown, Vendor, forwardable, presentable, tell_unusable,
};
use crate::delivery::Redirects;
use crate::identity::{Client, Cookies, address};
use crate::json;
use crate::left_out::{LeftOut, Omissions, Reason, Target};
use crate::mapping::suggest;
use crate::mapping::targets::Targets;
use crate::mapping::transform::Transform;
use crate::settings::{Invalid, Settings};

pub struct Flashtalking;

impl Vendor for Flashtalking {
    fn name(&self) -> &'static str {
        "flashtalking"
    }

    /// As Tealium calls its tag.
    fn other_names(&self) -> &'static [&'static str] {
        &["Flashtalking OneTag"]
    }

    fn presets(&self) -> &'static [(&'static str, &'static str)] {
        &[("default", include_str!("presets/flashtalking-default.json"))]
    }

    fn redirects(&self) -> Redirects {
        Redirects::Delivered
    }

    fn tcf_vendor(&self) -> Option<u16> {
        Some(78)
    }

    fn targets(&self) -> &'static dyn Targets {
        &Parameters
    }

    /// Not for every event: on a page of a product `ftXRef` may be the product, which many visitors see.
    fn order_target(&self, vendor_event: &str) -> Option<&'static str> {
        CONVERSIONS.contains(&vendor_event).then_some("ftXRef")
    }

    fn shown(&self, name: &str) -> Shown {
        if name == "cachebuster" || Parameters.may_be_quoted(name) { Shown::Plain } else { Shown::Masked }
    }

    #[cfg(feature = "schema")]
    fn settings_schema(&self, generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        generator.subschema_for::<Spotlight>()
    }

    fn connect(&self, settings: Settings<'_>) -> Result<Box<dyn Destination>, Invalid> {
        settings.read::<Spotlight>().map(|spotlight| Box::new(spotlight) as Box<dyn Destination>)
    }
}

/// The characters that encodeURIComponent leaves unchanged.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The longest path, in bytes.
const MAX_PATH_BYTES: usize = 8192;
/// The part of it that is reserved for what is added when a delivery is sent: three ids and the cachebuster.
const RESERVED: usize = 128;

/// The Spotlight tag's parameters, in the order in which they are sent. U1 to U20 follow, then all others.
const ORDER: [&str; 6] = ["ftXRef", "ftXValue", "ftXCurrency", "ftXType", "ftXNumItems", "ftXName"];

/// The events whose `ftXRef` is an order: purchases, leads and signups. A Spotlight has no names of its own for them, so they
/// have those of the mapping documents, in snake_case.
const CONVERSIONS: [&str; 7] = [
    "order_completed",
    "purchase",
    "lead_generated",
    "lead_submitted",
    "generate_lead",
    "signed_up",
    "sign_up",
];

/// The longest name of a parameter, in bytes.
const MAX_PARAMETER_BYTES: usize = 64;

struct Parameters;

impl Targets for Parameters {
    /// The ids are in the path and the cachebuster comes before all parameters; the others are sent in headers, or belong to
    /// other vendors.
    fn reserved(&self) -> &'static [&'static str] {
        &[
            "cachebuster",
            "advertiser_id",
            "spotlight_id",
            "spotlight_group_id",
            "ip",
            "user_agent",
            "key",
            "event",
        ]
    }

    fn check(&self, target: &str) -> Result<(), String> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if target.is_empty() || target.len() > MAX_PARAMETER_BYTES || !target.bytes().all(legal) {
            return Err(format!("expected a Spotlight parameter like ftXRef or U1, got {target:?}"));
        }
        if known(target).is_some() || target == "spotName" {
            return Ok(());
        }
        // Parameters of which we know nothing pass, but not what can only be meant for one that we know.
        let digits =
            target.strip_prefix(['U', 'u']).filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
        if digits.is_some() {
            return Err(format!("custom variables are U1 to U20, got {target:?}"));
        }
        match suggest::nearest(target, &ORDER).filter(|near| near.eq_ignore_ascii_case(target)) {
            Some(near) => Err(format!("unknown parameter {target:?}, did you mean {near:?}?")),
            None => Ok(()),
        }
    }

    fn order(&self, target: &str) -> usize {
        known(target).unwrap_or(usize::MAX)
    }

    fn kind(&self, target: &str) -> Option<Transform> {
        match target {
            "ftXValue" | "ftXNumItems" => Some(Transform::Number),
            "ftXCurrency" => Some(Transform::Currency),
            _ => None,
        }
    }

    fn may_be_quoted(&self, target: &str) -> bool {
        matches!(target, "ftXRef" | "ftXValue" | "ftXCurrency" | "ftXNumItems")
    }

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

/// The position of a known parameter among all of them.
fn known(target: &str) -> Option<usize> {
    let variable = || {
        let number = target.strip_prefix('U').filter(|digits| !digits.starts_with(['0', '+']))?;
        number.parse::<usize>().ok().filter(|number| (1..=20).contains(number))
    };
    let named = ORDER.iter().position(|known| *known == target);
    named.or_else(|| variable().map(|number| number.saturating_add(ORDER.len())))
}

/// An integration's `config`: one Spotlight tag.
#[serde_inline_default]
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Flashtalking", title = "Flashtalking"))]
#[cfg_attr(feature = "schema", schemars(extend(
    "x-summary" = "Fires a Spotlight conversion tag from the gateway instead of the browser (Mediaocean, Innovid)",
    "x-category" = "advertising",
    "x-website" = "https://www.flashtalking.com",
)))]
#[serde(deny_unknown_fields)]
struct Spotlight {
    /// The first of the three numbers in the Spotlight tag's path.
    #[cfg_attr(feature = "schema", schemars(title = "Advertiser ID", example = 1_234_567))]
    advertiser_id: Id,
    /// The second of the three numbers.
    #[cfg_attr(feature = "schema", schemars(title = "Spotlight ID", example = 987_654))]
    spotlight_id: Id,
    /// The third of the three numbers.
    #[cfg_attr(feature = "schema", schemars(title = "Spotlight group ID", example = 5))]
    spotlight_group_id: Id,
    /// Names of Flashtalking's first-party cookie; the first cookie that can be forwarded is.
    #[cfg_attr(feature = "schema", schemars(title = "FTrack cookies"))]
    #[serde_inline_default(vec!["FTrack".to_owned()])]
    ftrack_cookies: Vec<String>,
    /// The Envoy cluster that callouts go to.
    #[cfg_attr(feature = "schema", schemars(title = "Envoy cluster", extend("x-advanced" = true)))]
    #[serde_inline_default("flashtalking".to_owned())]
    cluster: String,
    /// The Host header of callouts.
    #[cfg_attr(feature = "schema", schemars(title = "Host", extend("x-advanced" = true)))]
    #[serde_inline_default("servedby.flashtalking.com".to_owned())]
    authority: String,
}

/// A number, or a string of digits.
#[derive(Debug, PartialEq, Eq)]
struct Id(u64);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;

        fn refused<T, E: Error>(got: impl fmt::Display) -> Result<T, E> {
            Err(E::custom(format_args!("expected a number like 987654, got {got}")))
        }

        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number like 987654")
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<Id, E> {
                Ok(Id(id))
            }

            fn visit_i64<E: Error>(self, id: i64) -> Result<Id, E> {
                refused(id)
            }

            fn visit_f64<E: Error>(self, id: f64) -> Result<Id, E> {
                // 5.0 is 5, as JSON Schema has it.
                let whole = id.fract() == 0.0 && (0.0..=1e15).contains(&id);
                if whole { Ok(Id(id as u64)) } else { refused(id) }
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                match text.parse() {
                    Ok(id) if digits => Ok(Id(id)),
                    _ => refused(json::written(text)),
                }
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Id {
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let variable = crate::settings::schema::VARIABLE;
        schemars::json_schema!({"anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": format!("^([0-9]+|{variable})$")},
        ]})
    }
}

/// Flashtalking's own cookie, which holds a visitor's opt-out.
const OPT_OUT_COOKIE: &str = "flashtalkingad1";

impl Spotlight {
    /// The configured cookies that are present, with their names.
    fn ftrack_cookies<'s, 'r>(&'s self, cookies: &Cookies<'r>) -> impl Iterator<Item = (&'s str, &'r [u8])> {
        let present = |name| cookies.get(name).filter(|value| !value.is_empty());
        self.ftrack_cookies.iter().filter_map(move |name| Some((name.as_str(), present(name.as_str())?)))
    }

    /// The cookie line with the first of these cookies that may be forwarded.
    fn cookie_line(&self, cookies: &Cookies<'_>, left_out: &mut Omissions<'_>) -> Option<Box<str>> {
        self.ftrack_cookies(cookies).find_map(|(name, value)| {
            let value = std::str::from_utf8(value);
            let unusable = value.err().map(|_| Reason::NotText);
            tell_unusable(Target::Cookie(name), unusable, false, left_out);
            let value = forwardable(Target::Cookie(name), value.ok(), left_out)?;
            Some(format!("{name}={value}").into())
        })
    }
}

impl Destination for Spotlight {
    fn cluster(&self) -> &str {
        &self.cluster
    }

    fn authority(&self) -> &str {
        &self.authority
    }

    fn counts_as(&self) -> Option<String> {
        Some(format!("{};{};{}", self.advertiser_id.0, self.spotlight_id.0, self.spotlight_group_id.0))
    }

    /// `optout=1` in Flashtalking's own cookie, or in a first-party one.
    fn opted_out(&self, cookies: &Cookies<'_>) -> bool {
        let says_so = |value: &[u8]| value.windows(8).any(|part| part == b"optout=1");
        let names = self.ftrack_cookies.iter().map(String::as_str).chain([OPT_OUT_COOKIE]);
        names
            .flat_map(|name| cookies.all(name))
            .any(|value| says_so(&Cow::<[u8]>::from(percent_decode(value))))
    }

    fn reads_cookie(&self, name: &str) -> bool {
        name == OPT_OUT_COOKIE || self.ftrack_cookies.iter().any(|known| known == name)
    }

    fn parcel(&self, content: Content<'_>, left_out: &mut Omissions<'_>) -> Parcel {
        let mut query = String::with_capacity(256);
        for (name, value) in &content.values {
            let target = Target::Named(name);
            let Some(text) = value.scalar() else {
                left_out(LeftOut::new(target, Reason::NotSingle));
                continue;
            };
            let Some(text) = presentable(target, &text, left_out) else { continue };
            let length = query.len();
            // Encoding makes nothing shorter, so what is too long already is not even tried.
            let fits = text.len() <= MAX_PATH_BYTES;
            if fits {
                query.extend(["&", name, "="]);
                query.extend(utf8_percent_encode(&text, COMPONENT));
            }
            if !fits || query.len() > MAX_PATH_BYTES - RESERVED {
                query.truncate(length);
                left_out(LeftOut::new(target, Reason::PathFull(MAX_PATH_BYTES as u32)));
            }
        }
        let Client { ip, user_agent, unusable_ip, unusable_user_agent, .. } = content.visitor.client;
        let (ip_header, agent_header) = (Target::Header("X-Forwarded-For"), Target::Header("User-Agent"));
        tell_unusable(ip_header, unusable_ip, ip.is_some(), left_out);
        tell_unusable(agent_header, unusable_user_agent, user_agent.is_some(), left_out);
        Parcel {
            content: query.into(),
            forwarded_for: ip.map(|ip| address::written(ip).into()),
            user_agent: forwardable(agent_header, user_agent, left_out),
            cookie: self.cookie_line(content.cookies, left_out),
            ..Parcel::default()
        }
    }

    fn callout<'a>(&'a self, parcel: &'a Parcel, attempt: &Attempt) -> Callout<'a> {
        let Self { advertiser_id, spotlight_id, spotlight_group_id, .. } = self;
        let mut path = String::with_capacity(RESERVED.saturating_add(parcel.content.len()));
        path.push_str("/container/");
        for id in [advertiser_id, spotlight_id, spotlight_group_id] {
            path.push_str(itoa::Buffer::new().format(id.0));
            path.push(';');
        }
        path.push_str("num/?cachebuster=");
        path.push_str(itoa::Buffer::new().format(attempt.random));
        path.push_str(&parcel.content);
        let headers = [
            ("x-forwarded-for", &parcel.forwarded_for),
            ("user-agent", &parcel.user_agent),
            ("cookie", &parcel.cookie),
        ];
        let headers =
            headers.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect();
        Callout { method: "GET", path: Cow::Owned(path), headers, body: None }
    }
}

#[cfg(test)]
mod tests;
