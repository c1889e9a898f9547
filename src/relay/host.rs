//! What the relay is hosted by.

use std::time::Duration;

use crate::accounting::{Ledger, Refusal};
use crate::deduplication::Store;
use crate::delivery::{Instant, Token};
use crate::records::Record;
use crate::vendors::Callout;

/// What the relay needs of its surroundings.
pub trait Host: Ledger + Store {
    /// Time on a monotonic clock, from the VM's start, as it was when the clock was last read.
    fn now(&self) -> Instant;

    /// Reads the clock anew.
    fn read_clock(&mut self) -> Instant {
        self.now()
    }

    /// Unix time in milliseconds.
    fn wall_clock(&self) -> i64;

    /// Fills with random bytes that nobody can guess, for ids and nonces. False: there are none.
    fn fill_random(&mut self, bytes: &mut [u8]) -> bool;

    /// Sends one callout.
    fn send(
        &mut self,
        cluster: &str,
        authority: &str,
        callout: &Callout,
        timeout: Duration,
    ) -> Result<Token, Refusal>;

    /// Whether callouts are shown to somebody instead of sent. Then every secret in them reads `***`.
    fn only_shows(&self) -> bool {
        false
    }

    /// Whether [`Host::left_out`] and [`Host::decided`] are to be told anything.
    fn explains(&self) -> bool {
        false
    }

    /// Tells of a value that is left out of an integration's request, or passed over for another: which and why, in words, and
    /// nothing that is private.
    fn left_out(&mut self, _integration: &str, _explanation: &str) {}

    /// Tells what the decision about the visitor's consent to a delivery is based on, in words.
    fn decided(&mut self, _integration: &str, _basis: &str) {}

    /// Whether somebody wants [`Host::record`]s. Otherwise none are formed.
    fn wants_records(&self) -> bool {
        false
    }

    /// Takes a record of what became of an event.
    fn record(&mut self, _record: Record<'_>) {}

    /// Tells of a callout that a dry run didn't send. Its secrets read `***`; personal members of its body are in it.
    fn dry_run(&mut self, integration: &str, callout: &Callout);
}
