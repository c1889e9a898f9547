//! Deduplication across all workers of the process: remembers messages and orders that were queued, and signatures that were
//! used.
//!
//! Envoy's shared data is a map of byte strings whose keys can never be freed. So a [`SeenIds`] is a fixed number of
//! *shards*, each of a bounded size; an [`Id`] belongs to one of them. A shard is a header and a row of entries, in any
//! order: eight bytes of hash, four of the second at which it was seen. When a shard is full, what has expired is taken out,
//! or else its oldest entry is forgotten.
//!
//! A read copies a shard out of Envoy and a write copies it back, so all deliveries of one event share one read and one write.

use std::cmp::Reverse;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use smart_default::SmartDefault;

use crate::settings::{DAY, MINUTE, Time};

/// The handling of events that arrive more than once.
#[derive(Clone, Debug, Deserialize, SmartDefault)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Deduplication"))]
#[serde(deny_unknown_fields, default)]
pub struct DeduplicationSettings {
    /// How long a `messageId` is remembered; `0s` turns deduplication off.
    #[default(Time::literal::<{ 10 * MINUTE }>())]
    pub window: Time<0, DAY>,
    /// How long an order id is remembered, so that a thank-you page that is loaded again is not a second purchase; `0s` turns
    /// it off. It applies to purchases, leads and signups that carry an order id, by source, integration and the vendor's event.
    #[default(Time::literal::<{ DAY }>())]
    pub order_window: Time<0, { 7 * DAY }>,
}

/// Shards of one memory. Many and small: each look-up copies one out of Envoy, and each insertion one back.
pub const SHARDS: usize = 512;
/// The most bytes of one shard, so that a memory takes 2 MiB and knows about 170,000 ids.
pub const SHARD_BYTES: usize = 4096;

/// The beginning of every shard; data with another beginning is not ours, or of another version, and counts as an empty shard.
const HEADER: [u8; 4] = *b"cr1\n";
const ENTRY_BYTES: usize = 12;
const MAX_ENTRIES: usize = (SHARD_BYTES - HEADER.len()) / ENTRY_BYTES;

/// How often an insertion is retried after another worker was faster. Then it is given up: a duplicate may pass, which
/// at-least-once delivery allows.
const MAX_WRITE_ATTEMPTS: usize = 8;

/// The hash by which a message or a signature is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    shard: usize,
    hash: [u8; 8],
}

impl Id {
    /// The id of something that these parts identify, e.g. source and messageId.
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

    /// The id of this for one of several takers (integrations), by its name. It belongs to the same shard, so that one read
    /// is enough for all of them. Names come from the configuration: no client can choose them to collide.
    #[must_use]
    pub fn for_integration(self, name: &str) -> Self {
        self.for_taker(name.bytes())
    }

    /// The id of this for one of several integrations and one of the vendor's events: an order can be a lead and a purchase.
    #[must_use]
    pub fn for_event(self, integration: &str, event: &str) -> Self {
        // A byte that no text has, so that ("ab", "c") is not ("a", "bc").
        self.for_taker(integration.bytes().chain([0xff]).chain(event.bytes()))
    }

    fn for_taker(self, name: impl Iterator<Item = u8>) -> Self {
        let hash = u64::from_le_bytes(self.hash) ^ fnv1a(name);
        Self { hash: hash.to_le_bytes(), ..self }
    }

    /// Whether what is known of the other id is known from the same read.
    pub fn shares_shard(self, other: Self) -> bool {
        self.shard == other.shard
    }
}

/// <http://www.isthe.com/chongo/tech/comp/fnv/>, of 64 bits.
fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
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
pub struct SeenIds {
    prefix: String,
    window_seconds: u32,
}

impl SeenIds {
    /// `kind` distinguishes the memories of one plugin (`messages`, `orders`), `plugin` is the plugin's name. With a window of
    /// zero nothing is remembered. Windows are rounded up to whole seconds.
    pub fn new(kind: &str, plugin: &str, window: Duration) -> Self {
        let seconds = window.as_secs().saturating_add(u64::from(window.subsec_nanos() > 0));
        Self {
            prefix: format!("conversion-relay.{kind}.{plugin}."),
            window_seconds: u32::try_from(seconds).unwrap_or(u32::MAX),
        }
    }

    /// Whether anything is remembered at all.
    pub fn is_on(&self) -> bool {
        self.window_seconds > 0
    }

    /// Returns what is known about an id and all its takers, at `now` in Unix seconds.
    pub fn recall(&self, id: Id, now: u64, store: &impl Store) -> ShardSnapshot {
        let mut snapshot = ShardSnapshot {
            key: String::new(),
            window_seconds: self.window_seconds,
            now: seconds(now),
            shard: Vec::new(),
            cas: None,
            added: Vec::new(),
        };
        if self.window_seconds > 0 {
            snapshot.key = format!("{}{}", self.prefix, id.shard);
            snapshot.read(store);
        }
        snapshot
    }

    /// Remembers `id` from now on. Returns `false` if it was known already, perhaps just recorded by another worker.
    pub fn remember(&self, id: Id, now: u64, store: &impl Store) -> bool {
        let mut snapshot = self.recall(id, now, store);
        if snapshot.knows(id) {
            return false;
        }
        snapshot.add(id);
        snapshot.keep(store)
    }
}

/// One shard as it was when it was read, and what is to be added to it.
#[derive(Debug)]
pub struct ShardSnapshot {
    /// In shared data.
    key: String,
    window_seconds: u32,
    now: u32,
    shard: Vec<u8>,
    cas: Option<u32>,
    added: Vec<Id>,
}

impl ShardSnapshot {
    fn read(&mut self, store: &impl Store) {
        let (shard, cas) = store.get(&self.key);
        (self.shard, self.cas) = (shard.unwrap_or_default(), cas);
    }

    /// Whether `id`, which is of this shard, was remembered within the window before now.
    pub fn knows(&self, id: Id) -> bool {
        entries(&self.shard).any(|entry| entry.hash == id.hash && self.is_fresh(entry))
    }

    /// Will remember `id` once this is [kept](Self::keep).
    pub fn add(&mut self, id: Id) {
        if self.window_seconds > 0 {
            self.added.push(id);
        }
    }

    /// Writes what was added, without overwriting what another worker has written meanwhile; gives up after some retries.
    /// Returns `false` if another worker has meanwhile remembered all of it.
    pub fn keep(mut self, store: &impl Store) -> bool {
        let mut added = std::mem::take(&mut self.added);
        if added.is_empty() {
            return true;
        }
        for _ in 0..MAX_WRITE_ATTEMPTS {
            for id in &added {
                self.insert(*id);
            }
            if store.set(&self.key, &self.shard, self.cas) {
                break;
            }
            self.read(store);
            added.retain(|id| !self.knows(*id));
            if added.is_empty() {
                return false;
            }
        }
        true
    }

    /// Appends an entry to the shard. A full one first loses what has expired, or else its oldest entry.
    fn insert(&mut self, id: Id) {
        if !self.shard.starts_with(&HEADER) || self.shard.len() > SHARD_BYTES {
            self.shard = HEADER.to_vec();
        }
        if self.shard.len().saturating_add(ENTRY_BYTES) > SHARD_BYTES {
            self.make_room();
        }
        // Behind the last whole entry, whatever else is there.
        let torn = self.shard.len().saturating_sub(HEADER.len()) % ENTRY_BYTES;
        self.shard.truncate(self.shard.len().saturating_sub(torn));
        self.shard.extend(id.hash);
        self.shard.extend(self.now.to_le_bytes());
    }

    fn make_room(&mut self) {
        let mut kept: Vec<Entry> = entries(&self.shard).filter(|entry| self.is_fresh(*entry)).collect();
        if kept.len() >= MAX_ENTRIES {
            // The farthest from now: where the clock was set back, what is newest isn't what is latest.
            let age = |entry: &Entry| Reverse(entry.seen.abs_diff(self.now));
            let oldest = kept.iter().enumerate().min_by_key(|(_, entry)| age(entry)).map(|(at, _)| at);
            kept.swap_remove(oldest.unwrap_or_default());
        }
        self.shard.truncate(HEADER.len());
        for entry in kept {
            self.shard.extend(entry.hash);
            self.shard.extend(entry.seen.to_le_bytes());
        }
    }

    /// Whether an entry was seen less than a window ago. If the clock was set back, an entry may be from the future: it counts
    /// only if it is less than a window ahead, so that none counts for ever.
    fn is_fresh(&self, entry: Entry) -> bool {
        entry.seen.abs_diff(self.now) < self.window_seconds
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
