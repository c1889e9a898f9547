//! The path of a value in the configuration.

use std::fmt;

/// The path from the root to a value. Each step refers to its parent, so that the text is only built for an error.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// The root, or the place of what is read by itself, as text.
    At(&'p str),
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

/// Writes `integrations[1].config.key`, and a key with other characters than letters, digits and `_` as `["a key"]`.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::At(text) => f.write_str(text),
            Path::Index(above, index) => write!(f, "{above}[{index}]"),
            Path::Key(above, key) => {
                let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                if key.is_empty() || !key.bytes().all(plain) {
                    return write!(f, "{above}[{key:?}]");
                }
                let dot = if matches!(above, Path::At("")) { "" } else { "." };
                write!(f, "{above}{dot}{key}")
            }
        }
    }
}
