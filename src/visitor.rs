//! The visitor of an event, as far as vendors may know.

use std::borrow::Cow;

use crate::event::{Event, Fields};
use crate::identity::client::EventContext;
use crate::identity::{Client, CookieName, Cookies, EmailHash, anonymous_id, email, remember};
use crate::json::Kind;
use crate::left_out::Reason;
use crate::request::has_control;
use crate::seal::Keys;

/// Returns what an event itself says about its client. `signed`: whether the request's signature was verified. `passed_on`: whether
/// the request is of somebody who passes the event on.
pub fn event_context<'a>(
    event: &Event<'a>,
    signed: bool,
    passed_on: bool,
    fields: &Fields,
) -> EventContext<'a> {
    EventContext {
        signed,
        passed_on,
        ip: event.text(fields.context_ip),
        user_agent: event.text(fields.context_user_agent),
        library: event.text(fields.library_name),
        direct: event
            .slots
            .get(fields.context_direct)
            .is_some_and(|direct| direct.kind() == Kind::Bool(true)),
    }
}

/// The visitor of one event.
#[derive(Debug)]
pub struct Visitor<'a> {
    /// IP address and User-Agent.
    pub client: Client<'a>,
    pub anonymous_id: Option<Cow<'a, str>>,
    /// The email as in the event; only its hash is ever sent.
    raw_email: Option<Cow<'a, str>>,
    /// Why an email of the event's cannot be used, if there is one before that which is.
    pub unusable_email: Option<Reason>,
    /// Why the anonymous id of the event cannot be used or, if there is none at all, that of its cookies.
    pub unusable_id: Option<Reason>,
    remembered: RememberedEmail<'a>,
}

/// A visitor's email from before an event that has none.
#[derive(Debug, Default)]
pub enum RememberedEmail<'a> {
    #[default]
    None,
    /// Of an identify event in the same request.
    Identified(EmailHash),
    /// In the visitor's cookie, which is decrypted when the email is first needed.
    Sealed {
        keys: &'a Keys,
        value: &'a [u8],
        /// Unix time in seconds.
        now: u64,
    },
}

impl<'a> Visitor<'a> {
    /// The visitor of an event of a request with these cookies. `names` are the cookies that may hold an anonymous id.
    pub fn of(
        event: &Event<'a>,
        fields: &Fields,
        client: Client<'a>,
        cookies: &Cookies<'a>,
        names: &[CookieName],
    ) -> Self {
        let anonymous_id = anonymous_id(event, fields, cookies, names);
        let (raw_email, unusable_email) = emails(event, fields);
        Self {
            client,
            unusable_email,
            unusable_id: unusable_id(event, fields)
                .or_else(|| anonymous_id.is_none().then(|| unreadable_id(cookies, names)).flatten()),
            anonymous_id,
            raw_email,
            remembered: RememberedEmail::None,
        }
    }

    /// Sets the anonymous id that the response issues, if the visitor has no other.
    pub fn with_issued_id(mut self, id: Option<&'a str>) -> Self {
        self.anonymous_id = self.anonymous_id.or(id.map(Cow::Borrowed));
        self
    }

    /// The visitor with the email that it had before.
    pub fn with_remembered_email(self, remembered: RememberedEmail<'a>) -> Self {
        Self { remembered, ..self }
    }

    /// The hash of the visitor's email address.
    pub fn email(&self) -> Option<EmailHash> {
        let own = self.raw_email.as_deref().and_then(email::hash);
        own.or_else(|| match self.remembered {
            RememberedEmail::None => None,
            RememberedEmail::Identified(email) => Some(email),
            RememberedEmail::Sealed { keys, value, now } => {
                remember::open(keys, self.anonymous_id.as_deref()?, value, now)
            }
        })
    }

    /// Returns the email of an identify event in the same request.
    pub fn identified_email(&self) -> Option<EmailHash> {
        match self.remembered {
            RememberedEmail::Identified(email) => Some(email),
            RememberedEmail::None | RememberedEmail::Sealed { .. } => None,
        }
    }

    /// Whether the visitor has a cookie for its email. Where there is no [`email`](Visitor::email), it couldn't be read.
    pub fn has_email_cookie(&self) -> bool {
        matches!(self.remembered, RememberedEmail::Sealed { .. })
    }
}

/// Returns the first email of an event, as it came, that can be [hashed](email::hash).
pub fn raw_email<'a>(event: &Event<'a>, fields: &Fields) -> Option<Cow<'a, str>> {
    emails(event, fields).0
}

/// Returns that email, and why one before it, or the only one, cannot be used.
fn emails<'a>(event: &Event<'a>, fields: &Fields) -> (Option<Cow<'a, str>>, Option<Reason>) {
    let mut unusable = None;
    for email in fields.emails.iter().filter_map(|slot| event.slots.get(*slot)) {
        match email.text().filter(|email| email::is_usable(email)) {
            None => unusable = Some(Reason::NotAnEmail),
            usable => return (usable, unusable),
        }
    }
    (None, unusable)
}

/// Returns the anonymous id of an event, else that of the first of the named cookies that holds one.
pub fn anonymous_id<'a>(
    event: &Event<'a>,
    fields: &Fields,
    cookies: &Cookies<'a>,
    names: &[CookieName],
) -> Option<Cow<'a, str>> {
    let of_event = event.text_or_number(fields.anonymous_id).and_then(anonymous_id::of_event);
    of_event.or_else(|| anonymous_id::of_cookies(cookies, names))
}

/// Returns why the anonymous id that an event states cannot be used.
fn unusable_id(event: &Event<'_>, fields: &Fields) -> Option<Reason> {
    let json = event.slots.get(fields.anonymous_id)?;
    match json.text() {
        Some(id) if id.trim().len() > anonymous_id::MAX_LENGTH => {
            Some(Reason::TooLong(anonymous_id::MAX_LENGTH as u32))
        }
        Some(id) => has_control(id.trim()).then_some(Reason::ControlCharacters),
        None => matches!(json.kind(), Kind::Array | Kind::Object).then_some(Reason::NotSingle),
    }
}

/// Returns why none of the named cookies has an anonymous id, if there is one.
#[cold]
fn unreadable_id(cookies: &Cookies<'_>, names: &[CookieName]) -> Option<Reason> {
    let mut values = names.iter().filter_map(|name| cookies.get(name.as_str()));
    values.any(|value| !value.is_empty()).then_some(Reason::UnreadableCookie)
}
