//! conversion-relay: an Envoy filter that watches the tracking requests of a gateway and delivers the conversions in
//! them to Flashtalking and Podsights.
//!
//! The modules below are the stations of an event's way, in its order. All but `host` are pure: plain data in, plain data
//! out, clock and randomness passed in. `plugin` is the clockwork around them, and `host` its connection to Envoy.

pub mod config;
pub mod settings;

// What a client sends: which requests count, capturing them, reading their events.
pub mod capture;
pub mod decode;
pub mod endpoints;
pub mod event;
pub mod json;
pub mod pixel;
pub mod reply;
pub mod request;
pub mod sources;
pub mod timestamp;

// Whom it is about, and what they allow.
pub mod consent;
pub mod identity;
pub mod visitor;

// What a vendor gets.
pub mod left_out;
pub mod mapping;
pub mod privacy;
pub mod vendors;

// How it gets there, and the books.
pub mod accounting;
pub mod deduplication;
pub mod delivery;
pub mod plugin;
pub mod rank;
pub mod relay;

// A host that sends nothing, for tests, benchmarks and previews.
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
mod host;
