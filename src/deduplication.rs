//! Deduplication across all workers of the process: remembers messages and orders that are held or were delivered, and signatures
//! that were used.
//!
//! An id is *held* from the queue on, and *delivered* once the vendor has it; any other end forgets it. A held id counts until its
//! lease ends, by which its delivery has ended too, unless its VM died: then what comes again is no duplicate.
//!
//! Envoy's shared data is a map of byte strings whose keys can never be freed. So a [`SeenIds`] is a fixed number of
//! *shards*, each of a bounded size; an [`Id`] belongs to one of them. When a shard is full, what no longer counts is taken out, or
//! else its oldest entry is forgotten.
//!
//! A read copies a shard out of Envoy and a write copies it back, so all deliveries of one event share one read and one write.

mod shard;

use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use smart_default::SmartDefault;

use crate::settings::{DAY, MINUTE, Time};
pub use shard::{SHARD_BYTES, State};
use shard::{Shard, Terms};

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

/// Shards of one memory. Many and small: each look-up copies one out of Envoy, and each insertion one back. With
/// [`SHARD_BYTES`] each, a memory takes 2 MiB and knows about 160,000 ids.
pub const SHARDS: usize = 2048;

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

/// A set of [`Id`]s: what was delivered is remembered for a window, what is held until its lease ends.
#[derive(Clone, Debug)]
pub struct SeenIds {
    prefix: String,
    window_seconds: u32,
    lease_seconds: u32,
}

impl SeenIds {
    /// `kind` distinguishes the memories of one plugin (`messages`, `orders`), `plugin` is the plugin's name. With a window of
    /// zero nothing is remembered. `lease`: the longest time for which an id is held. Both are rounded up to whole seconds.
    pub fn new(kind: &str, plugin: &str, window: Duration, lease: Duration) -> Self {
        Self {
            prefix: format!("conversion-relay.{kind}.{plugin}."),
            window_seconds: whole_seconds(window),
            lease_seconds: whole_seconds(lease),
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
            terms: self.terms(now),
            shard: Shard::default(),
            cas: None,
            added: Vec::new(),
        };
        if self.is_on() {
            snapshot.key = self.key(id.shard);
            snapshot.read(store);
        }
        snapshot
    }

    /// Remembers `id` as delivered from now on. Returns `false` if it was known already, perhaps just recorded by another worker.
    pub fn remember(&self, id: Id, now: u64, store: &impl Store) -> bool {
        let mut snapshot = self.recall(id, now, store);
        if snapshot.state(id).is_some() {
            return false;
        }
        snapshot.added.extend(self.is_on().then_some((id, snapshot.terms.now, State::Delivered)));
        snapshot.keep(store)
    }

    /// Holds `id` for `lease` from now on. Fails with what is known of it already, perhaps from another worker just now.
    pub fn try_hold(&self, id: Id, lease: Duration, now: u64, store: &impl Store) -> Result<(), State> {
        let mut snapshot = self.recall(id, now, store);
        if let Some(state) = snapshot.state(id) {
            return Err(state);
        }
        snapshot.hold(id, lease);
        if snapshot.keep(store) { Ok(()) } else { Err(State::Held) }
    }

    /// Records the ends of what was held, at `now` in Unix seconds: `true` for what was delivered; any other end forgets the id. Those
    /// of one shard share a read and a write.
    pub fn conclude(&self, mut ends: Vec<(Id, bool)>, now: u64, store: &impl Store) {
        if !self.is_on() {
            return;
        }
        let terms = self.terms(now);
        ends.sort_unstable_by_key(|(id, _)| id.shard);
        for ends in ends.chunk_by(|(one, _), (other, _)| one.shares_shard(*other)) {
            let Some((first, _)) = ends.first() else { continue };
            let key = self.key(first.shard);
            for _ in 0..MAX_WRITE_ATTEMPTS {
                let (bytes, cas) = store.get(&key);
                let mut shard = Shard(bytes.unwrap_or_default());
                for (id, is_delivered) in ends {
                    shard.release(id.hash);
                    if *is_delivered {
                        shard.insert(id.hash, terms.now, State::Delivered, terms);
                    }
                }
                if store.set(&key, &shard.0, cas) {
                    break;
                }
            }
        }
    }

    fn terms(&self, now: u64) -> Terms {
        Terms { now: seconds(now), window: self.window_seconds, lease: self.lease_seconds }
    }

    fn key(&self, shard: usize) -> String {
        [&*self.prefix, itoa::Buffer::new().format(shard)].concat()
    }
}

/// One shard as it was when it was read, and what is to be added to it.
#[derive(Debug)]
pub struct ShardSnapshot {
    /// In shared data.
    key: String,
    terms: Terms,
    shard: Shard,
    cas: Option<u32>,
    /// Each with the time of its entry.
    added: Vec<(Id, u32, State)>,
}

impl ShardSnapshot {
    fn read(&mut self, store: &impl Store) {
        let (shard, cas) = store.get(&self.key);
        (self.shard, self.cas) = (Shard(shard.unwrap_or_default()), cas);
    }

    /// Returns what is known of `id`, which is of this shard.
    pub fn state(&self, id: Id) -> Option<State> {
        self.shard.find(id.hash, self.terms)
    }

    /// Will remember `id` as held for `lease` once this is [kept](Self::keep).
    pub fn hold(&mut self, id: Id, lease: Duration) {
        if self.terms.window > 0 {
            let until = self.terms.now.saturating_add(whole_seconds(lease));
            self.added.push((id, until, State::Held));
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
            for (id, time, state) in &added {
                self.shard.insert(id.hash, *time, *state, self.terms);
            }
            if store.set(&self.key, &self.shard.0, self.cas) {
                break;
            }
            self.read(store);
            added.retain(|(id, ..)| self.state(*id).is_none());
            if added.is_empty() {
                return false;
            }
        }
        true
    }
}

/// Unix seconds in four bytes, which reach to the year 2106.
fn seconds(now: u64) -> u32 {
    u32::try_from(now).unwrap_or(u32::MAX)
}

/// A begun second counts in full.
fn whole_seconds(duration: Duration) -> u32 {
    let seconds = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
