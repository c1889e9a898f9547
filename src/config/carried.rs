//! What of a client's request goes along with an event that a queue passes on: what some part of the configuration reads.

use super::integration::Integration;
use crate::consent::ConsentRules;
use crate::identity::{CookieName, RememberEmail};
use crate::mapping::path::RequestPart;
use crate::seal::{InvalidSecrets, Keys};
use crate::settings::Secret;

/// What the keys are derived for.
const PURPOSE: &[u8] = b"conversion-relay relay v1\0";

/// The headers that go along whatever the configuration.
const HEADERS: [&str; 3] = ["user-agent", "referer", "x-ip-policy"];

/// The parts of a request that go along with its events, and the keys that they are sealed with.
#[derive(Debug, Default)]
pub struct Carried {
    /// `None`: no secrets are configured, and nothing goes along.
    pub keys: Option<Keys>,
    headers: Vec<Box<str>>,
    cookies: Vec<Box<str>>,
    query: Vec<Box<str>>,
}

/// What reads cookies beside the integrations.
pub(super) struct CookieReaders<'c> {
    pub consent: &'c ConsentRules,
    pub anonymous_ids: &'c [CookieName],
    pub remember_email: Option<&'c RememberEmail>,
}

impl Carried {
    /// Works out what goes along. `secrets`: the configured ones, newest first.
    pub(super) fn compile(
        secrets: &[Secret],
        readers: &CookieReaders<'_>,
        integrations: &[Integration],
    ) -> Result<Self, InvalidSecrets> {
        let keys = if secrets.is_empty() { None } else { Some(Keys::derive(PURPOSE, secrets)?) };
        let mut carried = Self { keys, ..Self::default() };
        HEADERS
            .into_iter()
            .chain(readers.consent.headers())
            .for_each(|name| carried.add(RequestPart::Header(name)));
        readers.consent.cookies.iter().for_each(|(name, _)| carried.add(RequestPart::Cookie(name)));
        readers.anonymous_ids.iter().for_each(|name| carried.add(RequestPart::Cookie(name.as_str())));
        readers
            .remember_email
            .iter()
            .for_each(|email| carried.add(RequestPart::Cookie(email.cookie.name().as_str())));
        for integration in integrations {
            integration.plan.request_parts(&mut |part| carried.add(part));
        }
        Ok(carried)
    }

    fn add(&mut self, part: RequestPart<'_>) {
        let (names, name) = match part {
            RequestPart::Header(name) => (&mut self.headers, name),
            RequestPart::Cookie(name) => (&mut self.cookies, name),
            RequestPart::Query(name) => (&mut self.query, name),
        };
        if !names.iter().any(|known| **known == *name) {
            names.push(name.into());
        }
    }

    /// Whether a part of a request goes along, whatever the vendors read. A header's name is in lowercase.
    pub(super) fn has(&self, part: RequestPart<'_>) -> bool {
        let (names, name) = match part {
            RequestPart::Header(name) => (&self.headers, name),
            RequestPart::Cookie(name) => (&self.cookies, name),
            RequestPart::Query(name) => (&self.query, name),
        };
        names.iter().any(|known| **known == *name)
    }
}
