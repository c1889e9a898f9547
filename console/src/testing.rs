//! What unit tests share.

use std::path::PathBuf;

use conversion_relay::settings::Secret;

use crate::configuration::Environment;
use crate::store::{Rejection, Store};

/// The console's secret.
pub const SECRET: &str = "the secret of the console, 32 bytes";
/// The gateways' secret.
pub const KEY: &str = "the secret of the gateways, 32 bytes";

/// A folder that is removed at the end of a test.
pub struct Folder(PathBuf);

impl Folder {
    /// Makes one.
    pub fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("console-{}", crate::random::token().unwrap()));
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    /// Opens a store in it, under secrets of the console and of the gateways.
    pub fn open_with(&self, secret: &str, key: &str) -> Result<Store, Rejection> {
        let environment = Environment::new([("RELAY_KEY".to_owned(), Secret::new(key))]);
        Store::open(&self.0.join("console.db"), &Secret::new(secret), environment, Some("RELAY_KEY"))
    }

    /// Opens a store in it.
    pub fn open(&self) -> Store {
        self.open_with(SECRET, KEY).unwrap()
    }

    /// Whether any file of the folder holds the text.
    pub fn holds(&self, text: &str) -> bool {
        let files =
            std::fs::read_dir(&self.0).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
