//! A plugin configuration, as JSON or as a serialized Struct.

use std::hash::{DefaultHasher, Hash, Hasher};

use conversion_relay::config::Compiled;

pub const MEMORY: usize = 16 << 20;

/// Any bytes are a configuration or are refused in one line that tells no secret.
pub fn check(input: &[u8]) -> bool {
    // One that an input cannot hold itself: libFuzzer puts in whatever it sees a text compared with.
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let secret = format!("secret-{:016x}", hasher.finish());
    match Compiled::load(input, &|name| (name != "UNSET").then(|| secret.clone())) {
        Ok(_) => true,
        Err(invalid) => {
            let line = invalid.to_string();
            assert!(!line.contains('\n'), "more than a line: {line:?}");
            assert!(!line.contains(&secret), "a secret: {line:?}");
            false
        }
    }
}
