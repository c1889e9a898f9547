//! Helpers for sources of consent that read a member of an event's `context`.

/// Returns the JSON text of a member that is present, or `None` for `null`, which states nothing. A text that is not UTF-8,
/// which no event contains, becomes empty, that is malformed JSON.
pub fn present(value: &[u8]) -> Option<&str> {
    let json = std::str::from_utf8(value).unwrap_or_default();
    (json.trim_ascii() != "null").then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_null_is_present() {
        assert_eq!(present(b" null "), None);
        for (value, json) in [(&b"{}"[..], "{}"), (b"\"null\"", "\"null\""), (b"", ""), (b"\xff", "")] {
            assert_eq!(present(value), Some(json));
        }
    }
}
