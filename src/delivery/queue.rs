//! The queued deliveries of one lane, in the orders in which they are sent, expire and make way.

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
    /// Dispatched before, be it as a probe or in vain.
    pub tried: bool,
    pub parcel: P,
}

/// What is queued in one lane. Every operation takes O(log n); B-trees give their memory back as they drain.
#[derive(Debug)]
pub(super) struct Queue<P> {
    /// By seq, which is by age: with one max_age for all, the first expires first.
    deliveries: BTreeMap<u64, (Instant, Delivery<P>)>,
    by_due: BTreeSet<(Instant, u64)>,
    untried: BTreeSet<u64>,
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
        if !delivery.tried {
            self.untried.insert(delivery.seq);
        }
        self.bytes = self.bytes.saturating_add(delivery.bytes);
        if delivery.rank == Rank::Ordinary {
            self.ordinary.insert(delivery.seq);
            self.ordinary_bytes = self.ordinary_bytes.saturating_add(delivery.bytes);
        }
        self.deliveries.insert(delivery.seq, (due, delivery));
    }

    /// The delivery to send next, and when it is due: the one due first, or for a `probe` an untried one if there is
    /// any, so that those which the vendor chokes on do not keep the others from showing that it is well.
    pub fn next(&self, probe: bool) -> Option<(Instant, &Delivery<P>)> {
        let untried = self.untried.first().filter(|_| probe);
        let seq = untried.or_else(|| self.by_due.first().map(|(_, seq)| seq))?;
        self.deliveries.get(seq).map(|(due, delivery)| (*due, delivery))
    }

    /// Takes out what [`next`](Self::next) shows, as tried.
    pub fn pop_next(&mut self, probe: bool) -> Option<Delivery<P>> {
        let seq = self.next(probe)?.1.seq;
        self.take(seq).map(|delivery| Delivery { tried: true, ..delivery })
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

    fn take(&mut self, seq: u64) -> Option<Delivery<P>> {
        let (due, delivery) = self.deliveries.remove(&seq)?;
        self.by_due.remove(&(due, seq));
        self.untried.remove(&seq);
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
            untried: BTreeSet::new(),
            ordinary: BTreeSet::new(),
            bytes: 0,
            ordinary_bytes: 0,
        }
    }
}
