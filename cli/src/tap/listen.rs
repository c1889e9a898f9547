//! Plays the cluster that gateways send their records to: `POST /v1/records`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_LENGTH;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;

use super::record::Line;
use crate::Failure;
use crate::terminal::notice;

/// The path that records are sent to.
const PATH: &str = "/v1/records";
/// The largest body that is taken. The filter sends a quarter of it at most.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Connections at a time. More have to wait until one ends. A gateway has one for each worker, or a few.
const MAX_CONNECTIONS: usize = 256;
/// How long to wait if a connection can't be accepted, as when the process has no file descriptor left.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// Listens at an address, `HOST:PORT`, until the runtime ends. Says on standard error where.
///
/// # Errors
/// If the address can't be listened at.
pub async fn start(address: &str, records: Sender<Line>) -> Result<(), Failure> {
    let refused = |error| Failure::Refused(format!("cannot listen on {address}: {error}"));
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    notice("tap", &format!("listening on http://{}{PATH}", listener.local_addr().map_err(refused)?));
    tokio::spawn(accept(listener, records));
    Ok(())
}

async fn accept(listener: TcpListener, records: Sender<Line>) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(RETRY_INTERVAL).await;
            continue;
        };
        let records = records.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, &records));
            // A connection that breaks off concerns nobody: what was answered has been taken.
            _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            drop(permit);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    records: &Sender<Line>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = match take(request, records).await {
        Ok(()) => (StatusCode::OK, String::new()),
        Err(refusal) => refusal,
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

/// Takes the records of a request, or says why not.
async fn take(request: Request<Incoming>, records: &Sender<Line>) -> Result<(), (StatusCode, String)> {
    if request.method() != Method::POST || request.uri().path() != PATH {
        return Err((StatusCode::NOT_FOUND, format!("only POST {PATH} is served here\n")));
    }
    let too_large =
        || (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is larger than {MAX_BODY_BYTES} bytes\n"));
    let length = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect().await.map_err(|error| {
        match error.is::<LengthLimitError>() {
            true => too_large(),
            false => (StatusCode::BAD_REQUEST, format!("cannot read the body: {error}\n")),
        }
    })?;
    let body = body.to_bytes();
    let text = String::from_utf8_lossy(&body);
    let (mut count, mut readable) = (0_usize, false);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line = Line::read(line);
        count = count.saturating_add(1);
        readable |= matches!(line, Line::Record(..));
        // Waits while the output is behind. Fails only when the tap ends.
        if records.send(line).await.is_err() {
            break;
        }
    }
    // One line that can't be read is no reason to have the others sent again.
    if count > 0 && !readable {
        return Err((StatusCode::BAD_REQUEST, "none of the lines is a record\n".to_owned()));
    }
    Ok(())
}
