//! conversion-relay: an Envoy filter that watches the tracking requests of a gateway and delivers the conversions in
//! them to Flashtalking and Podsights.

pub mod identity;
pub mod privacy;

#[cfg(target_arch = "wasm32")]
mod host;
