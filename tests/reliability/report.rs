//! The books of a row, the claims that they are held against, and the table.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::load::Pace;
use crate::support::orders::{Books, CALLOUTS, DELIVERIES, FT, PS};
use crate::support::{Flashtalking, Gateway, Podsights, sum};

/// What a row may show, beyond what all rows must.
#[derive(Clone, Copy)]
pub struct Claims {
    /// Deliveries may be dropped, but only as `queue_full`.
    pub overflows: bool,
    /// Answers get lost on their way, so a vendor can get a second hit, and a callout may or may not have been seen.
    pub loses_answers: bool,
}

impl Claims {
    pub const STRICT: Self = Self { overflows: false, loses_answers: false };
    pub const LOSES_ANSWERS: Self = Self { overflows: false, loses_answers: true };
}

/// What a row shows where the counters of one process aren't all: the gateway is killed, or an engine pushes again.
pub struct Totals {
    pub conversions: u64,
    /// Deliveries that a vendor has accepted, each counted once.
    pub delivered: u64,
    /// What did not arrive, by its reason.
    pub dropped: BTreeMap<String, u64>,
    /// Orders that a vendor may have counted twice.
    pub twice: u64,
    pub recovery: Option<Duration>,
    pub peak_bytes: u64,
}

pub struct Report {
    name: &'static str,
    conversions: u64,
    vendors: Vec<OfVendor>,
    delivered: u64,
    twice: u64,
    dropped: BTreeMap<String, u64>,
    recovery: Option<Duration>,
    peak_bytes: u64,
    /// Said beneath the table.
    pub remark: Option<String>,
    claims: Claims,
    /// Claims of the row's own that do not hold.
    pub broken: Vec<String>,
}

/// What the filter and the stand-in each say of one vendor.
struct OfVendor {
    name: &'static str,
    books: Books,
    /// Deliveries that were given back to their sender, which pushes them again.
    given_back: u64,
    /// Callouts that the vendor answered, and those of which nobody knows whether it saw them.
    answered: u64,
    unanswered: u64,
    /// Requests that the vendor has seen, and orders in them, each counted once.
    requests: u64,
    distinct: u64,
    /// Orders that the vendor may have counted twice.
    twice: u64,
}

impl OfVendor {
    fn of(gateway: &Gateway, page: &str, integration: &'static str) -> Self {
        let vendor = if integration == FT { Flashtalking } else { Podsights };
        let tally = gateway.tally(vendor);
        let count = |value: &serde_json::Value| value.as_u64().unwrap_or_default();
        let callouts = |status: &[&str]| {
            let of =
                |status: &&str| sum(page, CALLOUTS, &[("integration", integration), ("status", *status)]);
            status.iter().map(of).sum()
        };
        Self {
            name: integration,
            books: Books::of(gateway, integration),
            given_back: sum(page, DELIVERIES, &[("integration", integration), ("outcome", "given_back")]),
            answered: callouts(&["2xx", "3xx", "4xx", "429", "5xx"]),
            unanswered: callouts(&["timeout", "transport", "unusable"]),
            requests: count(&tally["requests"]) + count(&tally["aborted"]),
            distinct: count(&tally["orders"]["distinct"]),
            twice: count(&tally["orders"]["counted_repeatedly"]),
        }
    }
}

impl Report {
    /// Reads both sides' books. Nothing may be pending any more.
    pub fn of(
        name: &'static str,
        gateway: &Gateway,
        conversions: u64,
        recovery: Option<Duration>,
        claims: Claims,
    ) -> Self {
        let page = gateway.prometheus();
        let mut dropped = BTreeMap::new();
        for reason in [
            "queue_full",
            "rejected",
            "retries_exhausted",
            "expired",
            "misconfigured",
            "removed",
            "duplicate",
        ] {
            let count = sum(&page, DELIVERIES, &[("reason", reason)]);
            if count > 0 {
                dropped.insert(reason.to_owned(), count);
            }
        }
        let vendors: Vec<OfVendor> =
            [FT, PS].map(|integration| OfVendor::of(gateway, &page, integration)).into();
        Self {
            name,
            conversions,
            delivered: vendors.iter().map(|vendor| vendor.books.delivered).sum(),
            twice: vendors.iter().map(|vendor| vendor.twice).sum(),
            vendors,
            dropped,
            recovery,
            peak_bytes: gateway.peak_rss(),
            remark: None,
            claims,
            broken: Vec::new(),
        }
    }

    /// Of a row that holds its numbers against its claims itself, and says in [`Report::broken`] what does not hold.
    pub fn of_totals(name: &'static str, totals: Totals) -> Self {
        let Totals { conversions, delivered, dropped, twice, recovery, peak_bytes } = totals;
        Self {
            conversions,
            delivered,
            dropped,
            twice,
            recovery,
            peak_bytes,
            broken: vec![],
            ..Self::broken(name)
        }
    }

    /// Of a row that could not be run to its end; what went wrong is on the terminal.
    pub fn broken(name: &'static str) -> Self {
        Self {
            name,
            conversions: 0,
            vendors: Vec::new(),
            delivered: 0,
            twice: 0,
            dropped: BTreeMap::new(),
            recovery: None,
            peak_bytes: 0,
            remark: None,
            claims: Claims::STRICT,
            broken: vec!["it did not run to its end".into()],
        }
    }

    /// Notes a claim of the row's own where it does not hold.
    pub fn claim(&mut self, holds: bool, text: String) {
        if !holds {
            self.broken.push(text);
        }
    }

    pub fn holds(&self) -> bool {
        self.failures().is_empty()
    }

    /// The claims that do not hold.
    pub fn failures(&self) -> Vec<String> {
        let mut failures = self.broken.clone();
        for vendor in &self.vendors {
            let OfVendor { name, books, given_back, answered, unanswered, requests, distinct, twice } =
                vendor;
            let mut claim = |holds: bool, text: String| {
                if !holds {
                    failures.push(format!("{name}: {text}"));
                }
            };
            let conversions = self.conversions;
            claim(
                books.matched == conversions + given_back,
                format!("{} matched of {conversions} accepted, {given_back} given back", books.matched),
            );
            let pending = books.pending().abs_diff(*given_back);
            claim(pending == 0, format!("{pending} pending at the end"));
            claim(
                self.claims.overflows || books.dropped == 0,
                format!("{} lost within capacity: {:?}", books.dropped, self.dropped),
            );
            claim(
                *distinct == books.delivered,
                format!("{} booked as delivered, the vendor has seen {distinct}", books.delivered),
            );
            let (least, most) = if self.claims.loses_answers {
                (*answered, answered + unanswered)
            } else {
                (*answered, *answered)
            };
            claim(
                (least..=most).contains(requests),
                format!("{answered} callouts answered and {unanswered} not, the vendor has seen {requests}"),
            );
            claim(
                *twice <= *unanswered,
                format!("{twice} second hits after {unanswered} timeouts and resets"),
            );
        }
        failures.into_iter().map(|failure| format!("{}: {failure}", self.name)).collect()
    }

    fn line(&self) -> String {
        let dropped: Vec<String> =
            self.dropped.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let dropped = if dropped.is_empty() { "0".to_owned() } else { dropped.join(", ") };
        let recovery =
            self.recovery.map_or("-".to_owned(), |recovery| format!("{:.1} s", recovery.as_secs_f64()));
        format!(
            "| {} | {} | {} | {dropped} | {} | {recovery} | {} MB |\n",
            self.name,
            self.conversions,
            self.delivered,
            self.twice,
            self.peak_bytes / 1_000_000,
        )
    }
}

/// The rows as a table in Markdown, with their remarks.
pub fn table(reports: &[Report]) -> String {
    let mut table = "| fault | conversions | delivered | dropped | duplicated | recovery | peak memory |\n\
                     |---|---:|---:|---|---:|---:|---:|\n"
        .to_owned();
    reports.iter().for_each(|report| table.push_str(&report.line()));
    for report in reports {
        if let Some(remark) = &report.remark {
            table.push_str(&format!("\n{}: {remark}\n", report.name));
        }
    }
    table
}

/// With what it was measured.
pub fn circumstances(pace: &Pace) -> String {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "Measured with one worker thread at {} conversions a second, each for both vendors, on {processors} processors.\n",
        pace.rate
    )
}
