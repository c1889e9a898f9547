//! An HTTP/1.1 client that sends exactly the bytes it is told to.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a client waits for the next byte.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A request in the making. `Host` and the body's framing are added unless they are set; nothing else is.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Whole(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Body::None }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn post(target: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// Adds a line. Lines of the same name stay separate, and values need not be UTF-8.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Body::Whole(body.as_ref().to_vec());
        self
    }

    /// A body sent with `transfer-encoding: chunked`, in these chunks.
    pub fn chunks<C: AsRef<[u8]>>(mut self, chunks: impl IntoIterator<Item = C>) -> Self {
        self.body = Body::Chunked(chunks.into_iter().map(|chunk| chunk.as_ref().to_vec()).collect());
        self
    }

    /// The request line and headers, with the empty line after them.
    pub fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        };
        let sets = |name: &str| self.headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        if !sets("host") {
            line("host", b"gateway.test");
        }
        for (name, value) in &self.headers {
            line(name, value);
        }
        match &self.body {
            Body::Whole(body) if !sets("content-length") => {
                line("content-length", body.len().to_string().as_bytes());
            }
            Body::Chunked(_) if !sets("transfer-encoding") => line("transfer-encoding", b"chunked"),
            _ => {}
        }
        head.extend(b"\r\n");
        head
    }

    /// All of the request as it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head();
        match &self.body {
            Body::None => {}
            Body::Whole(body) => bytes.extend(body),
            Body::Chunked(chunks) => {
                for chunk in chunks {
                    bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    bytes.extend(chunk);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    /// In their order, names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }
}

/// One connection. Dropping it closes it.
pub struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Writes any bytes: a part of a request, or something that is none.
    pub fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).expect("cannot write");
    }

    /// Sends a request and reads the answer.
    pub fn send(&mut self, request: &Request) -> Response {
        self.try_send(request).unwrap_or_else(|error| panic!("no answer: {error}\n{request:?}"))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// If the server goes away before it has answered.
    pub fn try_send(&mut self, request: &Request) -> std::io::Result<Response> {
        // A server may answer and close before it has read everything, so a failed write isn't the end.
        let written = self.stream.get_mut().write_all(&request.bytes());
        let describe = |error: std::io::Error| match &written {
            Ok(()) => error,
            Err(unwritten) => std::io::Error::new(error.kind(), format!("{error} (written: {unwritten})")),
        };
        self.try_read_answer(&request.method).map_err(describe)
    }

    /// Reads one answer.
    pub fn read(&mut self) -> Response {
        self.try_read().unwrap_or_else(|error| panic!("no answer: {error}"))
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// `UnexpectedEof` where the server closed the connection, `WouldBlock` where nothing came in time.
    pub fn try_read(&mut self) -> std::io::Result<Response> {
        self.try_read_answer("GET")
    }

    /// As [`Connection::try_read`], to a request with this method: the answer to HEAD has no body, whatever its length says.
    fn try_read_answer(&mut self, method: &str) -> std::io::Result<Response> {
        loop {
            let mut response = self.read_head()?;
            if response.status < 200 {
                continue;
            }
            if method != "HEAD" {
                response.body = self.read_body(&response)?;
            }
            return Ok(response);
        }
    }

    /// Whether something of an answer is there to be read, or the server has closed the connection. Doesn't wait.
    pub fn is_readable(&mut self) -> bool {
        if !self.stream.buffer().is_empty() {
            return true;
        }
        let stream = self.stream.get_mut();
        stream.set_nonblocking(true).expect("cannot change a socket");
        let seen = stream.peek(&mut [0]);
        stream.set_nonblocking(false).expect("cannot change a socket");
        !seen.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }

    pub fn set_read_timeout(&mut self, timeout: Duration) {
        self.stream.get_mut().set_read_timeout(Some(timeout)).expect("cannot set a timeout");
    }

    fn read_line(&mut self) -> std::io::Result<String> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn read_head(&mut self) -> std::io::Result<Response> {
        let line = self.read_line()?;
        let status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {line:?}"));
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        Ok(Response { status, headers, body: Vec::new() })
    }

    fn read_body(&mut self, response: &Response) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if response.header("transfer-encoding").is_some_and(|encoding| encoding == "chunked") {
            loop {
                let size = usize::from_str_radix(&self.read_line()?, 16).expect("a chunk size");
                let start = body.len();
                body.resize(start + size, 0);
                self.stream.read_exact(&mut body[start..])?;
                self.read_line()?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        if let Some(length) = response.header("content-length") {
            body.resize(length.parse().expect("a content-length"), 0);
            self.stream.read_exact(&mut body)?;
        } else if !matches!(response.status, 204 | 304) {
            self.stream.read_to_end(&mut body)?;
        }
        Ok(body)
    }
}

/// Sends one request over a connection of its own.
pub fn send(address: SocketAddr, request: &Request) -> Response {
    let mut connection =
        Connection::open(address).unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
    connection.send(request)
}
