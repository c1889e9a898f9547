//! A durable engine between two gateways: syslog-ng with the shipped deploy/syslog-ng/syslog-ng.conf. It takes events by HTTP,
//! answers 202 once they are on disk, and pushes them to a gateway until it answers 2xx.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::http::{Connection, Request, Response};
use super::ports::fixed_port;
use super::{root, wait_until};

/// What those who post events to the engine authenticate with.
pub const QUEUE_TOKEN: &str = "queue-token-abc123";
/// What the engine authenticates with where it delivers, as X-Write-Key.
pub const DELIVER_KEY: &str = "dk_deliver_abc123";
/// How many events it pushes at once. Each of these workers has a buffer of its own.
pub const WORKERS: usize = 4;
/// The shipped size is for production. This leaves 4 MiB for each worker above what is reserved for events on their way.
const BUFFER_SIZE: u64 = 24 * 1024 * 1024;
const START_LIMIT: Duration = Duration::from_secs(20);

/// How an engine is started. It has its address before it runs, for a gateway that is told of it at its own start.
pub struct EngineOptions {
    address: SocketAddr,
    integrations: Option<[&'static str; 2]>,
}

impl EngineOptions {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], fixed_port())), integrations: None }
    }

    /// Where events will be posted to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A destination for each of these integrations, in place of one for all.
    pub fn one_destination_each(self, integrations: [&'static str; 2]) -> Self {
        Self { integrations: Some(integrations), ..self }
    }

    /// Starts an engine with its files in `dir`/engine, which pushes to `deliver_url`, and waits until it takes events.
    pub fn start(self, dir: &Path, deliver_url: &str) -> DurableEngine {
        let dir = dir.join("engine");
        std::fs::create_dir_all(dir.join("buffer")).expect("cannot make a folder");
        std::fs::write(dir.join("syslog-ng.conf"), self.configuration(&dir, deliver_url))
            .expect("cannot write");
        let mut engine = DurableEngine { process: spawn(&dir), dir, address: self.address };
        engine.wait_until_it_takes_events();
        engine
    }

    /// The shipped configuration, with the addresses, the folder and the destinations of this test.
    fn configuration(&self, dir: &Path, deliver_url: &str) -> String {
        let shipped = root().join("deploy/syslog-ng/syslog-ng.conf");
        let shipped = std::fs::read_to_string(shipped).expect("cannot read the shipped configuration");
        let values = [
            ("listen", self.address.to_string()),
            ("deliver_url", deliver_url.to_owned()),
            ("buffer_dir", dir.join("buffer").display().to_string()),
            ("buffer_size", BUFFER_SIZE.to_string()),
        ];
        let set = |text: String, (name, value): &(&str, String)| {
            let (before, rest) = text.split_once(&format!("\n@define {name} ")).expect("it is defined");
            let (_, after) = rest.split_once('\n').expect("more lines");
            format!("{before}\n@define {name} \"{value}\"\n{after}")
        };
        let text = values.iter().fold(shipped, set);
        match self.integrations {
            None => text,
            Some(integrations) => with_one_destination_each(&text, integrations),
        }
    }
}

/// The configuration as its comments tell users to change it, with the names of these integrations.
fn with_one_destination_each(text: &str, integrations: [&str; 2]) -> String {
    let of_all = |line: &&str| {
        line.starts_with("destination d_gateway ") || line.trim_start() == "destination(d_gateway);"
    };
    assert_eq!(text.lines().filter(of_all).count(), 2, "the lines of the one destination");
    let lines: Vec<String> =
        text.lines().filter(|line| !of_all(line)).map(|line| line.replacen("#| ", "", 1) + "\n").collect();
    ["Flashtalking%20purchases", "Podsights%20Production"].iter().zip(integrations).fold(
        lines.concat(),
        |text, (shipped, name)| {
            assert!(text.contains(shipped), "the shipped configuration has {shipped}");
            text.replace(shipped, name)
        },
    )
}

pub struct DurableEngine {
    process: Child,
    dir: PathBuf,
    address: SocketAddr,
}

impl DurableEngine {
    /// As [`EngineOptions::start`], with one destination for all integrations.
    pub fn start(dir: &Path, deliver_url: &str) -> Self {
        EngineOptions::new().start(dir, deliver_url)
    }

    /// Where events are posted to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request that hands an event over, as a gateway's webhook makes it.
    pub fn request(event: &str) -> Request {
        Request::post("/events", event)
            .header("authorization", format!("Bearer {QUEUE_TOKEN}"))
            .header("content-type", "application/cloudevents+json")
    }

    /// Hands an event over. The error is that the engine was gone before it answered.
    pub fn post(&self, event: &str) -> std::io::Result<Response> {
        let mut connection = Connection::open(self.address)?;
        connection.try_send(&Self::request(event))
    }

    /// Ends it where it is, by SIGKILL. What it answered 202 is on disk.
    pub fn kill(&mut self) {
        self.process.kill().expect("cannot kill the engine");
        self.process.wait().expect("cannot wait for the engine");
    }

    /// Starts it again after [`DurableEngine::kill`], on the same port and with what is in its buffers.
    pub fn restart(&mut self) {
        self.process = spawn(&self.dir);
        self.wait_until_it_takes_events();
    }

    /// How many events are in its buffers: not yet pushed, or pushed and not yet answered 2xx.
    pub fn queued(&self) -> u64 {
        self.statistic("queued")
    }

    /// How many events it gave up since its last start because the receiver refused them for good.
    pub fn dropped(&self) -> u64 {
        self.statistic("dropped")
    }

    fn statistic(&self, name: &str) -> u64 {
        let all = self.control("STATS\n").expect("the engine's control socket doesn't answer");
        // dst.http;d_gateway#0;http,http://127.0.0.1:8088/v1/deliver;a;queued;3
        let of_destinations = all.lines().filter(|line| line.starts_with("dst.http;d_"));
        let values: Vec<u64> = of_destinations
            .filter_map(|line| line.rsplit_once(';'))
            .filter(|(series, _)| series.ends_with(&format!(";{name}")))
            .filter_map(|(_, value)| value.parse().ok())
            .collect();
        assert!(!values.is_empty(), "no {name} in:\n{all}");
        values.iter().sum()
    }

    fn control(&self, command: &str) -> std::io::Result<String> {
        let mut socket = UnixStream::connect(self.dir.join("control"))?;
        socket.write_all(command.as_bytes())?;
        let mut answer = Vec::new();
        let mut part = [0; 4096];
        while !answer.ends_with(b"\n.\n") {
            match socket.read(&mut part)? {
                0 => break,
                length => answer.extend_from_slice(&part[..length]),
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// It listens before it answers, and it answers before it can be asked for its numbers.
    fn wait_until_it_takes_events(&mut self) {
        let probe = Request::post("/events", ""); // without the token: 401, and no event
        let ready = wait_until(START_LIMIT, || {
            let ended = self.process.try_wait().expect("cannot look at the engine");
            assert!(ended.is_none(), "the engine ended at its start");
            let answer =
                Connection::open(self.address).and_then(|mut connection| connection.try_send(&probe));
            answer.is_ok_and(|answer| answer.status == 401) && self.control("STATS\n").is_ok()
        });
        assert!(ready, "the engine takes no events after {START_LIMIT:?}");
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }
}

impl Drop for DurableEngine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!(
                "--- the end of syslog-ng's log ---\n{}\n---",
                lines[lines.len().saturating_sub(20)..].join("\n")
            );
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(dir: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log")).expect("cannot write");
    Command::new(binary())
        .args(["--foreground", "--stderr", "--no-caps"])
        .arg("--cfgfile")
        .arg(dir.join("syslog-ng.conf"))
        .arg("--persist-file")
        .arg(dir.join("persist"))
        .arg("--control")
        .arg(dir.join("control"))
        .arg("--pidfile")
        .arg(dir.join("pid"))
        .env("QUEUE_TOKEN", QUEUE_TOKEN)
        .env("DELIVER_KEY", DELIVER_KEY)
        .stdin(Stdio::null())
        .stdout(Stdio::from(log.try_clone().expect("cannot write")))
        .stderr(Stdio::from(log))
        .spawn()
        .expect("cannot start the engine")
}

/// `SYSLOG_NG`, else the one that the set-up found or fetched.
fn binary() -> PathBuf {
    let own = std::env::var_os("SYSLOG_NG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = own.unwrap_or_else(|| root().join(".tools/syslog-ng/syslog-ng"));
    assert!(
        path.is_file(),
        "there is no syslog-ng at {}: run `make test` or `scripts/setup engine`, or set SYSLOG_NG",
        path.display()
    );
    path
}
