//! The IAB Global Privacy Platform string (GPP), as far as needed here: the section of the European TCF, and the opt-outs and
//! Global Privacy Control in the sections of the United States. The cookie is `__gpp`, with OneTrust `OTGPPConsent`.
//!
//! It is parsed here because the crate for it is not safe for input from clients: `iab_gpp` 0.1 adds the ids of a header up in
//! a byte without looking for overflow, miscounts a header of three single ids or more, and takes seconds for a TCF section of
//! 4 KB. It is the oracle in the tests of the American sections.

mod header;
mod us_section;

use super::us_privacy;
use header::SectionIds;

/// Section ids from the IAB's "Section Information".
const TCF_EU_V2: u32 = 2;
const US_PRIVACY: u32 = 6;

/// What a GPP string states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GppString<'a> {
    tcf: Option<&'a [u8]>,
    sale_opt_out: bool,
    gpc: bool,
    has_unreadable_section: bool,
}

impl<'a> GppString<'a> {
    /// Returns the text of the section of the European TCF, which is a TCF v2 string and has not been read. Returns `None` if
    /// there is no such section.
    pub fn tcf(&self) -> Option<&'a [u8]> {
        self.tcf
    }

    /// Returns whether any section of the United States records an opt-out of the sale or the sharing of personal data, or of
    /// targeted advertising.
    pub fn sale_opt_out(&self) -> bool {
        self.sale_opt_out
    }

    /// Returns whether any section of the United States records that Global Privacy Control was on.
    pub fn gpc(&self) -> bool {
        self.gpc
    }

    /// Returns whether a section of the United States is truncated, is not base64url, or has an unknown version or sub-section.
    /// What the other sections record counts all the same.
    pub fn has_unreadable_section(&self) -> bool {
        self.has_unreadable_section
    }

    /// Adds what one section states.
    fn with_section(self, id: u32, text: &'a [u8]) -> Self {
        let (opted_out, gpc) = match id {
            TCF_EU_V2 => return Self { tcf: Some(text), ..self },
            US_PRIVACY => (us_privacy::opted_out(text), Some(false)),
            id if us_section::IDS.contains(&id) => {
                us_section::read(id, text).map(|section| (section.opted_out, section.gpc)).unzip()
            }
            // The Canadian TCF, and what the IAB may add: neither a grant nor a refusal.
            _ => return self,
        };
        Self {
            sale_opt_out: self.sale_opt_out | opted_out.unwrap_or_default(),
            gpc: self.gpc | gpc.unwrap_or_default(),
            has_unreadable_section: self.has_unreadable_section | opted_out.is_none(),
            ..self
        }
    }
}

/// Reads a GPP string: a header, and a section for each id that the header lists, all separated by `~`.
///
/// Takes any bytes and time linear in their number. Returns `None` if they cannot be read: the header is not one of version 1,
/// or it lists fewer or more sections than there are. A string without sections, `DBAA`, states nothing; consent tools set it
/// before a choice.
pub fn read(text: &[u8]) -> Option<GppString<'_>> {
    let mut parts = text.split(|byte| *byte == b'~');
    let mut string = GppString::default();
    for id in SectionIds::read(parts.next()?)? {
        string = string.with_section(id?, parts.next()?);
    }
    parts.next().is_none().then_some(string)
}

#[cfg(test)]
mod tests;
