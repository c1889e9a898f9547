//! The callouts in flight, of all lanes: by token, and by when to stop waiting for them.

use std::collections::{BTreeMap, BTreeSet};

use super::queue::Delivery;
use super::{Instant, Token};

/// One delivery on its way.
#[derive(Debug)]
pub(super) struct Flight<P> {
    /// The lane's key, which no reconfiguration changes.
    pub lane: u64,
    pub delivery: Delivery<P>,
    pub started: Instant,
    /// From then on its answer counts as lost.
    pub deadline: Instant,
    /// Started while its lane was failing: it uses up no attempt.
    pub probe: bool,
}

#[derive(Debug)]
pub(super) struct Flights<P> {
    by_token: BTreeMap<u64, Flight<P>>,
    /// With tokens as wide as the queue's numbers: each kind of set is kilobytes of the module.
    by_deadline: BTreeSet<(Instant, u64)>,
}

impl<P> Flights<P> {
    pub fn len(&self) -> usize {
        self.by_token.len()
    }

    /// Adds a flight. If the host has given its token to another one that is still in flight, that one can never be
    /// answered any more and is handed back.
    #[must_use]
    pub fn insert(&mut self, token: Token, flight: Flight<P>) -> Option<Flight<P>> {
        let displaced = self.remove(token);
        let token = u64::from(token.0);
        self.by_deadline.insert((flight.deadline, token));
        self.by_token.insert(token, flight);
        displaced
    }

    pub fn remove(&mut self, token: Token) -> Option<Flight<P>> {
        self.take(u64::from(token.0))
    }

    fn take(&mut self, token: u64) -> Option<Flight<P>> {
        let flight = self.by_token.remove(&token)?;
        self.by_deadline.remove(&(flight.deadline, token));
        Some(flight)
    }

    /// Takes out one whose deadline has passed.
    pub fn pop_overdue(&mut self, now: Instant) -> Option<Flight<P>> {
        let &(deadline, token) = self.by_deadline.first()?;
        if deadline > now { None } else { self.take(token) }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.by_deadline.first().map(|(deadline, _)| *deadline)
    }
}

impl<P> Default for Flights<P> {
    fn default() -> Self {
        Self { by_token: BTreeMap::new(), by_deadline: BTreeSet::new() }
    }
}
