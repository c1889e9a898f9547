//! How many requests a minute each token may make.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

/// As Signal's Management API has it, in requests a minute and token.
const A_MINUTE: NonZeroU32 = match NonZeroU32::new(100) {
    Some(number) => number,
    None => NonZeroU32::MIN,
};

/// The requests that each token has left. A minute's worth may come at once.
pub struct Limits {
    clock: DefaultClock,
    tokens: Vec<DefaultDirectRateLimiter>,
}

impl Limits {
    /// Returns full limits for so many tokens.
    pub fn new(tokens: usize) -> Self {
        let limiters = (0..tokens).map(|_| RateLimiter::direct(Quota::per_minute(A_MINUTE))).collect();
        Self { clock: DefaultClock::default(), tokens: limiters }
    }

    /// Takes one request from those that the token of that number has left. The error is how long to wait for the next one.
    pub fn take(&self, token: usize) -> Result<(), Duration> {
        let Some(limiter) = self.tokens.get(token) else { return Ok(()) };
        limiter.check().map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_a_hundred_requests_a_minute_and_another_one_has_its_own() {
        let limits = Limits::new(2);
        assert_eq!((0..100).filter(|_| limits.take(0).is_ok()).count(), 100);
        let wait = limits.take(0).unwrap_err();
        assert!(wait > Duration::ZERO && wait <= Duration::from_secs(1), "{wait:?}");
        assert_eq!(limits.take(1), Ok(()));
    }
}
