//! What scrubbing makes of a value.

/// What [`scrub`](super::scrub) made of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scrubbed {
    /// Holds no address: send the value as it is. The normal case, which allocates nothing.
    Clean,
    /// Leave the value out.
    Dropped,
    /// A URL: send this one instead.
    Cut(String),
}
