//! The callouts in flight of all lanes, by token and by deadline.

use std::time::Duration;

use slab::Slab;

use super::answer::Answer;
use super::limits::GRACE;
use super::order::{Order, at};
use super::queue::Delivery;
use super::terms::{Instant, Token};

/// One delivery in flight.
#[derive(Debug)]
pub(super) struct Flight<P> {
    /// The lane's key, which no reconfiguration changes.
    pub lane: u64,
    pub delivery: Delivery<P>,
    pub started: Instant,
    /// The timeout of its callout.
    pub timeout: Duration,
    /// Started while its lane was failing.
    pub probe: bool,
}

impl<P> Flight<P> {
    /// Returns the time after which its answer counts as lost.
    fn deadline(&self) -> Instant {
        self.started.saturating_add(self.timeout).saturating_add(GRACE)
    }

    /// Returns its delivery after one more attempt.
    pub fn attempted(self) -> Delivery<P> {
        Delivery { attempts: self.delivery.attempts.saturating_add(1), ..self.delivery }
    }

    /// Returns its delivery after one more attempt, if the answer shows that it was one.
    pub fn counting(self, answer: Answer<'_>) -> Delivery<P> {
        if answer.may_be_a_hit() { self.attempted() } else { self.delivery }
    }
}

#[derive(Debug)]
pub(super) struct Flights<P> {
    flights: Slab<(Token, Flight<P>)>,
    by_token: Order,
    by_deadline: Order,
}

fn named(token: Token) -> (u64, u64) {
    (u64::from(token.0), 0)
}

impl<P> Flights<P> {
    pub fn len(&self) -> usize {
        self.flights.len()
    }

    /// Returns what is in flight, in no order.
    pub fn parcels(&self) -> impl Iterator<Item = &P> {
        self.flights.iter().map(|(_, (_, flight))| &flight.delivery.parcel)
    }

    /// Adds a flight. If the host has reused the token of another flight, that one can no longer be answered and is returned.
    #[must_use]
    pub fn insert(&mut self, token: Token, flight: Flight<P>) -> Option<Flight<P>> {
        let displaced = self.remove(token);
        let deadline = (at(flight.deadline()), u64::from(token.0));
        let place = self.flights.insert((token, flight));
        self.by_deadline.insert(deadline, place);
        self.by_token.insert(named(token), place);
        displaced
    }

    pub fn remove(&mut self, token: Token) -> Option<Flight<P>> {
        let place = self.by_token.remove(named(token))?;
        let (_, flight) = self.flights.try_remove(place)?;
        self.by_deadline.remove((at(flight.deadline()), u64::from(token.0)));
        Some(flight)
    }

    /// Takes out one whose deadline has passed.
    pub fn pop_overdue(&mut self, now: Instant) -> Option<Flight<P>> {
        let (token, flight) = self.flights.get(self.by_deadline.first()?)?;
        if flight.deadline() > now { None } else { self.remove(*token) }
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.flights.get(self.by_deadline.first()?).map(|(_, flight)| flight.deadline())
    }
}

impl<P> Default for Flights<P> {
    fn default() -> Self {
        Self { flights: Slab::new(), by_token: Order::default(), by_deadline: Order::default() }
    }
}
