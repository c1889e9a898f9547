//! HTTP/2 on a connection, server side, with the ways in which a server may break off.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

use crate::behaviour::{Reply, Reset};
use crate::received::Ending;
use crate::stand_in::{Arrived, Peer, StandIn};

/// HTTP/2 streams of one connection; vendors' front ends allow about as many.
const MAX_STREAMS: u32 = 1000;
const WINDOW_BYTES: u32 = 1 << 20;
/// A reset overtakes what is not yet written. This lets the first half of an answer go.
const HALFWAY: Duration = Duration::from_millis(20);

/// Serves a connection until one of the two sides ends it.
pub async fn connection(stand_in: Arc<StandIn>, peer: Peer, stream: TlsStream<TcpStream>) {
    let behaviour = stand_in.behaviour(peer.to);
    let handshake = h2::server::Builder::new()
        .initial_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .max_concurrent_streams(behaviour.connections().max_streams.unwrap_or(MAX_STREAMS))
        .max_local_error_reset_streams(None) // resets on demand are no attack
        .handshake::<_, Bytes>(stream);
    let Ok(mut connection) = handshake.await else { return };
    let dropped = Arc::new(Notify::new());
    let mut accepted = 0;
    loop {
        let next = tokio::select! {
            () = behaviour.until_refusing(true) => return,
            () = dropped.notified() => return,
            next = connection.accept() => next,
        };
        let (request, respond) = match next {
            Some(Ok(next)) => next,
            Some(Err(error)) if !error.is_io() => return eprintln!("{}: {error}", peer.to.name()),
            _ => return,
        };
        let task = (stand_in.clone(), peer.clone(), dropped.clone());
        tokio::spawn(async move {
            let (stand_in, peer, dropped) = task;
            match arrived(request).await {
                Ok(request) => answer(&stand_in, &peer, request, respond, &dropped).await,
                Err(_) => stand_in.tallies().of_mut(peer.to).abort(),
            }
        });
        accepted += 1;
        let settings = behaviour.connections();
        if settings.goaway_after == Some(accepted) {
            if settings.goaway_abrupt {
                tokio::task::yield_now().await; // what was accepted is to be noted
                connection.abrupt_shutdown(Reason::NO_ERROR);
            } else {
                connection.graceful_shutdown();
            }
        }
    }
}

async fn arrived(request: http::Request<h2::RecvStream>) -> Result<Arrived, h2::Error> {
    let (parts, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(chunk) = stream.data().await {
        let chunk = chunk?;
        stream.flow_control().release_capacity(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    let mut headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()))
        .collect();
    if let Some(authority) = parts.uri.authority() {
        headers.insert(0, ("host".to_owned(), authority.as_str().into())); // :authority, under its HTTP/1 name
    }
    let path = parts.uri.path_and_query().map(|path| path.as_str().into()).unwrap_or_default();
    Ok(Arrived { method: parts.method.to_string(), path, version: "HTTP/2", headers, head: None, body })
}

async fn answer(
    stand_in: &StandIn,
    peer: &Peer,
    request: Arrived,
    mut respond: SendResponse<Bytes>,
    dropped: &Notify,
) {
    let mut pending = stand_in.receive(peer, request);
    let reply = tokio::select! {
        reply = pending.reply() => reply,
        _ = std::future::poll_fn(|context| respond.poll_reset(context)) => return,
    };
    let reason = match reply.reset {
        Some(Reset::BeforeHeaders) => Some(Reason::INTERNAL_ERROR),
        Some(Reset::RefusedStream) => Some(Reason::REFUSED_STREAM),
        _ => None,
    };
    if let Some(reason) = reason {
        pending.settle(Ending::Reset);
        return respond.send_reset(reason);
    }
    match respond_with(&reply, respond, dropped).await {
        Ok(()) if reply.reset.is_some() => pending.settle(Ending::Reset),
        Ok(()) => pending.settle(Ending::Answered(reply.status)),
        Err(error) => eprintln!("{}: cannot send the answer: {error:#}", peer.to.name()),
    }
}

async fn respond_with(reply: &Reply, mut respond: SendResponse<Bytes>, dropped: &Notify) -> Result<()> {
    let mut head = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        head = head.header(name, value);
    }
    let mut stream = respond.send_response(head.body(())?, false)?;
    let Some(reset) = reply.reset else { return Ok(stream.send_data(reply.body.clone(), true)?) };
    stream.send_data(reply.body.slice(..reply.body.len() / 2), false)?;
    tokio::time::sleep(HALFWAY).await;
    match reset {
        Reset::Connection => dropped.notify_one(),
        _ => stream.send_reset(Reason::INTERNAL_ERROR),
    }
    Ok(())
}
