//! Sends dead letters back to a gateway.

use std::fmt::Write;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use conversion_relay::settings::Secret;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;

use crate::store::Outcome;
use crate::text::bounded;

/// How long the gateway may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How much of its answer is read, in bytes.
const MAX_ANSWER: usize = 16 << 10;

/// Sends letters to one URL, and nowhere else: it follows no redirect.
pub struct Sender {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// How a replay ended, in a word and in words.
pub type End = (Outcome, String);

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

    /// Sends a letter under the key of a source. Returns how it ended, in a word and in words.
    pub async fn send(&self, letter: &str, key: &Secret) -> End {
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
