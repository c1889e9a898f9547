//! One event through all stations: which integrations want it, whether consent allows it, what the vendor gets.

use std::ops::Range;

use fastrand::Rng;

use super::{Host, Opened, cachebuster};
use crate::accounting::{Delivery, EventIgnored, Note};
use crate::config::{Compiled, Integration};
use crate::consent::{self, EventConsent, EventIntegrations};
use crate::delivery::{DropReason, Engine, LaneId, Rank};
use crate::event::names::Dialects;
use crate::event::{Event, Malformed};
use crate::identity::{Client, Cookies};
use crate::json::Json;
use crate::mapping::Subject;
use crate::mapping::plan::{Importance, Planned};
use crate::vendors::{Content, Parcel};
use crate::visitor::{Stated, Visitor};

/// Reads one item of a request and makes its deliveries.
pub(super) fn relay(
    opened: &Opened,
    item: Range<usize>,
    config: &Compiled,
    engine: &mut Engine<Parcel>,
    cachebusters: &mut Rng,
    host: &mut impl Host,
) {
    let Ok(event) = read(opened, item, config) else {
        return host.event_ignored(EventIgnored::Malformed);
    };
    let mut wanted = wanted(&event.name, config);
    if wanted.is_empty() {
        return host.event_ignored(EventIgnored::Unmapped);
    }
    let cookies: Cookies = opened.request.header_lines("cookie").collect();
    let consent = config.consent.request(opened.request.header("sec-gpc"), |name| cookies.get(name));
    let text = |slot| event.slots.get(slot).map(Json::as_str);
    let consent = consent.event(text(config.fields.consent), text(config.fields.consent_management));
    let integrations = EventIntegrations::read(text(config.fields.integrations));
    wanted.retain(|Wanted { at, integration, .. }| {
        host.count(*at, Delivery::Matched);
        let permitted = permitted(integration, &integrations, &consent, &cookies);
        permitted.map_err(|reason| host.count(*at, Delivery::Dropped(reason))).is_ok()
    });
    if wanted.is_empty() {
        return;
    }
    let stated = Stated::by(&event, &config.fields);
    let client = Client::of_request(&opened.request.source_address, opened.request.header("user-agent"));
    let visitor = Visitor::of(&event, &stated, &cookies, &client, config);
    note_client(&visitor.client, host);
    let subject = Subject { event: &event, request: &opened.request, cookies: &cookies, visitor: &visitor };
    for Wanted { at, integration, planned } in wanted {
        let parcel = pack(integration, &planned, &subject, host);
        if integration.dry_run {
            host.dry_run(
                &integration.name,
                &integration.destination.callout(&parcel, cachebuster(cachebusters)),
            );
            host.count(at, Delivery::DryRun);
            continue;
        }
        let rank = match planned.importance {
            Importance::Ordinary => Rank::Ordinary,
            Importance::Conversion => Rank::Conversion,
        };
        // What the engine doesn't take, it has counted.
        _ = engine.offer(LaneId(at), parcel, rank, host.now(), host);
    }
}

/// An integration that sends this event.
struct Wanted<'c> {
    /// Its place in the configuration.
    at: usize,
    integration: &'c Integration,
    planned: Planned<'c>,
}

fn wanted<'c>(name: &str, config: &'c Compiled) -> Vec<Wanted<'c>> {
    let dialects = Dialects::of(name);
    let mut wanted = Vec::new();
    for (at, integration) in config.integrations.iter().enumerate() {
        if let Some(planned) = integration.plan.find(name, &dialects) {
            wanted.push(Wanted { at, integration, planned });
        }
    }
    wanted
}

fn read<'a>(opened: &'a Opened, item: Range<usize>, config: &Compiled) -> Result<Event<'a>, Malformed> {
    let json = |range: Range<usize>| opened.body.get(range).and_then(|text| Json::parse(text).ok());
    let mut slots = config.projection.empty();
    if let Some(context) = opened.context.clone().and_then(json) {
        config.projection.read_member("context", context, &mut slots);
    }
    let item = json(item).ok_or(Malformed::NotAnObject)?;
    Event::read(item, &config.projection, &config.fields, slots, opened.request.endpoint.event_type)
}

/// Whether an event may go to an integration. Decided before anything of it is mapped.
fn permitted(
    integration: &Integration,
    integrations: &EventIntegrations<'_>,
    consent: &EventConsent<'_, '_>,
    cookies: &Cookies<'_>,
) -> Result<(), DropReason> {
    if integrations.disables(integration.vendor.name(), &integration.name) {
        return Err(DropReason::DisabledByEvent);
    }
    consent.for_delivery(integration.requirement, integration.vendor.tcf_vendor())?;
    if integration.destination.opted_out(cookies) { Err(DropReason::OptedOut) } else { Ok(()) }
}

impl From<consent::Refusal> for DropReason {
    fn from(refusal: consent::Refusal) -> Self {
        match refusal {
            consent::Refusal::Gpc => DropReason::Gpc,
            consent::Refusal::ConsentDenied => DropReason::ConsentDenied,
            consent::Refusal::ConsentAbsent => DropReason::ConsentAbsent,
        }
    }
}

fn note_client(client: &Client<'_>, host: &mut impl Host) {
    if client.untrusted {
        host.note(Note::ClientUntrusted);
    }
    if client.private_ip {
        host.note(Note::PrivateClientIp);
    }
}

/// Maps the event and makes the vendor's parcel of it.
fn pack(
    integration: &Integration,
    planned: &Planned<'_>,
    subject: &Subject<'_>,
    host: &mut impl Host,
) -> Parcel {
    let mut notes = Vec::new();
    let values = planned.fields.map(subject, &mut || notes.push(Note::ValueLeftOut));
    let content =
        Content { event: &planned.vendor_event, values, visitor: subject.visitor, cookies: subject.cookies };
    let parcel = integration.destination.parcel(content, &mut notes);
    for note in notes {
        host.note(note);
    }
    parcel
}
