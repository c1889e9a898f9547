//! To the gateways, and from them: the configuration goes out, records and dead letters come in.

mod discovery;
mod file;
mod letters;
mod live;
mod plugin;
mod pull;
mod queue;
mod records;
pub mod replay;
mod running;

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use serde::Serialize;
use tokio::sync::{Notify, watch};
use utoipa::ToSchema;

use crate::console::Shared;
use crate::store::{Current, Store};
pub use letters::LetterCounts;
pub use live::{Live, follow};
pub use plugin::{Plugin, Served};
pub use records::RecordCounts;
pub use running::{Running, start};

/// What the console knows of its gateways beside what is stored.
pub struct Fleet {
    plugin: Plugin,
    served: Mutex<Option<(Arc<Current>, Arc<Served>)>>,
    records: records::Intake,
    letters: letters::Intake,
    sender: Option<replay::Sender>,
    /// Told when a replay is wanted.
    wanted: Notify,
    /// Changes with the end of each replay.
    replayed: watch::Sender<u64>,
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
    pub fn new(plugin: Plugin, sender: Option<replay::Sender>) -> Self {
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

    fn sender(&self) -> Option<&replay::Sender> {
        self.sender.as_ref()
    }
}

/// Returns the routes that gateways use.
pub fn router() -> Router<Shared> {
    let letters = post(letters::answer).layer(DefaultBodyLimit::max(letters::MAX_LETTER));
    Router::new()
        .route("/v3/discovery:extension_configs", post(discovery::answer))
        .route("/v1/gateway/configuration", get(pull::answer))
        .route("/v1/records", post(records::answer))
        .route("/v1/dead-letters", letters)
}
