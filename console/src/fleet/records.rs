//! Records that came in wait here until one thread writes them in batches and then publishes them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::live::Feed;
use super::queue::Queue;
use crate::clock;
use crate::options::Options;
use crate::store::{NewRecord, RecordFacts, Store, StoredRecord};

/// The longest record, in bytes.
const MAX_LINE: usize = 32 << 10;
/// How much may wait to be written, in bytes.
const MAX_WAITING: usize = 16 << 20;
/// What a record takes up beside its text, in bytes, or a little less.
const OVERHEAD: usize = 256;
/// How many records are written at once at most.
const BATCH: usize = 1_000;
/// How long the thread waits for more, so that a quiet stream of records costs few transactions.
const GATHER: Duration = Duration::from_millis(50);
/// How often the thread looks for what is too old if nothing comes.
const LOOK: Duration = Duration::from_secs(1);

/// What became of the records that came.
pub struct Intake {
    queue: Queue<NewRecord>,
    kept: AtomicU64,
    malformed: AtomicU64,
    too_long: AtomicU64,
    queue_full: AtomicU64,
    failed: AtomicU64,
    removed: AtomicU64,
}

/// How many records came since the console was started, and what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordCounts {
    /// Written.
    pub kept: u64,
    /// Dropped, since they are no JSON object.
    pub malformed: u64,
    /// Dropped, since they are longer than 32 KB.
    pub too_long: u64,
    /// Dropped, since they came faster than they are written.
    pub queue_full: u64,
    /// Dropped, since they could not be written. The console's log says why.
    pub failed: u64,
    /// Removed, since they were too old or too many.
    pub removed: u64,
}

/// What became of the lines of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Taken to be written.
    pub taken: u64,
    /// Dropped, since they are no JSON object.
    pub malformed: u64,
    /// Dropped, since they are longer than 32 KB.
    pub too_long: u64,
    /// Dropped, since they came faster than they are written.
    pub queue_full: u64,
}

impl Intake {
    /// Returns an intake that holds nothing yet.
    pub fn new() -> Self {
        Self {
            queue: Queue::new(MAX_WAITING),
            kept: AtomicU64::default(),
            malformed: AtomicU64::default(),
            too_long: AtomicU64::default(),
            queue_full: AtomicU64::default(),
            failed: AtomicU64::default(),
            removed: AtomicU64::default(),
        }
    }

    /// Returns what became of the records that came.
    pub fn counts(&self) -> RecordCounts {
        RecordCounts {
            kept: self.kept.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            too_long: self.too_long.load(Relaxed),
            queue_full: self.queue_full.load(Relaxed),
            failed: self.failed.load(Relaxed),
            removed: self.removed.load(Relaxed),
        }
    }

    /// Takes lines of JSON, each a record.
    pub fn take(&self, body: &[u8]) -> Taken {
        let mut taken = Taken::default();
        let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
        for line in lines {
            let count = if line.len() > MAX_LINE {
                &mut taken.too_long
            } else if let Some(record) = read(line) {
                let bytes = record.text.len().saturating_add(OVERHEAD);
                if self.queue.push(record, bytes).is_ok() { &mut taken.taken } else { &mut taken.queue_full }
            } else {
                &mut taken.malformed
            };
            *count = count.saturating_add(1);
        }
        self.malformed.fetch_add(taken.malformed, Relaxed);
        self.too_long.fetch_add(taken.too_long, Relaxed);
        self.queue_full.fetch_add(taken.queue_full, Relaxed);
        taken
    }

    /// Writes what comes, until no more does.
    pub fn write(&self, store: &Store, options: &Options, feed: &Feed) {
        let mut is_failing = false;
        while let Some(records) = self.queue.take(BATCH, LOOK) {
            let gathers = !records.is_empty() && records.len() < BATCH;
            is_failing = self.step(store, options, feed, records, is_failing);
            if gathers {
                std::thread::sleep(GATHER);
            }
        }
    }

    /// Writes some records and removes what is too old. Returns whether it failed.
    fn step(
        &self,
        store: &Store,
        options: &Options,
        feed: &Feed,
        records: Vec<NewRecord>,
        was_failing: bool,
    ) -> bool {
        let at = clock::now();
        let count = u64::try_from(records.len()).unwrap_or(u64::MAX);
        let added = if records.is_empty() { Ok(None) } else { store.add_records(&records, at).map(Some) };
        let removed = store
            .remove_old_records(at.saturating_sub(options.keep_for), options.keep_records)
            .map(|removed| self.removed.fetch_add(u64::try_from(removed).unwrap_or(u64::MAX), Relaxed));
        match &added {
            Ok(first) => {
                publish(feed, first.unwrap_or_default(), at, &records);
                self.kept.fetch_add(count, Relaxed);
            }
            Err(_) => {
                self.failed.fetch_add(count, Relaxed);
            }
        }
        let error = added.err().or(removed.err());
        if let (Some(error), false) = (&error, was_failing) {
            eprintln!("error: records can't be kept: {error}");
        }
        error.is_some()
    }

    /// Takes no more. What has come is still written.
    pub fn close(&self) {
        self.queue.close();
    }
}

fn read(line: &[u8]) -> Option<NewRecord> {
    let text = std::str::from_utf8(line).ok()?;
    let value: Value = serde_json::from_str(text).ok()?;
    Some(NewRecord { facts: RecordFacts::of(&value)?, text: text.to_owned() })
}

fn publish(feed: &Feed, first: i64, at: i64, records: &[NewRecord]) {
    if feed.receiver_count() == 0 {
        return;
    }
    for (number, record) in (first..).zip(records) {
        if let Ok(record) = serde_json::from_str(&record.text) {
            // It fails only if the last reader has just left.
            _ = feed.send(Arc::new(StoredRecord { number, at, record }));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_that_is_no_record_is_counted_and_the_others_are_taken() {
        let intake = Intake::new();
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LINE));
        let body = format!("{{\"what\":\"ended\"}}\r\n\n[1]\n{{\n{long}\n{{}}\n\u{e9}");
        let taken = intake.take(body.as_bytes());
        assert_eq!(taken, Taken { taken: 2, malformed: 3, too_long: 1, queue_full: 0 });
        assert_eq!(intake.take(b"\xff\n\"\\ud800\"\n{\"a\":1e999}").malformed, 3);
    }

    #[test]
    fn what_comes_faster_than_it_is_written_is_dropped_and_counted_and_takes_bounded_room() {
        let intake = Intake::new();
        let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(MAX_LINE - 100));
        let body = line.repeat(32);
        let taken: u64 = (0..100).map(|_| intake.take(body.as_bytes()).taken).sum();
        let room = u64::try_from(MAX_WAITING / MAX_LINE).unwrap();
        assert!((room - 20..=room + 20).contains(&taken), "{taken}");
        assert_eq!(intake.counts().queue_full, 3_200 - taken);
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_counted(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
            let Taken { taken, malformed, too_long, queue_full } = Intake::new().take(&body);
            prop_assert_eq!(taken + malformed + too_long + queue_full, u64::try_from(lines).unwrap());
        }
    }
}
