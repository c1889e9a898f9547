//! Decides whether an event may be delivered, or a cookie set, by the first source of consent that states a choice.

use std::cell::OnceCell;

use super::by_source::BySource;
use super::cookie_value::MAX_COOKIE_BYTES;
use super::rules::{ConsentRules, Require, WhenAbsent};
use super::source::ConsentSource;
use super::statement::Statement;
use super::vocabulary::{Categories, Category, Requirement, Vocabulary};
use crate::accounting::DropReason;

/// Where Global Privacy Control is found, in addition to what consent tools recorded.
const GPC_HEADER: &str = "the Sec-GPC header";

/// Whether a delivery or a cookie is permitted, and which source decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `Ok`: permitted. Otherwise one of `Gpc`, `ConsentDenied` and `ConsentAbsent`.
    pub outcome: Result<(), DropReason>,
    /// The name of the source that decided; `None` if no consent is required, or no source states a choice.
    pub source: Option<&'static str>,
}

impl Decision {
    /// Returns whether the delivery or the cookie is permitted.
    pub fn is_permitted(self) -> bool {
        self.outcome.is_ok()
    }
}

impl ConsentRules {
    /// The consent that one request carries in its headers. `sec_gpc` is the value of its `Sec-GPC` header, `cookie` gives
    /// the value of a cookie by name. Values are kept, and read when a decision first needs them.
    pub fn request<'a>(
        &'a self,
        sec_gpc: Option<&[u8]>,
        mut cookie: impl FnMut(&str) -> Option<&'a [u8]>,
    ) -> RequestConsent<'a> {
        let bounded = |value: &&[u8]| value.len() <= MAX_COOKIE_BYTES;
        RequestConsent {
            rules: self,
            sec_gpc: sec_gpc.is_some_and(|value| value.trim_ascii() == b"1"),
            cookies: self.cookies.find(|name| cookie(name).filter(bounded).map(Found::new)),
        }
    }
}

/// The consent in a request's headers, for all of its events. Each cookie is read at most once.
#[derive(Debug)]
pub struct RequestConsent<'a> {
    rules: &'a ConsentRules,
    sec_gpc: bool,
    cookies: BySource<Found<'a>>,
}

/// The value found at the location of a source of consent.
#[derive(Debug)]
struct Found<'a> {
    value: &'a [u8],
    statement: OnceCell<Statement<'a>>,
}

impl<'a> Found<'a> {
    fn new(value: &'a [u8]) -> Self {
        Self { value, statement: OnceCell::new() }
    }

    fn read(&self, source: &dyn ConsentSource, vocabulary: &Vocabulary) -> &Statement<'a> {
        self.statement.get_or_init(|| source.read(self.value, vocabulary))
    }
}

impl<'a> RequestConsent<'a> {
    /// The consent of one of the request's events, from the raw JSON text of the members of its `context` that sources of
    /// consent are found in. No member: the consent of the request alone.
    pub fn event<'r>(&'r self, members: &BySource<&'r str>) -> EventConsent<'r, 'a> {
        EventConsent { request: self, members: members.and_then(|json| Some(Found::new(json.as_bytes()))) }
    }
}

/// The consent of one event.
#[derive(Debug)]
pub struct EventConsent<'r, 'a> {
    request: &'r RequestConsent<'a>,
    members: BySource<Found<'r>>,
}

impl EventConsent<'_, '_> {
    /// Decides whether the event may be delivered to a vendor, given by its id on IAB's list; `None`: it is not on it.
    /// Global Privacy Control holds for every vendor, also for one that requires no consent.
    pub fn for_delivery(&self, requirement: Requirement, iab_vendor: Option<u16>) -> Decision {
        if let Some(source) = self.gpc() {
            return Decision { outcome: Err(DropReason::Gpc), source: Some(source) };
        }
        self.decide(requirement, self.request.rules.require, iab_vendor)
    }

    /// Decides whether a cookie of our own may be set: everything it requires must be granted, and with Global Privacy Control
    /// it must not require marketing. Any refusal other than [`DropReason::ConsentAbsent`] is the visitor's own choice.
    pub fn for_cookie(&self, requirement: Requirement) -> Decision {
        if requirement.categories().contains(Category::Marketing)
            && let Some(source) = self.gpc()
        {
            return Decision { outcome: Err(DropReason::Gpc), source: Some(source) };
        }
        self.decide(requirement, Require::All, None)
    }

    fn decide(&self, requirement: Requirement, require: Require, iab_vendor: Option<u16>) -> Decision {
        if require.is_met(requirement, Categories::NONE) {
            return Decision { outcome: Ok(()), source: None };
        }
        let Some((source, statement)) = self.statements(|_| true).find(|(_, said)| !said.is_silent()) else {
            let outcome = match self.request.rules.when_absent {
                WhenAbsent::Allow => Ok(()),
                WhenAbsent::Deny => Err(DropReason::ConsentAbsent),
            };
            return Decision { outcome, source: None };
        };
        let is_met = require.is_met(requirement, statement.granted(iab_vendor));
        let outcome = if is_met { Ok(()) } else { Err(DropReason::ConsentDenied) };
        Decision { outcome, source: Some(source) }
    }

    /// Returns where Global Privacy Control is on, if it is respected: in the header, or in a consent tool's record of the
    /// same browser setting, because some browsers expose it to scripts only.
    fn gpc(&self) -> Option<&'static str> {
        if !self.request.rules.respect_gpc {
            return None;
        }
        if self.request.sec_gpc {
            return Some(GPC_HEADER);
        }
        let mut recorded = self.statements(|source| source.may_record_gpc());
        recorded.find(|(_, statement)| statement.gpc()).map(|(source, _)| source)
    }

    /// The statements of the sources that are present, by the sources' names, in the table's order. Each is read when the
    /// iterator reaches it, unless it has been read before.
    fn statements<'s>(
        &'s self,
        is_asked: fn(&dyn ConsentSource) -> bool,
    ) -> impl Iterator<Item = (&'static str, &'s Statement<'s>)> {
        let vocabulary = &self.request.rules.vocabulary;
        let found = self.members.iter().zip(self.request.cookies.iter());
        found.filter(move |((source, _), _)| is_asked(*source)).filter_map(
            move |((source, member), (_, cookie))| {
                let member = member.map(|found| found.read(source, vocabulary) as &'s Statement<'s>);
                let statement = member.or_else(|| cookie.map(|found| found.read(source, vocabulary)))?;
                Some((source.name(), statement))
            },
        )
    }
}

#[cfg(test)]
mod tests;
