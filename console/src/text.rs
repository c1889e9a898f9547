//! Texts that others write.

/// The longest text of others that is kept beside their records and letters, in bytes.
pub const MAX_TEXT: usize = 256;

/// Returns the first 256 bytes of a text, or a little less, so that no character is cut.
pub fn bounded(text: &str) -> &str {
    let ends = (0..=MAX_TEXT.min(text.len())).rev();
    ends.into_iter().find_map(|end| text.get(..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        assert_eq!(bounded("short"), "short");
        let long = format!("{}€€", "x".repeat(MAX_TEXT - 1));
        assert_eq!(bounded(&long), "x".repeat(MAX_TEXT - 1));
    }
}
