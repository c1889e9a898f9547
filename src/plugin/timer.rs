//! When the timer of the newest root context fires.

use std::time::Duration;

use crate::delivery::Instant;

/// Of a tick period. For a later time the timer is armed again when it fires.
const LONGEST_PERIOD: Duration = Duration::from_secs(3600);

const MILLISECOND: Duration = Duration::from_millis(1);

/// The timer, as it was last armed. Envoy's timer fires repeatedly until it is stopped.
#[derive(Debug, Default)]
pub struct Timer {
    /// When it fires next, before rounding; `None`: it is off, has just fired, or belongs to another root by now.
    armed: Option<Instant>,
}

impl Timer {
    /// Returns the tick period to set because something is `due`, or nothing; zero switches the timer off. `None`: the
    /// timer is armed for that or something earlier, and stays.
    ///
    /// A timer that is armed although nothing is due stays too: usually there is soon something to do, otherwise it is stopped
    /// when it fires.
    pub fn arm(&mut self, due: Option<Instant>, now: Instant) -> Option<Duration> {
        if self.armed.is_some_and(|armed| due.is_none_or(|due| armed <= due.max(now))) {
            return None;
        }
        let wait = due.map(|due| due.saturating_sub(now).max(MILLISECOND));
        self.armed = wait.map(|wait| now.saturating_add(wait));
        Some(wait.map_or(Duration::ZERO, period))
    }

    /// Forgets how the timer was armed, so that the next [`Timer::arm`] sets it whatever is due.
    pub fn reset(&mut self) {
        self.armed = None;
    }
}

/// Returns a wait in whole milliseconds, rounded up: a timer that fires early would find nothing to do.
fn period(wait: Duration) -> Duration {
    let begun = u32::from(!wait.subsec_nanos().is_multiple_of(1_000_000));
    let whole = Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    whole.saturating_add(MILLISECOND.saturating_mul(begun)).min(LONGEST_PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Duration::from_secs(100);

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    #[test]
    fn it_is_armed_for_what_is_due_rounded_up_to_whole_milliseconds() {
        let cases = [(5_000, 5_000), (5_001, 6_000), (1, 1_000), (0, 1_000)];
        for (due, period) in cases {
            assert_eq!(Timer::default().arm(Some(NOW + micros(due)), NOW), Some(micros(period)), "{due}");
        }
        assert_eq!(Timer::default().arm(Some(NOW - micros(7)), NOW), Some(MILLISECOND), "overdue");
    }

    #[test]
    fn one_that_fires_early_enough_stays_and_one_that_fires_too_late_is_armed_anew() {
        let mut timer = Timer::default();
        timer.arm(Some(NOW + micros(5_000)), NOW);
        assert_eq!(timer.arm(Some(NOW + micros(5_000)), NOW), None);
        assert_eq!(timer.arm(Some(NOW + micros(9_000)), NOW + micros(100)), None);
        assert_eq!(timer.arm(None, NOW), None, "it is switched off when it fires");
        assert_eq!(timer.arm(Some(NOW + micros(3_000)), NOW), Some(micros(3_000)));
    }

    #[test]
    fn one_that_is_late_is_not_set_back() {
        let mut timer = Timer::default();
        timer.arm(Some(NOW), NOW);
        assert_eq!(timer.arm(Some(NOW), NOW + micros(50_000)), None);
    }

    #[test]
    fn it_is_switched_off_where_it_fired_and_nothing_is_due() {
        let mut timer = Timer::default();
        timer.arm(Some(NOW), NOW);
        timer.reset();
        assert_eq!(timer.arm(None, NOW), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_far_away_is_approached_in_periods_of_an_hour() {
        assert_eq!(Timer::default().arm(Some(Duration::MAX), NOW), Some(LONGEST_PERIOD));
    }
}
