//! conversion-relay: an Envoy filter that watches the tracking requests of a gateway and delivers the conversions in
//! them to Flashtalking and Podsights.
//!
//! The modules below are the stations of an event's way, in its order. All but `host` are pure: plain data in, plain data
//! out, clock and randomness passed in.

pub mod config;

pub mod endpoints;
pub mod request;
pub mod capture;
pub mod json;
pub mod event;
pub mod consent;
pub mod identity;
pub mod visitor;
pub mod mapping;
pub mod privacy;
pub mod vendors;
pub mod delivery;
pub mod accounting;
pub mod relay;

pub mod consent;

pub mod identity;
pub mod privacy;

#[cfg(target_arch = "wasm32")]
mod host;
