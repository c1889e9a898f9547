//! What the tests of the console share.

pub mod browser;
