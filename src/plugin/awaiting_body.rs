//! The streams that wait for their body before the filter answers them.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use crate::delivery::Instant;

/// How often a stream that has had no body callback is looked at. Without allow_on_headers_stop_iteration Envoy never makes one,
/// although it receives the body.
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

/// Streams that have not had a body callback yet, by the time at which they are looked at next.
#[derive(Debug, Default)]
pub struct AwaitingBody(VecDeque<(Instant, Waiting)>);

/// A stream that waits for its body.
#[derive(Debug)]
pub struct Waiting {
    /// The id of its context.
    pub stream: u32,
    /// What the names and values of its headers take up, which Envoy counts with the bytes that have arrived.
    pub head_bytes: u64,
    pub body_seen: BodySeen,
}

impl AwaitingBody {
    /// Adds a stream, to be looked at after [`BODY_TIMEOUT`].
    pub fn add(&mut self, waiting: Waiting, now: Instant) {
        self.forget_seen();
        self.0.push_back((now.saturating_add(BODY_TIMEOUT), waiting));
    }

    /// Returns when the first of them times out.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.front().map(|(deadline, _)| *deadline)
    }

    /// Removes and returns a stream that has timed out.
    pub fn pop_timed_out(&mut self, now: Instant) -> Option<Waiting> {
        self.forget_seen();
        let timed_out = self.next_due().is_some_and(|deadline| deadline <= now);
        if timed_out { self.0.pop_front().map(|(_, waiting)| waiting) } else { None }
    }

    fn forget_seen(&mut self) {
        while self.0.front().is_some_and(|(_, waiting)| waiting.body_seen.is_over()) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(awaiting: &mut AwaitingBody, stream: u32, body_seen: &BodySeen, now: Instant) {
        awaiting.add(Waiting { stream, head_bytes: 0, body_seen: body_seen.clone() }, now);
    }

    fn pop(awaiting: &mut AwaitingBody, now: Instant) -> Option<u32> {
        awaiting.pop_timed_out(now).map(|waiting| waiting.stream)
    }

    #[test]
    fn a_stream_times_out_once_and_not_before_its_time() {
        let (mut awaiting, seen) = (AwaitingBody::default(), BodySeen::default());
        add(&mut awaiting, 7, &seen, Duration::from_secs(1));
        assert_eq!(awaiting.next_due(), Some(Duration::from_secs(6)));
        assert_eq!(pop(&mut awaiting, Duration::from_millis(5_999)), None);
        assert_eq!(pop(&mut awaiting, Duration::from_secs(6)), Some(7));
        assert_eq!((pop(&mut awaiting, Duration::from_secs(60)), awaiting.next_due()), (None, None));
    }

    #[test]
    fn a_stream_whose_body_came_and_one_that_is_gone_never_time_out() {
        let mut awaiting = AwaitingBody::default();
        let (seen, gone, waits) = (BodySeen::default(), BodySeen::default(), BodySeen::default());
        for (stream, body_seen) in [(1, &seen), (2, &gone), (3, &waits)] {
            add(&mut awaiting, stream, body_seen, Duration::ZERO);
        }
        seen.set();
        drop(gone);
        assert_eq!(pop(&mut awaiting, BODY_TIMEOUT), Some(3));
        assert_eq!(pop(&mut awaiting, BODY_TIMEOUT), None);
    }
}
