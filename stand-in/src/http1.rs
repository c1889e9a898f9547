//! HTTP/1.1 on a connection, server side, as little as needed to show a request byte for byte: libraries regroup headers
//! and refuse URIs that Envoy passes on.

use std::io::{Error, ErrorKind, Result};

use http::StatusCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::behaviour::{Reply, Reset};

const MAX_HEADERS: usize = 256;
const MAX_HEAD_BYTES: usize = 256 * 1024;
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;
const READ_BYTES: usize = 16 * 1024;

/// A complete request.
pub struct Request {
    pub method: String,
    pub path: Vec<u8>,
    pub version: &'static str,
    pub headers: Vec<(String, Vec<u8>)>,
    /// Request line and headers, with the empty line after them.
    pub head: Vec<u8>,
    pub body: Vec<u8>,
}

impl Request {
    /// Whether the client asked that no other request follow on the connection.
    pub fn closes_connection(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"))
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

/// One connection: requests are read and answered in turn.
pub struct Http1<S> {
    pub io: S,
    /// Read, not yet consumed.
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http1<S> {
    pub fn new(io: S) -> Self {
        Self { io, buffer: Vec::new() }
    }

    /// The next request; `None` where the client closed the connection instead of sending one.
    ///
    /// # Errors
    /// `UnexpectedEof` for a request that broke off, `InvalidData` for one that isn't HTTP/1 or is too large.
    pub async fn request(&mut self) -> Result<Option<Request>> {
        let Some(mut request) = self.head().await? else { return Ok(None) };
        self.body(&mut request).await?;
        Ok(Some(request))
    }

    /// Reads the body that belongs to a head.
    pub async fn body(&mut self, request: &mut Request) -> Result<()> {
        request.body = match framing(request)? {
            Framing::Length(length) => self.exactly(length).await?,
            Framing::Chunked => self.chunks().await?,
        };
        Ok(())
    }

    /// The next request without its body, which must be read before the next one.
    pub async fn head(&mut self) -> Result<Option<Request>> {
        loop {
            if let Some(request) = parse_head(&self.buffer)? {
                self.buffer.drain(..request.head.len());
                return Ok(Some(request));
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(invalid("the head is too large"));
            }
            match self.fill().await {
                Ok(()) => {}
                Err(_) if self.buffer.is_empty() => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }

    async fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = match httparse::parse_chunk_size(&line) {
                Ok(httparse::Status::Complete((_, size))) => usize::try_from(size).unwrap_or(usize::MAX),
                _ => return Err(invalid("a bad chunk size")),
            };
            if size == 0 {
                while self.line().await? != b"\r\n" {} // trailers
                return Ok(body);
            }
            if size > MAX_BODY_BYTES - body.len() {
                return Err(invalid("the body is too large"));
            }
            body.extend(self.exactly(size).await?);
            self.line().await?; // the line break after the chunk
        }
    }

    /// Up to and with the next line break.
    async fn line(&mut self) -> Result<Vec<u8>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                return Ok(self.buffer.drain(..=end).collect());
            }
            if self.buffer.len() > MAX_HEAD_BYTES {
                return Err(invalid("a line is too long"));
            }
            self.fill().await?;
        }
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Reads more.
    async fn fill(&mut self) -> Result<()> {
        self.buffer.reserve(READ_BYTES);
        match self.io.read_buf(&mut self.buffer).await? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    /// Resolves once the client has closed the connection. What it sends before that is kept for the next request.
    pub async fn closed(&mut self) {
        while self.buffer.len() < MAX_HEAD_BYTES {
            if self.fill().await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Writes an answer; of one that is to break off midway, only the first half.
    pub async fn respond(&mut self, reply: &Reply) -> Result<()> {
        let reason = StatusCode::from_u16(reply.status).ok().and_then(|status| status.canonical_reason());
        let mut bytes = format!("HTTP/1.1 {} {}\r\n", reply.status, reason.unwrap_or("Unknown")).into_bytes();
        let bodiless = matches!(reply.status, 204 | 304);
        for (name, value) in &reply.headers {
            bytes.extend(format!("{name}: {value}\r\n").bytes());
        }
        if !bodiless && !reply.headers.iter().any(|(name, _)| name == "content-length") {
            bytes.extend(format!("content-length: {}\r\n", reply.body.len()).bytes());
        }
        bytes.extend(b"\r\n");
        let sent = match reply.reset {
            _ if bodiless => 0,
            Some(Reset::MidResponse | Reset::Connection) => reply.body.len() / 2,
            _ => reply.body.len(),
        };
        bytes.extend(&reply.body[..sent]);
        self.io.write_all(&bytes).await?;
        self.io.flush().await
    }
}

fn parse_head(buffer: &[u8]) -> Result<Option<Request>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let length = match parsed.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(invalid(error)),
    };
    Ok(Some(Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: parsed.path.unwrap_or_default().into(),
        version: if parsed.version == Some(0) { "HTTP/1.0" } else { "HTTP/1.1" },
        headers: parsed
            .headers
            .iter()
            .map(|header| (header.name.to_owned(), header.value.to_vec()))
            .collect(),
        head: buffer[..length].to_vec(),
        body: Vec::new(),
    }))
}

fn framing(request: &Request) -> Result<Framing> {
    if let Some(encoding) = request.header("transfer-encoding") {
        let chunked = encoding.eq_ignore_ascii_case(b"chunked");
        return if chunked { Ok(Framing::Chunked) } else { Err(invalid("an unknown transfer-encoding")) };
    }
    let Some(length) = request.header("content-length") else { return Ok(Framing::Length(0)) };
    let length = std::str::from_utf8(length).ok().and_then(|length| length.parse().ok());
    match length {
        Some(length) if length <= MAX_BODY_BYTES => Ok(Framing::Length(length)),
        _ => Err(invalid("a bad content-length, or too large a body")),
    }
}

fn invalid(reason: impl ToString) -> Error {
    Error::new(ErrorKind::InvalidData, reason.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_come_out_byte_for_byte_however_they_are_cut() {
        let sent = b"POST /a?q=\"<{|}>\" HTTP/1.1\r\nCookie: a=1\r\nX-B: \xff\r\nCookie: b=2\r\nContent-Length: 3\r\n\r\n\0\xfe\n\
                     POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nt: 1\r\n\r\n";
        for piece in [1, 7, sent.len()] {
            let (mut client, server) = tokio::io::duplex(sent.len());
            let mut connection = Http1::new(server);
            let write = async {
                for bytes in sent.chunks(piece) {
                    client.write_all(bytes).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(client);
            };
            let read = async {
                let first = connection.request().await.unwrap().unwrap();
                assert_eq!(first.path, b"/a?q=\"<{|}>\"");
                let headers = first.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
                let expected: [(&str, &[u8]); 4] =
                    [("Cookie", b"a=1"), ("X-B", b"\xff"), ("Cookie", b"b=2"), ("Content-Length", b"3")];
                assert_eq!(headers.collect::<Vec<_>>(), expected);
                assert_eq!([first.head.as_slice(), &first.body].concat(), sent[..first.head.len() + 3]);
                assert_eq!(connection.request().await.unwrap().unwrap().body, b"abc");
                assert!(connection.request().await.unwrap().is_none());
            };
            tokio::join!(write, read);
        }
    }

    #[tokio::test]
    async fn a_request_that_breaks_off_is_an_error_and_no_request() {
        for sent in ["POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nab", "POST / HT"] {
            let (mut client, server) = tokio::io::duplex(1024);
            client.write_all(sent.as_bytes()).await.unwrap();
            drop(client);
            let error = Http1::new(server).request().await.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{sent}");
        }
    }
}
