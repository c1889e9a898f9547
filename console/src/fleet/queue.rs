//! A bounded queue between the requests that bring something and the thread that writes it.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What waits to be written.
pub struct Queue<T> {
    inner: Mutex<Inner<T>>,
    ready: Condvar,
    max_bytes: usize,
}

struct Inner<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    is_closed: bool,
}

impl<T> Queue<T> {
    /// Returns an empty queue for items of so many bytes together.
    pub fn new(max_bytes: usize) -> Self {
        let inner = Inner { items: VecDeque::new(), bytes: 0, is_closed: false };
        Self { inner: Mutex::new(inner), ready: Condvar::new(), max_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an item of so many bytes behind the others. The error is the item: the queue is full or closed.
    pub fn push(&self, item: T, bytes: usize) -> Result<(), T> {
        let mut inner = self.lock();
        let together = inner.bytes.saturating_add(bytes);
        if inner.is_closed || together > self.max_bytes {
            return Err(item);
        }
        inner.bytes = together;
        inner.items.push_back((item, bytes));
        self.ready.notify_one();
        Ok(())
    }

    /// Waits for an item, for `wait` at most, and takes the first `max` that are there. `None`: the queue is closed and empty.
    pub fn take(&self, max: usize, wait: Duration) -> Option<Vec<T>> {
        let inner = self.lock();
        let is_idle = |inner: &mut Inner<T>| inner.items.is_empty() && !inner.is_closed;
        let waited = self.ready.wait_timeout_while(inner, wait, is_idle);
        let (mut inner, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if inner.items.is_empty() && inner.is_closed {
            return None;
        }
        let count = max.min(inner.items.len());
        let taken: Vec<(T, usize)> = inner.items.drain(..count).collect();
        let bytes = taken.iter().map(|(_, bytes)| bytes).sum();
        inner.bytes = inner.bytes.saturating_sub(bytes);
        Some(taken.into_iter().map(|(item, _)| item).collect())
    }

    /// Takes nothing more. What is in it can still be taken out.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.ready.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_so_many_bytes_and_takes_more_once_some_are_gone() {
        let queue = Queue::new(10);
        assert_eq!(queue.push("a", 6), Ok(()));
        assert_eq!(queue.push("b", 6), Err("b"));
        assert_eq!(queue.push("c", 4), Ok(()));
        assert_eq!(queue.take(1, Duration::ZERO), Some(vec!["a"]));
        assert_eq!(queue.push("b", 6), Ok(()));
        assert_eq!(queue.take(9, Duration::ZERO), Some(vec!["c", "b"]));
        assert_eq!(queue.take(9, Duration::ZERO), Some(vec![]));
    }

    #[test]
    fn what_is_in_it_when_it_is_closed_can_be_taken_out_and_nothing_more_put_in() {
        let queue = Queue::new(10);
        assert_eq!(queue.push(1, 1), Ok(()));
        queue.close();
        assert_eq!(queue.push(2, 1), Err(2));
        assert_eq!(queue.take(9, Duration::ZERO), Some(vec![1]));
        assert_eq!(queue.take(9, Duration::from_secs(60)), None);
    }
}
