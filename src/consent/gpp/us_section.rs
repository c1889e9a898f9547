//! The sections of the United States in a GPP string: the national one and those of the states.
//!
//! A section is a core and perhaps sub-sections, separated by dots and each base64url. The core has a version of 6 bits, several
//! notices, the opt-outs of 2 bits each, and more. The layouts come from the specifications in `Sections/` of the IAB's
//! repository. From Maryland on, these put a segment before the core that has the section's id and version; the IAB's own
//! libraries have written these states with that segment and without it, so both forms are read.

use std::ops::RangeInclusive;

use crate::consent::bits::Bits;

/// The ids of all sections of the United States, from the national one to Rhode Island's.
pub(super) const IDS: RangeInclusive<u32> = 7..=27;

/// The sections that may begin with a segment of their own for id and version: Maryland, Indiana, Kentucky, Rhode Island.
const WITH_HEADER: RangeInclusive<u32> = 24..=27;

/// The sections whose sub-section holds consents to sensitive data, without a type: Indiana, Kentucky, Rhode Island.
const WITHOUT_GPC: RangeInclusive<u32> = 25..=27;

const VERSION_BITS: usize = 6;
const OPT_OUT_BITS: usize = 2;
const OPTED_OUT: u64 = 1;

// A sub-section of the other sections: its type, then for the only known type whether Global Privacy Control is on.
const TYPE_BITS: usize = 2;
const GPC_TYPE: u64 = 1;

/// What a section states.
pub(super) struct UsSection {
    /// The visitor has opted out of the sale or the sharing of personal data, or of targeted advertising.
    pub(super) opted_out: bool,
    pub(super) gpc: bool,
}

/// Where the opt-outs stand in a core.
struct Layout {
    /// The bit with which the first of the opt-outs begins. They follow each other without a gap.
    opt_outs: usize,
    /// How many there are: of sale, sharing and targeted advertising in the national section, of two of these in a state's.
    count: usize,
    /// How many bits the whole core has. A shorter one is truncated; a longer one is padded, or has fields of a later revision.
    bits: usize,
}

/// Returns the layout of the core, or `None` if the version is unknown.
fn layout(id: u32, version: u64) -> Option<Layout> {
    let (opt_outs, count, bits) = match (id, version) {
        // National. Some consent tools write the fields of version 2 under version 1.
        (7, 1) => (18, 3, 60),
        (7, 2) => (18, 3, 70),
        // California has sharing instead of targeted advertising.
        (8, 1) => (12, 2, 46),
        // Virginia, Colorado, Utah, Connecticut
        (9, 1) => (12, 2, 40),
        (10, 1) => (12, 2, 38),
        (11, 1) => (14, 2, 42),
        (12, 1) => (12, 2, 44),
        // Florida, Montana, Oregon, Texas
        (13 | 14, 1) => (12, 2, 46),
        (15, 1) => (12, 2, 52),
        (16, 1) => (12, 2, 42),
        // Delaware, Iowa, Nebraska, New Hampshire
        (17, 1) => (12, 2, 52),
        (18, 1) => (14, 2, 42),
        (19, 1) => (12, 2, 42),
        (20, 1) => (12, 2, 46),
        // New Jersey, Tennessee, Minnesota
        (21, 1) => (12, 2, 54),
        (22 | 23, 1) => (12, 2, 42),
        // Maryland, then Indiana, Kentucky and Rhode Island
        (24, 1) => (16, 2, 22),
        (25..=27, 1) => (16, 2, 24),
        _ => return None,
    };
    Some(Layout { opt_outs, count, bits })
}

/// Reads the section with this id, one of [`IDS`]. Returns `None` if it is truncated, is not base64url, or has an unknown
/// version or an unknown sub-section.
pub(super) fn read(id: u32, text: &[u8]) -> Option<UsSection> {
    let mut segments = text.split(|byte| *byte == b'.');
    let first = Bits::new(segments.next()?)?;
    let has_header = WITH_HEADER.contains(&id) && first.read(0, VERSION_BITS)? == u64::from(id);
    let (version, core) = if has_header {
        // The core has a field in the place of the version, too: the version of the IAB's agreement, which changes no layout.
        (first.read(VERSION_BITS, VERSION_BITS)?, Bits::new(segments.next()?)?)
    } else {
        (first.read(0, VERSION_BITS)?, first)
    };
    let opted_out = opted_out(core, &layout(id, version)?)?;
    let mut gpc = false;
    for segment in segments {
        let bits = Bits::new(segment)?;
        gpc |= !WITHOUT_GPC.contains(&id) && gpc_of_sub_section(bits)?;
    }
    Some(UsSection { opted_out, gpc })
}

/// Returns whether the core has any of the opt-outs. Returns `None` if it is truncated.
fn opted_out(core: Bits, layout: &Layout) -> Option<bool> {
    if core.len() < layout.bits {
        return None;
    }
    let mut opted_out = false;
    for opt_out in 0..layout.count {
        opted_out |= core.read(layout.opt_outs + opt_out * OPT_OUT_BITS, OPT_OUT_BITS)? == OPTED_OUT;
    }
    Some(opted_out)
}

/// Returns whether a sub-section says that Global Privacy Control is on. Returns `None` if it has another type.
fn gpc_of_sub_section(bits: Bits) -> Option<bool> {
    let is_gpc = bits.read(0, TYPE_BITS)? == GPC_TYPE;
    let gpc = bits.read(TYPE_BITS, 1)? == 1;
    is_gpc.then_some(gpc)
}
