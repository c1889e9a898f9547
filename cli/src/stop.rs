//! Ctrl-C, and the other ways in which a program is asked to end.

use std::io::Result;

/// Whether the program was asked to end.
pub struct Stop {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
}

#[cfg(unix)]
impl Stop {
    /// From now on the signals INT, TERM and HUP no longer end the program.
    ///
    /// # Errors
    /// If the signals can't be caught.
    pub fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ];
        Ok(Self { signals })
    }

    /// Returns once the program is asked to end.
    pub async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Stop {
    /// Takes note of Ctrl-C once [`Stop::asked`] is called.
    ///
    /// # Errors
    /// None.
    pub fn new() -> Result<Self> {
        Ok(Self {})
    }

    /// Returns once the program is asked to end.
    pub async fn asked(&mut self) {
        _ = tokio::signal::ctrl_c().await;
    }
}
