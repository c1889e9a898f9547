//! When a lane may send: its in-flight limit, its holds and pauses, and its behavior while its vendor fails.

use fastrand::Rng;

use super::backoff::Backoff;
use super::terms::Instant;

/// After this many retryable outcomes in a row the vendor counts as failing.
pub(super) const FAILURES_TO_FAIL: u32 = 5;

/// The pace of one lane.
///
/// * Open: up to the in-flight limit. A refusal by the host holds the whole lane, because its cause is the cluster and not
///   the delivery.
/// * Failing: one probe at a time, each followed by a growing hold.
/// * Recovering: open, with an in-flight limit that starts at 1 and grows by one with every answer, so that it doubles
///   with every round trip.
#[derive(Debug, Default)]
pub(super) struct Pace {
    in_flight: usize,
    /// Callouts in flight that were started while failing.
    probes: usize,
    /// Retryable outcomes since the vendor last answered.
    failures: u32,
    failing: bool,
    /// Holds since the vendor last answered: the exponent of the next one.
    holds: u32,
    held_until: Instant,
    /// The end of the vendor's Retry-After. Unlike a hold it outlives a success.
    paused_until: Instant,
    /// The in-flight limit while recovering.
    ramp: Option<usize>,
}

impl Pace {
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns when the next callout may start; `None` if one in flight has to end first.
    pub fn opens_at(&self, max_in_flight: usize) -> Option<Instant> {
        let limit = match self.ramp {
            Some(ramp) if !self.failing => ramp.min(max_in_flight),
            _ => max_in_flight,
        };
        let room = self.in_flight < limit && !(self.failing && self.probes > 0);
        room.then(|| self.paused_until())
    }

    /// Returns until when nothing is sent: the end of the lane's hold or of the vendor's pause.
    pub fn paused_until(&self) -> Instant {
        self.held_until.max(self.paused_until)
    }

    /// A callout starts. Returns whether it is a probe.
    pub fn started(&mut self) -> bool {
        self.in_flight = self.in_flight.saturating_add(1);
        self.probes = self.probes.saturating_add(usize::from(self.failing));
        self.failing
    }

    /// A callout ended, with any result.
    pub fn ended(&mut self, probe: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.probes = self.probes.saturating_sub(usize::from(probe));
    }

    /// The vendor answered, perhaps with a rejection. Returns whether it has thereby recovered.
    pub fn answered(&mut self, max_in_flight: usize) -> bool {
        let recovered = self.failing;
        self.ramp = match self.ramp {
            _ if recovered => Some(1),
            Some(ramp) if ramp < max_in_flight => Some(ramp.saturating_add(1)),
            _ => None,
        };
        self.failing = false;
        self.failures = 0;
        self.holds = 0;
        self.held_until = Instant::ZERO;
        recovered
    }

    /// A callout ended with a retryable outcome. Returns whether the vendor counts as failing from now on.
    pub fn failed(&mut self, probe: bool, backoff: &Backoff, now: Instant, rng: &mut Rng) -> bool {
        let begins = self.count_failure();
        // What was started before the failing began and ends after it tells nothing new: only probes set the pace.
        if begins || (self.failing && probe) {
            self.hold(backoff, now, rng);
        }
        begins
    }

    /// The host refused a callout. Returns whether the vendor counts as failing from now on.
    pub fn refused(&mut self, backoff: &Backoff, now: Instant, rng: &mut Rng) -> bool {
        let begins = self.count_failure();
        self.hold(backoff, now, rng);
        begins
    }

    pub fn is_failing(&self) -> bool {
        self.failing
    }

    /// The vendor asked for no requests until then (Retry-After).
    pub fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(until);
    }

    /// A new configuration may have a shorter longest wait.
    pub fn wait_at_most_until(&mut self, latest: Instant) {
        self.held_until = self.held_until.min(latest);
        self.paused_until = self.paused_until.min(latest);
    }

    /// The cause of the host's refusals may be fixed: ends the hold.
    pub fn end_hold(&mut self) {
        self.held_until = Instant::ZERO;
    }

    fn count_failure(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        let begins = !self.failing && self.failures >= FAILURES_TO_FAIL;
        self.failing |= begins;
        begins
    }

    fn hold(&mut self, backoff: &Backoff, now: Instant, rng: &mut Rng) {
        self.holds = self.holds.saturating_add(1);
        self.held_until = now.saturating_add(backoff.delay(self.holds, rng));
    }
}
