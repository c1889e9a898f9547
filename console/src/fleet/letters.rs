//! Dead letters that came in wait here until one thread writes them. Each is on the disk before it is answered; those that come
//! together share one write.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use conversion_relay::event::cloud_events::LOST;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;

use super::queue::Queue;
use crate::clock;
use crate::options::Options;
use crate::store::{LetterFacts, NewLetter, Rejection, Store};
use crate::text::{MAX_TEXT, bounded};

/// The longest letter, in bytes.
pub const MAX_LETTER: usize = 256 << 10;
/// How much may wait to be written, in bytes.
const MAX_WAITING: usize = 16 << 20;
/// How many letters are written at once at most.
const BATCH: usize = 256;
/// How often the thread looks for what is too old if nothing comes.
const LOOK: Duration = Duration::from_secs(1);

struct Waiting {
    letter: NewLetter,
    written: oneshot::Sender<bool>,
}

/// The letters that wait to be written, and what became of the others.
pub struct Intake {
    queue: Queue<Waiting>,
    kept: AtomicU64,
    known: AtomicU64,
    malformed: AtomicU64,
    queue_full: AtomicU64,
    failed: AtomicU64,
    too_old: AtomicU64,
    dropped: AtomicU64,
}

/// How many dead letters came since the console was started, and what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LetterCounts {
    /// Written.
    pub kept: u64,
    /// Kept already, by their ids.
    pub known: u64,
    /// Refused, since they are no dead letters.
    pub malformed: u64,
    /// Told to come again, since they came faster than they are written.
    pub queue_full: u64,
    /// Told to come again, since they could not be written. The console's log says why.
    pub failed: u64,
    /// Removed, since they were too old.
    pub too_old: u64,
    /// Removed to make room for new ones.
    pub dropped: u64,
}

/// Why a letter is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// It is no dead letter. What it lacks.
    Malformed(String),
    /// Letters come faster than they are written.
    QueueFull,
    /// It could not be written. The console's log says why.
    Failed,
}

impl Intake {
    /// Returns an intake that holds nothing yet.
    pub fn new() -> Self {
        Self {
            queue: Queue::new(MAX_WAITING),
            kept: AtomicU64::default(),
            known: AtomicU64::default(),
            malformed: AtomicU64::default(),
            queue_full: AtomicU64::default(),
            failed: AtomicU64::default(),
            too_old: AtomicU64::default(),
            dropped: AtomicU64::default(),
        }
    }

    /// Returns what became of the letters that came.
    pub fn counts(&self) -> LetterCounts {
        LetterCounts {
            kept: self.kept.load(Relaxed),
            known: self.known.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            queue_full: self.queue_full.load(Relaxed),
            failed: self.failed.load(Relaxed),
            too_old: self.too_old.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
        }
    }

    /// Keeps a letter. Once this returns `Ok`, it is on the disk.
    pub async fn keep(&self, body: &[u8]) -> Result<(), NotKept> {
        let letter = read(body).map_err(|problem| {
            self.malformed.fetch_add(1, Relaxed);
            NotKept::Malformed(problem)
        })?;
        let (written, is_written) = oneshot::channel();
        let bytes = letter.text.len();
        if self.queue.push(Waiting { letter, written }, bytes).is_err() {
            self.queue_full.fetch_add(1, Relaxed);
            return Err(NotKept::QueueFull);
        }
        match is_written.await {
            Ok(true) => Ok(()),
            _ => Err(NotKept::Failed),
        }
    }

    /// Writes what comes, until no more does.
    pub fn write(&self, store: &Store, options: &Options) {
        let mut is_failing = false;
        while let Some(waiting) = self.queue.take(BATCH, LOOK) {
            let added = if waiting.is_empty() { Ok(()) } else { self.add(store, waiting) };
            let error = added.err().or(self.remove(store, options).err());
            if let (Some(error), false) = (&error, is_failing) {
                eprintln!("error: dead letters can't be kept: {error}");
            }
            is_failing = error.is_some();
        }
    }

    fn add(&self, store: &Store, waiting: Vec<Waiting>) -> Result<(), Rejection> {
        let (letters, senders): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|one| (one.letter, one.written)).unzip();
        let count = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        let added = store.add_letters(&letters, clock::now());
        match &added {
            Ok(new) => {
                let new = u64::try_from(*new).unwrap_or(u64::MAX);
                self.kept.fetch_add(new, Relaxed);
                self.known.fetch_add(count.saturating_sub(new), Relaxed);
            }
            Err(_) => {
                self.failed.fetch_add(count, Relaxed);
            }
        }
        for sender in senders {
            // It fails only if the gateway has left; then it sends the letter again.
            _ = sender.send(added.is_ok());
        }
        added.map(|_| ())
    }

    fn remove(&self, store: &Store, options: &Options) -> Result<(), Rejection> {
        let before = clock::now().saturating_sub(options.keep_for);
        let (too_old, dropped) = store.remove_old_letters(before)?;
        self.too_old.fetch_add(u64::try_from(too_old).unwrap_or(u64::MAX), Relaxed);
        self.dropped.fetch_add(u64::try_from(dropped).unwrap_or(u64::MAX), Relaxed);
        Ok(())
    }

    /// Takes no more. What has come is still written.
    pub fn close(&self) {
        self.queue.close();
    }
}

#[derive(Deserialize)]
struct CloudEvent<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    integration: Option<Cow<'a, str>>,
    #[serde(borrow)]
    vendor: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    attempts: Option<u32>,
    #[serde(borrow)]
    laststatus: Option<Cow<'a, str>>,
    #[serde(borrow)]
    orderdigest: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "data_base64")]
    _sealed: Cow<'a, str>,
}

/// Reads a letter. The error says what it lacks.
fn read(body: &[u8]) -> Result<NewLetter, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let event: CloudEvent<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if event.specversion != "1.0" || event.kind != LOST {
        return Err(format!("expected specversion \"1.0\" and type {LOST:?}"));
    }
    if event.id.is_empty() || event.id.len() > MAX_TEXT {
        return Err(format!("expected an id of 1 to {MAX_TEXT} bytes"));
    }
    let cut = |text: Option<Cow<'_, str>>| text.map(|text| bounded(&text).to_owned());
    let facts = LetterFacts {
        id: event.id.into_owned(),
        integration: cut(event.integration),
        vendor: cut(event.vendor),
        event: cut(event.event),
        reason: cut(event.reason),
        attempts: event.attempts,
        last_status: cut(event.laststatus),
        order_digest: cut(event.orderdigest),
    };
    Ok(NewLetter { facts, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn letter() -> serde_json::Value {
        json!({"specversion": "1.0", "id": "a-1", "source": "s", "type": LOST, "integration": "PS", "vendor": "podsights",
            "event": "Order Completed", "reason": "expired", "attempts": 3, "laststatus": "503", "data_base64": "AAAA"})
    }

    #[test]
    fn a_letter_is_kept_as_it_came_beside_what_stands_in_it_in_the_clear() {
        let text = letter().to_string();
        let read = read(text.as_bytes()).unwrap();
        assert_eq!(read.text, text);
        assert_eq!(read.facts.integration.as_deref(), Some("PS"));
        assert_eq!((read.facts.attempts, read.facts.last_status.as_deref()), (Some(3), Some("503")));
    }

    #[test]
    fn what_no_gateway_would_take_back_is_refused() {
        for (key, value) in [
            ("type", json!("conversion_relay.event")),
            ("id", json!("")),
            ("id", json!("x".repeat(257))),
            ("id", json!(1)),
            ("specversion", json!("0.3")),
            ("data_base64", json!(null)),
            ("attempts", json!(-1)),
        ] {
            let mut letter = letter();
            letter[key] = value;
            assert!(read(letter.to_string().as_bytes()).is_err(), "{letter}");
        }
        assert!(read(b"\xff").is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
            _ = read(&body);
        }
    }
}
