//! Envoy's admin interface, by which the log level is raised and restored.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::terminal::{notice, shortened};

/// How long Envoy may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait for an Envoy that is only starting, as at the other end of a pipe.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two tries to reach it.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);
/// More than any list of loggers takes.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The log levels at which Envoy writes records.
const SUFFICIENT_LEVELS: [&str; 2] = ["debug", "trace"];

/// Why something can't be done by the admin interface.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody listens there.
    #[error("cannot connect: {0}")]
    Unreachable(std::io::Error),
    /// The connection broke off, or what came is not HTTP.
    #[error("no answer: {0}")]
    Broken(String),
    /// No answer within [`ANSWER_TIMEOUT`].
    #[error("no answer within {} seconds", ANSWER_TIMEOUT.as_secs())]
    Silent,
    /// Another status than 200.
    #[error("POST {path} was answered {status}: {text}")]
    Refused { path: String, status: StatusCode, text: String },
    /// The list of loggers has no `wasm`.
    #[error("it names no logger \"wasm\"")]
    NoLogger,
}

/// An admin interface.
#[derive(Debug)]
pub struct Admin {
    authority: String,
}

impl Admin {
    /// The interface at an address: `HOST:PORT`, also as an `http://` URL.
    pub fn new(address: &str) -> Self {
        let address = address.strip_prefix("http://").unwrap_or(address);
        Self { authority: address.trim_end_matches('/').to_owned() }
    }

    /// Returns the level of the logger `wasm`. Waits up to ten seconds for an Envoy that doesn't listen yet.
    ///
    /// # Errors
    /// If it can't be found out.
    pub async fn level(&self) -> Result<String, AdminError> {
        let deadline = Instant::now() + STARTUP_TIMEOUT;
        let mut was_told = false;
        let loggers = loop {
            match self.post("/logging").await {
                Err(AdminError::Unreachable(_)) if Instant::now() < deadline => {}
                loggers => break loggers?,
            }
            if !std::mem::replace(&mut was_told, true) {
                notice("tap", &format!("waiting for Envoy's admin interface at {}", self.authority));
            }
            sleep(RETRY_INTERVAL).await;
        };
        let levels = loggers.lines().filter_map(|line| line.trim().strip_prefix("wasm:"));
        levels.map(|level| level.trim().to_owned()).next().ok_or(AdminError::NoLogger)
    }

    /// Raises the level of the logger `wasm` from `level` to debug. Does nothing where that is enough already.
    ///
    /// # Errors
    /// If it can't be raised. Then it is as it was, as far as Envoy answers.
    pub async fn raise(self, level: String) -> Result<Raised, AdminError> {
        if SUFFICIENT_LEVELS.contains(&level.as_str()) {
            return Ok(Raised { admin: self, from: None });
        }
        if let Err(error) = self.set("debug").await {
            // It may have been raised without an answer.
            _ = self.set(&level).await;
            return Err(error);
        }
        Ok(Raised { admin: self, from: Some(level) })
    }

    async fn set(&self, level: &str) -> Result<(), AdminError> {
        self.post(&format!("/logging?wasm={level}")).await.map(drop)
    }

    /// Returns what is answered with a status of 200.
    async fn post(&self, path: &str) -> Result<String, AdminError> {
        timeout(ANSWER_TIMEOUT, self.exchange(path)).await.unwrap_or(Err(AdminError::Silent))
    }

    async fn exchange(&self, path: &str) -> Result<String, AdminError> {
        let broken = |error: &dyn std::fmt::Display| AdminError::Broken(error.to_string());
        let stream = TcpStream::connect(&self.authority).await.map_err(AdminError::Unreachable)?;
        let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| broken(&error))?;
        tokio::spawn(connection);
        let request = Request::post(path).header(HOST, &self.authority).body(Empty::<Bytes>::new());
        let request = request.map_err(|error| broken(&error))?;
        let response = client.send_request(request).await.map_err(|error| broken(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect();
        let text = body.await.map_err(|error| broken(&error))?.to_bytes();
        let text = String::from_utf8_lossy(&text).into_owned();
        if status == StatusCode::OK {
            return Ok(text);
        }
        let text = shortened(text.trim(), 200);
        Err(AdminError::Refused { path: path.to_owned(), status, text })
    }
}

/// A log level that was raised, to be restored.
#[derive(Debug)]
pub struct Raised {
    admin: Admin,
    /// What it was; `None` if it was enough already.
    from: Option<String>,
}

impl Raised {
    /// Restores the level. Where that fails, says how it is done by hand.
    pub async fn restore(self) {
        let Some(level) = self.from else { return };
        if let Err(error) = self.admin.set(&level).await {
            let authority = &self.admin.authority;
            notice("tap", &format!("the log level could not be restored: {error}"));
            notice("tap", &format!("to restore it: curl -X POST 'http://{authority}/logging?wasm={level}'"));
        }
    }
}
