//! What all requests share.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::access::{Limits, Sessions, Tokens};
use crate::fleet::{Feed, Fleet};
use crate::options::Options;
use crate::store::{Rejection, Store};

/// How many records a reader of [`Console::live`] may be behind before it loses the oldest.
const LIVE: usize = 1024;

/// The console, as each request gets it.
pub type Shared = Arc<Console>;

/// What all requests share.
pub struct Console {
    /// What is kept.
    pub store: Store,
    /// Who may do what.
    pub tokens: Tokens,
    /// How many requests each token has left.
    pub limits: Limits,
    /// Who has signed in with a browser.
    pub sessions: Sessions,
    /// What the program was started with.
    pub options: Options,
    /// What goes to the gateways, and what comes from them.
    pub fleet: Fleet,
    /// The records as they come. A reader that is too slow loses the oldest, and is told how many.
    pub live: Feed,
}

impl Console {
    /// Returns a console over what is kept in a store.
    pub fn new(store: Store, tokens: Tokens, options: Options, fleet: Fleet) -> Shared {
        let limits = Limits::new(tokens.len());
        let (sessions, live) = (Sessions::default(), broadcast::Sender::new(LIVE));
        Arc::new(Self { store, tokens, limits, sessions, options, fleet, live })
    }

    /// Works with what is kept on a thread where waiting for a disk stops nobody else.
    pub async fn with_store<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Store) -> Result<T, Rejection> + Send + 'static,
    ) -> Result<T, Rejection> {
        let console = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&console.store)).await;
        done.unwrap_or_else(|error| Err(Rejection::Unreadable(format!("the request was given up: {error}"))))
    }
}
