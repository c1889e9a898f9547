//! `Cookie` lines, one to a line.

use conversion_relay::identity::Cookies;

pub const MEMORY: usize = 256 << 10;

/// The first cookie of a name is found, as whoever splits the lines by hand finds it.
pub fn check(input: &[u8]) -> bool {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let cookies: Cookies = lines.iter().copied().collect();
    for (name, _) in cookies.iter() {
        let Ok(name) = std::str::from_utf8(name) else { continue };
        assert_eq!(cookies.get(name), by_hand(&lines, name), "{name:?}");
    }
    cookies.iter().next().is_some()
}

fn by_hand<'a>(lines: &[&'a [u8]], name: &str) -> Option<&'a [u8]> {
    for line in lines {
        for part in line.split(|byte| *byte == b';') {
            let mut halves = part.splitn(2, |byte| *byte == b'=');
            if let (Some(key), Some(value)) = (halves.next(), halves.next())
                && key.trim_ascii() == name.as_bytes()
            {
                return Some(value.trim_ascii());
            }
        }
    }
    None
}
