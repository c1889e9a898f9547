//! conversion-relay: an Envoy filter that watches the tracking requests of a gateway and delivers the conversions in
//! them to Flashtalking and Podsights.
//!
//! The modules below are in the order in which an event passes through them. All but `host` are pure: plain data in, plain
//! data out, clock and randomness passed in. `plugin` runs them from Envoy's callbacks, and `host` connects it to Envoy. No
//! module uses one that uses it.

#![cfg_attr(not(test), deny(missing_docs))]

// The ground floor, which everything may use.
pub mod accounting;
pub(crate) mod codec;
pub mod json;
pub(crate) mod rank;
pub(crate) mod seal;
pub mod sealed;
pub mod settings;
pub mod timestamp;
pub(crate) mod url;

// What a client sends: which requests count, how they are captured and answered, and how events are read from them.
pub mod capture;
pub mod decode;
pub mod endpoints;
pub mod event;
pub mod pixel;
pub(crate) mod reply;
pub mod request;
pub(crate) mod sources;

// The visitor: identity and consent, and whether it is a bot.
pub mod bots;
pub mod consent;
pub mod identity;
pub(crate) mod visitor;

// What a vendor receives.
pub mod left_out;
pub mod mapping;
pub mod privacy;
pub mod records;
pub mod vendors;

// How it gets there.
pub mod deduplication;
pub mod delivery;

// The whole: the configuration, the relay that runs an event through the modules above, and the plugin that lives in Envoy.
pub mod config;
pub mod plugin;
pub mod relay;

// A host that sends nothing, for tests, benchmarks and previews.
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;

#[cfg(target_arch = "wasm32")]
mod host;
