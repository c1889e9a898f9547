//! Ordered indexes over the items of a slab.

use std::collections::BTreeMap;

use super::terms::Instant;

/// Keys of a slab, ordered by a time or number and, if that is equal, by a second number.
///
/// All ordered indexes of the engine have this type: each further type of B-tree adds kilobytes of code to the module, which
/// Envoy compiles at each start. Every operation takes O(log n), and B-trees free their memory as they drain.
#[derive(Debug, Default)]
pub(super) struct Order(BTreeMap<(u64, u64), usize>);

/// When it is the turn of something: 584 years of nanoseconds.
pub(super) fn at(instant: Instant) -> u64 {
    u64::try_from(instant.as_nanos()).unwrap_or(u64::MAX)
}

impl Order {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn insert(&mut self, key: (u64, u64), place: usize) {
        self.0.insert(key, place);
    }

    pub fn remove(&mut self, key: (u64, u64)) -> Option<usize> {
        self.0.remove(&key)
    }

    pub fn first(&self) -> Option<usize> {
        self.0.first_key_value().map(|(_, place)| *place)
    }

    pub fn last(&self) -> Option<usize> {
        self.0.last_key_value().map(|(_, place)| *place)
    }
}
