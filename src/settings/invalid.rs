//! The error type of the configuration.

/// A configuration that is refused. Displays as one line with the path, the problem and the fix, and never a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", if path.is_empty() { String::new() } else { format!("{path}: ") })]
pub struct Invalid {
    /// Like `integrations[1].config.spotlight_id`; empty where it is about the configuration as a whole.
    pub path: String,
    /// The problem and its fix, in words.
    pub problem: String,
}

impl Invalid {
    /// Returns an error about the setting at `path`, or about the configuration as a whole if `path` is empty.
    pub fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into() }
    }
}
