//! Waiting for something that a store of this program is told.

use std::time::Duration;

use tokio::sync::watch;

/// Tells those who wait that there may be what they wait for.
pub struct Changes(watch::Sender<()>);

impl Changes {
    pub fn new() -> Self {
        Self(watch::Sender::new(()))
    }

    /// To be called after each change.
    pub fn notify(&self) {
        self.0.send_replace(());
    }

    /// Waits until `holds` does, and asks it again after each change. False if it still doesn't after `within`.
    pub async fn until(&self, within: Duration, holds: impl Fn() -> bool) -> bool {
        // Before the first look, so that no change between the two is missed.
        let mut changes = self.0.subscribe();
        let held = async {
            while !holds() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(within, held).await.is_ok()
    }
}
