//! Replays: dead letters go back to a gateway as they came, one after the other.
//!
//! Which letters are to be replayed stands in the database, so a run goes on where it was when the console starts again. One that
//! was on its way then is sent again: the gateway knows it by its id.

use std::fmt::Write;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use conversion_relay::settings::{MASK, Secret};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use crate::configuration::Collection;
use crate::console::Shared;
use crate::store::{Outcome, Rejection, Store, StoredLetter, Wanted};
use crate::text::bounded;

/// How long the gateway may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of its answer is read, in bytes.
const MAX_ANSWER: usize = 16 << 10;
/// How long the worker waits after the first failure in a row to reach the gateway; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const MAX_PAUSE: Duration = Duration::from_secs(30);
/// How often it looks for replays that nobody told it of.
const LOOK: Duration = Duration::from_secs(5);
/// How long a caller waits for a replay that it asked for.
const PATIENCE: Duration = Duration::from_secs(12);

/// Sends letters to one URL, and nowhere else: it follows no redirect.
pub struct Sender {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// How a replay ended, in a word and in words.
type End = (Outcome, String);

impl Sender {
    /// Returns a sender to an http or https URL. The error says what is wrong with it.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let problem = "expected --deliver-url http://HOST[:PORT]/v1/deliver, or https";
        let url: Uri = url.parse().map_err(|error| anyhow::anyhow!("{problem}: {error}"))?;
        let has_host = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        anyhow::ensure!(matches!(url.scheme_str(), Some("http" | "https")) && has_host, problem);
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| anyhow::anyhow!("no certificates of the system's for --deliver-url: {error}"))?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self { url, client: Client::builder(TokioExecutor::new()).build(connector) })
    }

    async fn send(&self, letter: &str, key: &Secret) -> End {
        let refused = |problem: &str| (Outcome::Refused, problem.to_owned());
        let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {}", key.expose())) else {
            return refused("the source's key can't stand in a header");
        };
        bearer.set_sensitive(true);
        let request = Request::post(&self.url)
            .header(header::AUTHORIZATION, bearer)
            .header(header::CONTENT_TYPE, "application/cloudevents+json")
            .body(Full::from(Bytes::copy_from_slice(letter.as_bytes())));
        let Ok(request) = request else { return refused("the letter can't be sent") };
        let answered = async {
            let answer = self.client.request(request).await.map_err(|error| root(&error))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            Ok((status, body.map(|body| body.to_bytes()).unwrap_or_default()))
        };
        match tokio::time::timeout(TIMEOUT, answered).await {
            Ok(Ok((status, body))) => end(status, &body),
            Ok(Err(problem)) => (Outcome::Unreachable, problem),
            Err(_) => (Outcome::Unreachable, "the gateway did not answer within 10 seconds".to_owned()),
        }
    }
}

/// Returns what is behind an error of the client's, which itself says little.
fn root(error: &dyn std::error::Error) -> String {
    let mut root = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

/// What the gateway answers.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    deliveries: Vec<Delivery>,
    reason: Option<String>,
    error: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Delivery {
    outcome: String,
    reason: Option<String>,
}

/// Returns how a replay ended that was answered so.
fn end(status: StatusCode, body: &[u8]) -> End {
    let answer: Answer = serde_json::from_slice(body).unwrap_or_default();
    let outcome = match status {
        _ if status.is_success() => Outcome::Delivered,
        StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::GATEWAY_TIMEOUT => Outcome::GivenBack,
        _ => Outcome::Refused,
    };
    let mut detail = format!("{}", status.as_u16());
    let words = answer.deliveries.iter().flat_map(|one| [Some(&one.outcome), one.reason.as_ref()]);
    for word in words.chain([answer.reason.as_ref(), answer.error.as_ref()]).flatten() {
        // Writing to a string doesn't fail.
        _ = write!(detail, " {word}");
    }
    match status {
        StatusCode::UNAUTHORIZED => {
            detail.push_str(": the gateways don't know this source's key, or it may not deliver")
        }
        StatusCode::BAD_REQUEST => {
            detail.push_str(": no secret of the gateways' dead_letters opens the letter, or it was changed");
        }
        _ => {}
    }
    (outcome, bounded(&detail).to_owned())
}

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
    if console.fleet.sender().is_none() {
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
    let Some(sender) = console.fleet.sender() else { return Ok(None) };
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
