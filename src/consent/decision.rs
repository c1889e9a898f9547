//! Decides whether an event may be delivered, or a cookie set.
//!
//! Any refusal denies, whichever source of consent states it; without one, the first grant counts. What no source grants is
//! denied too, unless nothing at all is known of the visitor: then `consent.when_absent` decides.

use std::cell::OnceCell;

use super::basis::{Basis, Refusal};
use super::by_source::BySource;
use super::category::{Categories, Category};
use super::cookie_value::MAX_COOKIE_BYTES;
use super::rules::{ConsentRules, GPC_HEADER, Require};
use super::source::ConsentSource;
use super::statement::{OptOut, Statement};
use super::vocabulary::{Requirement, Vocabulary};
use crate::accounting::DropReason;

/// What explanations call the header of Global Privacy Control.
const GPC_HEADER_NAME: &str = "the Sec-GPC header";

/// Whether a delivery or a cookie is permitted, and on what basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'s> {
    /// `Ok`: permitted. Otherwise one of `Gpc`, `SaleOptOut`, `ConsentDenied` and `ConsentAbsent`.
    pub outcome: Result<(), DropReason>,
    /// What decided.
    pub basis: Basis<'s>,
}

impl Decision<'_> {
    /// Returns whether the delivery or the cookie is permitted.
    pub fn is_permitted(self) -> bool {
        self.outcome.is_ok()
    }
}

impl ConsentRules {
    /// The consent that one request carries in its headers, given by their names in lowercase, and in its cookies. Values are
    /// kept, and read when a decision first needs them.
    pub fn request<'a, 'h>(
        &'a self,
        headers: impl Iterator<Item = (&'h str, &'h [u8])> + Clone,
        cookies: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) -> RequestConsent<'a> {
        let is_gpc = |(name, value): (&str, &[u8])| name == GPC_HEADER && value.trim_ascii() == b"1";
        let mut found = Vec::new();
        for (cookie, source) in self.cookies.iter() {
            let values = cookies.clone().filter(|(name, _)| *name == cookie.as_bytes());
            found.extend(values.map(|(_, value)| (source, Found::new(value))));
        }
        RequestConsent {
            rules: self,
            sec_gpc: headers.clone().any(is_gpc),
            allowed_if_absent: self.when_absent.allows(headers),
            cookies: found,
        }
    }
}

/// The consent in a request's headers, for all of its events. Each cookie is read at most once.
#[derive(Debug)]
pub struct RequestConsent<'a> {
    rules: &'a ConsentRules,
    sec_gpc: bool,
    allowed_if_absent: bool,
    /// In the order of the table. Several of one source: a cookie may be set for the host and for its domain, and both are
    /// sent.
    cookies: Vec<(&'a dyn ConsentSource, Found<'a>)>,
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

    /// Reads a cookie. One that is longer than browsers keep was set by no consent tool, and can't be read.
    fn read_cookie(&self, source: &dyn ConsentSource, vocabulary: &Vocabulary) -> &Statement<'a> {
        if self.value.len() > MAX_COOKIE_BYTES {
            return self.statement.get_or_init(Statement::unreadable);
        }
        self.read(source, vocabulary)
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
    /// An opt-out holds for every such vendor, also for one that requires no consent.
    pub fn for_delivery(&self, requirement: Requirement, iab_vendor: Option<u16>) -> Decision<'_> {
        self.opt_out().unwrap_or_else(|| self.decide(requirement, self.request.rules.require, iab_vendor))
    }

    /// Decides whether the event may be delivered to a system of the company's own. There opt-outs from advertising don't hold:
    /// it takes the required categories, and nothing else.
    pub fn for_own_system(&self, requirement: Requirement) -> Decision<'_> {
        self.decide(requirement, self.request.rules.require, None)
    }

    /// Decides whether a cookie of our own may be set: everything it requires must be granted, and there must be no opt-out.
    /// Any refusal other than [`DropReason::ConsentAbsent`] is the visitor's own choice.
    pub fn for_cookie(&self, requirement: Requirement) -> Decision<'_> {
        self.opt_out().unwrap_or_else(|| self.decide(requirement, Require::All, None))
    }

    fn decide(&self, requirement: Requirement, require: Require, iab_vendor: Option<u16>) -> Decision<'_> {
        if require.is_met(requirement, Categories::NONE) {
            return Decision { outcome: Ok(()), basis: Basis::NotRequired };
        }
        let said = self.said(requirement.categories(), iab_vendor);
        let outcome = match said.asked {
            _ if require.is_met(requirement, said.granted) => Ok(()),
            Some(_) => Err(DropReason::ConsentDenied),
            None if self.request.allowed_if_absent => Ok(()),
            None => Err(DropReason::ConsentAbsent),
        };
        Decision { outcome, basis: said.basis(outcome) }
    }

    /// Asks all sources about the categories that are required.
    fn said(&self, required: Categories, iab_vendor: Option<u16>) -> Said<'_> {
        let mut said = Said { required, ..Said::default() };
        for (source, statement) in self.statements(|_| true) {
            let granted = statement.granted(iab_vendor);
            let refused = statement.refused(granted);
            said.granted = said.granted.union(granted);
            said.refused = said.refused.union(refused);
            if granted.intersects(required) {
                said.grant.get_or_insert(source);
            }
            if let Some(category) = refused.intersection(required).first() {
                let how = match statement {
                    _ if statement.granted(None).contains(category) => Refusal::OfVendor,
                    _ if statement.is_unreadable() => Refusal::Unreadable,
                    _ => Refusal::Stated,
                };
                said.refusal.get_or_insert((category, source, how));
            }
            if statement.was_asked() {
                said.asked.get_or_insert(source);
            }
        }
        said.granted = said.granted.without(said.refused);
        said
    }

    /// Returns the decision against the visitor's opt-out, if there is one: first Global Privacy Control, if it is respected,
    /// in the header or in a consent tool's record of the same browser setting, because some browsers expose it to scripts
    /// only; then an opt-out of sale.
    fn opt_out(&self) -> Option<Decision<'_>> {
        let respects_gpc = self.request.rules.respect_gpc;
        let against = |opt_out, source| {
            let reason = if opt_out == OptOut::Gpc { DropReason::Gpc } else { DropReason::SaleOptOut };
            Some(Decision { outcome: Err(reason), basis: Basis::OptedOut { opt_out, source } })
        };
        if respects_gpc && self.request.sec_gpc {
            return against(OptOut::Gpc, GPC_HEADER_NAME);
        }
        let mut sale = None;
        for (source, statement) in self.statements(|source| source.may_record_opt_out()) {
            if respects_gpc && statement.has_opt_out(OptOut::Gpc) {
                return against(OptOut::Gpc, source);
            }
            if statement.has_opt_out(OptOut::Sale) {
                sale.get_or_insert(source);
            }
        }
        against(OptOut::Sale, sale?)
    }

    /// The statements of the sources that are present, by the sources' names: those of the event, then those of the cookies.
    /// Each is read when the iterator reaches it, unless it has been read before.
    fn statements<'s>(
        &'s self,
        is_asked: fn(&dyn ConsentSource) -> bool,
    ) -> impl Iterator<Item = (&'s str, &'s Statement<'s>)> {
        let vocabulary = &self.request.rules.vocabulary;
        let members = self.members.iter().filter_map(move |(source, member)| {
            let member = member.filter(|_| is_asked(source))?;
            Some((source.name(), member.read(source, vocabulary) as &'s Statement<'s>))
        });
        let cookies = self.request.cookies.iter().filter(move |(source, _)| is_asked(*source)).map(
            move |(source, cookie)| {
                (source.name(), cookie.read_cookie(*source, vocabulary) as &'s Statement<'s>)
            },
        );
        members.chain(cookies)
    }
}

/// What all sources together say about the categories that are required.
#[derive(Default)]
struct Said<'s> {
    required: Categories,
    /// Without those that are refused.
    granted: Categories,
    refused: Categories,
    /// The first source that grants a required category.
    grant: Option<&'s str>,
    /// The first refusal of a required category, with its source.
    refusal: Option<(Category, &'s str, Refusal)>,
    /// The first source by which the visitor was asked for consent.
    asked: Option<&'s str>,
}

impl<'s> Said<'s> {
    /// Returns what an outcome is based on.
    fn basis(&self, outcome: Result<(), DropReason>) -> Basis<'s> {
        match (outcome, self.refusal, self.grant, self.asked) {
            (Ok(()), _, Some(source), _) => Basis::Granted { source },
            (Err(_), Some((category, source, how)), ..) => Basis::Refused { category, source, how },
            (Err(_), None, _, Some(source)) => {
                let missing = self.required.without(self.granted.with(Category::Essential));
                Basis::NotGranted { category: missing.first().unwrap_or(Category::Essential), source }
            }
            _ => Basis::Absent,
        }
    }
}

#[cfg(test)]
mod tests;
