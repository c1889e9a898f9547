//! Log lines that a flood can't turn into a flood: of a kind, at most one a second.

use std::time::Duration;

use crate::delivery::Instant;

/// The kinds of lines that traffic or vendors can cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PrivateClientIp,
    Failing,
    Recovered,
    UnknownCluster,
    Redirected,
    Rejected,
    Lost,
}

const KINDS: usize = 7;
const INTERVAL: Duration = Duration::from_secs(1);

/// When each kind was last written.
#[derive(Default)]
pub struct Limiter([Option<Instant>; KINDS]);

impl Limiter {
    /// Whether a line of this kind may be written now.
    pub fn allows(&mut self, kind: Kind, now: Instant) -> bool {
        let Some(last) = self.0.get_mut(kind as usize) else { return false };
        let allowed = last.is_none_or(|last| now.saturating_sub(last) >= INTERVAL);
        if allowed {
            *last = Some(now);
        }
        allowed
    }

    /// Whether this is the first line of its kind; later ones are never written.
    pub fn is_first(&mut self, kind: Kind, now: Instant) -> bool {
        let Some(last) = self.0.get_mut(kind as usize) else { return false };
        last.replace(now).is_none()
    }
}
