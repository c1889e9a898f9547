//! A console, as far as gateways ask it for their configuration, and one that misbehaves.
#![allow(dead_code, reason = "each test crate uses another part of it")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::support::LIMIT;

pub const TOKEN: &str = "token-of-the-gateways";

/// How it answers.
#[derive(Clone)]
pub enum Behaviour {
    /// With this configuration, or 304 to whoever has its ETag.
    Serve { body: Vec<u8>, etag: String },
    /// With these bytes, and the end of the connection.
    Raw(Vec<u8>),
    /// Not at all, and leaves the connection open.
    Silent,
    /// With a byte of the body now and then.
    Dribble,
    /// With a body that has no end.
    Endless,
}

/// It ends when it is dropped: from then on connections are refused.
pub struct Console {
    scheme: &'static str,
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    certificate: String,
}

struct Shared {
    behaviour: Mutex<Behaviour>,
    /// The heads, as they came.
    requests: Mutex<Vec<String>>,
    came: Condvar,
    ended: AtomicBool,
    tls: Option<Arc<ServerConfig>>,
}

impl Console {
    pub fn start(behaviour: Behaviour) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), behaviour)
    }

    pub fn at(listener: TcpListener, behaviour: Behaviour) -> Self {
        Self::with(listener, behaviour, None, String::new())
    }

    /// With a certificate of its own making.
    pub fn start_tls(behaviour: Behaviour) -> Self {
        let own = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::with(listener, behaviour, Some(Arc::new(config)), own.cert.pem())
    }

    fn with(
        listener: TcpListener,
        behaviour: Behaviour,
        tls: Option<Arc<ServerConfig>>,
        certificate: String,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            requests: Mutex::new(Vec::new()),
            came: Condvar::new(),
            ended: AtomicBool::new(false),
            tls,
        });
        let server = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if server.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (server, stream) = (Arc::clone(&server), stream.unwrap());
                std::thread::spawn(move || server.take(stream));
            }
        });
        Self { scheme, address, shared, certificate }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// In PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
    }

    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until that many requests have come.
    pub fn wait_for_requests(&self, count: usize) {
        let requests = self.shared.requests.lock().unwrap();
        let (requests, timed_out) =
            self.shared.came.wait_timeout_while(requests, LIMIT, |requests| requests.len() < count).unwrap();
        assert!(!timed_out.timed_out(), "{} of {count} requests came", requests.len());
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for connections.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn take(&self, stream: TcpStream) {
        match &self.tls {
            None => self.answer(stream),
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config)).unwrap();
                self.answer(StreamOwned::new(connection, stream));
            }
        }
    }

    /// Takes one request. Whoever breaks off has a reason.
    fn answer(&self, mut stream: impl Read + Write) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.extend(byte),
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let behaviour = self.behaviour.lock().unwrap().clone();
        self.requests.lock().unwrap().push(head.clone());
        self.came.notify_all();
        let ok = "HTTP/1.1 200 OK\r\n";
        let _ = match behaviour {
            Behaviour::Serve { etag, .. } if head.contains(&format!("if-none-match: {etag}\r\n")) => {
                stream.write_all(format!("HTTP/1.1 304 Not Modified\r\netag: {etag}\r\n\r\n").as_bytes())
            }
            Behaviour::Serve { body, etag } => {
                let head = format!("{ok}etag: {etag}\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body].concat())
            }
            Behaviour::Raw(bytes) => stream.write_all(&bytes),
            Behaviour::Silent => stream.read(&mut byte).map(drop),
            Behaviour::Dribble => {
                let _ = stream.write_all(format!("{ok}content-length: 1000\r\n\r\n").as_bytes());
                loop {
                    if let Err(gone) = stream.write_all(b"#").and_then(|()| stream.flush()) {
                        break Err(gone);
                    }
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            Behaviour::Endless => {
                let _ = stream.write_all(format!("{ok}transfer-encoding: chunked\r\n\r\n").as_bytes());
                let chunk = format!("10000\r\n{}\r\n", "#".repeat(0x10000));
                loop {
                    if let Err(gone) = stream.write_all(chunk.as_bytes()) {
                        break Err(gone);
                    }
                }
            }
        };
        let _ = stream.flush();
    }
}
