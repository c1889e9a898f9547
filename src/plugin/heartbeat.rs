//! Tells, once a second, how many deliveries this VM holds.
//!
//! `matched` minus every other outcome still counts what a VM held when it ended, because counters outlive a VM. Only a VM that
//! is alive goes on counting its pending seconds, so these show how many deliveries are really held.

use std::time::Duration;

use crate::delivery::Instant;

/// How long a VM holds deliveries before it counts them, and before it counts them again.
const INTERVAL: Duration = Duration::from_secs(1);

/// When the held deliveries are counted next.
#[derive(Debug, Default)]
pub struct Heartbeat {
    due: Option<Instant>,
}

impl Heartbeat {
    /// Returns when to count what is held. `None` if nothing is held, so that an idle VM needs no timer.
    pub fn next_due(&mut self, holds_any: bool, now: Instant) -> Option<Instant> {
        if !holds_any {
            self.due = None;
            return None;
        }
        Some(*self.due.get_or_insert(now.saturating_add(INTERVAL)))
    }

    /// Returns whether to count now. If so, it is due again an interval later.
    pub fn beats(&mut self, now: Instant) -> bool {
        let beats = self.due.is_some_and(|due| due <= now);
        if beats {
            self.due = Some(now.saturating_add(INTERVAL));
        }
        beats
    }
}
