//! A plugin configuration, as JSON or as a serialized Struct.

use std::hash::{DefaultHasher, Hash, Hasher};

use conversion_relay::config::Compiled;
use conversion_relay::sealed::{NONCE, SealingKeys, place};
use conversion_relay::settings::Secret;
use serde_json::Value;

pub const MEMORY: usize = 16 << 20;

/// Stands in an input for a value that is sealed for its place.
const SEALED_HERE: &str = "sealed:v1:here";

/// Any bytes are a configuration or are refused in one line that tells no secret.
pub fn check(input: &[u8]) -> bool {
    // One that an input cannot hold itself: libFuzzer puts in whatever it sees a text compared with.
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let secret = format!("secret-of-32-bytes-or-more-{:016x}", hasher.finish());
    let sealed = sealed(input, &secret);
    match Compiled::load(sealed.as_deref().unwrap_or(input), &|name| {
        (name != "UNSET").then(|| secret.clone())
    }) {
        Ok(_) => true,
        Err(invalid) => {
            let line = invalid.to_string();
            assert!(!line.contains('\n'), "more than a line: {line:?}");
            assert!(!line.contains(&secret), "a secret: {line:?}");
            false
        }
    }
}

/// The input with the secret sealed wherever it has [`SEALED_HERE`]; `None` if it has that nowhere.
fn sealed(input: &[u8], secret: &str) -> Option<Vec<u8>> {
    let whole: Value = serde_json::from_slice(input).ok()?;
    let keys = SealingKeys::new(&[Secret::new(secret)]).ok()?;
    let mut changed = whole.clone();
    let mut found = false;
    seal(&mut changed, "", &mut |path| {
        found = true;
        let place = place(&whole, path).unwrap_or_else(|| panic!("{path:?} is there and has no place"));
        keys.seal(secret, &place, [7; NONCE]).unwrap_or_default()
    });
    found.then(|| changed.to_string().into_bytes())
}

fn seal(value: &mut Value, path: &str, sealed_at: &mut dyn FnMut(&str) -> String) {
    match value {
        Value::String(text) if text == SEALED_HERE => *text = sealed_at(path),
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                seal(item, &format!("{path}[{index}]"), sealed_at);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                seal(member, &format!("{path}[{}]", Value::from(key.as_str())), sealed_at);
            }
        }
        _ => {}
    }
}
