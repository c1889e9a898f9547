//! What the console keeps, in one SQLite file: revisions of the configuration, secrets, gateways, records and dead letters.
//!
//! A change is one transaction, and is on the disk before it is answered. The file's journal is a write-ahead log, so readers never
//! wait for a writer.

mod current;
mod revisions;
mod schema;
mod secrets;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conversion_relay::sealed::SealingKeys;
use conversion_relay::settings::Secret;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use crate::configuration::{Environment, Refusal};
pub use current::{Current, Etag};
pub use revisions::{Changed, Draft, Revision};

/// How long a connection waits for another one that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

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
    path: PathBuf,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
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
        let current = Current::load(&mut writer, &at_rest, &environment)?;
        Ok(Self {
            path: path.to_owned(),
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
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

    /// Returns a connection of its own to the same file, for somebody who writes much.
    pub fn connect(&self) -> Result<Connection, Rejection> {
        Ok(connect(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
    }

    /// Returns the connection for reading.
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection for writing.
    pub fn writer(&self) -> MutexGuard<'_, Connection> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    Ok(connection)
}
