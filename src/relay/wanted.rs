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
            wanted.push(Wanted { at, integration, planned, story: None });
        }
    }
    wanted
}

/// An integration that sends the event, and why it may not have it, if it may not.
pub type Judgement<'c> = (Wanted<'c>, Option<DropReason>);

/// Decides for each integration whether it may have the event, before anything of it is mapped.
#[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
pub fn judge<'c, 'r>(
    wanted: Vec<Wanted<'c>>,
    event: &Event<'r>,
    consent: &EventConsent<'_, '_>,
    context: &EventContext<'_>,
    policy: ClientFromContext,
    (asked, reading): (Asked<'_>, &Reading<'r>),
    host: &mut impl Host,
) -> Vec<Judgement<'c>> {
    let config = reading.config;
    let integrations = event.slots.get(config.fields.integrations).map(Json::as_str);
    let integrations = EventIntegrations::read(integrations);
    let is_stale = reading.age(event).is_some_and(|age| age > config.limits.event_age);
    let fresh = if is_stale { Err(DropReason::Stale) } else { Ok(()) };
    let mut judge = |mut wanted: Wanted<'c>| {
        if host.wants_records() {
            wanted.story =
                Some(Story::of(event, asked.source_id(config), wanted.integration, &config.fields));
        }
        let allowed = allowed(&mut wanted, &integrations, consent, reading.cookies(), host);
        (wanted, allowed.and(fresh).err())
    };
    let mut judged: Vec<_> = wanted.into_iter().map(&mut judge).collect();
    if judged.iter().any(|(_, reason)| reason.is_none())
        && bots::judge(context, reading, policy, host) == Judged::Dropped
    {
        judged.iter_mut().for_each(|(_, reason)| _ = reason.get_or_insert(DropReason::Bot));
    }
    judged
}

/// Returns the integration that hands the event off, if it is to be handed off: some other one may have it, and gets it when the
/// queue passes it on.
pub fn handed_off<'c>(
    name: &'c str,
    judged: &[Judgement<'_>],
    reading: &'c Reading<'_>,
) -> Option<Wanted<'c>> {
    let hand_off =
        reading.config.hand_off.filter(|_| matches!(reading.opened.provenance, Provenance::Client))?;
    let allowed = judged.iter().filter(|(_, reason)| reason.is_none());
    let rank = allowed.map(|(wanted, _)| wanted.planned.rank).max()?;
    let integration = reading.config.integrations.get(hand_off.lane)?;
    let planned = integration.plan.any(name, rank)?;
    let story = judged.iter().find_map(|(wanted, _)| wanted.story.as_ref());
    let story = story.map(|story| story.for_hand_off(integration));
    Some(Wanted { at: hand_off.lane, integration, planned, story })
}

/// Counts what was decided. Returns the integrations that may have the event.
pub fn permitted<'c>(
    judged: Vec<Judgement<'c>>,
    asked: Asked<'_>,
    line: &mut Line<'_>,
    host: &mut impl Host,
) -> Vec<Wanted<'c>> {
    let mut permitted = Vec::with_capacity(judged.len());
    for (wanted, reason) in judged {
        host.delivery(wanted.integration.reference(), Outcome::Matched);
        match reason {
            None => permitted.push(wanted),
            Some(reason) => {
                let story = wanted.story.as_deref();
                asked.ended(wanted.integration, Outcome::Dropped(reason), story, line.waiting, host);
            }
        }
    }
    permitted
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
