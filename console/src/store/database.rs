//! The database: its connections, and what of it is in memory.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conversion_relay::sealed::SealingKeys;
use conversion_relay::settings::Secret;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use super::current::Current;
use super::gateways::{GatewaySeen, Roster};
use super::sizes::Sizes;
use super::{Rejection, revisions, schema};
use crate::configuration::Environment;

/// How long a connection waits for another one that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How large the write-ahead log's file stays once it has grown, in bytes.
const MAX_JOURNAL: u32 = 64 << 20;

/// The database.
pub struct Store {
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
    history: Mutex<Connection>,
    roster: Roster,
    pub(super) sizes: Sizes,
    pub(super) at_rest: SealingKeys,
    pub(super) environment: Environment,
    pub(super) current: watch::Sender<Arc<Current>>,
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
        let sizes = Sizes::load(&reader)?;
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

    /// Returns the gateways that were seen, by their names, as they are at this time (milliseconds of Unix time).
    pub fn gateways(&self, now: i64) -> Vec<GatewaySeen> {
        self.roster.seen(self.current().revision, now)
    }

    /// Returns the gateways that were seen.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// Writes which gateways were seen since the last time. The writer is locked before the roster, never the other way round.
    pub fn save_roster(&self) -> Result<(), Rejection> {
        self.roster.save(&mut self.writer())
    }

    /// Returns the connection for reading.
    pub fn reader(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection for reading records and dead letters: a search among them may take a while.
    pub(super) fn history(&self) -> MutexGuard<'_, Connection> {
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
