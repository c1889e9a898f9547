//! Breaks inputs in random ways, runs checks over them, counts.

use std::cell::Cell;
use std::time::Instant;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::corpus::TOKENS;

/// From this many inputs on, a target tells how far it is.
const MANY: u32 = 10_000;

/// Runs a check over broken `seeds`, as many as PROPTEST_CASES says. The check panics at what is wrong, and says whether it
/// could read the input: a run in which none could be read has tried nothing.
pub fn fuzz(target: &str, seeds: Vec<Vec<u8>>, check: impl Fn(&[u8]) -> bool) {
    let inputs = broken(seeds);
    // A failing input is printed, and belongs into a test of the station that it breaks; no file is kept of it.
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    let (tried, read, began) = (Cell::new(0u32), Cell::new(0u32), Instant::now());
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        read.set(read.get() + u32::from(check(&input)));
        tried.set(tried.get() + 1);
        if cases >= MANY && tried.get().is_multiple_of(cases / 10) {
            println!("{target}: {} of {cases} inputs", tried.get());
        }
        Ok(())
    });
    if let Err(broken) = outcome {
        panic!("{target}: {broken}");
    }
    let (tried, read) = (tried.get(), read.get());
    println!("{target}: tried {tried} inputs, of which {read} could be read, in {:.1?}", began.elapsed());
    assert!(read > 0, "{target}: no input could be read");
}

/// One of these inputs, with up to six breaks in it; every so often noise instead.
fn broken(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let noise = prop::collection::vec(any::<u8>(), 0..80);
    let breaks = prop::collection::vec(one_break(), 0..6);
    let seed = || prop::sample::select(seeds.clone());
    let broken = (seed(), seed(), breaks).prop_map(|(seed, other, breaks)| {
        breaks.into_iter().fold(seed, |bytes, broken| broken.apply(bytes, &other))
    });
    prop_oneof![15 => broken, 1 => noise]
}

#[derive(Clone, Debug)]
enum Break {
    Byte(Index, u8),
    Token(Index, &'static str),
    Cut(Index),
    Remove(Index, Index),
    Repeat(Index, Index),
    /// The rest of another text.
    Splice(Index, Index),
}

fn one_break() -> impl Strategy<Value = Break> {
    let at = any::<Index>;
    prop_oneof![
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Break::Byte(at, byte)),
        4 => (at(), prop::sample::select(TOKENS)).prop_map(|(at, token)| Break::Token(at, token)),
        1 => at().prop_map(Break::Cut),
        1 => (at(), at()).prop_map(|(from, to)| Break::Remove(from, to)),
        1 => (at(), at()).prop_map(|(from, to)| Break::Repeat(from, to)),
        1 => (at(), at()).prop_map(|(here, there)| Break::Splice(here, there)),
    ]
}

impl Break {
    fn apply(self, mut bytes: Vec<u8>, other: &[u8]) -> Vec<u8> {
        let place = |index: Index| index.index(bytes.len() + 1);
        let range = |one: Index, other: Index| {
            let (one, other) = (place(one), place(other));
            one.min(other)..one.max(other)
        };
        match self {
            Break::Byte(at, byte) => match bytes.len() {
                0 => bytes.push(byte),
                length => bytes[at.index(length)] = byte,
            },
            Break::Token(at, token) => {
                let at = place(at);
                bytes.splice(at..at, token.bytes());
            }
            Break::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Break::Remove(from, to) => {
                let range = range(from, to);
                bytes.drain(range);
            }
            Break::Repeat(from, to) => {
                let range = range(from, to);
                bytes.extend_from_within(range);
            }
            Break::Splice(here, there) => {
                bytes.truncate(here.index(bytes.len() + 1));
                bytes.extend(&other[there.index(other.len() + 1)..]);
            }
        }
        bytes
    }
}
