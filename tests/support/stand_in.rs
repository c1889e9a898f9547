//! The stand-in as a process, and what it received.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Deserialize;
use serde_json::Value;

use super::destination::Destination;
use super::http::{self, Request, Response};
use super::root;

/// A request that arrived at a vendor or the collector.
#[derive(Debug, Clone, Deserialize)]
pub struct Received {
    /// Counts all requests, whatever their destination.
    pub seq: u64,
    /// Milliseconds since the stand-in's start.
    pub at_ms: u64,
    pub at_us: u64,
    pub method: String,
    pub path: String,
    /// `HTTP/1.1` or `HTTP/2`.
    pub version: String,
    pub sni: Option<String>,
    pub alpn: Option<String>,
    /// In their order. `:authority` is shown as `host`.
    pub headers: Vec<(String, String)>,
    /// Request line and headers byte for byte; empty over HTTP/2.
    #[serde(rename = "head_base64", deserialize_with = "bytes")]
    pub head: Vec<u8>,
    #[serde(rename = "body_base64", deserialize_with = "bytes")]
    pub body: Vec<u8>,
}

impl Received {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// All header names, in their order.
    pub fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// A query parameter, decoded.
    pub fn query(&self, name: &str) -> Option<String> {
        let (_, query) = self.path.split_once('?')?;
        form_urlencoded::parse(query.as_bytes())
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.into())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let encoded: Option<String> = Deserialize::deserialize(deserializer)?;
    BASE64_STANDARD.decode(encoded.unwrap_or_default()).map_err(serde::de::Error::custom)
}

/// How often a vendor has met one order id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub struct Hits {
    pub received: u32,
    /// Answered 2xx or 3xx.
    pub accepted: u32,
    /// Received and not refused: accepted, or the answer was lost on its way.
    pub counted: u32,
}

/// What the stand-in says once it serves.
#[derive(Debug, Deserialize)]
pub struct Ready {
    pub control: SocketAddr,
    pub webhook: SocketAddr,
    /// Where the filter's records are taken.
    pub records: SocketAddr,
    pub envoy_yaml: PathBuf,
    pub filter_yaml: PathBuf,
}

pub struct StandIn {
    process: Child,
    pub ready: Ready,
    log: PathBuf,
}

impl StandIn {
    /// Starts it on free ports and lets it write the gateway's files into `dir`.
    pub fn start(dir: &Path, module: &Path) -> Self {
        let log = dir.join("stand-in.log");
        let mut process = Command::new(binary())
            .args([
                "--vendors",
                "127.0.0.1:0",
                "--collector",
                "127.0.0.1:0",
                "--webhook",
                "127.0.0.1:0",
                "--records",
                "127.0.0.1:0",
                "--control",
                "127.0.0.1:0",
                "--quiet",
            ])
            .arg("--dir")
            .arg(dir)
            .arg("--envoy-yaml")
            .arg(root().join("envoy.yaml"))
            .arg("--filter-yaml")
            .arg(root().join("conversion-relay.yaml"))
            .arg("--module")
            .arg(module)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(std::fs::File::create(&log).expect("cannot write")))
            .spawn()
            .expect("cannot start the stand-in");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("cannot read from the stand-in");
        let ready = line.strip_prefix("stand-in ready ").and_then(|json| serde_json::from_str(json).ok());
        let complaint = || std::fs::read_to_string(&log).unwrap_or_default();
        let ready = ready.unwrap_or_else(|| panic!("the stand-in did not start: {line}{}", complaint()));
        Self { process, ready, log }
    }

    fn control(&self, request: &Request) -> Response {
        http::send(self.ready.control, request)
    }

    fn expect(&self, request: &Request) -> Response {
        let response = self.control(request);
        assert_eq!(response.status, 200, "the stand-in refused {request:?}: {}", response.text());
        response
    }

    pub fn requests(&self, to: Destination) -> Vec<Received> {
        received(self.expect(&Request::get(&format!("/requests/{}", to.name()))).json())
    }

    /// What `to` received, once it is `count` or more. The error is what came in time.
    pub fn wait_for(
        &self,
        to: Destination,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<Received>, Vec<Received>> {
        let (name, limit) = (to.name(), limit.as_millis());
        let expected = if count == 0 { String::new() } else { format!("?count={count}&within={limit}ms") };
        let response = self.control(&Request::get(&format!("/requests/{name}{expected}")));
        match response.status {
            200 => Ok(received(response.json())),
            404 => Err(received(response.json()["found"].take())),
            _ => panic!("the stand-in refused to wait: {}", response.text()),
        }
    }

    pub fn forget(&self) {
        self.expect(&Request::new("DELETE", "/requests"));
    }

    pub fn behave(&self, to: Destination, behaviour: &Value) {
        let target = format!("/behaviour/{}", to.name());
        self.expect(&Request::new("PUT", &target).body(behaviour.to_string()));
    }

    pub fn tally(&self, ids: bool) -> Value {
        self.expect(&Request::get(if ids { "/tally?ids=1" } else { "/tally" })).json()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        if std::thread::panicking() && !log.is_empty() {
            eprintln!("--- what the stand-in complained about ---\n{log}---");
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn received(requests: Value) -> Vec<Received> {
    serde_json::from_value(requests).expect("requests as the stand-in shows them")
}

/// The stand-in of the profile that the test itself was built with. Cargo puts programs beside the folder that the tests
/// run from, but builds those of other packages only when it is told to.
fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let binary = folder.join("stand-in").with_extension(std::env::consts::EXE_EXTENSION);
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    assert!(
        binary.is_file(),
        "{} is missing: run `scripts/cargo build --package stand-in --profile {profile}`",
        binary.display()
    );
    binary
}
