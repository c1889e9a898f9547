//! What all sources of consent have in common that read a member of an event's `context`.

use super::statement::Statement;

/// Returns the statement of a member, given its raw JSON. For `null` the visitor was not asked; `read` reads the JSON text of
/// every other value.
pub fn statement<'a>(value: &'a [u8], read: impl FnOnce(&'a str) -> Statement<'a>) -> Statement<'a> {
    present(value).map_or_else(Statement::not_asked, read)
}

/// Returns the JSON text of a member that is present, or `None` for `null`. A text that is not UTF-8, which no event contains,
/// becomes empty, that is malformed JSON.
fn present(value: &[u8]) -> Option<&str> {
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
