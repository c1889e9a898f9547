//! What an engine pushes to, in place of a gateway: an HTTP server in the test's own process that answers as it is told.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Decides the status of an answer by how many requests came before, and by the request's target and body.
pub type Behaviour = fn(count: usize, target: &str, body: &str) -> u16;

#[derive(Clone)]
pub struct Push {
    pub status: u16,
    /// The path, with its query.
    pub target: String,
    pub body: String,
    /// With names in lower case.
    pub headers: HashMap<String, String>,
}

/// Ends with the test's process.
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    behaviour: Behaviour,
    pushes: Vec<Push>,
}

impl Receiver {
    pub fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State { behaviour, pushes: vec![] }));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let shared = Arc::clone(&shared);
                // An engine that is killed breaks its connections off: then this thread is done.
                thread::spawn(move || stream.and_then(|stream| serve(&stream, &shared)));
            }
        });
        Self { address, state }
    }

    /// Answers differently from now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.state.lock().unwrap().behaviour = behaviour;
    }

    pub fn url(&self) -> String {
        format!("http://{}/v1/deliver", self.address)
    }

    /// All that was pushed, in its order, whatever the answer was.
    pub fn pushes(&self) -> Vec<Push> {
        self.state.lock().unwrap().pushes.clone()
    }

    /// How often each event was pushed and answered 200.
    pub fn accepted(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for push in self.pushes().into_iter().filter(|push| push.status == 200) {
            *counts.entry(push.body).or_default() += 1;
        }
        counts
    }
}

/// Answers the requests of one connection until it ends.
fn serve(stream: &TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).expect("a request line").to_owned();
        let mut headers = HashMap::new();
        loop {
            line.clear();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        if headers.contains_key("expect") {
            (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8(body).expect("events are UTF-8");
        let status = {
            let mut state = state.lock().unwrap();
            let status = (state.behaviour)(state.pushes.len(), &target, &body);
            state.pushes.push(Push { status, target, body, headers });
            status
        };
        (&*stream).write_all(format!("HTTP/1.1 {status} Status\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
    }
}
