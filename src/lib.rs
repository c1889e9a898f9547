//! conversion-relay: an Envoy filter that watches the tracking requests of a gateway and delivers the conversions in
//! them to Flashtalking and Podsights.
//!
//! The modules below are the stages that an event passes through, in order. All but `host` are pure: plain data in, plain
//! data out, clock and randomness passed in. `plugin` runs them from Envoy's callbacks, and `host` connects it to Envoy.

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

// The visitor: identity and consent.
pub mod consent;
pub mod identity;
pub mod visitor;

// What a vendor gets.
pub mod mapping;
pub mod privacy;
pub mod vendors;

// How it gets there, and the counters.
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
