//! The cookies that the answer to a request sets: `issue_anonymous_id` and `remember_email`. Asked for only where one of
//! them is switched on, and then before the answer leaves; everything else of a request waits until afterwards.
//!
//! A server's answer is no visitor's: events that a server sent neither ask for a cookie nor forbid one.

use std::borrow::Cow;

use super::opened::{Opened, seconds};
use crate::accounting::DropReason;
use crate::config::Compiled;
use crate::consent::{EventConsent, Requirement};
use crate::event::{Event, EventType, Fields};
use crate::identity::{Cookies, EmailHash, RememberEmail, anonymous_id, email, remember};
use crate::request::Request;
use crate::visitor;

/// Whether the answer to a request may have to carry a cookie, as far as its headers can tell.
pub(super) fn may_set(request: &Request, config: &Compiled) -> bool {
    if request.endpoint.server {
        return false;
    }
    let lacks_id = || {
        let cookies: Cookies = request.header_lines("cookie").collect();
        anonymous_id::of_cookies(&cookies, &config.anonymous_id_cookies).is_none()
    };
    config.remember_email.is_some() || (config.issue_anonymous_id.is_some() && lacks_id())
}

/// The values of the `set-cookie` lines for the answer to an accepted request. An id that is issued is at once that of the
/// request's own events. `random` fills with bytes that nobody can guess; false: there are none, and nothing is set.
pub(super) fn for_answer(
    opened: &mut Opened,
    config: &Compiled,
    random: &mut impl FnMut(&mut [u8]) -> bool,
) -> Vec<String> {
    let mut lines = Vec::new();
    if !may_set(&opened.request, config) {
        return lines;
    }
    let seen = Seen::in_events_of(opened, config);
    if let Some(issue) = &config.issue_anonymous_id
        && seen.wants_id
    {
        let mut bytes = [0; 16];
        if random(&mut bytes) {
            let id = anonymous_id::issue(bytes);
            lines.push(issue.cookie.set(&id));
            opened.issued_id = Some(id);
        }
    }
    let Some(settings) = &config.remember_email else { return lines };
    if seen.denies_marketing {
        // Deleted whoever's it is: it says that somebody's email was to be remembered here.
        let name = settings.cookie.name().as_str();
        let carried = opened.request.header_lines("cookie").collect::<Cookies>().get(name).is_some();
        lines.extend(carried.then(|| settings.cookie.delete()));
    } else if let Some((id, email)) = &seen.identified {
        let id = id.as_deref().or(opened.issued_id.as_deref());
        lines.extend(id.and_then(|id| sealed(id, email, settings, opened.received_at, random)));
    }
    lines
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
    fn in_events_of(opened: &Opened, config: &Compiled) -> Self {
        let mut seen = Self::default();
        let (mut events, mut may_issue) = (0_usize, true);
        let cookies: Cookies = opened.request.header_lines("cookie").collect();
        let request = config.consent.request(opened.request.header("sec-gpc"), |name| cookies.get(name));
        for item in &opened.envelope.items {
            let Ok(event) = opened.event(item, config) else { continue };
            if opened.source(&event, config).is_err() || opened.is_from_server(&event, config) {
                continue;
            }
            events = events.saturating_add(1);
            let consent = event.consent(&request, &config.fields);
            let id = visitor::anonymous_id(&event, &config.fields, &cookies, &config.anonymous_id_cookies);
            may_issue &= id.is_none()
                && config
                    .issue_anonymous_id
                    .as_ref()
                    .is_some_and(|issue| consent.for_cookie(issue.requirement).is_permitted());
            seen.denies_marketing |= denies_marketing(&consent);
            if let Some(email) = identified(&event, &consent, &config.fields) {
                seen.identified = Some((id.map(Cow::into_owned), email));
            }
        }
        seen.wants_id = may_issue && events > 0;
        seen
    }
}

/// Whether the visitor said no to marketing, rather than nothing.
pub(super) fn denies_marketing(consent: &EventConsent<'_, '_>) -> bool {
    matches!(
        consent.for_cookie(Requirement::MARKETING).outcome,
        Err(DropReason::Gpc | DropReason::ConsentDenied)
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
    email::hash(&event.first_text(&fields.emails)?)
}
