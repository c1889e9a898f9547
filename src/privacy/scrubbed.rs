//! The result of scrubbing a value.

/// The result of [`scrub`](super::scrub).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scrubbed {
    /// Holds no address: send the value as it is. The normal case, which allocates nothing.
    Clean,
    /// Leave the value out.
    Dropped,
    /// A URL: send this one instead.
    Cut(String),
}
