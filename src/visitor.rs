//! The visitor of an event, as far as vendors may know.

use std::borrow::Cow;

use crate::event::{Event, Fields};
use crate::identity::client::EventContext;
use crate::identity::{Client, CookieName, Cookies, EmailHash, Keys, anonymous_id, email, remember};
use crate::json::Kind;

/// Returns what an event itself says about its client. `signed`: whether the request's signature was verified.
pub fn event_context<'a>(event: &Event<'a>, signed: bool, fields: &Fields) -> EventContext<'a> {
    EventContext {
        signed,
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
        Self {
            client,
            anonymous_id: anonymous_id(event, fields, cookies, names),
            raw_email: event.first_text(&fields.emails),
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
