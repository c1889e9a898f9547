//! One module for each target. Its `check` reads an input and panics if a promise is broken; it returns whether the input
//! could be read. Its `MEMORY` is how many bytes the reading may take at most, beyond what was held before.
//!
//! `fuzz/src/bin` gives them to libFuzzer, and `tests/fuzz.rs` to the ordinary tests.

pub mod answer;
pub mod body;
pub mod configuration;
pub mod consent;
pub mod cookies;
pub mod events;
pub mod json;
pub mod path;
pub mod pixel;
pub mod privacy;
pub mod request;
pub mod timestamp;

mod email;
mod http;
mod refusal;
mod world;
