//! One shard of a memory: a header and a row of entries, in any order. An entry is eight bytes of hash, four of a time and one of a
//! state.

/// The most bytes of one shard. Every delivery is looked up, held and concluded in two of them, each time by copying a shard out of
/// Envoy or back, so it is small.
pub const SHARD_BYTES: usize = 1024;

/// The beginning of every shard; data with another beginning is not ours, or of another version, and counts as an empty shard.
pub(super) const HEADER: [u8; 4] = *b"cr3\n";
pub(super) const ENTRY_BYTES: usize = 13;
#[cfg(test)]
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
    /// Reads the entry that a row begins with; `None`: there is no whole one.
    fn read(row: &[u8]) -> Option<Self> {
        let (hash, rest) = row.split_first_chunk()?;
        let (time, rest) = rest.split_first_chunk()?;
        let state = if *rest.first()? == HELD { State::Held } else { State::Delivered };
        Some(Self { hash: *hash, time: u32::from_le_bytes(*time), state })
    }

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
        self.retain(|entry| entry.hash != hash || entry.state != State::Held);
    }

    fn make_room(&mut self, terms: Terms) {
        self.retain(|entry| entry.is_fresh(terms));
        if self.0.len().saturating_add(ENTRY_BYTES) > SHARD_BYTES {
            // The farthest from now: where the clock was set back, what is newest isn't what is latest.
            let age = |entry: &Entry| (entry.state == State::Delivered, entry.time.abs_diff(terms.now));
            let oldest = self.entries().enumerate().max_by_key(|(_, entry)| age(entry)).map(|(at, _)| at);
            self.swap_remove(row(oldest.unwrap_or_default()));
        }
    }

    /// Removes the entries that are not to be kept, in place.
    fn retain(&mut self, keeps: impl Fn(&Entry) -> bool) {
        if !self.0.starts_with(&HEADER) {
            return;
        }
        let mut at = HEADER.len();
        while let Some(entry) = self.0.get(at..).and_then(Entry::read) {
            if keeps(&entry) {
                at = at.saturating_add(ENTRY_BYTES);
            } else {
                self.swap_remove(at);
            }
        }
    }

    /// Removes the entry at a place by putting the last one there.
    fn swap_remove(&mut self, at: usize) {
        let torn = self.0.len().saturating_sub(HEADER.len()) % ENTRY_BYTES;
        let last = self.0.len().saturating_sub(torn).saturating_sub(ENTRY_BYTES);
        if at <= last && last >= HEADER.len() {
            self.0.copy_within(last..last.saturating_add(ENTRY_BYTES), at);
            self.0.truncate(last);
        }
    }

    fn push(&mut self, Entry { hash, time, state }: Entry) {
        let mut row = [0; ENTRY_BYTES];
        let state = if state == State::Held { HELD } else { HELD.wrapping_add(1) };
        let parts = hash.into_iter().chain(time.to_le_bytes()).chain([state]);
        row.iter_mut().zip(parts).for_each(|(byte, part)| *byte = part);
        self.0.extend_from_slice(&row);
    }

    /// The entries, whatever the bytes are.
    fn entries(&self) -> impl Iterator<Item = Entry> {
        let rows = self.0.strip_prefix(&HEADER).unwrap_or_default().chunks_exact(ENTRY_BYTES);
        rows.filter_map(Entry::read)
    }
}

/// Where the row of an entry begins.
fn row(nth: usize) -> usize {
    nth.saturating_mul(ENTRY_BYTES).saturating_add(HEADER.len())
}
