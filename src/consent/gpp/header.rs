//! The header of a GPP string: the ids of its sections, as "Global Privacy Platform String" in the IAB's repository has it.

use crate::consent::bits::Bits;

const GPP_HEADER_TYPE: u64 = 3;
const GPP_VERSION: u64 = 1;

// Offsets and widths in bits.
const TYPE: usize = 0;
const VERSION: usize = 6;
const NUM_ITEMS: usize = 12;
const NUM_ITEMS_BITS: usize = 12;
const ITEMS: usize = 24;

/// The ids of the sections, in order. An item of `None` says that the rest of the header cannot be read.
///
/// The ids are a list of single ids and of groups, each an offset from the id before it and, of a group, its length. They are
/// decoded as they are asked for: a group of four bytes may stand for millions of ids, and a string has few sections.
pub(super) struct SectionIds<'a> {
    bits: Bits<'a>,
    at: usize,
    items_left: u64,
    last: u32,
    group_end: u32,
}

impl<'a> SectionIds<'a> {
    /// Returns `None` if the text is not base64url or is not the beginning of a header of version 1.
    pub(super) fn read(text: &'a [u8]) -> Option<Self> {
        let bits = Bits::new(text)?;
        let known = bits.read(TYPE, 6)? == GPP_HEADER_TYPE && bits.read(VERSION, 6)? == GPP_VERSION;
        let items_left = bits.read(NUM_ITEMS, NUM_ITEMS_BITS)?;
        known.then_some(Self { bits, at: ITEMS, items_left, last: 0, group_end: 0 })
    }

    /// Reads an item and returns its first id.
    fn next_item(&mut self) -> Option<u32> {
        let is_group = self.next_bit()?;
        self.last = self.last.checked_add(self.next_integer()?)?;
        self.group_end = if is_group { self.last.checked_add(self.next_integer()?)? } else { self.last };
        Some(self.last)
    }

    /// Reads an integer in Fibonacci coding: each bit counts for a Fibonacci number, 1, 2, 3, 5 and so on, and a second 1 in a
    /// row ends it. Returns `None` if the header ends before, or if the integer would not fit.
    fn next_integer(&mut self) -> Option<u32> {
        let mut integer = 0_u32;
        let (mut value, mut next_value) = (1_u32, 2_u32);
        let mut previous = false;
        loop {
            match (previous, self.next_bit()?) {
                (true, true) => return Some(integer),
                (_, bit) => {
                    integer = if bit { integer.checked_add(value)? } else { integer };
                    (value, next_value) = (next_value, value.checked_add(next_value)?);
                    previous = bit;
                }
            }
        }
    }

    fn next_bit(&mut self) -> Option<bool> {
        let bit = self.bits.read(self.at, 1)? == 1;
        self.at += 1;
        Some(bit)
    }
}

impl Iterator for SectionIds<'_> {
    type Item = Option<u32>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.last < self.group_end {
            self.last += 1;
            return Some(Some(self.last));
        }
        self.items_left = self.items_left.checked_sub(1)?;
        Some(self.next_item())
    }
}
