//! Who an event is about, as far as vendors may know.

use std::borrow::Cow;

use crate::config::Compiled;
use crate::event::{Event, Fields};
use crate::identity::client::EventContext;
use crate::identity::{Client, Cookies, EmailHash, Secrets, anonymous_id, email, remember};

/// What an event itself says about its client, decoded.
#[derive(Debug)]
pub struct Stated<'a> {
    ip: Option<Cow<'a, str>>,
    user_agent: Option<Cow<'a, str>>,
    library: Option<Cow<'a, str>>,
    signed: bool,
}

impl<'a> Stated<'a> {
    /// `signed`: whether the request's signature was verified.
    pub fn by(event: &Event<'a>, signed: bool, fields: &Fields) -> Self {
        Self {
            signed,
            ip: event.text(fields.context_ip),
            user_agent: event.text(fields.context_user_agent),
            library: event.text(fields.library_name),
        }
    }
}

impl Stated<'_> {
    pub fn context(&self) -> EventContext<'_> {
        EventContext {
            signed: self.signed,
            ip: self.ip.as_deref(),
            user_agent: self.user_agent.as_deref(),
            library: self.library.as_deref(),
        }
    }
}

/// The visitor of one event.
#[derive(Debug)]
pub struct Visitor<'a> {
    /// IP address and User-Agent.
    pub client: Client<'a>,
    pub anonymous_id: Option<Cow<'a, str>>,
    /// As the event has it; only its hash ever leaves.
    raw_email: Option<Cow<'a, str>>,
    remembered: RememberedEmail<'a>,
}

/// What is known of a visitor's email from before an event that has none.
#[derive(Debug, Default)]
pub enum RememberedEmail<'a> {
    #[default]
    None,
    /// Of an identify event in the same request.
    Identified(EmailHash),
    /// In the visitor's cookie, which is opened when its email is first asked for.
    Sealed {
        secrets: &'a Secrets,
        value: &'a [u8],
        /// Unix time in seconds.
        now: u64,
    },
}

impl<'a> Visitor<'a> {
    /// The visitor of an event of a request with these cookies.
    pub fn of(event: &Event<'a>, client: Client<'a>, cookies: &Cookies<'a>, config: &Compiled) -> Self {
        Self {
            client,
            anonymous_id: anonymous_id(event, cookies, config),
            raw_email: event.first_text(&config.fields.emails),
            remembered: RememberedEmail::None,
        }
    }

    /// The visitor with the id that the answer to its request issues, where it has no other.
    pub fn or_issued(mut self, id: Option<&'a str>) -> Self {
        self.anonymous_id = self.anonymous_id.or(id.map(Cow::Borrowed));
        self
    }

    /// The visitor with the email that it had before.
    pub fn remembering(self, remembered: RememberedEmail<'a>) -> Self {
        Self { remembered, ..self }
    }

    /// The hash of the visitor's email address.
    pub fn email(&self) -> Option<EmailHash> {
        let own = self.raw_email.as_deref().and_then(email::hash);
        own.or_else(|| match self.remembered {
            RememberedEmail::None => None,
            RememberedEmail::Identified(email) => Some(email),
            RememberedEmail::Sealed { secrets, value, now } => {
                remember::open(secrets, self.anonymous_id.as_deref()?, value, now)
            }
        })
    }
}

/// The anonymous id of an event, else that of its request's cookies.
pub fn anonymous_id<'a>(event: &Event<'a>, cookies: &Cookies<'a>, config: &Compiled) -> Option<Cow<'a, str>> {
    let of_event = event.text(config.fields.anonymous_id).and_then(valid_id);
    of_event.or_else(|| anonymous_id::of_cookies(cookies, &config.anonymous_id_cookies))
}

/// An id that can be one, without a copy where it was borrowed.
fn valid_id(id: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match id {
        Cow::Borrowed(id) => anonymous_id::of_event(id).map(Cow::Borrowed),
        Cow::Owned(id) => anonymous_id::of_event(&id).map(|id| Cow::Owned(id.to_owned())),
    }
}
