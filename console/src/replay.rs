//! Replays: dead letters go back to a gateway as they came, one after the other.
//!
//! Which letters are to be replayed stands in the database, so a run goes on where it was when the console starts again. One that
//! was on its way then is sent again: the gateway knows it by its id.

use std::time::Duration;

use conversion_relay::settings::{MASK, Secret};

use crate::configuration::Collection;
use crate::console::Shared;
use crate::store::{Outcome, Rejection, Store, StoredLetter, Wanted};

/// How long the worker waits after the first failure in a row to reach the gateway; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How often it looks for replays that nobody told it of.
const LOOK: Duration = Duration::from_secs(5);
/// How long a caller waits for a replay that it asked for.
const PATIENCE: Duration = Duration::from_secs(12);

/// Returns the key of the first source that may deliver. `variable` reads the console's environment. The error says what is missing.
pub fn key(store: &Store, variable: &dyn Fn(&str) -> Option<String>) -> Result<Secret, Rejection> {
    let current = store.current();
    let sources = current.document.objects(Collection::Sources).iter();
    let mut keys = sources
        .filter(|source| source.get("deliver").and_then(serde_json::Value::as_bool) == Some(true))
        .filter_map(|source| Some((source.get("id")?.as_str()?, source.pointer("/keys/0")?.as_str()?)));
    let (id, key) = keys.next().ok_or_else(|| {
        Rejection::Conflict(
            "a replay needs a source that may deliver: add one with deliver: true and a key".to_owned(),
        )
    })?;
    if key == MASK {
        let place = format!("sources[id={id}].keys[0]");
        let kept = store.secret(&place)?;
        return kept
            .ok_or_else(|| Rejection::Conflict(format!("the key of the source {id} is lost: set it again")));
    }
    let Some(name) = key.strip_prefix("${").and_then(|key| key.strip_suffix('}')) else {
        return Ok(Secret::new(key));
    };
    let own = name.starts_with("CONSOLE_");
    let value = variable(name).filter(|value| !own && !value.is_empty());
    value.map(Secret::new).ok_or_else(|| {
        Rejection::Conflict(format!(
            "the key of the source {id} is ${{{name}}}, which the console doesn't know: set {name} for the console, too"
        ))
    })
}

/// Returns a variable of the console's environment.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Refuses a replay that can't be sent, and says why.
fn check(console: &Shared) -> Result<(), Rejection> {
    if console.fleet.sender.is_none() {
        let problem = "a replay needs a gateway to send it to: start the console with --deliver-url";
        return Err(Rejection::Conflict(problem.to_owned()));
    }
    key(&console.store, &variable).map(|_| ())
}

/// Replays the letter with this id before all others, and waits for the end of it, for twelve seconds at most. Returns the letter as it
/// is then.
pub async fn one(console: &Shared, id: String, by: String) -> Result<StoredLetter, Rejection> {
    check(console)?;
    let mut ends = console.fleet.replayed.subscribe();
    let wanted = id.clone();
    console.with_store(move |store| store.want_replay(&wanted, &by)).await?;
    console.fleet.wanted.notify_one();
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let asked = id.clone();
        let letter = console.with_store(move |store| store.letter(&asked)).await?;
        let ended = tokio::time::timeout_at(until, ends.changed());
        if !letter.is_waiting || !matches!(ended.await, Ok(Ok(()))) {
            return Ok(letter);
        }
    }
}

/// Replays all letters like these that no replay has delivered, one after the other. Returns how many.
pub async fn all(console: &Shared, query: crate::store::LetterQuery, by: String) -> Result<usize, Rejection> {
    check(console)?;
    let count = console.with_store(move |store| store.want_replays(&query, &by)).await?;
    console.fleet.wanted.notify_one();
    Ok(count)
}

/// Sends the letters whose replay is wanted.
pub async fn work(console: Shared) {
    let mut pause = FIRST_PAUSE;
    loop {
        match step(&console).await {
            Ok(Some(Outcome::Unreachable)) => {
                _ = tokio::time::timeout(pause, console.fleet.wanted.notified()).await;
                pause = pause.saturating_mul(2).min(MAX_PAUSE);
            }
            Ok(Some(_)) => pause = FIRST_PAUSE,
            Ok(None) => _ = tokio::time::timeout(LOOK, console.fleet.wanted.notified()).await,
            Err(error) => {
                eprintln!("error: a dead letter can't be replayed: {error}");
                tokio::time::sleep(MAX_PAUSE).await;
            }
        }
    }
}

/// Sends the next letter. Returns how it ended, or that there is none. Among others it stays wanted while no gateway answers.
async fn step(console: &Shared) -> Result<Option<Outcome>, Rejection> {
    let Some(sender) = &console.fleet.sender else { return Ok(None) };
    let Some(next) = console.with_store(Store::next_replay).await? else { return Ok(None) };
    let Wanted { number, text, is_single } = next;
    let (outcome, detail) = match console.with_store(|store| key(store, &variable)).await {
        Ok(key) => sender.send(&text, &key).await,
        Err(Rejection::Conflict(problem)) => (Outcome::Refused, problem),
        Err(other) => return Err(other),
    };
    let is_over = is_single || outcome != Outcome::Unreachable;
    console.with_store(move |store| store.replayed(number, outcome, &detail, is_over)).await?;
    console.fleet.replayed.send_modify(|ends| *ends = ends.wrapping_add(1));
    Ok(Some(outcome))
}
