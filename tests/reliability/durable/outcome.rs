//! What a row shows of its orders, and what it claims of them.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use crate::report::{Report, Totals};
use crate::rows::VENDORS;
use crate::support::Gateway;
use crate::support::ledger::Arrived;

/// What became of a row's orders at both vendors.
pub struct Outcome {
    orders: u64,
    pub vendors: [Arrived; 2],
}

impl Outcome {
    /// Of these orders, which were accepted.
    pub fn of(gateway: &Gateway, orders: &HashSet<u64>) -> Self {
        let vendors = VENDORS.map(|vendor| Arrived::at(gateway, vendor, orders));
        Self { orders: orders.len() as u64, vendors }
    }

    /// Deliveries that no vendor has counted.
    pub fn lost(&self) -> u64 {
        self.vendors.iter().map(|arrived| arrived.missing.len() as u64).sum()
    }

    pub fn twice(&self) -> u64 {
        self.vendors.iter().map(|arrived| arrived.twice).sum()
    }

    /// The row's line in the table. What is lost is named by `lost`.
    pub fn report(
        &self,
        name: &'static str,
        lost: &str,
        recovery: Option<Duration>,
        peak_bytes: u64,
    ) -> Report {
        let dropped =
            if self.lost() == 0 { BTreeMap::new() } else { BTreeMap::from([(lost.into(), self.lost())]) };
        let totals = Totals {
            conversions: self.orders,
            delivered: self.vendors.iter().map(|arrived| arrived.accepted).sum(),
            dropped,
            twice: self.twice(),
            recovery,
            peak_bytes,
        };
        Report::of_totals(name, totals)
    }

    /// Claims that each vendor has accepted each order.
    pub fn claim_complete(&self, report: &mut Report) {
        for (vendor, arrived) in VENDORS.iter().zip(&self.vendors) {
            let (accepted, orders) = (arrived.accepted, self.orders);
            report.claim(
                accepted == orders,
                format!("{vendor:?} has accepted {accepted} of {orders}; it never saw {:?}", arrived.missing),
            );
        }
    }
}
