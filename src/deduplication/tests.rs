use super::*;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

const WINDOW: u64 = 600;

fn memory() -> Memory {
    Memory::new("dedup", "plugin", Duration::from_secs(WINDOW))
}

fn id(text: &str) -> Id {
    Id::of(&[b"src", b"Podsights", text.as_bytes()])
}

/// As Envoy's: a number that changes with every write, and `set` on a missing key ignores it.
#[derive(Default)]
struct Shared {
    values: RefCell<HashMap<String, (Vec<u8>, u32)>>,
    /// So many times somebody else writes between `get` and `set`.
    races: Cell<usize>,
}

impl Store for Shared {
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
        let found = self.values.borrow().get(key).cloned();
        if let Some(left) = self.races.get().checked_sub(1) {
            self.races.set(left);
            if let Some((_, cas)) = self.values.borrow_mut().get_mut(key) {
                *cas += 1;
            }
        }
        found.map_or((None, None), |(value, cas)| (Some(value), Some(cas)))
    }

    fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> bool {
        let mut values = self.values.borrow_mut();
        let known = values.get(key).map(|(_, cas)| *cas);
        if known.is_some() && known != cas {
            return false;
        }
        values.insert(key.to_owned(), (value.to_vec(), known.unwrap_or(0) + 1));
        true
    }
}

#[test]
fn a_second_delivery_of_a_message_is_known_and_another_is_not() {
    let (memory, store) = (memory(), Shared::default());
    assert!(!memory.knows(id("m1"), 1000, &store));
    assert!(memory.remember(id("m1"), 1000, &store));
    assert!(memory.knows(id("m1"), 1001, &store) && !memory.knows(id("m2"), 1001, &store));
    assert!(!memory.remember(id("m1"), 1001, &store));
}

#[test]
fn an_id_is_known_for_the_window_and_not_a_second_longer() {
    let (memory, store) = (memory(), Shared::default());
    memory.remember(id("m"), 1000, &store);
    assert!(memory.knows(id("m"), 1000 + WINDOW - 1, &store));
    assert!(!memory.knows(id("m"), 1000 + WINDOW, &store));
    let none = Memory::new("dedup", "plugin", Duration::ZERO);
    assert!(none.remember(id("m"), 1000, &store) && none.remember(id("m"), 1000, &store));
    assert!(!none.knows(id("m"), 1000, &store));
}

#[test]
fn a_begun_second_of_the_window_counts_in_full() {
    let (memory, store) = (Memory::new("dedup", "p", Duration::from_millis(1500)), Shared::default());
    memory.remember(id("m"), 1000, &store);
    assert!(memory.knows(id("m"), 1001, &store) && !memory.knows(id("m"), 1002, &store));
}

#[test]
fn the_parts_of_an_id_do_not_run_into_each_other() {
    assert_ne!(Id::of(&[b"ab", b"c"]), Id::of(&[b"a", b"bc"]));
    assert_ne!(Id::of(&[b"a", b""]), Id::of(&[b"a"]));
    assert_eq!(id("m").shard, id("m").shard);
}

#[test]
fn memories_of_another_kind_or_plugin_know_nothing_of_each_other() {
    let store = Shared::default();
    memory().remember(id("m"), 1000, &store);
    for (kind, plugin) in [("signatures", "plugin"), ("dedup", "other")] {
        assert!(!Memory::new(kind, plugin, Duration::from_secs(WINDOW)).knows(id("m"), 1000, &store));
    }
}

#[test]
fn a_worker_that_was_slower_tries_again_and_gives_up_in_the_end() {
    let (memory, store) = (memory(), Shared::default());
    memory.remember(Id { hash: [1; 8], ..id("m") }, 1000, &store);
    store.races.set(TRIES - 1);
    assert!(memory.remember(id("m"), 1000, &store) && memory.knows(id("m"), 1000, &store));
    store.races.set(TRIES);
    let last = Id { hash: [2; 8], ..id("m") };
    assert!(memory.remember(last, 1000, &store) && !memory.knows(last, 1000, &store));
}

#[test]
fn a_full_shard_forgets_its_oldest_entry_only() {
    let memory = memory();
    let nth = |n: usize| Id { shard: 0, hash: n.to_le_bytes() };
    let mut shard = Vec::new();
    for n in 0..MOST_ENTRIES {
        shard = memory.insert(&shard, nth(n), 1000 + n as u64 / 2);
    }
    assert!((0..MOST_ENTRIES).all(|n| memory.contains(&shard, nth(n), 1200)));
    let full = memory.insert(&shard, nth(MOST_ENTRIES), 1200);
    assert!(full.len() == shard.len() && full.len() <= SHARD_BYTES);
    let forgotten: Vec<usize> =
        (0..=MOST_ENTRIES).filter(|n| !memory.contains(&full, nth(*n), 1200)).collect();
    assert_eq!(forgotten, [0]);
}

#[test]
fn ids_spread_evenly_over_the_shards() {
    let mut counts = [0usize; SHARDS];
    for n in 0..SHARDS * 100 {
        counts[id(&n.to_string()).shard] += 1;
    }
    assert!(counts.iter().all(|count| (50..160).contains(count)), "{counts:?}");
}

proptest! {
    /// Against a model that forgets nothing: ids are few, so that they come again.
    #[test]
    fn nothing_is_known_that_was_not_remembered_within_the_window(
        steps in prop::collection::vec((0usize..40, 0u64..200), 1..200),
    ) {
        let (memory, store) = (memory(), Shared::default());
        let mut model: HashMap<usize, u64> = HashMap::new();
        let mut now = 1_700_000_000;
        for (name, passed) in steps {
            now += passed;
            let fresh = model.get(&name).is_some_and(|seen| now - seen < WINDOW);
            prop_assert_eq!(memory.knows(id(&name.to_string()), now, &store), fresh);
            prop_assert_eq!(memory.remember(id(&name.to_string()), now, &store), !fresh);
            if !fresh {
                model.insert(name, now);
            }
        }
    }

    #[test]
    fn whatever_bytes_a_shard_has_it_stays_bounded_and_holds_what_was_inserted(
        noise in prop::collection::vec(any::<u8>(), 0..9000), ours: bool, now in any::<u64>(), window in any::<u32>(),
    ) {
        let memory = Memory::new("dedup", "p", Duration::from_secs(u64::from(window)));
        let shard = if ours { [&HEADER[..], &noise].concat() } else { noise };
        let after = memory.insert(&shard, id("m"), now);
        prop_assert!(after.len() <= SHARD_BYTES);
        prop_assert_eq!(memory.contains(&after, id("m"), now), window > 0);
        prop_assert!(ours || entries(&after).count() == 1 || shard.starts_with(&HEADER));
    }
}
