//! What the console keeps, in one SQLite file: revisions of the configuration, secrets, gateways, records and dead letters.
//!
//! A change is one transaction, and is on the disk before it is answered. The file's journal is a write-ahead log, so readers never
//! wait for a writer.

mod current;
mod gateways;
#[cfg(test)]
mod history_tests;
mod letters;
mod records;
mod revisions;
mod schema;
mod secrets;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conversion_relay::sealed::SealingKeys;
use conversion_relay::settings::Secret;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use crate::configuration::{Environment, Refusal};
pub use current::{Current, Etag};
pub use gateways::{GatewaySeen, GatewayState, Roster, Sighting, Via, revision_of};
pub use letters::{LetterFacts, LetterQuery, NewLetter, Outcome, Replay, StoredLetter, Wanted};
pub use records::{NewRecord, RecordFacts, RecordQuery, StoredRecord};
pub use revisions::{Changed, Draft, Revision, RevisionFacts};

/// How long a connection waits for another one that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How large the write-ahead log's file stays once it has grown, in bytes.
const MAX_JOURNAL: u32 = 64 << 20;

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

/// The database.
pub struct Store {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    history: Mutex<Connection>,
    roster: Roster,
    sizes: records::Sizes,
    at_rest: SealingKeys,
    environment: Environment,
    current: watch::Sender<Arc<Current>>,
}

impl Store {
    /// Opens the file, and makes it if it is not there. `secret`, 32 bytes or more, seals what is at rest. `environment` is what the
    /// console knows of the gateways' environment; `sealed_under` names the variable whose secret opens what is sealed for them.
    pub fn open(
        path: &Path,
        secret: &Secret,
        environment: Environment,
        sealed_under: Option<&str>,
    ) -> Result<Self, Rejection> {
        let at_rest = SealingKeys::new(std::slice::from_ref(secret))
            .map_err(|error| Rejection::Unreadable(format!("CONSOLE_SECRET: {error}")))?;
        let mut writer = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        writer.pragma_update(None, "journal_mode", "wal")?;
        schema::migrate(&mut writer)?;
        revisions::begin(&mut writer, sealed_under)?;
        let reader = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let history = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let roster = Roster::load(&reader)?;
        let sizes = records::Sizes::load(&reader)?;
        let current = Current::load(&mut writer, &at_rest, &environment)?;
        Ok(Self {
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
            history: Mutex::new(history),
            roster,
            sizes,
            at_rest,
            environment,
            current: watch::Sender::new(Arc::new(current)),
        })
    }

    /// Returns the configuration in force.
    pub fn current(&self) -> Arc<Current> {
        self.current.borrow().clone()
    }

    /// Returns what tells whenever another configuration is in force.
    pub fn watch(&self) -> watch::Receiver<Arc<Current>> {
        self.current.subscribe()
    }

    /// Returns the connection for reading.
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection for reading records and dead letters: a search among them may take a while.
    fn history(&self) -> MutexGuard<'_, Connection> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection for writing. It is the only one, so that no writer has to try again because of another one.
    pub fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", MAX_JOURNAL)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}
