//! What goes to the gateways, and what comes from them: the configuration as they get it, records and dead letters until they are
//! written, and the way back for letters.

mod letters;
mod live;
mod plugin;
mod queue;
mod records;
mod sender;

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::{Notify, watch};
use utoipa::ToSchema;

use crate::store::{Current, Store};
pub use letters::{LetterCounts, MAX_LETTER, NotKept};
pub use live::{Feed, Live, follow};
pub use plugin::{Plugin, Served};
pub use records::RecordCounts;
pub use sender::Sender;

/// What the console knows of its gateways beside what is stored.
pub struct Fleet {
    plugin: Plugin,
    served: Mutex<Option<(Arc<Current>, Arc<Served>)>>,
    /// The records that wait to be written.
    pub(crate) records: records::Intake,
    /// The dead letters that wait to be written.
    pub(crate) letters: letters::Intake,
    /// Where replays go, if they go anywhere.
    pub(crate) sender: Option<Sender>,
    /// Told when a replay is wanted.
    pub(crate) wanted: Notify,
    /// Changes with the end of each replay.
    pub(crate) replayed: watch::Sender<u64>,
}

/// What came in from the gateways since the console was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct IntakeCounts {
    /// Of records.
    pub records: RecordCounts,
    /// Of dead letters.
    pub dead_letters: LetterCounts,
}

impl Fleet {
    /// Returns what serves this filter's file. Replays go to `sender`.
    pub fn new(plugin: Plugin, sender: Option<Sender>) -> Self {
        Self {
            plugin,
            served: Mutex::new(None),
            records: records::Intake::new(),
            letters: letters::Intake::new(),
            sender,
            wanted: Notify::new(),
            replayed: watch::Sender::new(0),
        }
    }

    /// Returns the filter's file.
    pub fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Returns the configuration in force as it goes to the gateways. It is made once for each change.
    pub fn served(&self, store: &Store) -> Arc<Served> {
        let current = store.current();
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        match &*served {
            Some((of, served)) if Arc::ptr_eq(of, &current) => Arc::clone(served),
            _ => {
                let new = Arc::new(self.plugin.serve(&current));
                *served = Some((current, Arc::clone(&new)));
                new
            }
        }
    }

    /// Returns what came in since the console was started.
    pub fn counts(&self) -> IntakeCounts {
        IntakeCounts { records: self.records.counts(), dead_letters: self.letters.counts() }
    }
}
