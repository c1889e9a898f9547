//! Rate limit for log lines: at most one line of a kind per second.

use std::time::Duration;

use crate::accounting::Notice;
use crate::delivery::Instant;

/// The kinds of lines that traffic or vendors can cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    PrivateClientIp,
    Failing,
    Recovered,
    UnknownCluster,
    Redirected,
    Rejected,
    Lost,
    SharedName,
    UnknownSecret,
}

const KINDS: usize = 9;
const INTERVAL: Duration = Duration::from_secs(1);

/// When a line of each kind was last written.
#[derive(Debug, Default)]
pub struct LogLimiter([Option<Instant>; KINDS]);

impl LineKind {
    /// Returns the kind of a notice's line.
    pub fn of(notice: &Notice<'_>) -> Self {
        match notice {
            Notice::Failing(_) => Self::Failing,
            Notice::Recovered => Self::Recovered,
            Notice::UnknownCluster => Self::UnknownCluster,
            Notice::Redirected { .. } => Self::Redirected,
            Notice::Rejected { .. } => Self::Rejected,
            Notice::Lost(_) => Self::Lost,
        }
    }
}

impl LogLimiter {
    /// Returns whether a line of this kind may be written now; then it counts as written.
    pub fn allows(&mut self, kind: LineKind, now: Instant) -> bool {
        let Some(last) = self.0.get_mut(kind as usize) else { return false };
        let allowed = last.is_none_or(|last| now.saturating_sub(last) >= INTERVAL);
        if allowed {
            *last = Some(now);
        }
        allowed
    }

    /// Returns whether this is the first line of its kind; later ones are never written.
    pub fn is_first(&mut self, kind: LineKind, now: Instant) -> bool {
        let Some(last) = self.0.get_mut(kind as usize) else { return false };
        last.replace(now).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_line_is_written_at_most_once_a_second_whatever_the_other_kinds_do() {
        let mut limiter = LogLimiter::default();
        let mut written = Vec::new();
        for at in (0..3_000).step_by(100).map(Duration::from_millis) {
            if limiter.allows(LineKind::Lost, at) {
                written.push(at.as_millis());
            }
        }
        assert_eq!(written, [0, 1_000, 2_000]);
        assert!(limiter.allows(LineKind::Rejected, Duration::from_millis(2_900)));
    }

    #[test]
    fn a_line_that_is_said_once_is_never_said_again() {
        let mut limiter = LogLimiter::default();
        assert!(limiter.is_first(LineKind::PrivateClientIp, Duration::ZERO));
        assert!(!limiter.is_first(LineKind::PrivateClientIp, Duration::from_secs(3_600)));
    }
}
