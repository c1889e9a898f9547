//! Orders of what lies in a slab.

use std::collections::BTreeMap;

use super::terms::Instant;

/// Places in a slab, in the order of a time or number and, where that is the same, of a second number.
///
/// All orders of the engine are of this one type: the code of every kind of B-tree is kilobytes of the module, which Envoy
/// compiles at each start. Every operation takes O(log n), and B-trees give their memory back as they drain.
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
