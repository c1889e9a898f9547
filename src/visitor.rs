//! Who an event is about, as far as vendors may know.

use std::borrow::Cow;

use crate::config::Compiled;
use crate::event::{Event, Fields};
use crate::identity::client::EventContext;
use crate::identity::{Client, Cookies, EmailHash, anonymous_id, email};

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
}

impl<'a> Visitor<'a> {
    /// The visitor of an event of a request with these cookies.
    pub fn of(event: &Event<'a>, client: Client<'a>, cookies: &Cookies<'a>, config: &Compiled) -> Self {
        let of_event = event.text(config.fields.anonymous_id).and_then(valid_id);
        Self {
            client,
            anonymous_id: of_event
                .or_else(|| anonymous_id::of_cookies(cookies, &config.anonymous_id_cookies)),
            raw_email: event.first_text(&config.fields.emails),
        }
    }

    /// The hash of the visitor's email address.
    pub fn email(&self) -> Option<EmailHash> {
        self.raw_email.as_deref().and_then(email::hash)
    }
}

/// An id that can be one, without a copy where it was borrowed.
fn valid_id(id: Cow<'_, str>) -> Option<Cow<'_, str>> {
    match id {
        Cow::Borrowed(id) => anonymous_id::of_event(id).map(Cow::Borrowed),
        Cow::Owned(id) => anonymous_id::of_event(&id).map(|id| Cow::Owned(id.to_owned())),
    }
}
