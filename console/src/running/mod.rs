//! What runs beside the requests, from the console's start to its end.

mod file;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::console::{Console, Shared};
use crate::replay;
use crate::store::Store;

/// How often it is written who was seen.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// What runs beside the requests.
pub struct Running {
    console: Shared,
    tasks: JoinSet<()>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts it, within a tokio runtime. The error says that the system has no thread left.
pub fn start(console: &Shared) -> std::io::Result<Running> {
    let mut tasks = JoinSet::new();
    // Known from the start, so that a gateway that was seen before is not taken for one that has another configuration.
    let version = console.fleet.served(&console.store).version.clone();
    console.store.roster().want(&version);
    if let Some(path) = console.options.file.clone() {
        tasks.spawn(file::keep(Arc::clone(console), path));
    }
    tasks.spawn(replay::work(Arc::clone(console)));
    tasks.spawn(watch(Arc::clone(console)));
    tasks.spawn(save(Arc::clone(console)));
    let threads = vec![
        thread(console, "records", |console| {
            console.fleet.records.write(&console.store, &console.options, &console.live)
        })?,
        thread(console, "dead-letters", |console| {
            console.fleet.letters.write(&console.store, &console.options)
        })?,
    ];
    Ok(Running { console: Arc::clone(console), tasks, threads })
}

fn thread(console: &Shared, name: &str, write: fn(&Console)) -> std::io::Result<JoinHandle<()>> {
    let console = Arc::clone(console);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || write(&console))
}

impl Running {
    /// Writes what has come, and ends.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
        self.console.fleet.records.close();
        self.console.fleet.letters.close();
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(move || threads.into_iter().try_for_each(JoinHandle::join));
        if !matches!(joined.await, Ok(Ok(()))) {
            eprintln!("error: what came last may not be kept");
        }
        save_once(&self.console).await;
    }
}

/// Tells the roster of each change, so that it is known who is behind before anybody has asked.
async fn watch(console: Shared) {
    let mut changes = console.store.watch();
    while changes.changed().await.is_ok() {
        let version = console.fleet.served(&console.store).version.clone();
        console.store.roster().want(&version);
    }
}

async fn save(console: Shared) {
    loop {
        tokio::time::sleep(SAVE_EVERY).await;
        save_once(&console).await;
    }
}

async fn save_once(console: &Shared) {
    if let Err(error) = console.with_store(Store::save_roster).await {
        eprintln!("error: it can't be kept which gateways were seen: {error}");
    }
}
