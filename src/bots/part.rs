//! One entry of the list: a literal text with conditions on what is beside it.

/// A text in lowercase, and what must be before and behind it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    pub text: &'static str,
    pub before: Before,
    pub after: After,
}

/// A condition on what is before a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Before {
    Anything,
    /// No letter, digit or underscore.
    Boundary,
    /// A letter, digit or underscore.
    Word,
    /// None of these.
    Not(&'static [&'static str]),
}

/// A condition on what is behind a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum After {
    Anything,
    /// No letter, digit or underscore.
    Boundary,
    /// No letter or digit.
    BoundaryOrUnderscore,
    Digit,
    /// None of these.
    Not(&'static [&'static str]),
}

/// A text with no condition.
pub const fn any(text: &'static str) -> Part {
    Part { text, before: Before::Anything, after: After::Anything }
}

impl Part {
    /// Whether the part is in `text` at this position.
    pub fn is_at(&self, text: &[u8], at: usize) -> bool {
        let Some((before, rest)) = text.split_at_checked(at) else { return false };
        let Some(after) = rest.strip_prefix(self.text.as_bytes()) else { return false };
        let is_before = match self.before {
            Before::Anything => true,
            Before::Boundary => !before.last().is_some_and(is_word),
            Before::Word => before.last().is_some_and(is_word),
            Before::Not(texts) => !texts.iter().any(|text| before.ends_with(text.as_bytes())),
        };
        let is_after = || match self.after {
            After::Anything => true,
            After::Boundary => !after.first().is_some_and(is_word),
            After::BoundaryOrUnderscore => !after.first().is_some_and(u8::is_ascii_alphanumeric),
            After::Digit => after.first().is_some_and(u8::is_ascii_digit),
            After::Not(texts) => !texts.iter().any(|text| after.starts_with(text.as_bytes())),
        };
        is_before && is_after()
    }
}

/// A letter, digit or underscore, as a regular expression's `\w`.
pub fn is_word(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}
