//! A host for tests, benchmarks and previews of the relay: it sends nothing, counts exactly, and records everything in
//! order.

mod recorded;

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::accounting::{
    CalloutStatus, DeliveryLedger, EventIgnored, IntegrationRef, Ledger, Note, Notice, Outcome, Refusal,
    RequestIgnored,
};
use crate::deduplication::Store;
use crate::delivery::{Answer, Instant, Token};
use crate::records::Record;
use crate::relay::{Host, Relay};
use crate::vendors::Callout;
pub use recorded::{Counts, Recorded, SentCallout};

/// A host under a clock that is set by hand.
#[derive(Default)]
pub struct FakeHost {
    /// The time of the monotonic clock.
    pub now: Instant,
    /// How far that clock moves with everything that is recorded. Zero, the default: it stands still.
    pub step: Duration,
    /// Unix time in milliseconds; it stands still.
    pub wall_clock: i64,
    /// The byte that the next random bytes consist of; each time it is the next higher one. `None`: there are none.
    pub random: Option<u8>,
    /// Whether callouts are shown, as in a preview: then every secret in them is masked as `***`.
    pub only_shows: bool,
    /// Whether it is told in words what is left out of requests.
    pub explains: bool,
    /// Why callouts are refused, if they are.
    pub refusal: Option<Refusal>,
    /// Counts and keeps callouts, but keeps no record, with which a benchmark would fill the memory.
    pub forgetful: bool,
    /// Whether it wants [records](crate::records) of what becomes of events.
    pub wants_records: bool,
    /// These records, as JSON.
    pub records: Vec<serde_json::Value>,
    record: Vec<Recorded>,
    unanswered: VecDeque<Token>,
    tokens: u32,
    /// By name and vendor.
    counts: Vec<(String, String, Counts)>,
    pub(crate) shared: Rc<RefCell<HashMap<String, Vec<u8>>>>,
    writes: Cell<usize>,
}

impl FakeHost {
    /// Returns a host whose wall clock says `wall_clock`, in Unix milliseconds.
    pub fn new(wall_clock: i64) -> Self {
        Self { wall_clock, ..Self::default() }
    }

    /// Gives it random bytes, which begin with this one.
    #[must_use]
    pub fn with_random(self, first: u8) -> Self {
        Self { random: Some(first), ..self }
    }

    /// Returns how often shared data was written.
    pub fn writes(&self) -> usize {
        self.writes.get()
    }

    /// Everything that was recorded and not taken, in its order.
    pub fn record(&self) -> &[Recorded] {
        &self.record
    }

    /// Takes everything that was recorded since the last time.
    pub fn take_record(&mut self) -> Vec<Recorded> {
        std::mem::take(&mut self.record)
    }

    /// Returns the callouts in the record, in the order in which they were sent.
    pub fn sent(&self) -> impl Iterator<Item = (Token, &SentCallout)> {
        self.record.iter().filter_map(|recorded| match recorded {
            Recorded::Sent { token, callout, .. } => Some((*token, callout)),
            _ => None,
        })
    }

    /// Returns the notes in the record, by their labels.
    pub fn notes(&self) -> Vec<&'static str> {
        let note = |recorded: &Recorded| match recorded {
            Recorded::Note(note) => Some(note.label()),
            _ => None,
        };
        self.record.iter().filter_map(note).collect()
    }

    /// Returns what is recorded of values that were left out, in words.
    pub fn left_out(&self) -> impl Iterator<Item = &str> {
        self.record.iter().filter_map(|recorded| match recorded {
            Recorded::LeftOut { explanation, .. } => Some(explanation.as_str()),
            _ => None,
        })
    }

    /// Returns how many callouts were ever sent.
    pub fn callouts(&self) -> u32 {
        self.tokens
    }

    /// Takes the callout that has waited longest for an answer. Whoever takes it settles it.
    pub fn next_unanswered(&mut self) -> Option<Token> {
        self.unanswered.pop_front()
    }

    /// Answers every callout that has not been answered.
    ///
    /// # Panics
    ///
    /// Panics if the relay does not know one of them.
    pub fn settle_all(&mut self, relay: &mut Relay, answer: Answer<'_>) {
        while let Some(token) = self.next_unanswered() {
            assert!(relay.settle(token, answer, self), "{token:?} is unknown to the relay");
        }
    }

    /// Forgets the callouts that are not answered, and all counts, as if the VM that they belong to had died.
    pub fn lose_vm(&mut self) {
        self.unanswered.clear();
        self.counts.clear();
    }

    /// Returns an integration's counts, by its name.
    pub fn counts(&self, integration: &str) -> Counts {
        let found = self.counts.iter().find(|(name, ..)| name == integration);
        found.map(|(.., counts)| *counts).unwrap_or_default()
    }

    /// Checks that of every integration matched = delivered + dropped + dry_run + given_back + pending, where pending is what the
    /// relay holds. The error lists the integrations whose counts do not balance.
    pub fn check_counts(&self, relay: &Relay) -> Result<(), String> {
        for (name, vendor, counts) in &self.counts {
            let is_held =
                |(held, _): &(IntegrationRef<'_>, usize)| held.name == name && held.vendor == vendor;
            let pending = relay.pending().find(is_held).map_or(0, |(_, pending)| pending);
            if counts.pending() != pending {
                return Err(format!("{name}: {counts:?} does not balance with {pending} pending"));
            }
        }
        Ok(())
    }

    fn keep(&mut self, recorded: impl FnOnce() -> Recorded) {
        self.now = self.now.saturating_add(self.step);
        if !self.forgetful {
            self.record.push(recorded());
        }
    }
}

impl Host for FakeHost {
    fn now(&self) -> Instant {
        self.now
    }

    fn wall_clock(&self) -> i64 {
        self.wall_clock
    }

    fn fill_random(&mut self, bytes: &mut [u8]) -> bool {
        let Some(byte) = &mut self.random else { return false };
        bytes.fill(*byte);
        *byte = byte.wrapping_add(1);
        true
    }

    fn only_shows(&self) -> bool {
        self.only_shows
    }

    fn explains(&self) -> bool {
        self.explains
    }

    fn left_out(&mut self, integration: &str, explanation: &str) {
        self.keep(|| Recorded::LeftOut {
            integration: integration.to_owned(),
            explanation: explanation.to_owned(),
        });
    }

    fn decided(&mut self, integration: &str, basis: &str) {
        self.keep(|| Recorded::Decided { integration: integration.to_owned(), basis: basis.to_owned() });
    }

    fn send(
        &mut self,
        cluster: &str,
        authority: &str,
        callout: &Callout,
        timeout: Duration,
    ) -> Result<Token, Refusal> {
        // Nothing of it is left out as unused in a benchmark.
        let callout = std::hint::black_box(callout);
        if let Some(refusal) = self.refusal {
            return Err(refusal);
        }
        self.tokens = self.tokens.saturating_add(1);
        let token = Token(self.tokens);
        self.unanswered.push_back(token);
        self.keep(|| Recorded::Sent {
            token,
            cluster: cluster.to_owned(),
            authority: authority.to_owned(),
            callout: SentCallout::of(callout),
            timeout,
        });
        Ok(token)
    }

    fn wants_records(&self) -> bool {
        self.wants_records
    }

    fn record(&mut self, record: Record<'_>) {
        // It is written in any case, as it would be for whoever wants it.
        let line = std::hint::black_box(record.line());
        if !self.forgetful {
            self.records.extend(serde_json::from_str(&line));
        }
    }

    fn dry_run(&mut self, integration: &str, callout: &Callout) {
        self.keep(|| Recorded::DryRun {
            integration: integration.to_owned(),
            callout: SentCallout::of(callout),
        });
    }
}

impl DeliveryLedger for FakeHost {
    fn delivery(&mut self, integration: IntegrationRef<'_>, outcome: Outcome) {
        let IntegrationRef { name, vendor } = integration;
        match self.counts.iter_mut().find(|(known, its, _)| known == name && its == vendor) {
            Some((.., counts)) => counts.add(outcome),
            None => {
                let mut counts = Counts::default();
                counts.add(outcome);
                self.counts.push((name.to_owned(), vendor.to_owned(), counts));
            }
        }
        self.keep(|| Recorded::Delivery { integration: name.to_owned(), outcome });
    }

    fn callout(&mut self, integration: IntegrationRef<'_>, status: CalloutStatus, took: Duration) {
        self.keep(|| Recorded::Callout { integration: integration.name.to_owned(), status, took });
    }

    fn notice(&mut self, integration: IntegrationRef<'_>, notice: Notice<'_>) {
        let integration = integration.name.to_owned();
        self.keep(|| Recorded::Notice { integration, notice: format!("{notice:?}") });
    }
}

impl Ledger for FakeHost {
    fn events_ignored(&mut self, reason: EventIgnored, count: usize) {
        self.keep(|| Recorded::EventsIgnored { reason, count });
    }

    fn request_ignored(&mut self, reason: RequestIgnored) {
        self.keep(|| Recorded::RequestIgnored(reason));
    }

    fn note(&mut self, note: Note) {
        self.keep(|| Recorded::Note(note));
    }
}

/// Every value as it was last set, whoever set it.
impl Store for FakeHost {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        (self.shared.borrow().get(key).cloned(), None)
    }

    fn set(&self, key: &str, value: &[u8], _: Option<u32>) -> bool {
        self.writes.set(self.writes.get().saturating_add(1));
        self.shared.borrow_mut().insert(key.to_owned(), value.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::DropReason;

    const FT: IntegrationRef<'_> = IntegrationRef { name: "FT", vendor: "flashtalking" };

    #[test]
    fn everything_is_recorded_in_its_order_and_moves_the_clock_by_a_step() {
        let mut host = FakeHost { step: Duration::from_millis(1), ..FakeHost::default() };
        host.delivery(FT, Outcome::Matched);
        host.note(Note::PathCut);
        host.delivery(FT, Outcome::Dropped(DropReason::Gpc));
        let delivery = |outcome| Recorded::Delivery { integration: "FT".to_owned(), outcome };
        let expected = [
            delivery(Outcome::Matched),
            Recorded::Note(Note::PathCut),
            delivery(Outcome::Dropped(DropReason::Gpc)),
        ];
        assert_eq!(host.record(), expected);
        assert_eq!(host.now, Duration::from_millis(3));
        assert_eq!(host.counts("FT"), Counts { matched: 1, dropped: 1, ..Counts::default() });
    }

    #[test]
    #[should_panic(expected = "more deliveries ended than were matched")]
    fn a_delivery_that_ends_without_having_been_matched_is_noticed_at_once() {
        FakeHost::default().delivery(FT, Outcome::Delivered);
    }
}
