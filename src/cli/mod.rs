//! The command line, `conversion-relay`: what a configuration will do, before a gateway runs it.

pub mod schema;
