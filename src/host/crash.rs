//! Crashes on demand, for the tests of what a crash does to the gateway. Only with the feature `crash-test`.

/// Says how to crash: `panic`, or `memory` for one that runs out of memory. Anything else is ignored.
const HEADER: &str = "x-conversion-relay-crash";

#[cfg(not(debug_assertions))]
compile_error!("the feature crash-test lets any client crash the filter: it must not be in a release");

/// Crashes if a request asks for it.
pub fn if_asked(headers: &[(String, Vec<u8>)]) {
    let asked = headers.iter().find(|(name, _)| name == HEADER);
    match asked.map(|(_, how)| how.as_slice()) {
        #[expect(clippy::panic, reason = "it is what the header asks for")]
        Some(b"panic") => panic!("{HEADER}: panic"),
        Some(b"memory") => loop {
            // Reserved and not written, so the machine itself has plenty left when the VM's limit is reached.
            std::mem::forget(std::hint::black_box(Vec::<u8>::with_capacity(16 << 20)));
        },
        _ => {}
    }
}
