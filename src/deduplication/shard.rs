//! One shard of a memory: a header and a row of entries, in any order. An entry is eight bytes of hash, four of a time and one of a
//! state.

/// The most bytes of one shard.
pub const SHARD_BYTES: usize = 4096;

/// The beginning of every shard; data with another beginning is not ours, or of another version, and counts as an empty shard.
pub(super) const HEADER: [u8; 4] = *b"cr2\n";
pub(super) const ENTRY_BYTES: usize = 13;
pub(super) const MAX_ENTRIES: usize = (SHARD_BYTES - HEADER.len()) / ENTRY_BYTES;

const HELD: u8 = 0;

/// What is known of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is queued or in flight, or its VM has died.
    Held,
    /// The vendor has it.
    Delivered,
}

/// How long entries count.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// Unix seconds.
    pub now: u32,
    /// In seconds, of what was delivered.
    pub window: u32,
    /// In seconds, the longest of what is held.
    pub lease: u32,
}

/// A shard as it was read, or as it is to be written.
#[derive(Debug, Default)]
pub(super) struct Shard(pub Vec<u8>);

#[derive(Clone, Copy)]
struct Entry {
    hash: [u8; 8],
    /// Unix seconds: of what is held, the end of the lease; of what was delivered, when that was.
    time: u32,
    state: State,
}

impl Entry {
    /// Whether an entry counts. If the clock was set back, a delivery may be in the future, and a lease end further away than any
    /// lease is long: then it counts only within these bounds, so that none counts for ever.
    fn is_fresh(self, terms: Terms) -> bool {
        match self.state {
            State::Held => self.time > terms.now && self.time.saturating_sub(terms.now) <= terms.lease,
            State::Delivered => self.time.abs_diff(terms.now) < terms.window,
        }
    }
}

impl Shard {
    /// What is known of an id by its hash. Of several entries that which says most.
    pub fn find(&self, hash: [u8; 8], terms: Terms) -> Option<State> {
        let known = self.entries().filter(|entry| entry.hash == hash && entry.is_fresh(terms));
        known.map(|entry| entry.state).max()
    }

    /// Adds an entry. A full shard first loses what no longer counts, or else its oldest entry of what was delivered.
    pub fn insert(&mut self, hash: [u8; 8], time: u32, state: State, terms: Terms) {
        if !self.0.starts_with(&HEADER) || self.0.len() > SHARD_BYTES {
            self.0 = HEADER.to_vec();
        }
        if self.0.len().saturating_add(ENTRY_BYTES) > SHARD_BYTES {
            self.make_room(terms);
        }
        // Behind the last whole entry, whatever else is there.
        let torn = self.0.len().saturating_sub(HEADER.len()) % ENTRY_BYTES;
        self.0.truncate(self.0.len().saturating_sub(torn));
        self.push(Entry { hash, time, state });
    }

    /// Forgets that an id is held. When it was delivered before, by whatever clock, stays known.
    pub fn release(&mut self, hash: [u8; 8]) {
        let is_it = |entry: &Entry| entry.hash == hash && entry.state == State::Held;
        if self.entries().any(|entry| is_it(&entry)) {
            let kept = self.entries().filter(|entry| !is_it(entry)).collect();
            self.replace(kept);
        }
    }

    fn make_room(&mut self, terms: Terms) {
        let mut kept: Vec<Entry> = self.entries().filter(|entry| entry.is_fresh(terms)).collect();
        if kept.len() >= MAX_ENTRIES {
            // The farthest from now: where the clock was set back, what is newest isn't what is latest.
            let age = |entry: &Entry| (entry.state == State::Delivered, entry.time.abs_diff(terms.now));
            let oldest = kept.iter().enumerate().max_by_key(|(_, entry)| age(entry)).map(|(at, _)| at);
            kept.swap_remove(oldest.unwrap_or_default());
        }
        self.replace(kept);
    }

    fn replace(&mut self, entries: Vec<Entry>) {
        self.0.truncate(HEADER.len());
        entries.into_iter().for_each(|entry| self.push(entry));
    }

    fn push(&mut self, Entry { hash, time, state }: Entry) {
        self.0.extend(hash);
        self.0.extend(time.to_le_bytes());
        self.0.push(if state == State::Held { HELD } else { HELD.wrapping_add(1) });
    }

    /// The entries, whatever the bytes are.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let rows = self.0.strip_prefix(&HEADER).unwrap_or_default().chunks_exact(ENTRY_BYTES);
        rows.filter_map(|row| {
            let (hash, rest) = row.split_first_chunk()?;
            let (time, state) = rest.split_first_chunk()?;
            let state = if state == [HELD] { State::Held } else { State::Delivered };
            Some(Entry { hash: *hash, time: u32::from_le_bytes(*time), state })
        })
    }
}
