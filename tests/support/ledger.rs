//! What a gateway's counters say at one moment, and what a vendor says of each order.

use std::collections::HashSet;

use super::orders::{CALLOUTS, DELIVERIES};
use super::{Destination, Gateway, sum};

/// The counters of one integration on one page of metrics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ledger {
    pub matched: u64,
    pub delivered: u64,
    pub dropped: u64,
    pub given_back: u64,
    /// Callouts of which nobody knows whether the vendor counted them.
    pub unanswered: u64,
}

impl Ledger {
    pub fn on(page: &str, integration: &str) -> Self {
        let of = |outcome| sum(page, DELIVERIES, &[("integration", integration), ("outcome", outcome)]);
        let callouts = |status| sum(page, CALLOUTS, &[("integration", integration), ("status", status)]);
        Self {
            matched: of("matched"),
            delivered: of("delivered"),
            dropped: of("dropped"),
            given_back: of("given_back"),
            unanswered: ["timeout", "transport", "unusable"].map(callouts).iter().sum(),
        }
    }

    pub fn of(gateway: &Gateway, integration: &str) -> Self {
        Self::on(&gateway.prometheus(), integration)
    }

    /// Deliveries that have ended, whichever way.
    pub fn ended(self) -> u64 {
        self.delivered + self.dropped + self.given_back
    }

    /// Envoy reads its counters one after the other: what ends meanwhile may be counted before it began.
    pub fn pending(self) -> u64 {
        self.matched.saturating_sub(self.ended())
    }
}

/// What became of orders at one vendor.
#[derive(Debug, Default)]
pub struct Arrived {
    /// Orders that the vendor has accepted.
    pub accepted: u64,
    /// Orders that it has not counted, whatever it answered.
    pub missing: Vec<u64>,
    /// Orders that it may have counted twice.
    pub twice: u64,
    /// The most requests that it got about one order.
    pub most_received: u32,
}

impl Arrived {
    /// Of these orders at this vendor.
    pub fn at(gateway: &Gateway, vendor: Destination, orders: &HashSet<u64>) -> Self {
        let seen = gateway.orders(vendor);
        let mut arrived = Self::default();
        for order in orders {
            let hits = seen.get(&order.to_string()).copied().unwrap_or_default();
            arrived.accepted += u64::from(hits.accepted > 0);
            if hits.counted == 0 {
                arrived.missing.push(*order);
            }
        }
        arrived.twice = seen.values().filter(|hits| hits.counted > 1).count() as u64;
        arrived.most_received = seen.values().map(|hits| hits.received).max().unwrap_or_default();
        arrived
    }
}
