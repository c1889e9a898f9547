//! What may be written to a terminal: colours of ours, and of an event's text nothing that a terminal would obey.

use std::fmt::Write as _;
use std::io::Write as _;

use anstyle::{AnsiColor, Style};
use unicode_width::UnicodeWidthStr;

/// Delivered.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Lost.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Not settled yet, or odd.
pub const CAUTION: Style = AnsiColor::Yellow.on_default();
/// Not wanted, and whatever is of less interest.
pub const FAINT: Style = Style::new().dimmed();
/// Neither good nor bad.
pub const PLAIN: Style = Style::new();

/// Paints texts, or leaves them as they are.
#[derive(Debug, Clone, Copy)]
pub struct Painter {
    /// Whether the output has colours.
    pub colours: bool,
}

impl Painter {
    /// Appends a text in a style. The text must be clean: see [`clean`].
    pub fn paint(self, out: &mut String, style: Style, text: &str) {
        if self.colours && style != PLAIN && !text.is_empty() {
            _ = write!(out, "{style}{text}{style:#}");
        } else {
            out.push_str(text);
        }
    }
}

/// Writes a line about a command itself to standard error. Where that is closed, nobody wants to know.
pub fn notice(command: &str, text: &str) {
    _ = writeln!(std::io::stderr(), "{command}: {}", clean(text));
}

/// Returns the text with whatever could steer a terminal escaped, as in `\u{1b}`: control characters, and characters that change the
/// direction of a text or are line breaks of their own.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\r' | '\t' => clean.extend(character.escape_default()),
            _ if steers(character) => clean.extend(character.escape_unicode()),
            _ => clean.push(character),
        }
    }
    clean
}

/// Returns JSON with the same characters escaped as JSON does it, so that it still means the same. They occur only in its strings.
pub fn clean_json(json: &str) -> String {
    let mut clean = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | '\r' | '\t' => clean.push(' '), // only between two tokens
            _ if steers(character) => _ = write!(clean, "\\u{:04x}", u32::from(character)),
            _ => clean.push(character),
        }
    }
    clean
}

/// All of these have four hexadecimal digits at most.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}')
        || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns a clean text of at most `columns` columns; a longer one ends in `…`.
pub fn shortened(text: &str, columns: usize) -> String {
    let mut short = String::new();
    for character in text.chars().take(columns.saturating_add(1)) {
        short.push_str(&clean(character.encode_utf8(&mut [0; 4])));
    }
    if short.width() <= columns {
        return short;
    }
    while short.width() >= columns && short.pop().is_some() {}
    short.push('…');
    short
}

/// A column that becomes as wide as its widest text so far, within bounds, so that lines that come one by one stand in columns.
#[derive(Debug)]
pub struct Column {
    width: usize,
    most: usize,
}

impl Column {
    /// A column of `least` to `most` terminal columns.
    pub fn new(least: usize, most: usize) -> Self {
        Self { width: least, most }
    }

    /// Returns a text that fits, and the spaces that follow it.
    pub fn fit(&mut self, text: &str) -> (String, String) {
        let text = shortened(text, self.most);
        let width = text.width();
        self.width = self.width.max(width);
        (text, " ".repeat(self.width.saturating_sub(width).saturating_add(2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{7}\u{7f}\n\r\t\u{202e}b\u{2028}\0";

    #[test]
    fn nothing_that_steers_a_terminal_is_left_of_a_text() {
        assert_eq!(clean(HOSTILE), r"a\u{1b}[2J\u{9b}31m\u{7}\u{7f}\n\r\t\u{202e}b\u{2028}\u{0}");
        assert_eq!(clean("Größe 靴 👟"), "Größe 靴 👟");
    }

    #[test]
    fn json_means_the_same_after_it_was_cleaned() {
        let json = "{\"a\":\"\u{9b}31m\u{7f}\u{202e}b\u{feff}\"\t}";
        let cleaned = clean_json(json);
        assert!(!cleaned.chars().any(steers), "{cleaned}");
        let values = [json, &cleaned].map(|json| serde_json::from_str::<serde_json::Value>(json).unwrap());
        assert_eq!(values[0], values[1]);
    }

    #[test]
    fn a_long_text_is_cut_by_the_columns_that_it_takes() {
        assert_eq!(shortened("abcdef", 6), "abcdef");
        assert_eq!(shortened("abcdefg", 6), "abcde…");
        assert_eq!(shortened("靴靴靴靴", 6), "靴靴…");
        assert_eq!(shortened(&"\u{1b}".repeat(1_000_000), 6), r"\u{1b…");
    }

    #[test]
    fn a_column_grows_with_its_texts_up_to_its_bound() {
        let mut column = Column::new(3, 6);
        let mut fit = |text: &str| {
            let (text, spaces) = column.fit(text);
            text + &spaces
        };
        assert_eq!(fit("a"), "a    ");
        assert_eq!(fit("abcdefgh"), "abcde…  ");
        assert_eq!(fit("a"), "a       ");
    }
}
