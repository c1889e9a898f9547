//! A gateway of its own for each test: the real Envoy with the shipped configuration, in front of a stand-in for the
//! vendors and the collector. All on free ports, and gone when the test ends, however it ends.
//!
//! ```ignore
//! let gateway = Gateway::start(Options::new().trusted_hops(1));
//! let answer = gateway.send(Request::post("/v1/t", EVENT).header("x-forwarded-for", "203.0.113.50"));
//! let callout = &gateway.wait_for(Podsights, 1)[0];
//! gateway.wait_for_counter("conversion_relay_deliveries_total", &[("outcome", "delivered")], 1);
//! ```
#![allow(dead_code, unused_imports, reason = "each test crate uses another part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../stand-in/src/destination.rs"]
mod destination;
pub mod documents;
pub mod engine;
mod envoy;
pub mod hand_off;
pub mod held;
mod http;
pub mod ledger;
mod options;
pub mod orders;
mod ports;
pub mod senders;
mod stand_in;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub use destination::Destination::{self, Collector, Flashtalking, Podsights, Records, Webhook};
pub use engine::{DurableEngine, EngineOptions};
pub use envoy::{Envoy, EnvoyOptions, binary as envoy_binary};
pub use http::{Connection, Request, Response};
pub use options::{Configuration, Options, PODSIGHTS_KEY, yaml};
pub use stand_in::{Hits, Received};

use stand_in::StandIn;

/// How long a test waits for what must come.
pub const LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

pub struct Gateway {
    // Dropped in this order.
    envoy: Envoy,
    stand_in: StandIn,
    dir: TempDir,
    envoy_options: EnvoyOptions,
    /// The filter's file as it was at the start.
    filter: Value,
}

impl Gateway {
    /// Starts stand-in and Envoy and returns once the gateway serves.
    pub fn start(options: Options) -> Self {
        let dir = TempDir::new();
        let stand_in = StandIn::start(&dir.0, &options.module_path());
        let (envoy_options, filter) = options.apply(&stand_in.ready);
        let envoy = Envoy::start(&dir.0, &stand_in.ready.envoy_yaml, &envoy_options);
        Self { envoy, stand_in, dir, envoy_options, filter }
    }

    /// The folder with the gateway's files: envoy.yaml, conversion-relay.yaml, ca.pem.
    pub fn dir(&self) -> &Path {
        &self.dir.0
    }

    // --- as a client ---

    /// Sends a request over a connection of its own.
    pub fn send(&self, request: Request) -> Response {
        self.connect().send(&request)
    }

    pub fn post(&self, target: &str, body: impl AsRef<[u8]>) -> Response {
        self.send(Request::post(target, body))
    }

    pub fn get(&self, target: &str) -> Response {
        self.send(Request::get(target))
    }

    /// A connection to the gateway, for several requests or for less than one.
    pub fn connect(&self) -> Connection {
        Connection::open(self.envoy.listener).expect("cannot connect to the gateway")
    }

    // --- as the vendors and the collector ---

    /// Everything that `to` has received so far.
    pub fn requests(&self, to: Destination) -> Vec<Received> {
        self.stand_in.requests(to)
    }

    /// What `to` has received, once it is `count` requests or more.
    pub fn wait_for(&self, to: Destination, count: usize) -> Vec<Received> {
        self.wait_for_within(LIMIT, to, count)
    }

    pub fn wait_for_within(&self, limit: Duration, to: Destination, count: usize) -> Vec<Received> {
        self.stand_in.wait_for(to, count, limit).unwrap_or_else(|received| {
            panic!("{to:?} received {} of {count} requests in {limit:?}: {received:#?}", received.len())
        })
    }

    /// Forgets what was received: [`Gateway::requests`] and [`Gateway::wait_for`] start anew.
    pub fn forget_requests(&self) {
        self.stand_in.forget();
    }

    /// Tells `to` how to answer from now on: `status headers body delay_ms reset share times hold early refuse`, `{}` as
    /// usual. See `stand-in --help`.
    pub fn behave(&self, to: Destination, behaviour: Value) {
        self.stand_in.behave(to, &behaviour);
    }

    /// The stand-in's control interface, for tools that are told it.
    pub fn control_address(&self) -> std::net::SocketAddr {
        self.stand_in.ready.control
    }

    /// Where the stand-in takes the filter's records.
    pub fn records_address(&self) -> std::net::SocketAddr {
        self.stand_in.ready.records
    }

    /// The records that the stand-in has taken and that have all of this, such as `reason=gpc`.
    pub fn records(&self, query: &str) -> Vec<Value> {
        self.ask_for_records(query, "").expect("it waits for none")
    }

    /// The same, once there are `count` of them; or what there is instead, if they don't come in time.
    pub fn wait_for_records(&self, query: &str, count: usize) -> Vec<Value> {
        let expected = format!("&count={count}&within={}s", LIMIT.as_secs());
        self.ask_for_records(query, &expected)
            .unwrap_or_else(|found| panic!("expected {count} records with {query}, got {found:#}"))
    }

    fn ask_for_records(&self, query: &str, expected: &str) -> Result<Vec<Value>, Value> {
        let request = Request::get(&format!("/records?{query}{expected}"));
        let answer = http::send(self.control_address(), &request);
        match answer.status {
            200 => Ok(answer.json().as_array().expect("a list of records").clone()),
            404 => Err(answer.json()),
            _ => panic!("the stand-in refused {query}: {}", answer.text()),
        }
    }

    /// Counts of all that one destination received and answered: `requests aborted answers{status} resets unanswered
    /// orders{distinct repeated max_hits accepted accepted_repeatedly}`.
    pub fn tally(&self, to: Destination) -> Value {
        self.stand_in.tally(false)[to.name()].take()
    }

    /// How often `to` has received, accepted and counted each order, by its id.
    pub fn orders(&self, to: Destination) -> HashMap<String, Hits> {
        let ids = self.stand_in.tally(true)[to.name()]["ids"].take();
        serde_json::from_value(ids).expect("the stand-in's tally")
    }

    // --- as the operator ---

    /// The sum of all series of a Prometheus counter that have these labels; 0 if there is none.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        sum(&self.prometheus(), name, labels)
    }

    /// Waits until [`Gateway::counter`] is exactly `value`.
    pub fn wait_for_counter(&self, name: &str, labels: &[(&str, &str)], value: u64) {
        let mut last = 0;
        let reached = wait_until(LIMIT, || {
            last = self.counter(name, labels);
            last >= value
        });
        let all =
            || self.prometheus().lines().filter(|line| line.starts_with(name)).collect::<Vec<_>>().join("\n");
        assert!(
            reached && last == value,
            "{name}{labels:?} is {last}, expected {value}; there are:\n{}",
            all()
        );
    }

    /// `/stats/prometheus`.
    pub fn prometheus(&self) -> String {
        self.envoy.get("/stats/prometheus").text()
    }

    /// A counter or gauge of Envoy's own by its full name; `None` if there is none of that name.
    pub fn stat(&self, name: &str) -> Option<u64> {
        let stats = self.envoy.get("/stats").text();
        stats.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")?.parse().ok())
    }

    /// How often a VM that had crashed was replaced.
    pub fn vm_restarts(&self) -> u64 {
        self.stat("wasm.conversion-relay.vm_reload_success").unwrap_or_default()
    }

    /// How many VMs were ever made. It grows where a VM is replaced, for whatever reason.
    pub fn vms_created(&self) -> u64 {
        self.stat("wasm.envoy.wasm.runtime.v8.created").unwrap_or_default()
    }

    /// A page of Envoy's admin interface.
    pub fn admin(&self, target: &str) -> Response {
        self.envoy.get(target)
    }

    /// A command of Envoy's admin interface, such as `/drain_listeners?graceful`.
    pub fn admin_post(&self, target: &str) -> Response {
        self.envoy.post(target)
    }

    pub fn envoy_log(&self) -> String {
        self.envoy.log()
    }

    /// Waits until the log contains `text`, and gives the first line of it that does.
    pub fn wait_for_log(&self, text: &str) -> String {
        let mut found = None;
        wait_until(LIMIT, || {
            found = self.envoy_log().lines().find(|line| line.contains(text)).map(str::to_owned);
            found.is_some()
        });
        found.unwrap_or_else(|| panic!("Envoy's log has no {text:?}"))
    }

    /// Gives the running filter another plugin configuration. Whether Envoy took it: false if the filter refused it.
    pub fn reconfigure(&self, configuration: impl Into<Configuration>) -> bool {
        let configuration = configuration.into();
        self.change_filter_file(|file| options::set_configuration(file, &configuration))
    }

    /// As [`Gateway::reconfigure`], with any change of the filter's file as it was at the start.
    pub fn change_filter_file(&self, change: impl FnOnce(&mut Value)) -> bool {
        let mut file = self.filter.clone();
        change(&mut file);
        self.replace_filter_file(&options::yaml(&file))
    }

    /// Replaces the file that Envoy watches, whatever is in the new one, and waits until Envoy has looked at it. Whether
    /// it took it.
    pub fn replace_filter_file(&self, text: &str) -> bool {
        let stat = |name: &str| {
            self.stat(&format!("extension_config_discovery.http_filter.conversion-relay.{name}"))
                .unwrap_or_default()
        };
        let refused = || stat("update_rejected") + stat("update_failure");
        let (taken_before, refused_before) = (stat("update_success"), refused());
        let file = &self.stand_in.ready.filter_yaml;
        let beside = file.with_extension("new");
        std::fs::write(&beside, text).expect("cannot write");
        std::fs::rename(&beside, file).expect("cannot rename");
        let mut taken = false;
        let looked_at = wait_until(LIMIT, || {
            taken = stat("update_success") > taken_before;
            taken || refused() > refused_before
        });
        assert!(looked_at, "Envoy did not look at the new configuration");
        taken
    }

    /// The most memory that Envoy ever used, in bytes.
    pub fn peak_rss(&self) -> u64 {
        self.envoy.memory("VmHWM")
    }

    /// The memory that Envoy uses now, in bytes.
    pub fn rss(&self) -> u64 {
        self.envoy.memory("VmRSS")
    }

    /// The address that clients reach, for tools that are told one.
    pub fn address(&self) -> std::net::SocketAddr {
        self.envoy.listener
    }

    /// Where Envoy's admin interface listens.
    pub fn admin_address(&self) -> std::net::SocketAddr {
        self.envoy.admin
    }

    /// Stops Envoy where it is, like a machine that stalls, until [`Gateway::resume`].
    pub fn pause(&self) {
        self.envoy.signal("STOP");
    }

    pub fn resume(&self) {
        self.envoy.signal("CONT");
    }

    /// Starts another Envoy, which takes over from the one that runs, and waits until all new connections are its own. The gateway is
    /// then that other; the one before is given back, and drains.
    pub fn restart_hot(&mut self) -> Envoy {
        let epoch = self.envoy_options.epoch.expect("Options::can_restart_hot");
        self.envoy_options.epoch = Some(epoch + 1);
        let next = Envoy::start(&self.dir.0, &self.stand_in.ready.envoy_yaml, &self.envoy_options);
        let first = std::mem::replace(&mut self.envoy, next);
        // Both accept connections from one socket until the first has closed its listener, which takes it a moment.
        let mut in_a_row = 0;
        let connections = || self.stat("http.gateway.downstream_cx_total").unwrap_or_default();
        let taken_over = wait_until(LIMIT, || {
            let before = connections();
            self.get("/some/page");
            in_a_row = if connections() > before { in_a_row + 1 } else { 0 };
            in_a_row == 20
        });
        assert!(taken_over, "the first process still accepts connections");
        first
    }

    /// Ends Envoy where it is, by SIGKILL: whatever it held in memory is gone.
    pub fn kill(&mut self) {
        self.envoy.kill();
    }

    /// Starts Envoy again after [`Gateway::kill`] or [`Gateway::terminate`], on the same port and with the filter's file as it is
    /// now. Its counters begin anew. Only a gateway with [`Options::fixed_port`] can be started again.
    pub fn restart(&mut self) {
        self.envoy.restart();
    }

    /// Ends Envoy as an operator would, by SIGTERM, and waits for it.
    pub fn terminate(&mut self) -> ExitStatus {
        self.envoy.signal("TERM");
        self.envoy.wait()
    }
}

/// The sum of all series of a counter on a page of Prometheus' text format that have these labels; 0 if there is none.
pub fn sum(page: &str, name: &str, labels: &[(&str, &str)]) -> u64 {
    let series = envoy::series(page, name).filter(|(has, _)| envoy::has_labels(has, labels));
    series.map(|(_, value)| value).sum::<f64>() as u64
}

/// Runs `scripts/drain`: the code that it ended with, and what it said.
pub fn drain(admin: &str, deadline: u32, still: u32) -> (Option<i32>, String) {
    let output = std::process::Command::new("sh")
        .arg(root().join("scripts/drain"))
        .args([admin, &deadline.to_string(), &still.to_string()])
        .output()
        .expect("cannot run sh");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Asks again and again whether `condition` holds. False if it still doesn't after `limit`.
pub fn wait_until(limit: Duration, condition: impl FnMut() -> bool) -> bool {
    wait_until_every(POLL, limit, condition)
}

/// As [`wait_until`], with `pause` between two looks.
pub fn wait_until_every(pause: Duration, limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(pause);
    }
}

/// The checkout, whichever of its packages the test belongs to.
pub fn root() -> &'static Path {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find(|folder| folder.join("Cargo.lock").is_file()).expect("the workspace has a Cargo.lock")
}

/// A folder that is deleted when it is dropped.
pub struct TempDir(pub PathBuf);

impl TempDir {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("gateway-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).expect("cannot make a folder");
        Self(path)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
