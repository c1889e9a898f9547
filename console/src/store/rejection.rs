//! Why something was not kept, or not found.

use crate::configuration::Refusal;

/// Why something was not kept, or not found.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// Nothing has this id or number.
    #[error("there is no {0}")]
    NotFound(String),
    /// Somebody else has changed it since it was read.
    #[error("{0}")]
    Conflict(String),
    /// The filter refuses the configuration.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database can't be read or written.
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
    /// What is in the database was written under another secret, or by a program of a later version.
    #[error("the database: {0}")]
    Unreadable(String),
}
