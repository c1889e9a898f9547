//! The delay before a retry: exponential backoff with full jitter.

use std::time::Duration;

use fastrand::Rng;
use serde::Deserialize;
use smart_default::SmartDefault;

use crate::settings::{DAY, MILLISECOND, MINUTE, SECOND, Time};

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// Exponential backoff with full jitter: the delay before attempt n+1 is uniform(0, min(max, base x 2^(n-1))).
///
/// The jitter includes zero on purpose: workers and gateways that saw the same outage spread over the whole interval
/// instead of retrying at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BackoffSettings")]
pub struct Backoff {
    /// The upper bound of the first delay. More than zero, otherwise a dead vendor would be retried without any pause.
    base: Duration,
    /// The upper bound of every delay; at least `base`.
    max: Duration,
}

/// The delay before the next attempt: a random time between zero and a bound that doubles with each attempt.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Backoff"))]
#[serde(deny_unknown_fields, default)]
pub struct BackoffSettings {
    /// The upper bound of the delay before the second attempt; it doubles with each further attempt.
    #[default(Time::literal::<SECOND>())]
    pub base: Time<MILLISECOND, DAY>,
    /// The upper bound of all delays. Must be at least `base`.
    #[default(Time::literal::<{ 5 * MINUTE }>())]
    pub max: Time<MILLISECOND, DAY>,
}

/// Why two durations don't make a valid backoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBackoff {
    /// The upper bound of the first delay is zero.
    #[error("base must be more than zero")]
    ZeroBase,
    /// The upper bound of every delay is smaller than that of the first.
    #[error("max must be at least base")]
    MaxBelowBase,
}

impl Backoff {
    /// Takes the upper bound of the first delay and that of every delay.
    pub fn try_new(base: Duration, max: Duration) -> Result<Self, InvalidBackoff> {
        if base.is_zero() {
            return Err(InvalidBackoff::ZeroBase);
        }
        if max < base {
            return Err(InvalidBackoff::MaxBelowBase);
        }
        Ok(Self { base, max })
    }

    /// The upper bound of every delay, and of a vendor's Retry-After.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// The longest possible delay after `attempts` attempts (0 counts as 1).
    pub fn ceiling(&self, attempts: u32) -> Duration {
        let factor = 1u128.checked_shl(attempts.saturating_sub(1)).unwrap_or(u128::MAX);
        let nanos = self.base.as_nanos().saturating_mul(factor);
        let nanos = nanos.min(self.max.as_nanos());
        let seconds = u64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(u64::MAX);
        let rest = u32::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0);
        Duration::new(seconds, rest)
    }

    /// The delay to keep after `attempts` attempts (0 counts as 1).
    pub fn delay(&self, attempts: u32, rng: &mut Rng) -> Duration {
        let ceiling = u64::try_from(self.ceiling(attempts).as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(rng.u64(0..=ceiling))
    }
}

impl TryFrom<BackoffSettings> for Backoff {
    type Error = InvalidBackoff;

    fn try_from(settings: BackoffSettings) -> Result<Self, InvalidBackoff> {
        Self::try_new(settings.base.get(), settings.max.get())
    }
}

impl Default for Backoff {
    fn default() -> Self {
        let BackoffSettings { base, max } = BackoffSettings::default();
        Self { base: base.get(), max: max.get() }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use proptest::prelude::*;

    use super::*;

    fn any_backoff() -> impl Strategy<Value = Backoff> {
        (1..=u64::MAX, any::<u64>()).prop_map(|(base, more)| {
            let base = Duration::from_nanos(base);
            Backoff::try_new(base, base.saturating_add(Duration::from_nanos(more))).unwrap()
        })
    }

    proptest! {
        #[test]
        fn no_delay_exceeds_its_ceiling_and_no_ceiling_the_maximum(
            backoff in any_backoff(), attempts: u32, seed: u64,
        ) {
            let delay = backoff.delay(attempts, &mut Rng::with_seed(seed));
            prop_assert!(delay <= backoff.ceiling(attempts));
            prop_assert!(backoff.ceiling(attempts) <= backoff.max());
        }

        #[test]
        fn ceilings_double_until_the_maximum(backoff in any_backoff(), attempts in 1..=200u32) {
            let doubled = backoff.ceiling(attempts).saturating_mul(2).min(backoff.max());
            prop_assert_eq!(backoff.ceiling(attempts + 1), doubled);
        }

        #[test]
        fn only_a_positive_base_up_to_max_is_accepted(base in 0..50u64, max in 0..50u64) {
            let made = Backoff::try_new(Duration::from_millis(base), Duration::from_millis(max));
            prop_assert_eq!(made.is_ok(), base > 0 && base <= max);
        }
    }

    #[test]
    fn the_first_delay_is_at_most_the_base_and_the_fourth_eight_times_it() {
        let backoff = Backoff::default();
        let ceilings = [0, 1, 2, 4, 9, 10, u32::MAX].map(|n| backoff.ceiling(n).as_secs());
        assert_eq!(ceilings, [1, 1, 2, 8, 256, 300, 300]);
    }

    #[test]
    fn delays_spread_over_the_whole_interval() {
        let (backoff, mut rng) = (Backoff::default(), Rng::with_seed(1));
        let delays: Vec<_> = (0..1000).map(|_| backoff.delay(4, &mut rng)).collect();
        for quarter in 0..4 {
            let (from, to) = (Duration::from_secs(quarter * 2), Duration::from_secs(quarter * 2 + 2));
            let share = delays.iter().filter(|delay| (from..to).contains(*delay)).count();
            assert!((200..300).contains(&share), "{share} of 1000 delays between {from:?} and {to:?}");
        }
    }
}
