use super::shard::{HEADER, MAX_ENTRIES};
use super::*;
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;

const WINDOW: u64 = 600;
const LEASE: Duration = Duration::from_secs(60);

fn memory() -> SeenIds {
    with_window(Duration::from_secs(WINDOW))
}

fn with_window(window: Duration) -> SeenIds {
    SeenIds::new("dedup", "plugin", window, LEASE)
}

fn id(text: &str) -> Id {
    Id::of(&[b"src", b"Podsights", text.as_bytes()])
}

fn state(memory: &SeenIds, id: Id, now: u64, store: &Shared) -> Option<State> {
    memory.recall(id, now, store).state(id)
}

fn knows(memory: &SeenIds, id: Id, now: u64, store: &Shared) -> bool {
    state(memory, id, now, store).is_some()
}

fn hold(memory: &SeenIds, id: Id, now: u64, store: &Shared) -> bool {
    let mut snapshot = memory.recall(id, now, store);
    snapshot.hold(id, LEASE);
    snapshot.keep(store)
}

fn terms(now: u32) -> Terms {
    Terms { now, window: WINDOW as u32, lease: 60 }
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
    assert!(!knows(&memory, id("m1"), 1000, &store));
    assert!(memory.remember(id("m1"), 1000, &store));
    assert!(knows(&memory, id("m1"), 1001, &store) && !knows(&memory, id("m2"), 1001, &store));
    assert!(!memory.remember(id("m1"), 1001, &store));
}

#[test]
fn an_id_is_known_for_the_window_and_not_a_second_longer() {
    let (memory, store) = (memory(), Shared::default());
    memory.remember(id("m"), 1000, &store);
    assert!(knows(&memory, id("m"), 1000 + WINDOW - 1, &store));
    assert!(!knows(&memory, id("m"), 1000 + WINDOW, &store));
    let none = with_window(Duration::ZERO);
    assert!(none.remember(id("m"), 1000, &store) && none.remember(id("m"), 1000, &store));
    assert!(!knows(&none, id("m"), 1000, &store));
}

#[test]
fn a_begun_second_of_the_window_counts_in_full() {
    let (memory, store) = (with_window(Duration::from_millis(1500)), Shared::default());
    memory.remember(id("m"), 1000, &store);
    assert!(knows(&memory, id("m"), 1001, &store) && !knows(&memory, id("m"), 1002, &store));
}

#[test]
fn the_parts_of_an_id_do_not_run_into_each_other() {
    assert_ne!(Id::of(&[b"ab", b"c"]), Id::of(&[b"a", b"bc"]));
    assert_ne!(Id::of(&[b"a", b""]), Id::of(&[b"a"]));
    assert_eq!(id("m").shard, id("m").shard);
    assert_ne!(id("m").for_event("ab", "c"), id("m").for_event("a", "bc"));
    assert_ne!(id("m").for_event("a", "b"), id("m").for_event("b", "a"));
    assert!(id("m").for_event("a", "b").shares_shard(id("m")), "one read is enough for all of them");
}

#[test]
fn memories_of_another_kind_or_plugin_know_nothing_of_each_other() {
    let store = Shared::default();
    memory().remember(id("m"), 1000, &store);
    for (kind, plugin) in [("signatures", "plugin"), ("dedup", "other")] {
        assert!(!knows(
            &SeenIds::new(kind, plugin, Duration::from_secs(WINDOW), LEASE),
            id("m"),
            1000,
            &store
        ));
    }
}

#[test]
fn a_worker_that_was_slower_tries_again_and_gives_up_in_the_end() {
    let (memory, store) = (memory(), Shared::default());
    memory.remember(Id { hash: [1; 8], ..id("m") }, 1000, &store);
    store.races.set(MAX_WRITE_ATTEMPTS - 1);
    assert!(memory.remember(id("m"), 1000, &store) && knows(&memory, id("m"), 1000, &store));
    store.races.set(MAX_WRITE_ATTEMPTS);
    let last = Id { hash: [2; 8], ..id("m") };
    assert!(memory.remember(last, 1000, &store) && !knows(&memory, last, 1000, &store));
}

#[test]
fn of_two_workers_that_remember_one_id_at_the_same_time_only_one_is_told_that_it_is_new() {
    /// Another worker remembers the id between the first `get` and the `set` that follows.
    struct Overtaken(Shared, Cell<bool>);

    impl Store for Overtaken {
        fn get(&self, key: &str) -> (Option<Vec<u8>>, Option<u32>) {
            let found = self.0.get(key);
            if !self.1.replace(true) {
                assert!(memory().remember(id("m"), 1000, &self.0));
            }
            found
        }

        fn set(&self, key: &str, value: &[u8], cas: Option<u32>) -> bool {
            self.0.set(key, value, cas)
        }
    }

    let store = Overtaken(Shared::default(), Cell::new(false));
    memory().remember(Id { hash: [1; 8], ..id("m") }, 1000, &store.0);
    assert!(!memory().remember(id("m"), 1000, &store));
}

#[test]
fn one_look_tells_for_all_takers_of_a_message_and_one_write_keeps_them() {
    let (memory, store) = (memory(), Shared::default());
    let takers = ["Podsights", "Flashtalking"].map(|name| id("m").for_integration(name));
    let mut snapshot = memory.recall(id("m"), 1000, &store);
    assert!(takers.iter().all(|taker| snapshot.state(*taker).is_none()));
    takers.into_iter().for_each(|taker| snapshot.hold(taker, LEASE));
    snapshot.keep(&store);
    let values = store.values.borrow().values().map(|(_, writes)| *writes).collect::<Vec<_>>();
    assert_eq!(values, [1], "one shard, written once");
    let snapshot = memory.recall(id("m"), 1001, &store);
    assert!(takers.iter().all(|taker| snapshot.state(*taker) == Some(State::Held)));
    assert_eq!((snapshot.state(id("m").for_integration("Another")), snapshot.state(id("m"))), (None, None));
}

#[test]
fn what_is_held_is_known_until_its_lease_ends_and_what_was_delivered_for_the_window_after_that() {
    let (memory, store) = (memory(), Shared::default());
    let [delivered, lost, died] = ["delivered", "lost", "died"].map(id);
    for id in [delivered, lost, died] {
        assert!(hold(&memory, id, 1000, &store));
        assert_eq!(state(&memory, id, 1059, &store), Some(State::Held));
    }
    memory.conclude(vec![(delivered, true), (lost, false)], 1050, &store);
    assert_eq!(state(&memory, delivered, 1050 + WINDOW - 1, &store), Some(State::Delivered));
    assert_eq!(state(&memory, delivered, 1050 + WINDOW, &store), None);
    assert_eq!(state(&memory, lost, 1050, &store), None, "it may come again at once");
    assert_eq!(state(&memory, died, 1060, &store), None, "it may come again once its lease is over");
    assert!(hold(&memory, died, 1060, &store));
}

#[test]
fn the_ends_of_one_shard_share_a_write_and_survive_another_workers() {
    let (memory, store) = (memory(), Shared::default());
    let takers = ["Podsights", "Flashtalking", "Webhook"].map(|name| id("m").for_integration(name));
    for taker in takers {
        hold(&memory, taker, 1000, &store);
    }
    let writes =
        |store: &Shared| store.values.borrow().values().map(|(_, writes)| *writes).collect::<Vec<_>>();
    assert_eq!(writes(&store), [3]);
    memory.conclude(vec![(takers[0], true), (takers[1], true)], 1001, &store);
    assert_eq!(writes(&store), [4]);
    store.races.set(MAX_WRITE_ATTEMPTS - 1);
    memory.conclude(vec![(takers[2], false)], 1002, &store);
    let states = takers.map(|taker| state(&memory, taker, 1003, &store));
    assert_eq!(states, [Some(State::Delivered), Some(State::Delivered), None]);
}

#[test]
fn what_was_delivered_by_one_clock_stays_known_beside_what_is_by_another() {
    let (memory, store) = (memory(), Shared::default());
    for now in [10_000, 5_000] {
        assert!(hold(&memory, id("m"), now, &store), "{now}");
        memory.conclude(vec![(id("m"), true)], now, &store);
    }
    for now in [10_000, 5_000] {
        assert_eq!(state(&memory, id("m"), now, &store), Some(State::Delivered));
    }
}

#[test]
fn a_lease_that_ends_later_than_any_lease_is_of_a_clock_that_was_set_back_and_does_not_count() {
    let (memory, store) = (memory(), Shared::default());
    hold(&memory, id("m"), 1000, &store);
    assert_eq!(state(&memory, id("m"), 999, &store), None);
    assert_eq!(state(&memory, id("m"), 1000, &store), Some(State::Held));
}

#[test]
fn a_full_shard_forgets_its_oldest_entry_only_and_of_what_is_held_none_before_what_was_delivered() {
    let nth = |n: usize| n.to_le_bytes();
    let mut shard = Shard::default();
    shard.insert(nth(0), 1230, State::Held, terms(1000));
    for n in 1..MAX_ENTRIES {
        shard.insert(nth(n), 1000 + n as u32 / 2, State::Delivered, terms(1000));
    }
    let now = terms(1200);
    assert!((0..MAX_ENTRIES).all(|n| shard.find(nth(n), now).is_some()));
    let full = shard.0.len();
    shard.insert(nth(MAX_ENTRIES), 1200, State::Delivered, now);
    assert!(shard.0.len() == full && full <= SHARD_BYTES);
    let forgotten: Vec<usize> = (0..=MAX_ENTRIES).filter(|n| shard.find(nth(*n), now).is_none()).collect();
    assert_eq!(forgotten, [1]);
}

#[test]
fn a_full_shard_remembers_what_is_new_though_the_clock_was_set_back() {
    let nth = |n: usize| n.to_le_bytes();
    let mut shard = Shard::default();
    for n in 0..MAX_ENTRIES {
        shard.insert(nth(n), 1000, State::Delivered, terms(1000));
    }
    let back = terms(1000 - WINDOW as u32 / 2);
    for n in MAX_ENTRIES..MAX_ENTRIES + 10 {
        shard.insert(nth(n), back.now, State::Delivered, back);
    }
    assert!((MAX_ENTRIES..MAX_ENTRIES + 10).all(|n| shard.find(nth(n), back).is_some()));
}

#[test]
fn a_full_shard_first_loses_all_that_has_expired() {
    let nth = |n: usize| n.to_le_bytes();
    let mut shard = Shard::default();
    for n in 0..MAX_ENTRIES {
        let time = if n % 2 == 0 { 1000 } else { 1000 + WINDOW as u32 / 2 };
        shard.insert(nth(n), time, State::Delivered, terms(1000));
    }
    let now = terms(1000 + WINDOW as u32);
    shard.insert(nth(MAX_ENTRIES), now.now, State::Delivered, now);
    assert_eq!(shard.0.len(), HEADER.len() + (MAX_ENTRIES / 2 + 1) * shard::ENTRY_BYTES);
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
            prop_assert_eq!(knows(&memory, id(&name.to_string()), now, &store), fresh);
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
        let bytes = if ours { [&HEADER[..], &noise].concat() } else { noise };
        let had_header = bytes.starts_with(&HEADER);
        let mut shard = Shard(bytes);
        let terms = Terms { now: seconds(now), window, lease: 60 };
        shard.insert(*b"12345678", terms.now, State::Delivered, terms);
        prop_assert!(shard.0.len() <= SHARD_BYTES);
        prop_assert_eq!(shard.find(*b"12345678", terms).is_some(), window > 0);
        prop_assert!(had_header || shard.0.len() == HEADER.len() + shard::ENTRY_BYTES);
        shard.insert(*b"87654321", terms.now.saturating_add(1), State::Held, terms);
        prop_assert!(shard.0.len() <= SHARD_BYTES);
        shard.release(*b"87654321");
        prop_assert_eq!(shard.find(*b"87654321", terms), None);
    }
}
