//! What was seen before, by every worker of the process: messages that were queued, signatures that were used.
//!
//! Envoy's shared data is a map of byte strings whose keys can never be freed. So a [`Memory`] is a fixed number of
//! *shards*, each of a bounded size; an [`Id`] belongs to one of them. A shard is a header and a row of entries, in any
//! order: eight bytes of hash, four of the second at which it was seen. When a shard is full, its oldest entry is forgotten.

use std::time::Duration;

use sha2::{Digest, Sha256};

/// Shards of one memory. Many and small: each look-up copies one out of Envoy, and each insertion one back.
pub const SHARDS: usize = 512;
/// The most bytes of one shard, so that a memory takes 2 MiB and knows about 170,000 ids.
pub const SHARD_BYTES: usize = 4096;

/// What a shard begins with; anything else there is not ours, or of another version, and counts as an empty shard.
const HEADER: [u8; 4] = *b"cr1\n";
const ENTRY_BYTES: usize = 12;
const MOST_ENTRIES: usize = (SHARD_BYTES - HEADER.len()) / ENTRY_BYTES;

/// How often an insertion is tried again when another worker was faster. Then it is given up: a duplicate may pass, which
/// at-least-once delivery allows.
const TRIES: usize = 8;

/// What is remembered of a message or a signature: a hash of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    shard: usize,
    hash: [u8; 8],
}

impl Id {
    /// The id of something that is told apart by these parts, e.g. source, integration and messageId.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            // With their lengths, so that ("ab", "c") is not ("a", "bc").
            digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            digest.update(part);
        }
        let [s0, s1, h0, h1, h2, h3, h4, h5, h6, h7, ..]: [u8; 32] = digest.finalize().into();
        let shard = usize::from(u16::from_le_bytes([s0, s1])) % SHARDS;
        Self { shard, hash: [h0, h1, h2, h3, h4, h5, h6, h7] }
    }
}

/// Envoy's shared data, or a test's.
pub trait Store {
    /// The value under a key, and the number to hand to [`Store::set`] with it.
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>);

    /// Replaces the value unless somebody else has since [`Store::get`] gave out `cas`; false: somebody has.
    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> bool;
}

/// A set of [`Id`]s, each remembered for `window`.
#[derive(Clone, Debug)]
pub struct Memory {
    prefix: String,
    window_seconds: u32,
}

impl Memory {
    /// `kind` tells the memories of one plugin apart (`dedup`, `signatures`), `plugin` is the plugin's name. A window of
    /// zero: nothing is ever known. Windows are counted in whole seconds, begun ones in full.
    pub fn new(kind: &str, plugin: &str, window: Duration) -> Self {
        let seconds = window.as_secs().saturating_add(u64::from(window.subsec_nanos() > 0));
        Self {
            prefix: format!("conversion-relay.{kind}.{plugin}."),
            window_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }

    /// Whether `id` was remembered within the window before now. `now` is Unix time in seconds.
    pub fn knows(&self, id: Id, now: u64, store: &impl Store) -> bool {
        self.window_seconds > 0
            && store.get(&self.key(id)).0.is_some_and(|shard| self.contains(&shard, id, now))
    }

    /// Remembers `id` from now on. False: it was known already, maybe since a moment ago by another worker.
    pub fn remember(&self, id: Id, now: u64, store: &impl Store) -> bool {
        if self.window_seconds == 0 {
            return true;
        }
        let key = self.key(id);
        for _ in 0..TRIES {
            let (shard, cas) = store.get(&key);
            let shard = shard.unwrap_or_default();
            if self.contains(&shard, id, now) {
                return false;
            }
            if store.set(&key, &self.insert(&shard, id, now), cas) {
                break;
            }
        }
        true
    }

    /// The key of an id's shard in shared data.
    fn key(&self, id: Id) -> String {
        format!("{}{}", self.prefix, id.shard)
    }

    fn contains(&self, shard: &[u8], id: Id, now: u64) -> bool {
        entries(shard).any(|entry| entry.hash == id.hash && self.is_fresh(entry, now))
    }

    /// The shard with `id` in it: without what has expired, and where it is full without its oldest entry.
    fn insert(&self, shard: &[u8], id: Id, now: u64) -> Vec<u8> {
        let keeps = |entry: &Entry| entry.hash != id.hash && self.is_fresh(*entry, now);
        let mut kept: Vec<Entry> = entries(shard).filter(keeps).take(MOST_ENTRIES).collect();
        if kept.len() == MOST_ENTRIES {
            let oldest = kept.iter().enumerate().min_by_key(|(_, entry)| entry.seen).map(|(at, _)| at);
            kept.swap_remove(oldest.unwrap_or_default());
        }
        kept.push(Entry { hash: id.hash, seen: seconds(now) });
        let mut bytes = Vec::with_capacity(SHARD_BYTES);
        bytes.extend(HEADER);
        for entry in kept {
            bytes.extend(entry.hash);
            bytes.extend(entry.seen.to_le_bytes());
        }
        bytes
    }

    /// Seen less than a window ago. Where a clock was set back an entry may be from later than now: one that is less than
    /// a window ahead counts, others don't, so that none counts for ever.
    fn is_fresh(&self, entry: Entry, now: u64) -> bool {
        entry.seen.abs_diff(seconds(now)) < self.window_seconds
    }
}

#[derive(Clone, Copy)]
struct Entry {
    hash: [u8; 8],
    seen: u32,
}

/// The entries of a shard, whatever its bytes are.
fn entries(shard: &[u8]) -> impl Iterator<Item = Entry> {
    let rows = shard.strip_prefix(&HEADER).unwrap_or_default().chunks_exact(ENTRY_BYTES);
    rows.filter_map(|row| {
        let (hash, seen) = row.split_first_chunk()?;
        Some(Entry { hash: *hash, seen: u32::from_le_bytes(seen.try_into().ok()?) })
    })
}

/// Unix seconds in four bytes, which reach to the year 2106.
fn seconds(now: u64) -> u32 {
    u32::try_from(now).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
