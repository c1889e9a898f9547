//! Random choices, and the random ways to write one thing.

pub use fastrand::Rng;

/// Returns one of several values, which are not empty.
pub fn pick<T: Copy>(rng: &mut Rng, among: &[T]) -> T {
    among[rng.usize(..among.len())]
}

/// Whether something of this probability happens, in percent.
pub fn chance(rng: &mut Rng, percent: u8) -> bool {
    rng.u8(..100) < percent
}

/// Returns the text with letters in another case.
pub fn any_case(rng: &mut Rng, text: &str) -> String {
    match rng.u8(..5) {
        0 => text.to_uppercase(),
        1 => text.to_lowercase(),
        _ => text.to_owned(),
    }
}

/// Percent-encodes everything but letters, digits, `-`, `_` and `.`, this many times.
pub fn encoded(text: &str, times: u8) -> String {
    (0..times).fold(text.to_owned(), |text, _| {
        let mut written = String::with_capacity(text.len() * 2);
        for byte in text.bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => written.push(byte.into()),
                _ => written += &format!("%{byte:02X}"),
            }
        }
        written
    })
}

/// Writes a JSON string; now and then with an escape that no writer needs.
pub fn quoted(rng: &mut Rng, text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    if chance(rng, 4) {
        return json.replace('@', "\\u0040").replace('a', "\\u0061");
    }
    json
}

/// Writes a JSON object of members that are JSON texts, in any order.
pub fn object(rng: &mut Rng, mut members: Vec<(String, String)>) -> String {
    rng.shuffle(&mut members);
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!("{}:{value}", quoted(rng, key))).collect();
    format!("{{{}}}", members.join(if chance(rng, 10) { " , " } else { "," }))
}

/// Writes a JSON list of strings, in any order.
pub fn list(rng: &mut Rng, mut texts: Vec<String>) -> String {
    rng.shuffle(&mut texts);
    let texts: Vec<String> = texts.iter().map(|text| quoted(rng, text)).collect();
    format!("[{}]", texts.join(","))
}
