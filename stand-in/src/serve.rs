//! Connections: TCP for the collector and the webhook, TLS for the vendors with HTTP/2 or HTTP/1.1 in it.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;

use crate::authority::Authority;
use crate::behaviour::Reset;
use crate::certificates;
use crate::destination::{Destination, PerDestination};
use crate::http1::{self, Http1};
use crate::http2;
use crate::received::Ending;
use crate::stand_in::{Arrived, Peer, StandIn};

const BACKLOG: u32 = 4096;

/// A port that stays reserved while it is not listening, so that connections can be refused for a while.
pub struct Port {
    pub address: SocketAddr,
    _reserved: TcpSocket,
}

impl Port {
    /// # Errors
    /// Where the address is taken.
    pub fn reserve(address: SocketAddr) -> Result<Self> {
        let reserved = bind(address).with_context(|| format!("cannot bind {address}"))?;
        Ok(Self { address: reserved.local_addr()?, _reserved: reserved })
    }

    pub fn listen(&self) -> Result<TcpListener> {
        let listener = bind(self.address).and_then(|socket| socket.listen(BACKLOG));
        listener.with_context(|| format!("cannot listen on {}", self.address))
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Accepts connections for ever.
pub async fn accept(listener: &TcpListener, serve: impl Fn(TcpStream)) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                serve(stream);
            }
            Err(error) => {
                eprintln!("cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves a destination in plain HTTP until the program ends. `listening` reports whether it listens or refuses connections.
pub async fn plain(
    stand_in: Arc<StandIn>,
    to: Destination,
    port: Port,
    listening: watch::Sender<bool>,
) -> Result<()> {
    let peer = Peer { to, sni: None, alpn: None };
    let behaviour = stand_in.behaviour(to);
    loop {
        let listener = port.listen()?;
        listening.send_replace(true);
        tokio::select! {
            () = behaviour.until_refusing(true) => {}
            () = accept(&listener, |stream| {
                tokio::spawn(http1_connection(stand_in.clone(), peer.clone(), stream));
            }) => {}
        }
        drop(listener);
        listening.send_replace(false);
        behaviour.until_refusing(false).await;
    }
}

/// The TLS configuration of each vendor.
pub struct Vendors(PerDestination<Option<Arc<ServerConfig>>>);

impl Vendors {
    pub fn new(authority: &Authority) -> Result<Self> {
        let mut configs = PerDestination::new(|_| None);
        for to in Destination::ALL {
            *configs.of_mut(to) = to.host().map(|host| certificates::server(authority, host)).transpose()?;
        }
        Ok(Self(configs))
    }
}

/// Serves both vendors for ever; the name that a client asks for in its TLS handshake decides which.
pub async fn vendors(stand_in: Arc<StandIn>, listener: TcpListener, vendors: Arc<Vendors>) {
    accept(&listener, |stream| {
        let (stand_in, vendors) = (stand_in.clone(), vendors.clone());
        tokio::spawn(async move {
            if let Err(error) = vendor(&stand_in, &vendors, stream).await {
                eprintln!("vendors: {error:#}");
            }
        });
    })
    .await;
}

async fn vendor(stand_in: &Arc<StandIn>, vendors: &Vendors, stream: TcpStream) -> Result<()> {
    let handshake = match LazyConfigAcceptor::new(Acceptor::default(), stream).await {
        Ok(handshake) => handshake,
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
        Err(error) => return Err(error).context("no TLS handshake"),
    };
    let sni = handshake.client_hello().server_name().map(str::to_owned);
    let to = sni.as_deref().and_then(Destination::with_host);
    let (to, config) = to
        .and_then(|to| Some((to, vendors.0.of(to).clone()?)))
        .with_context(|| format!("a client asked for the server name {sni:?}, which is no vendor's"))?;
    if stand_in.behaviour(to).refuses() {
        handshake.io.abort();
        return Ok(());
    }
    let stream = match handshake.into_stream(config).await {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(error).with_context(|| format!("TLS handshake of {}", to.name()));
        }
        Err(_) => return Ok(()), // the client left
    };
    let alpn = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    let is_http2 = alpn.as_deref() == Some("h2");
    let peer = Peer { to, sni, alpn };
    if is_http2 {
        http2::connection(stand_in.clone(), peer, stream).await;
    } else {
        http1_connection(stand_in.clone(), peer, stream).await;
    }
    Ok(())
}

/// A connection that can be reset.
trait Connection: AsyncRead + AsyncWrite + Unpin + Send {
    fn socket(&self) -> &TcpStream;

    /// Makes the close that follows a TCP reset.
    fn abort(&self) {
        let _ = self.socket().set_zero_linger();
    }
}

impl Connection for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Connection for TlsStream<TcpStream> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0
    }
}

async fn http1_connection<S: Connection>(stand_in: Arc<StandIn>, peer: Peer, stream: S) {
    let mut connection = Http1::new(stream);
    let refusing = stand_in.behaviour(peer.to).until_refusing(true);
    tokio::select! {
        () = refusing => {}
        result = http1_requests(&stand_in, &peer, &mut connection) => match result {
            Err(error) if error.kind() == ErrorKind::InvalidData => eprintln!("{}: {error}", peer.to.name()),
            _ => {}
        },
    }
}

async fn http1_requests<S: Connection>(
    stand_in: &StandIn,
    peer: &Peer,
    connection: &mut Http1<S>,
) -> io::Result<()> {
    loop {
        let Some(mut request) = aborts(stand_in, peer, connection.head().await)? else { return Ok(()) };
        let early = stand_in.behaviour(peer.to).early_reply(&request.path).await;
        if let Some(reply) = &early {
            connection.respond(reply).await?;
        }
        aborts(stand_in, peer, connection.body(&mut request).await)?;
        let closes = request.closes_connection();
        let mut pending = stand_in.receive(peer, request.into());
        let reply = match early {
            Some(reply) => {
                pending.settle(Ending::Answered(reply.status));
                continue;
            }
            None => tokio::select! {
                reply = pending.reply() => reply,
                () = connection.closed() => return Ok(()),
            },
        };
        if matches!(reply.reset, Some(Reset::BeforeHeaders | Reset::RefusedStream)) {
            pending.settle(Ending::Reset);
            connection.io.abort();
            return Ok(());
        }
        connection.respond(&reply).await?;
        if reply.reset.is_some() {
            pending.settle(Ending::Reset);
            return Ok(());
        }
        pending.settle(Ending::Answered(reply.status));
        if closes {
            return Ok(());
        }
    }
}

/// Counts a request that broke off.
fn aborts<T>(stand_in: &StandIn, peer: &Peer, read: io::Result<T>) -> io::Result<T> {
    read.inspect_err(|_| stand_in.tallies().of_mut(peer.to).abort())
}

impl From<http1::Request> for Arrived {
    fn from(request: http1::Request) -> Self {
        let http1::Request { method, path, version, headers, head, body } = request;
        Self { method, path, version, headers, head: Some(head), body }
    }
}
