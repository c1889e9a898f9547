//! The path of a value in the configuration.

use std::fmt;

use super::place::{self, Label};

/// The path from the root to a value. Each step refers to its parent, so that the text is only built for an error.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    /// The root, or the place of what is read by itself, as text.
    At(&'p str),
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
    /// An item that has a label besides, which its place is made of.
    Item(&'p Path<'p>, usize, &'p Label<'p>),
}

impl Path<'_> {
    /// Returns the [place](place::place) of the value.
    pub fn place(&self) -> String {
        match self {
            Path::At(text) => (*text).to_owned(),
            Path::Key(above, key) => above.place_with(|place| place::push_key(place, key)),
            Path::Index(above, index) => above.place_with(|place| place::push_item(place, *index, None)),
            Path::Item(above, index, label) => {
                above.place_with(|place| place::push_item(place, *index, Some(label)))
            }
        }
    }

    fn place_with(&self, push: impl FnOnce(&mut String)) -> String {
        let mut place = self.place();
        push(&mut place);
        place
    }
}

/// Writes `integrations[1].config.key`, and a key with other characters than letters, digits and `_` as `["a key"]`.
impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::At(text) => f.write_str(text),
            Path::Index(above, index) | Path::Item(above, index, _) => write!(f, "{above}[{index}]"),
            Path::Key(above, key) => {
                if !place::is_plain(key) {
                    return write!(f, "{above}[{key:?}]");
                }
                let dot = if matches!(above, Path::At("")) { "" } else { "." };
                write!(f, "{above}{dot}{key}")
            }
        }
    }
}
