//! The queued deliveries of one lane, in three orders: by age, by when they are due, and the ordinary ones by age.

use std::collections::{BTreeMap, BTreeSet};

use super::{Instant, Rank};

/// A delivery that the engine holds.
#[derive(Debug)]
pub(super) struct Delivery<P> {
    /// Its place in the order of all that were ever offered.
    pub seq: u64,
    pub rank: Rank,
    /// The size of the parcel when it was offered: what is booked in is booked out.
    pub bytes: usize,
    pub offered_at: Instant,
    /// Attempts that count towards max_attempts.
    pub attempts: u32,
    pub parcel: P,
}

/// What is queued in one lane. Every operation takes O(log n); B-trees give their memory back as they drain.
#[derive(Debug)]
pub(super) struct Queue<P> {
    /// By seq, which is by age: with one max_age for all, the first expires first.
    deliveries: BTreeMap<u64, (Instant, Delivery<P>)>,
    by_due: BTreeSet<(Instant, u64)>,
    ordinary: BTreeSet<u64>,
    bytes: usize,
    ordinary_bytes: usize,
}

impl<P> Queue<P> {
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Number and bytes of those that make way for a conversion.
    pub fn ordinary(&self) -> (usize, usize) {
        (self.ordinary.len(), self.ordinary_bytes)
    }

    /// Takes a delivery that is not to be sent before `due`.
    pub fn push(&mut self, delivery: Delivery<P>, due: Instant) {
        self.by_due.insert((due, delivery.seq));
        self.bytes = self.bytes.saturating_add(delivery.bytes);
        if delivery.rank == Rank::Ordinary {
            self.ordinary.insert(delivery.seq);
            self.ordinary_bytes = self.ordinary_bytes.saturating_add(delivery.bytes);
        }
        self.deliveries.insert(delivery.seq, (due, delivery));
    }

    /// The delivery that is due first, and when.
    pub fn first_due(&self) -> Option<(Instant, &Delivery<P>)> {
        let (due, seq) = self.by_due.first()?;
        self.deliveries.get(seq).map(|(_, delivery)| (*due, delivery))
    }

    pub fn pop_first_due(&mut self) -> Option<Delivery<P>> {
        let seq = self.by_due.first()?.1;
        self.take(seq)
    }

    pub fn oldest(&self) -> Option<&Delivery<P>> {
        self.deliveries.first_key_value().map(|(_, (_, delivery))| delivery)
    }

    pub fn pop_oldest(&mut self) -> Option<Delivery<P>> {
        let seq = *self.deliveries.first_key_value()?.0;
        self.take(seq)
    }

    pub fn pop_newest_ordinary(&mut self) -> Option<Delivery<P>> {
        let seq = *self.ordinary.last()?;
        self.take(seq)
    }

    /// Makes every delivery due by `now`.
    pub fn make_due(&mut self, now: Instant) {
        for (due, _) in self.deliveries.values_mut() {
            *due = now.min(*due);
        }
        self.by_due = self.deliveries.iter().map(|(seq, (due, _))| (*due, *seq)).collect();
    }

    fn take(&mut self, seq: u64) -> Option<Delivery<P>> {
        let (due, delivery) = self.deliveries.remove(&seq)?;
        self.by_due.remove(&(due, seq));
        self.bytes = self.bytes.saturating_sub(delivery.bytes);
        if self.ordinary.remove(&seq) {
            self.ordinary_bytes = self.ordinary_bytes.saturating_sub(delivery.bytes);
        }
        Some(delivery)
    }
}

impl<P> Default for Queue<P> {
    fn default() -> Self {
        Self {
            deliveries: BTreeMap::new(),
            by_due: BTreeSet::new(),
            ordinary: BTreeSet::new(),
            bytes: 0,
            ordinary_bytes: 0,
        }
    }
}
