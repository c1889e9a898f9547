//! What an integration does with each event: a preset with a user's document over it, compiled.

use std::borrow::Cow;

use super::fields::Fields;
use super::path::RequestPart;
use crate::event::names::{Dialects, canonical_name, snake_case};
use crate::rank::Rank;

/// What an integration does with each event.
#[derive(Debug)]
pub struct Plan {
    pub(super) entries: Vec<Entry>,
    /// `defaults: {action: send}`: the mappings for events that no document names.
    pub(super) others: Option<Fields>,
}

/// An event that the documents name.
#[derive(Debug)]
pub(super) struct Entry {
    /// The name as it was written.
    pub name: Box<str>,
    pub canonical_name: Box<str>,
    pub vendor_event: Box<str>,
    pub rank: Rank,
    /// `None`: `enabled: false`.
    pub fields: Option<Fields>,
}

/// An event that a plan sends.
#[derive(Debug)]
pub struct Planned<'p> {
    /// The vendor's name for the event.
    pub vendor_event: Cow<'p, str>,
    /// Whether its deliveries may be displaced when the queue is full.
    pub rank: Rank,
    /// The mappings for the event.
    pub fields: &'p Fields,
}

/// Events that are not conversions, by the name under which they are stored.
const ORDINARY: [&str; 6] = ["page", "screen", "identify", "group", "alias", "product_added"];

/// The conversions among the events that no document may name, by the name under which they would be stored.
const CONVERSIONS: [&str; 4] = ["order_completed", "lead_generated", "lead_submitted", "signed_up"];

/// The rank of an event that no document names. Which others a site takes for conversions is not known.
fn rank_of_other(dialects: &Dialects) -> Rank {
    let is_conversion = CONVERSIONS.iter().any(|name| dialects.include(name));
    if is_conversion { Rank::Conversion } else { Rank::Ordinary }
}

impl Entry {
    pub(super) fn new(name: &str, vendor_event: String, fields: Option<Fields>) -> Self {
        let canonical_name = canonical_name(name);
        let ordinary = ORDINARY.contains(&canonical_name.as_str());
        Self {
            name: name.into(),
            vendor_event: vendor_event.into(),
            rank: if ordinary { Rank::Ordinary } else { Rank::Conversion },
            canonical_name: canonical_name.into(),
            fields,
        }
    }
}

impl Plan {
    /// Returns what to do with an event of this name; `None`: nothing. An exact name wins over another spelling, and another
    /// spelling of the name itself over GA4's equivalents.
    pub fn find<'p>(&'p self, name: &str, dialects: &Dialects) -> Option<Planned<'p>> {
        let exact = || self.entries.iter().find(|entry| *entry.name == *name);
        let own = || self.entries.iter().find(|entry| dialects.is_own(&entry.canonical_name));
        let ga4 = || self.entries.iter().find(|entry| dialects.include(&entry.canonical_name));
        match exact().or_else(own).or_else(ga4) {
            Some(entry) => Some(Planned {
                vendor_event: Cow::Borrowed(&entry.vendor_event),
                rank: entry.rank,
                fields: entry.fields.as_ref()?,
            }),
            None => Some(Planned {
                // A name without a letter, or longer than any name, is none that a vendor could file.
                fields: self.others.as_ref().filter(|_| !dialects.own().is_empty())?,
                vendor_event: Cow::Owned(dialects.own().to_owned()),
                rank: rank_of_other(dialects),
            }),
        }
    }

    /// Returns what to do with an event of any name, by the mappings for events that no document names; `None` without these. The
    /// event ranks as given.
    pub fn any<'p>(&'p self, name: &'p str, rank: Rank) -> Option<Planned<'p>> {
        Some(Planned { vendor_event: Cow::Borrowed(name), rank, fields: self.others.as_ref()? })
    }

    /// Calls `read` with each part of the request that any mapping reads; some of them repeatedly.
    pub fn request_parts(&self, read: &mut dyn FnMut(RequestPart<'_>)) {
        for fields in self.entries.iter().filter_map(|entry| entry.fields.as_ref()).chain(&self.others) {
            fields.request_parts(read);
        }
    }

    /// The events that this plan sends: the name as it was written, the vendor's, and the mappings.
    pub fn events(&self) -> impl Iterator<Item = (&str, &str, &Fields)> {
        let sent = |entry: &'_ Entry| entry.fields.is_some();
        self.entries
            .iter()
            .filter(move |entry| sent(entry))
            .filter_map(|entry| Some((&*entry.name, &*entry.vendor_event, entry.fields.as_ref()?)))
    }

    /// Whether it sends events that no document names.
    pub fn sends_others(&self) -> bool {
        self.others.is_some()
    }

    /// Whether it sends no event at all.
    pub fn sends_nothing(&self) -> bool {
        !self.sends_others() && self.events().next().is_none()
    }

    /// Whether both plans would send one and the same event.
    pub fn overlaps(&self, other: &Plan) -> bool {
        if self.sends_others() && other.sends_others() {
            return true;
        }
        // GA4's lead is two events to us, so it may be what two plans have in common.
        let names = self.entries.iter().chain(&other.entries).map(|entry| &*entry.name);
        names.chain(["generate_lead"]).any(|name| {
            let dialects = Dialects::of(name);
            self.find(name, &dialects).is_some() && other.find(name, &dialects).is_some()
        })
    }

    /// Keeps only the events that the integration's own `events` names. Fails with an invalid one and the reason.
    pub(super) fn restrict(&mut self, only: &[String]) -> Result<(), (usize, String)> {
        for (at, name) in only.iter().enumerate() {
            if self.find(name, &Dialects::of(name)).is_none() {
                let known: Vec<_> = self.events().map(|(name, ..)| name).collect();
                let near = super::suggest::nearest(name, &known);
                let hint = match near {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("there is one for {}", known.join(", ")),
                };
                return Err((at, format!("no mapping sends {name:?}; {hint}")));
            }
            if let (Some(fields), false) = (&self.others, self.entries.iter().any(|entry| names(entry, name)))
            {
                self.entries.push(Entry::new(name, snake_case(name), Some(fields.clone())));
            }
        }
        self.entries.retain(|entry| only.iter().any(|name| names(entry, name)));
        self.others = None;
        Ok(())
    }
}

/// Whether a name means this entry, in whatever dialect.
fn names(entry: &Entry, name: &str) -> bool {
    *entry.name == *name
        || Dialects::of(name).include(&entry.canonical_name)
        || *entry.canonical_name == canonical_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_no_document_names_ranks_as_a_conversion_if_it_is_one() {
        let plan = Plan { entries: Vec::new(), others: Some(Fields::default()) };
        let rank = |name: &str| plan.find(name, &Dialects::of(name)).unwrap().rank;
        for name in
            ["Order Completed", "purchase", "orderCompleted", "Signed Up", "generate_lead", "Lead Submitted"]
        {
            assert_eq!(rank(name), Rank::Conversion, "{name}");
        }
        for name in ["page", "identify", "Product Added", "Article Read"] {
            assert_eq!(rank(name), Rank::Ordinary, "{name}");
        }
    }
}
