//! Breaks inputs, runs targets over them, counts.

use std::cell::Cell;
use std::fmt::Debug;
use std::io::Write;
use std::time::Instant;

use conversion_relay::privacy;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::corpus::TOKENS;

/// From this many inputs on, a target tells how far it is.
const MANY: u32 = 10_000;

/// Runs a target over as many inputs as PROPTEST_CASES says. The target panics at what is wrong, and says whether it
/// could read the input: a run in which none could be read has tried nothing.
pub fn fuzz<S: Strategy>(target: &str, inputs: S, check: impl Fn(S::Value) -> bool)
where
    S::Value: Debug,
{
    // A failing input is printed, and belongs into a test of the station that it breaks; no file is kept of it.
    let config = Config { failure_persistence: None, ..Config::default() };
    let cases = config.cases;
    let (tried, read, began) = (Cell::new(0u32), Cell::new(0u32), Instant::now());
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        read.set(read.get() + u32::from(check(input)));
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

/// One of these texts, with up to six breaks in it; every so often noise instead.
pub fn broken(seeds: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> + use<> {
    let noise = prop::collection::vec(any::<u8>(), 0..80);
    if seeds.is_empty() {
        return noise.boxed();
    }
    let breaks = prop::collection::vec(one_break(), 0..6);
    let broken = (prop::sample::select(seeds), prop::sample::select(seeds), breaks).prop_map(
        |(seed, other, breaks)| {
            breaks
                .into_iter()
                .fold(seed.as_bytes().to_vec(), |bytes, broken| broken.apply(bytes, other.as_bytes()))
        },
    );
    prop_oneof![15 => broken, 1 => noise].boxed()
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

/// Packed as a `Content-Encoding` says; unknown ones aren't packed.
pub fn packed(bytes: &[u8], encoding: &str) -> Vec<u8> {
    let (packed, fast) = (Vec::new(), Compression::fast());
    match encoding {
        "gzip" => finish(GzEncoder::new(packed, fast), bytes, GzEncoder::finish),
        "zlib" => finish(ZlibEncoder::new(packed, fast), bytes, ZlibEncoder::finish),
        "deflate" => finish(DeflateEncoder::new(packed, fast), bytes, DeflateEncoder::finish),
        _ => bytes.to_vec(),
    }
}

fn finish<E: Write>(mut encoder: E, bytes: &[u8], finish: fn(E) -> std::io::Result<Vec<u8>>) -> Vec<u8> {
    encoder.write_all(bytes).and_then(|()| finish(encoder)).unwrap()
}

/// Whether the corpus's email address is in a text, encoded in percent up to twice.
pub fn has_email(text: &str) -> bool {
    let once = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let twice = percent_encoding::percent_decode_str(&once).decode_utf8_lossy().into_owned();
    [text, &once, &twice].iter().any(|text| text.contains("jane.doe@example.com"))
        || privacy::email_in(text.as_bytes())
}
