//! Runs `conversion-relay tap` and plays what is around it.
#![allow(dead_code, reason = "each test crate uses another part of it")]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// Longer than anything here takes on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The command, with no colours or folders from the environment of the tests.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
    command.env_remove("NO_COLOR").env_remove("RUN_DIR").arg("tap").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it with a whole input, until it ends.
pub fn tap(arguments: &[&str], input: impl AsRef<[u8]>) -> Output {
    let mut child = command(arguments).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.as_ref());
    std::thread::scope(|scope| {
        scope.spawn(move || match stdin.write_all(input) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {} // it refused its arguments
            written => written.unwrap(),
        });
        child.wait_with_output().unwrap()
    })
}

/// What it printed to standard output.
pub fn shown(arguments: &[&str], input: impl AsRef<[u8]>) -> String {
    let output = tap(arguments, input);
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What it printed to standard error.
pub fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The records of the tests, one a line.
pub fn records() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tap/records.ndjson")).unwrap()
}

/// A record of a delivered order.
pub fn record(order: &str) -> String {
    format!(
        r#"{{"version":1,"time":"2026-11-29T10:00:00.123Z","what":"ended","event":{{"type":"track","name":"Order Completed","order_id":"{order}"}},"integration":"Podsights Production","vendor":"podsights","attempts":[{{"status":200,"ms":34}}],"outcome":"delivered"}}"#
    )
}

/// The line of that record.
pub fn line(order: &str) -> String {
    format!("10:00:00.123  delivered   Podsights Production  Order Completed  {order:<9}34 ms")
}

/// A tap that runs. It is killed when the test ends.
pub struct Running {
    child: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: Reader<ChildStdout>,
    pub stderr: Reader<ChildStderr>,
}

impl Running {
    pub fn start(arguments: &[&str]) -> Self {
        Self::of(command(arguments))
    }

    pub fn of(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { stdin: child.stdin.take(), stdout: Reader::new(stdout), stderr: Reader::new(stderr), child }
    }

    pub fn type_in(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends a signal by its name, such as `INT`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end. Returns whether it succeeded.
    pub fn ends_well(&mut self) -> bool {
        // Both of its outputs end with it; `wait` alone has no limit.
        self.stdout.until_end();
        self.child.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The lines of an output, as they come.
pub struct Reader<R> {
    lines: mpsc::Receiver<String>,
    _of: std::marker::PhantomData<R>,
}

impl<R: Read + Send + 'static> Reader<R> {
    fn new(input: R) -> Self {
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(input).lines() {
                if line.map(|line| sender.send(line)).is_err() {
                    return;
                }
            }
        });
        Self { lines, _of: std::marker::PhantomData }
    }

    /// Waits for the next line.
    pub fn next(&self) -> String {
        self.lines.recv_timeout(LIMIT).expect("a line")
    }

    /// The lines that are left, once the output has ended.
    pub fn until_end(&self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(LIMIT) {
                Ok(line) => lines.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return lines,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end after {lines:?}"),
            }
        }
    }
}

/// An admin interface of Envoy's, as far as log levels go.
pub struct FakeAdmin {
    pub address: String,
    level: Arc<Mutex<String>>,
    changes: mpsc::Receiver<String>,
}

impl FakeAdmin {
    pub fn start(level: &str) -> Self {
        Self::at(TcpListener::bind("127.0.0.1:0").unwrap(), level)
    }

    pub fn at(listener: TcpListener, level: &str) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let level = Arc::new(Mutex::new(level.to_owned()));
        let (sender, changes) = mpsc::channel();
        let shared = Arc::clone(&level);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = read_head(&mut stream);
                let path = request.strip_prefix("POST ").and_then(|rest| rest.split(' ').next()).unwrap();
                if let Some(new) = path.strip_prefix("/logging?wasm=") {
                    *shared.lock().unwrap() = new.to_owned();
                    sender.send(new.to_owned()).unwrap();
                } else {
                    assert_eq!(path, "/logging");
                }
                let body = format!("active loggers:\n  admin: info\n  wasm: {}\n\n", shared.lock().unwrap());
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).unwrap();
            }
        });
        Self { address, level, changes }
    }

    /// Waits until the level is set, and returns what it is set to.
    pub fn change(&self) -> String {
        self.changes.recv_timeout(LIMIT).expect("a change of the level")
    }

    pub fn level(&self) -> String {
        self.level.lock().unwrap().clone()
    }

    /// Whether the level was never set, apart from the changes that were waited for.
    pub fn is_untouched(&self) -> bool {
        self.changes.try_recv().is_err()
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A connection to a tap that listens.
pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn connect(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a request and returns the status of its answer.
    pub fn send(&mut self, method: &str, path: &str, body: impl AsRef<[u8]>) -> u16 {
        let body = body.as_ref();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: tap\r\ncontent-length: {}\r\n\r\n", body.len());
        self.raw(&[head.as_bytes(), body].concat())
    }

    /// Sends bytes and returns the status of the answer to them.
    pub fn raw(&mut self, bytes: &[u8]) -> u16 {
        // A request that is refused by its head may not be read to its end.
        _ = self.0.get_mut().write_all(bytes);
        let (mut status, mut length) = (0, 0);
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        self.0.read_exact(&mut vec![0; length]).unwrap();
        status
    }
}

/// A folder that is gone when the test ends.
pub struct TempFolder(pub PathBuf);

impl TempFolder {
    pub fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tap-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
