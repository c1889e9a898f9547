//! The console, as far as a gateway asks it for its configuration.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, AUTHORIZATION, ETAG, HOST, HeaderValue, IF_NONE_MATCH, USER_AGENT};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::options::{Options, host};
use super::tls::Tls;
use crate::Failure;
use conversion_relay::settings::Secret;

/// How long the console may take, from the connection to the last byte of its answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The largest configuration, in bytes. Envoy would take minutes for one.
pub const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// The longest ETag that is kept, in bytes.
const MAX_ETAG_BYTES: usize = 256;

/// What the console has.
#[derive(Debug)]
pub enum Answer {
    /// What the ETag stands for.
    Unchanged,
    /// The whole file, and its ETag, if it has a usable one.
    Configuration { body: String, etag: Option<String> },
}

/// Why the console's configuration can't be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the console can't be reached: {0}")]
    Unreachable(std::io::Error),
    /// The handshake failed.
    #[error("the console can't be trusted, or speaks no TLS: {0}")]
    Untrusted(std::io::Error),
    /// The connection broke off, or what came is not HTTP.
    #[error("the console's answer can't be read: {0}")]
    Broken(String),
    /// Not all of the answer came in time.
    #[error("the console did not answer within {} seconds", TIMEOUT.as_secs())]
    Silent,
    #[error("the console answered {}{}", .0.as_u16(), hint(*.0))]
    Status(StatusCode),
    #[error("the console answered 304, not modified, although it was asked for all")]
    NothingToKeep,
    #[error("the console's configuration is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the console's configuration is no text in UTF-8")]
    NoText,
}

impl FetchError {
    /// Whether the console is down or unwell, in whichever way, and may come back by itself.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) | Self::Silent => true,
            Self::Status(status) => status.is_server_error(),
            _ => false,
        }
    }
}

/// What to do about a status.
fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => ": it doesn't know CONSOLE_TOKEN",
        403 => ": CONSOLE_TOKEN has no right to a gateway's configuration",
        404 => ": it has no configuration for this gateway, or --console is no console",
        300..=399 => ", a redirect: give --console the URL that it leads to",
        _ => "",
    }
}

/// Asks a console.
pub struct Console {
    url: Uri,
    gateway: String,
    token: Secret,
    /// For `https`.
    tls: Option<Tls>,
}

impl Console {
    /// Returns the console of the options.
    ///
    /// # Errors
    /// If there are no certificates to trust.
    pub fn new(options: &Options) -> Result<Self, Failure> {
        let is_secure = options.url.scheme_str() == Some("https");
        let tls = is_secure.then(|| Tls::new(options.ca.as_deref(), host(&options.url))).transpose()?;
        let (url, gateway, token) = (options.url.clone(), options.gateway.clone(), options.token.clone());
        Ok(Self { url, gateway, token, tls })
    }

    /// Fetches the configuration, unless it is that of the ETag.
    ///
    /// # Errors
    /// If there is none in time, or it is too large.
    pub async fn fetch(&self, etag: Option<&str>) -> Result<Answer, FetchError> {
        timeout(TIMEOUT, self.exchange(etag)).await.unwrap_or(Err(FetchError::Silent))
    }

    async fn exchange(&self, etag: Option<&str>) -> Result<Answer, FetchError> {
        let port = self.url.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let stream = TcpStream::connect((host(&self.url), port)).await.map_err(FetchError::Unreachable)?;
        let request = self.request(etag).map_err(broken)?;
        let response = match &self.tls {
            None => send(TokioIo::new(stream), request).await?,
            Some(tls) => {
                let stream = tls.connect(stream).await.map_err(FetchError::Untrusted)?;
                send(TokioIo::new(stream), request).await?
            }
        };
        match response.status() {
            StatusCode::OK => read(response).await,
            StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Answer::Unchanged),
            StatusCode::NOT_MODIFIED => Err(FetchError::NothingToKeep),
            status => Err(FetchError::Status(status)),
        }
    }

    fn request(&self, etag: Option<&str>) -> Result<Request<Empty<Bytes>>, hyper::http::Error> {
        let mut token = HeaderValue::from_str(&format!("Bearer {}", self.token.expose()))?;
        token.set_sensitive(true);
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let mut request = Request::get(self.url.path())
            .header(HOST, authority)
            .header(AUTHORIZATION, token)
            .header("x-gateway", &self.gateway)
            .header(ACCEPT, "application/yaml, application/json")
            .header(USER_AGENT, concat!("conversion-relay/", env!("CARGO_PKG_VERSION")));
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        request.body(Empty::new())
    }
}

fn broken(error: impl std::fmt::Display) -> FetchError {
    FetchError::Broken(error.to_string())
}

/// Sends a request over a connection of its own, which ends with the answer.
async fn send<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, FetchError>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut client, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(broken)?;
    // It ends with the answer, or with the wait for it.
    tokio::spawn(timeout(TIMEOUT, connection));
    client.send_request(request).await.map_err(broken)
}

async fn read(response: Response<Incoming>) -> Result<Answer, FetchError> {
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
    let etag = etag.filter(|etag| !etag.is_empty() && etag.len() <= MAX_ETAG_BYTES).map(str::to_owned);
    let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
    let body = body.map_err(|error| match error.is::<LengthLimitError>() {
        true => FetchError::TooLarge,
        false => broken(error),
    })?;
    let body = String::from_utf8(body.to_bytes().into()).map_err(|_| FetchError::NoText)?;
    Ok(Answer::Configuration { body, etag })
}
