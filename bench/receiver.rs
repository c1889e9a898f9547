//! The receiver of records: it accepts all of them and counts them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub struct Receiver {
    port: u16,
    received: Arc<AtomicU64>,
}

impl Receiver {
    /// Serves until the process ends.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let received = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&received);
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                // A gateway that ends closes its connection: an error here is nobody's.
                std::thread::spawn(move || _ = serve(&connection, &counter));
            }
        });
        Self { port, received }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Records so far.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::SeqCst)
    }
}

/// Answers 200 to each request of a connection. Each line of its body is a record, which is counted once it is all there.
fn serve(connection: &TcpStream, received: &AtomicU64) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut head = String::new();
        if reader.read_line(&mut head)? == 0 {
            return Ok(());
        }
        if let Some((name, value)) = head.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().map_err(std::io::Error::other)?;
        }
        if head.trim().is_empty() {
            let mut body = vec![0; std::mem::take(&mut length)];
            reader.read_exact(&mut body)?;
            let mut connection = connection;
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
            received.fetch_add(memchr::memchr_iter(b'\n', &body).count() as u64, Ordering::SeqCst);
        }
    }
}
