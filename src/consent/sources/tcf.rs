//! The IAB TCF v2 consent string (cookie `euconsent-v2`), as far as needed here: the visitor's consent to purposes and
//! vendors, and the restrictions that the publisher puts on vendors, all in the first segment, the core segment.
//!
//! It is parsed here because the crates for it are not safe for input from clients: on 4 KB `iab_gpp` 0.1 takes seconds and
//! `lib_tcstring` 0.5 allocates 96 MB, and the latter panics on a truncated string. Both list every vendor of every range;
//! the filter only looks up one.

use std::borrow::Cow;
use std::cell::Cell;

use crate::consent::bits::Bits;
use crate::consent::category::{Categories, Category};
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::{ConsentedVendors, Statement};
use crate::consent::vocabulary::Vocabulary;

// Offsets in bits: "Core String" in the IAB's "TCF v2 Consent string and vendor list formats".
const VERSION: usize = 0;
const PURPOSES_CONSENT: usize = 152;
const VENDORS_CONSENT: usize = 213;

// Widths in bits of what the lists of vendors and the publisher restrictions are made of.
const VENDOR_ID_BITS: usize = 16;
const NUM_ENTRIES_BITS: usize = 12;
const NUM_RESTRICTIONS_BITS: usize = 12;
const PURPOSE_ID_BITS: usize = 6;
const RESTRICTION_TYPE_BITS: usize = 2;

/// The restriction type by which a vendor may use a purpose with consent only.
const REQUIRE_CONSENT: u64 = 1;

const MARKETING_PURPOSES: [u64; 5] = [1, 2, 3, 4, 7];

/// The cookie that holds the IAB TCF v2 string.
pub struct Tcf;

impl ConsentSource for Tcf {
    fn name(&self) -> &str {
        "the IAB TCF string"
    }

    fn location(&self) -> Location {
        Location::Cookie(CookieSetting {
            key: "tcf",
            defaults: &["euconsent-v2"],
            documentation: "The cookie of the IAB TCF v2 string.",
        })
    }

    fn read<'a>(&self, value: &'a [u8], _: &Vocabulary) -> Statement<'a> {
        statement(value)
    }

    fn may_record_opt_out(&self) -> bool {
        false
    }
}

/// Reads a TCF string. One that is not base64url, not version 2, or truncated within the part read here, can't be read. A vendor
/// on IAB's list needs the visitor's consent to itself in addition to that to the purposes, and the publisher must not keep it from
/// any purpose of marketing.
pub fn statement(text: &[u8]) -> Statement<'_> {
    match TcfString::read(text) {
        Some(string) => Statement::granting_only(string.granted()).limited_to(Box::new(string)),
        None => Statement::unreadable(),
    }
}

/// Reads a TCF string as [`statement`] does, also one that had to be decoded first.
pub fn statement_of(text: Cow<'_, [u8]>) -> Statement<'_> {
    let text = match text {
        Cow::Borrowed(text) => return statement(text),
        Cow::Owned(text) => text,
    };
    match TcfString::read(&text).map(|string| string.granted()) {
        Some(granted) => Statement::granting_only(granted).limited_to(Box::new(OwnedText(text))),
        None => Statement::unreadable(),
    }
}

/// The text of a string that has been read before.
#[derive(Debug)]
struct OwnedText(Vec<u8>);

impl ConsentedVendors for OwnedText {
    fn contains(&self, id: u16) -> bool {
        TcfString::read(&self.0).is_some_and(|string| string.contains(id))
    }
}

/// A core segment that is complete as far as it is read.
#[derive(Clone, Debug)]
struct TcfString<'a> {
    core: Bits<'a>,
    /// Purpose 1 is the topmost of the 24 bits.
    purposes: u64,
    /// The bit with which the publisher restrictions begin.
    restrictions: usize,
    /// The vendor asked for last and its answer: one vendor is asked for each event of a request.
    last_vendor: Cell<Option<(u16, bool)>>,
}

impl<'a> TcfString<'a> {
    /// Reads a cookie's value, which may be any bytes. Returns `None` if it is not base64url, not version 2, or truncated within
    /// the part read here.
    ///
    /// That part ends with the publisher restrictions. Consent tools write at least their number, so a string that ends before
    /// it has lost something, perhaps a restriction.
    fn read(value: &'a [u8]) -> Option<Self> {
        let core = Bits::new(value.split(|byte| *byte == b'.').next()?)?;
        if core.read(VERSION, 6)? != 2 {
            return None;
        }
        let purposes = core.read(PURPOSES_CONSENT, 24)?;
        let consents = find_vendor(core, VENDORS_CONSENT, 0)?;
        let legitimate_interests = find_vendor(core, consents.end, 0)?;
        let restrictions = legitimate_interests.end;
        is_restricted(core, restrictions, 0)?;
        Some(TcfString { core, purposes, restrictions, last_vendor: Cell::new(None) })
    }

    /// The categories whose purposes the visitor consents to.
    ///
    /// Marketing needs purposes 1, 2, 3, 4 and 7, analytics 8 and 9, functional 5. Legitimate interest counts for nothing.
    fn granted(&self) -> Categories {
        [
            (Category::Marketing, &MARKETING_PURPOSES[..]),
            (Category::Analytics, &[8, 9]),
            (Category::Functional, &[5]),
        ]
        .into_iter()
        .filter(|(_, purposes)| purposes.iter().all(|purpose| self.consents_to_purpose(*purpose)))
        .map(|(category, _)| category)
        .collect()
    }

    /// `purpose`: 1 to 24.
    fn consents_to_purpose(&self, purpose: u64) -> bool {
        24_u64.checked_sub(purpose).is_some_and(|bit| self.purposes >> bit & 1 == 1)
    }

    /// Returns whether the visitor consents to the vendor and the publisher lets it use every purpose of marketing.
    fn permits(&self, id: u16) -> Option<bool> {
        let consents = find_vendor(self.core, VENDORS_CONSENT, id)?.found;
        Some(consents && !is_restricted(self.core, self.restrictions, id)?)
    }
}

impl ConsentedVendors for TcfString<'_> {
    fn contains(&self, id: u16) -> bool {
        if let Some((asked, permitted)) = self.last_vendor.get()
            && asked == id
        {
            return permitted;
        }
        let permitted = self.permits(id).unwrap_or(false);
        self.last_vendor.set(Some((id, permitted)));
        permitted
    }
}

/// What a look into a list of vendors found, and the bit behind the list.
struct Lookup {
    found: bool,
    end: usize,
}

/// Looks for a vendor in the list that begins with the bit `at`, a bit field or ranges. Returns `None` if the list is truncated.
/// No vendor has id 0.
fn find_vendor(core: Bits, at: usize, id: u16) -> Option<Lookup> {
    let max_vendor_id = core.read(at, VENDOR_ID_BITS)?;
    let is_range_encoding = core.read(at + VENDOR_ID_BITS, 1)? == 1;
    let list = at + VENDOR_ID_BITS + 1;
    if is_range_encoding {
        find_in_ranges(core, list, u64::from(id))
    } else {
        find_in_bit_field(core, list, usize::try_from(max_vendor_id).ok()?, usize::from(id))
    }
}

/// Looks into a bit field of `max` vendors.
fn find_in_bit_field(core: Bits, at: usize, max: usize, id: usize) -> Option<Lookup> {
    let end = at + max;
    if core.len() < end {
        return None;
    }
    let found = match id.checked_sub(1) {
        Some(index) if id <= max => core.read(at + index, 1)? == 1,
        _ => false,
    };
    Some(Lookup { found, end })
}

/// Looks into a list of single ids and ranges, which begins with their number.
fn find_in_ranges(core: Bits, at: usize, id: u64) -> Option<Lookup> {
    let entries = core.read(at, NUM_ENTRIES_BITS)?;
    let mut end = at + NUM_ENTRIES_BITS;
    let mut found = false;
    for _ in 0..entries {
        let is_range = core.read(end, 1)? == 1;
        let first = core.read(end + 1, VENDOR_ID_BITS)?;
        end += 1 + VENDOR_ID_BITS;
        let last = if is_range { core.read(end, VENDOR_ID_BITS)? } else { first };
        end += if is_range { VENDOR_ID_BITS } else { 0 };
        found |= (first..=last).contains(&id);
    }
    Some(Lookup { found, end })
}

/// Returns whether the publisher restrictions, which begin with the bit `at`, keep a vendor from a purpose of marketing. Returns
/// `None` if they are truncated.
///
/// A restriction forbids a purpose, or requires consent or legitimate interest for it. Only the one that requires consent leaves
/// the purpose to a vendor that has consent; what else the two bits may say counts as a prohibition.
fn is_restricted(core: Bits, at: usize, id: u16) -> Option<bool> {
    let restrictions = core.read(at, NUM_RESTRICTIONS_BITS)?;
    let mut at = at + NUM_RESTRICTIONS_BITS;
    let mut restricted = false;
    for _ in 0..restrictions {
        let purpose = core.read(at, PURPOSE_ID_BITS)?;
        let restriction = core.read(at + PURPOSE_ID_BITS, RESTRICTION_TYPE_BITS)?;
        let vendors = find_in_ranges(core, at + PURPOSE_ID_BITS + RESTRICTION_TYPE_BITS, u64::from(id))?;
        restricted |=
            vendors.found && restriction != REQUIRE_CONSENT && MARKETING_PURPOSES.contains(&purpose);
        at = vendors.end;
    }
    Some(restricted)
}

#[cfg(test)]
pub(in crate::consent) mod tests;
