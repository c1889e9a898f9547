//! conversion-relay-console: a management API, pages and an event debugger for a fleet of gateways with conversion-relay.
//!
//! A change comes by `api` or `pages`, is judged by the filter's own code in `configuration`, kept as a revision by `store`, and goes
//! to the gateways by `gateways`, which also takes in what they report. The gateways work on without any of it.

pub mod access;
pub mod api;
pub mod clock;
pub mod configuration;
pub mod console;
pub mod fleet;
pub mod gateways;
pub mod manage;
pub mod options;
pub mod pages;
pub mod random;
pub mod replay;
pub mod running;
pub mod server;
pub mod store;
#[cfg(test)]
mod testing;
pub mod text;
pub mod web;
