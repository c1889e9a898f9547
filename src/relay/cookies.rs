//! The cookies that the answer to a request sets: `issue_anonymous_id` and `remember_email`. Asked for only where one of
//! them is switched on, and then before the answer leaves; everything else of a request waits until afterwards.
//!
//! A server's answer is no visitor's: events that a server sent neither ask for a cookie nor forbid one.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::parsed_request::seconds;
use super::reading::{Items, Reading, SourcedEvent};
use crate::accounting::DropReason;
use crate::config::Compiled;
use crate::consent::{EventConsent, Requirement};
use crate::event::{Event, EventType, Fields};
use crate::identity::{Cookies, EmailHash, IssueAnonymousId, RememberEmail, anonymous_id, email, remember};
use crate::request::Request;
use crate::visitor;

/// What the answer to a request is to carry.
#[derive(Default)]
pub(super) struct SetCookies {
    /// The values of the `set-cookie` lines.
    pub lines: Vec<String>,
    /// The anonymous id that one of them gives to the visitor.
    pub issued_id: Option<String>,
}

/// Whether the answer to a request may have to carry a cookie, as far as its headers can tell before it is opened.
pub(super) fn may_set(request: &Request, config: &Compiled) -> bool {
    !request.endpoint.server
        && may_set_beside(|| Cow::Owned(request.header_lines("cookie").collect()), config)
}

fn may_set_beside<'c>(cookies: impl FnOnce() -> Cow<'c, Cookies<'c>>, config: &Compiled) -> bool {
    let lacks_id = || anonymous_id::of_cookies(&cookies(), &config.anonymous_id_cookies).is_none();
    config.remember_email.is_some() || (config.issue_anonymous_id.is_some() && lacks_id())
}

/// Works out the cookies for the answer to an accepted request. `random` fills with bytes that nobody can guess; false:
/// there are none, and nothing is set.
pub(super) fn for_answer<'r>(
    reading: &Reading<'r>,
    items: &mut Items<'r>,
    random: &mut impl FnMut(&mut [u8]) -> bool,
) -> SetCookies {
    let Reading { opened, config, .. } = *reading;
    let mut set = SetCookies::default();
    if opened.request.endpoint.server || !may_set_beside(|| Cow::Borrowed(reading.cookies()), config) {
        return set;
    }
    let seen = Seen::in_events_of(reading, items);
    if let Some(issue) = &config.issue_anonymous_id
        && seen.wants_id
    {
        let mut bytes = [0; 16];
        if random(&mut bytes) {
            let id = anonymous_id::issue(bytes);
            set.lines.push(issue.cookie.set(&id));
            set.issued_id = Some(id);
        }
    }
    let Some(settings) = &config.remember_email else { return set };
    if seen.denies_marketing {
        // Deleted whoever's it is: it says that somebody's email was to be remembered here.
        let carried = reading.cookies().get(settings.cookie.name().as_str()).is_some();
        set.lines.extend(carried.then(|| settings.cookie.delete()));
    } else if let Some((id, email)) = &seen.identified {
        let id = id.as_deref().or(set.issued_id.as_deref());
        set.lines.extend(id.and_then(|id| sealed(id, email, settings, opened.received_at, random)));
    }
    set
}

fn sealed(
    id: &str,
    email: &EmailHash,
    settings: &RememberEmail,
    received_at: i64,
    random: &mut impl FnMut(&mut [u8]) -> bool,
) -> Option<String> {
    let mut nonce = [0; 24];
    if !random(&mut nonce) {
        return None;
    }
    let expires_at = seconds(received_at).saturating_add(settings.cookie.max_age().as_secs());
    let value = remember::seal(&settings.keys, id, email, expires_at, nonce)?;
    Some(settings.cookie.set(&value))
}

/// What the events of a request that were accepted, and that a visitor's own device sent, mean for its answer.
#[derive(Default)]
struct Seen {
    /// None has an anonymous id and each grants what one requires.
    wants_id: bool,
    /// One of them denies marketing.
    denies_marketing: bool,
    /// The last email that may be remembered, with the anonymous id of its event.
    identified: Option<(Option<String>, EmailHash)>,
}

impl Seen {
    fn in_events_of<'r>(reading: &Reading<'r>, items: &mut Items<'r>) -> Self {
        let mut seen = Self { wants_id: true, ..Self::default() };
        let mut events = 0_usize;
        _ = items.look_ahead(reading, |item| {
            if let Ok(SourcedEvent { event, .. }) = item
                && !reading.event_context(event).is_from_server()
            {
                events = events.saturating_add(1);
                seen.add(event, reading);
            }
            ControlFlow::Continue(())
        });
        seen.wants_id &= events > 0;
        seen
    }

    fn add<'r>(&mut self, event: &Event<'r>, reading: &Reading<'r>) {
        let Compiled { fields, anonymous_id_cookies, issue_anonymous_id, .. } = reading.config;
        let consent = event.consent(reading.consent(), fields);
        let id = visitor::anonymous_id(event, fields, reading.cookies(), anonymous_id_cookies);
        let may_issue = |issue: &IssueAnonymousId| consent.for_cookie(issue.requirement).is_permitted();
        self.wants_id &= id.is_none() && issue_anonymous_id.as_ref().is_some_and(may_issue);
        self.denies_marketing |= denies_marketing(&consent);
        if let Some(email) = identified(event, &consent, fields) {
            self.identified = Some((id.map(Cow::into_owned), email));
        }
    }
}

/// Whether the visitor said no to marketing, rather than nothing.
pub(super) fn denies_marketing(consent: &EventConsent<'_, '_>) -> bool {
    matches!(
        consent.for_cookie(Requirement::MARKETING).outcome,
        Err(DropReason::Gpc | DropReason::SaleOptOut | DropReason::ConsentDenied)
    )
}

/// The email of an identify event, where marketing consent is given for remembering it.
pub(super) fn identified(
    event: &Event<'_>,
    consent: &EventConsent<'_, '_>,
    fields: &Fields,
) -> Option<EmailHash> {
    if event.event_type != EventType::Identify || !consent.for_cookie(Requirement::MARKETING).is_permitted() {
        return None;
    }
    email::hash(&visitor::raw_email(event, fields)?)
}
