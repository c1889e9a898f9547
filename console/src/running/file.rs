//! A file that is kept up to date with the configuration, for an Envoy on the same machine.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::console::Shared;

/// How long after a failure it is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Keeps the file up to date. It is told once that it can't be written, and once that it can again.
pub async fn keep(console: Shared, path: PathBuf) {
    let path = Arc::new(path);
    let mut changes = console.store.watch();
    let mut is_failing = false;
    loop {
        changes.mark_unchanged();
        let file = console.fleet.served(&console.store).file.clone();
        let target = Arc::clone(&path);
        let written = tokio::task::spawn_blocking(move || write(&target, &file)).await;
        let written = written.unwrap_or_else(|error| Err(io::Error::other(error)));
        match (&written, is_failing) {
            (Err(error), false) => {
                eprintln!(
                    "error: cannot write {}: {error}: the configuration there is an old one",
                    path.display()
                );
            }
            (Ok(()), true) => eprintln!("{} is up to date again", path.display()),
            _ => {}
        }
        is_failing = written.is_err();
        let changed = async { changes.changed().await.is_ok() };
        let goes_on = if is_failing {
            tokio::time::timeout(AGAIN, changed).await.unwrap_or(true)
        } else {
            changed.await
        };
        if !goes_on {
            return;
        }
    }
}

/// Writes a file beside and renames it into place, so that nobody ever reads half of it. Nothing is written if it is the same already.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if std::fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    if let Ok(old) = std::fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}
