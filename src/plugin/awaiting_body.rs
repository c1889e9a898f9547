//! The streams that wait for their body before the filter answers them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::delivery::Instant;

/// The timeout for the first body callback of a request. Without allow_on_headers_stop_iteration Envoy never makes it.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether a stream has had its first body callback; shared by the stream and by [`AwaitingBody`].
#[derive(Clone, Debug, Default)]
pub struct BodySeen(Rc<Cell<bool>>);

impl BodySeen {
    /// Records the first body callback.
    pub fn set(&self) {
        self.0.set(true);
    }

    /// Whether waiting is over, because the body came or because the stream, the other holder, is gone.
    fn is_over(&self) -> bool {
        self.0.get() || Rc::strong_count(&self.0) == 1
    }
}

/// Streams that have not had a body callback yet, oldest first.
#[derive(Debug, Default)]
pub struct AwaitingBody(VecDeque<Waiting>);

#[derive(Debug)]
struct Waiting {
    deadline: Instant,
    stream: u32,
    body_seen: BodySeen,
}

impl AwaitingBody {
    pub fn add(&mut self, stream: u32, body_seen: BodySeen, now: Instant) {
        self.forget_seen();
        self.0.push_back(Waiting { deadline: now.saturating_add(BODY_TIMEOUT), stream, body_seen });
    }

    /// Returns when the first of them times out.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.front().map(|waiting| waiting.deadline)
    }

    /// Removes and returns a stream that has timed out.
    pub fn pop_timed_out(&mut self, now: Instant) -> Option<u32> {
        self.forget_seen();
        let timed_out = self.next_due().is_some_and(|deadline| deadline <= now);
        if timed_out { self.0.pop_front().map(|waiting| waiting.stream) } else { None }
    }

    fn forget_seen(&mut self) {
        while self.0.front().is_some_and(|waiting| waiting.body_seen.is_over()) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_times_out_once_and_not_before_its_time() {
        let (mut awaiting, seen) = (AwaitingBody::default(), BodySeen::default());
        awaiting.add(7, seen.clone(), Duration::from_secs(1));
        assert_eq!(awaiting.next_due(), Some(Duration::from_secs(6)));
        assert_eq!(awaiting.pop_timed_out(Duration::from_millis(5_999)), None);
        assert_eq!(awaiting.pop_timed_out(Duration::from_secs(6)), Some(7));
        assert_eq!((awaiting.pop_timed_out(Duration::from_secs(60)), awaiting.next_due()), (None, None));
    }

    #[test]
    fn a_stream_whose_body_came_and_one_that_is_gone_never_time_out() {
        let mut awaiting = AwaitingBody::default();
        let (seen, gone, waits) = (BodySeen::default(), BodySeen::default(), BodySeen::default());
        for (stream, body_seen) in [(1, &seen), (2, &gone), (3, &waits)] {
            awaiting.add(stream, body_seen.clone(), Duration::ZERO);
        }
        seen.set();
        drop(gone);
        assert_eq!(awaiting.pop_timed_out(BODY_TIMEOUT), Some(3));
        assert_eq!(awaiting.pop_timed_out(BODY_TIMEOUT), None);
    }
}
