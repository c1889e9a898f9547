//! Runs the unit tests of `examples/stand-in`: cargo either builds an example or runs the tests in it, and the tests in
//! the real Envoy need it built.
#![allow(dead_code, clippy::indexing_slicing)]

#[path = "../examples/stand-in/behaviour.rs"]
mod behaviour;
#[path = "../examples/stand-in/destination.rs"]
mod destination;
#[path = "../examples/stand-in/gateway.rs"]
mod gateway;
#[path = "../examples/stand-in/http1.rs"]
mod http1;
#[path = "../examples/stand-in/journal.rs"]
mod journal;
#[path = "../examples/stand-in/print.rs"]
mod print;
#[path = "../examples/stand-in/tally.rs"]
mod tally;
