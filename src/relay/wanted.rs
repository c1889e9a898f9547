//! Which integrations want an event, and which of them may have it.

use super::asked::Asked;
use super::bots::{self, Judged};
use super::host::Host;
use super::line::Line;
use super::parsed_request::{Provenance, Sender};
use super::reading::Reading;
use super::story::Story;
use crate::accounting::{DropReason, Outcome};
use crate::config::Integration;
use crate::consent::{EventConsent, EventIntegrations};
use crate::event::Event;
use crate::event::names::Dialects;
use crate::identity::client::EventContext;
use crate::identity::{ClientFromContext, Cookies};
use crate::json::Json;
use crate::mapping::plan::Planned;
use crate::sources::SourceIndex;
use crate::vendors::Purpose;

/// An integration that sends this event.
pub struct Wanted<'c> {
    /// Its place in the configuration.
    pub at: usize,
    pub integration: &'c Integration,
    pub planned: Planned<'c>,
    /// What its records say, if somebody wants them.
    pub story: Option<Box<Story>>,
    /// Why it may not have the event; `None`: it may, or that is not decided yet.
    pub refused: Option<DropReason>,
}

/// The integrations that send an event of this name, listen to its source, and are those that its sender names. Those that hand
/// events off and send dead letters want none of their own accord.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
pub fn wanted<'c>(
    name: &str,
    source: Option<SourceIndex>,
    sender: Option<&Sender>,
    reading: &'c Reading<'_>,
) -> Vec<Wanted<'c>> {
    let config = reading.config;
    let dialects = Dialects::of(name);
    let mut wanted = Vec::new();
    for (at, integration) in config.integrations.iter().enumerate() {
        let listens = (integration.source.is_none() || integration.source == source)
            && sender.is_none_or(|sender| sender.wants(&integration.name))
            && !config.is_carrier(at)
            && reading.may_leave_by(integration);
        if let Some(planned) = integration.plan.find(name, &dialects).filter(|_| listens) {
            wanted.push(Wanted { at, integration, planned, story: None, refused: None });
        }
    }
    wanted
}

/// Decides for each integration whether it may have the event, before anything of it is mapped.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
pub fn judge<'r>(
    wanted: &mut [Wanted<'_>],
    event: &Event<'r>,
    consent: &EventConsent<'_, '_>,
    context: &EventContext<'_>,
    policy: ClientFromContext,
    (asked, reading): (Asked<'_>, &Reading<'r>),
    host: &mut impl Host,
) {
    let config = reading.config;
    let integrations = event.slots.get(config.fields.integrations).map(Json::as_str);
    let integrations = EventIntegrations::read(integrations);
    let is_stale = reading.age(event).is_some_and(|age| age > config.limits.event_age);
    let fresh = if is_stale { Err(DropReason::Stale) } else { Ok(()) };
    for wanted in &mut *wanted {
        if host.wants_records() {
            wanted.story =
                Some(Story::of(event, asked.source_id(config), wanted.integration, &config.fields));
        }
        let allowed = allowed(wanted, &integrations, consent, reading.cookies(), host);
        wanted.refused = allowed.and(fresh).err();
    }
    if wanted.iter().any(|wanted| wanted.refused.is_none())
        && bots::judge(context, reading, policy, host) == Judged::Dropped
    {
        wanted.iter_mut().for_each(|wanted| _ = wanted.refused.get_or_insert(DropReason::Bot));
    }
}

/// Returns the integration that hands the event off, if it is to be handed off: some other one may have it, and gets it when the
/// queue passes it on.
pub fn handed_off<'c>(name: &'c str, judged: &[Wanted<'_>], reading: &'c Reading<'_>) -> Option<Wanted<'c>> {
    let hand_off =
        reading.config.hand_off.filter(|_| matches!(reading.opened.provenance, Provenance::Client))?;
    let allowed = judged.iter().filter(|wanted| wanted.refused.is_none());
    let rank = allowed.map(|wanted| wanted.planned.rank).max()?;
    let integration = reading.config.integrations.get(hand_off.lane)?;
    let planned = integration.plan.any(name, rank)?;
    let story = judged.iter().find_map(|wanted| wanted.story.as_ref());
    let story = story.map(|story| story.for_hand_off(integration));
    Some(Wanted { at: hand_off.lane, integration, planned, story, refused: None })
}

/// Counts what was decided, and leaves those integrations that may have the event.
pub fn retain_permitted(
    judged: &mut Vec<Wanted<'_>>,
    asked: Asked<'_>,
    line: &mut Line<'_>,
    host: &mut impl Host,
) {
    judged.retain(|Wanted { integration, story, refused, .. }| {
        host.delivery(integration.reference(), Outcome::Matched);
        if let Some(reason) = *refused {
            asked.ended(integration, Outcome::Dropped(reason), story.as_deref(), line.waiting, host);
        }
        refused.is_none()
    });
}

/// Whether the visitor allows an integration to have an event.
fn allowed(
    Wanted { integration, story, .. }: &mut Wanted<'_>,
    integrations: &EventIntegrations<'_>,
    consent: &EventConsent<'_, '_>,
    cookies: &Cookies<'_>,
    host: &mut impl Host,
) -> Result<(), DropReason> {
    if integrations.disables(integration.names()) {
        return Err(DropReason::DisabledByEvent);
    }
    let decision = match integration.destination.purpose() {
        Purpose::Advertising => {
            consent.for_delivery(integration.requirement, integration.vendor.tcf_vendor())
        }
        Purpose::Own => consent.for_own_system(integration.requirement),
    };
    if host.explains() {
        host.decided(&integration.name, &decision.basis.to_string());
    }
    if let Some(story) = story {
        story.set_consent(decision.basis.to_string());
    }
    decision.outcome?;
    if integration.destination.opted_out(cookies) { Err(DropReason::OptedOut) } else { Ok(()) }
}
