//! An event that leaves the gateway whole, and what goes along with it.

use std::borrow::Cow;

use super::asked::Asked;
use super::host::Host;
use super::origin::{Origin, text_of};
use super::reading::Reading;
use crate::config::{Compiled, Integration};
use crate::identity::Cookies;
use crate::mapping::Subject;
use crate::mapping::path::RequestPart;
use crate::request::Request;
use crate::vendors::{Unsealed, Whole};

/// The whole event, for an integration that sends it, with what goes along. `random` is for an event without a messageId.
#[cold] // most configurations have none
pub fn whole<'a>(
    subject: &Subject<'a>,
    origin: Option<Unsealed<'a>>,
    reading: &'a Reading<'_>,
    plugin: &'a str,
    random: u128,
) -> Whole<'a> {
    Whole {
        event: reading.whole(subject.event),
        message_id: subject.event.text_or_number(reading.config.fields.message_id),
        plugin,
        random,
        origin,
    }
}

/// What goes along with a whole event; `None` if no secrets are configured to seal it.
#[cold]
pub fn origin<'c>(
    subject: &Subject<'_>,
    integration: &Integration,
    asked: Asked<'_>,
    reading: &Reading<'c>,
    host: &mut impl Host,
) -> Option<Unsealed<'c>> {
    let carried = &reading.config.carried;
    carried.keys.as_ref()?;
    let source = reading.config.source_id(asked.source);
    let origin = origin_of(subject, integration, source, reading);
    origin.unsealed(carried, |bytes| host.fill_random(bytes))
}

/// Returns what goes along with an event that `integration` passes on.
fn origin_of(
    subject: &Subject<'_>,
    integration: &Integration,
    source: &str,
    reading: &Reading<'_>,
) -> Origin {
    let Subject { request, visitor, .. } = *subject;
    let before = reading.opened.origin();
    Origin {
        received_at: reading.opened.received_at,
        source: reading.config.sources.is_some().then(|| source.to_owned()),
        signed: reading.is_signed(),
        ip: reading.client().ip,
        headers: headers(request, reading.cookies(), reading.config),
        query: query(request, reading.config),
        anonymous_id: visitor.anonymous_id.as_deref().map(str::to_owned),
        email: visitor.identified_email().map(|email| email.as_str().to_owned()),
        left_by: before
            .into_iter()
            .flat_map(|origin| origin.left_by.clone())
            .chain([integration.identity.clone()])
            .collect(),
    }
}

fn headers(request: &Request, cookies: &Cookies<'_>, config: &Compiled) -> Vec<(String, String)> {
    let kept = request.headers.iter().filter(|(name, _)| config.carries(RequestPart::Header(name)));
    let mut headers: Vec<_> = kept.map(|(name, value)| (name.clone(), text_of(value))).collect();
    let reads =
        |name: &[u8]| std::str::from_utf8(name).is_ok_and(|name| config.carries(RequestPart::Cookie(name)));
    let kept = cookies.iter().filter(|(name, _)| reads(name));
    let pairs: Vec<String> =
        kept.map(|(name, value)| format!("{}={}", text_of(name), text_of(value))).collect();
    if !pairs.is_empty() {
        headers.push(("cookie".to_owned(), pairs.join("; ")));
    }
    headers
}

fn query(request: &Request, config: &Compiled) -> Vec<(String, String)> {
    let owned = |(name, value): (Cow<'_, str>, Cow<'_, str>)| (name.into_owned(), value.into_owned());
    request.query_pairs().filter(|(name, _)| config.carries(RequestPart::Query(name))).map(owned).collect()
}
