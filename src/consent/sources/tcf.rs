//! The IAB TCF v2 consent string (cookie `euconsent-v2`), as far as needed here: the visitor's consent to purposes and
//! vendors, both in the first segment, the core segment.
//!
//! It is parsed here because the crates for it are not safe for input from clients: on 4 KB `iab_gpp` 0.1 takes seconds and
//! `lib_tcstring` 0.5 allocates 96 MB, and the latter panics on a truncated string. Both list every vendor of every range;
//! the filter only looks up one.

use std::cell::Cell;

use crate::consent::bits::Bits;
use crate::consent::category::{Categories, Category};
use crate::consent::source::{ConsentSource, CookieSetting, Location};
use crate::consent::statement::{ConsentedVendors, Statement};
use crate::consent::vocabulary::Vocabulary;

// Offsets in bits: "Core String" in the IAB's "TCF v2 Consent string and vendor list formats".
const VERSION: usize = 0;
const PURPOSES_CONSENT: usize = 152;
const MAX_VENDOR_ID: usize = 213;
const IS_RANGE_ENCODING: usize = 229;
const VENDORS: usize = 230;
const NUM_ENTRIES_BITS: usize = 12;
const VENDOR_ID_BITS: usize = 16;

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
/// on IAB's list needs the visitor's consent to itself in addition to that to the purposes.
pub fn statement(text: &[u8]) -> Statement<'_> {
    match TcfString::read(text) {
        Some(string) => Statement::granting_only(string.granted()).limited_to(Box::new(string)),
        None => Statement::unreadable(),
    }
}

/// A core segment that is complete as far as it is read.
#[derive(Clone, Debug)]
struct TcfString<'a> {
    core: Bits<'a>,
    /// Purpose 1 is the topmost of the 24 bits.
    purposes: u64,
    /// The vendor asked for last and its answer: one vendor is asked for each event of a request.
    last_vendor: Cell<Option<(u16, bool)>>,
}

impl<'a> TcfString<'a> {
    /// Reads a cookie's value, which may be any bytes. Returns `None` if it is not base64url, not version 2, or truncated within
    /// the part read here.
    fn read(value: &'a [u8]) -> Option<Self> {
        let core = Bits::new(value.split(|byte| *byte == b'.').next()?)?;
        if core.read(VERSION, 6)? != 2 {
            return None;
        }
        let purposes = core.read(PURPOSES_CONSENT, 24)?;
        let string = TcfString { core, purposes, last_vendor: Cell::new(None) };
        string.find_vendor(0)?;
        Some(string)
    }

    /// The categories whose purposes the visitor consents to.
    ///
    /// Marketing needs purposes 1, 2, 3, 4 and 7, analytics 8 and 9, functional 5. Legitimate interest counts for nothing.
    fn granted(&self) -> Categories {
        [
            (Category::Marketing, &[1, 2, 3, 4, 7][..]),
            (Category::Analytics, &[8, 9]),
            (Category::Functional, &[5]),
        ]
        .into_iter()
        .filter(|(_, purposes)| purposes.iter().all(|purpose| self.consents_to_purpose(*purpose)))
        .map(|(category, _)| category)
        .collect()
    }

    /// `purpose`: 1 to 24.
    fn consents_to_purpose(&self, purpose: u32) -> bool {
        24_u32.checked_sub(purpose).is_some_and(|bit| self.purposes >> bit & 1 == 1)
    }

    /// Whether the vendor is among those consented to; None where the list is cut. No vendor has id 0.
    fn find_vendor(&self, id: u16) -> Option<bool> {
        if self.core.read(IS_RANGE_ENCODING, 1)? == 1 {
            self.find_in_ranges(u64::from(id))
        } else {
            self.find_in_bit_field(usize::from(id))
        }
    }

    fn find_in_bit_field(&self, id: usize) -> Option<bool> {
        let max = usize::try_from(self.core.read(MAX_VENDOR_ID, VENDOR_ID_BITS)?).ok()?;
        if self.core.len() < VENDORS + max {
            return None;
        }
        match id.checked_sub(1) {
            Some(index) if id <= max => Some(self.core.read(VENDORS + index, 1)? == 1),
            _ => Some(false),
        }
    }

    fn find_in_ranges(&self, id: u64) -> Option<bool> {
        let entries = self.core.read(VENDORS, NUM_ENTRIES_BITS)?;
        let mut at = VENDORS + NUM_ENTRIES_BITS;
        let mut found = false;
        for _ in 0..entries {
            let is_range = self.core.read(at, 1)? == 1;
            let first = self.core.read(at + 1, VENDOR_ID_BITS)?;
            at += 1 + VENDOR_ID_BITS;
            let last = if is_range { self.core.read(at, VENDOR_ID_BITS)? } else { first };
            at += if is_range { VENDOR_ID_BITS } else { 0 };
            found |= (first..=last).contains(&id);
        }
        Some(found)
    }
}

impl ConsentedVendors for TcfString<'_> {
    fn contains(&self, id: u16) -> bool {
        if let Some((asked, consents)) = self.last_vendor.get()
            && asked == id
        {
            return consents;
        }
        let consents = self.find_vendor(id).unwrap_or(false);
        self.last_vendor.set(Some((id, consents)));
        consents
    }
}

#[cfg(test)]
pub(in crate::consent) mod tests;
