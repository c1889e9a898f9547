//! Ports for programs that are killed and started again under the same address.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;

/// Where Linux takes no port for an outgoing connection, or for a listener that asks for any: so nobody takes one of these
/// while its program is down.
const RANGE: std::ops::Range<u16> = 10_240..32_000;
const TRIES: u32 = 1000;

/// A port of this machine that nobody listens on, and that no other program will be given by chance.
pub fn fixed_port() -> u16 {
    (0..TRIES)
        .map(|_| RANGE.start + random_below(RANGE.end - RANGE.start))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("there is no free port")
}

fn random_below(limit: u16) -> u16 {
    // Each state has keys of its own, which the system's randomness is in.
    let random = RandomState::new().build_hasher().finish();
    u16::try_from(random % u64::from(limit)).expect("it is below a u16")
}
