//! The queued deliveries of one lane, ordered by when they are sent, when they expire, and which are displaced first.

use std::rc::Rc;

use slab::Slab;

use super::order::{Order, at};
use super::terms::Instant;
use crate::accounting::CalloutStatus;
use crate::rank::Rank;

/// A delivery that the engine holds.
#[derive(Debug)]
pub(super) struct Delivery<P> {
    /// The integration's name when the delivery was matched; its outcome is counted under the same name.
    pub counted_as: Rc<str>,
    /// Its place in the order of all that were ever offered.
    pub seq: u64,
    pub rank: Rank,
    /// The size of the parcel when it was offered, so that the same size is added and subtracted.
    pub bytes: usize,
    pub offered_at: Instant,
    /// How long its sender waits for its end, if one does.
    pub waits_until: Option<Instant>,
    /// Attempts that count towards max_attempts: each that may have reached the vendor.
    pub attempts: u32,
    /// Whether it was dispatched before, including as a probe and refused dispatches.
    pub tried: bool,
    /// What its last callout came to.
    pub last_status: Option<CalloutStatus>,
    pub parcel: P,
}

/// A queued delivery, and when it may be sent.
#[derive(Debug)]
struct Waiting<P> {
    due: Instant,
    delivery: Delivery<P>,
}

/// The queue of one lane. Every operation takes O(log n).
#[derive(Debug)]
pub(super) struct Queue<P> {
    deliveries: Slab<Waiting<P>>,
    /// Those that nobody waits for, by seq: with one max_age for all, the first expires first.
    by_age: Order,
    /// Those that somebody waits for, by how long.
    by_wait: Order,
    by_due: Order,
    untried: Order,
    ordinary: Order,
    bytes: usize,
    ordinary_bytes: usize,
}

/// Places that an empty queue keeps; a slab gives back none of its own accord.
const RETAINED_CAPACITY: usize = 64;

/// By age among themselves.
fn aged(seq: u64) -> (u64, u64) {
    (seq, 0)
}

impl<P> Queue<P> {
    pub fn len(&self) -> usize {
        self.deliveries.len()
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns all of them, in no order.
    pub fn parcels(&self) -> impl Iterator<Item = &P> {
        self.deliveries.iter().map(|(_, waiting)| &waiting.delivery.parcel)
    }

    /// Number and bytes of those that a conversion may displace.
    pub fn ordinary(&self) -> (usize, usize) {
        (self.ordinary.len(), self.ordinary_bytes)
    }

    /// Takes a delivery that is not to be sent before `due`.
    pub fn push(&mut self, delivery: Delivery<P>, due: Instant) {
        let Delivery { seq, bytes, tried, rank, waits_until, .. } = delivery;
        let place = self.deliveries.insert(Waiting { due, delivery });
        match waits_until {
            Some(until) => self.by_wait.insert((at(until), seq), place),
            None => self.by_age.insert(aged(seq), place),
        }
        self.by_due.insert((at(due), seq), place);
        if !tried {
            self.untried.insert(aged(seq), place);
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if rank == Rank::Ordinary {
            self.ordinary.insert(aged(seq), place);
            self.ordinary_bytes = self.ordinary_bytes.saturating_add(bytes);
        }
    }

    /// Returns the delivery to send next, and when it is due: the one due first, or for a `probe` preferably an untried one,
    /// so that deliveries on which the vendor fails don't prevent others from showing that it has recovered.
    pub fn next(&self, probe: bool) -> Option<(Instant, &Delivery<P>)> {
        let waiting = self.deliveries.get(self.next_place(probe)?)?;
        Some((waiting.due, &waiting.delivery))
    }

    fn next_place(&self, probe: bool) -> Option<usize> {
        let untried = if probe { self.untried.first() } else { None };
        untried.or_else(|| self.by_due.first())
    }

    /// Takes out what [`next`](Self::next) shows, as tried.
    pub fn pop_next(&mut self, probe: bool) -> Option<Delivery<P>> {
        let delivery = self.take(self.next_place(probe)?)?;
        Some(Delivery { tried: true, ..delivery })
    }

    /// Of those that nobody waits for.
    pub fn oldest(&self) -> Option<&Delivery<P>> {
        self.deliveries.get(self.by_age.first()?).map(|waiting| &waiting.delivery)
    }

    pub fn pop_oldest(&mut self) -> Option<Delivery<P>> {
        self.take(self.by_age.first()?)
    }

    /// Returns until when the most impatient sender waits.
    pub fn first_wait(&self) -> Option<Instant> {
        self.deliveries.get(self.by_wait.first()?)?.delivery.waits_until
    }

    /// Takes out what the most impatient sender waits for.
    pub fn pop_first_wait(&mut self) -> Option<Delivery<P>> {
        self.take(self.by_wait.first()?)
    }

    pub fn pop_newest_ordinary(&mut self) -> Option<Delivery<P>> {
        self.take(self.ordinary.last()?)
    }

    fn take(&mut self, place: usize) -> Option<Delivery<P>> {
        let Waiting { due, delivery } = self.deliveries.try_remove(place)?;
        let seq = delivery.seq;
        match delivery.waits_until {
            Some(until) => self.by_wait.remove((at(until), seq)),
            None => self.by_age.remove(aged(seq)),
        };
        self.by_due.remove((at(due), seq));
        self.untried.remove(aged(seq));
        self.bytes = self.bytes.saturating_sub(delivery.bytes);
        if self.ordinary.remove(aged(seq)).is_some() {
            self.ordinary_bytes = self.ordinary_bytes.saturating_sub(delivery.bytes);
        }
        if self.deliveries.is_empty() && self.deliveries.capacity() > RETAINED_CAPACITY {
            self.deliveries = Slab::new();
        }
        Some(delivery)
    }
}

impl<P> Default for Queue<P> {
    fn default() -> Self {
        Self {
            deliveries: Slab::new(),
            by_age: Order::default(),
            by_wait: Order::default(),
            by_due: Order::default(),
            untried: Order::default(),
            ordinary: Order::default(),
            bytes: 0,
            ordinary_bytes: 0,
        }
    }
}
