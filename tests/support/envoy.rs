//! The real Envoy as a process, and its admin interface.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::http::{Connection, Request, Response};
use super::{root, wait_until_every};

const START_LIMIT: Duration = Duration::from_secs(60);
/// Fine enough to time a start by.
const START_POLL: Duration = Duration::from_millis(1);
/// Lines of Envoy's log that a failed test prints.
const TAIL_LINES: usize = 60;

/// How Envoy is started.
#[derive(Clone)]
pub struct EnvoyOptions {
    pub environment: Vec<(String, String)>,
    pub concurrency: u32,
    pub log_level: String,
    pub filter_log_level: String,
    /// The processor that all of it runs on; any if none is named.
    pub processor: Option<usize>,
    /// Which process of a series it is, each of which takes over from the one before; `None`: no other takes over.
    pub epoch: Option<u32>,
    /// Further options of the command line.
    pub arguments: Vec<String>,
}

impl EnvoyOptions {
    /// A file that each process of a series has one of.
    fn file(&self, dir: &Path, name: &str) -> PathBuf {
        dir.join(format!("{}-{name}", self.epoch.unwrap_or_default()))
    }
}

pub struct Envoy {
    process: Child,
    dir: PathBuf,
    config: PathBuf,
    options: EnvoyOptions,
    /// When it was told to start.
    pub begun: Instant,
    pub admin: SocketAddr,
    pub listener: SocketAddr,
}

impl Envoy {
    /// Starts Envoy with `config` and waits until it is ready. Its ports are 0, so that nobody else has them, or kept free.
    pub fn start(dir: &Path, config: &Path, options: &EnvoyOptions) -> Self {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self {
            begun: Instant::now(),
            process: spawn(dir, config, options),
            dir: dir.to_owned(),
            config: config.to_owned(),
            options: options.clone(),
            admin: nowhere,
            listener: nowhere,
        };
        envoy.wait_until_ready();
        envoy.listener = envoy.listening_on();
        envoy
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill().expect("cannot kill Envoy");
        self.wait();
    }

    /// Starts it again after its end, on the listener's port of before, and waits until it is ready.
    pub fn restart(&mut self) {
        assert!(!self.is_running(), "Envoy still runs");
        let before = self.listener;
        self.begun = Instant::now();
        self.process = spawn(&self.dir, &self.config, &self.options);
        self.wait_until_ready();
        self.listener = self.listening_on();
        assert_eq!(self.listener, before, "the port isn't fixed: see Options::fixed_port");
    }

    fn wait_until_ready(&mut self) {
        let ready = wait_until_every(START_POLL, START_LIMIT, || {
            assert!(self.is_running(), "Envoy ended at its start");
            self.is_ready()
        });
        assert!(ready, "Envoy is not ready after {START_LIMIT:?}");
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    fn is_ready(&mut self) -> bool {
        let address = std::fs::read_to_string(self.options.file(&self.dir, "admin"))
            .ok()
            .and_then(|text| text.parse().ok());
        let Some(address) = address else { return false };
        self.admin = address;
        // On a busy machine it can take long to compile the module, and Envoy doesn't answer meanwhile.
        let answer = Connection::open(address).and_then(|mut connection| {
            connection.write(Request::get("/ready").bytes());
            connection.try_read()
        });
        answer.is_ok_and(|response| response.status == 200)
    }

    fn listening_on(&self) -> SocketAddr {
        let listeners = self.get("/listeners?format=json").json();
        let address = &listeners["listener_statuses"][0]["local_address"]["socket_address"];
        let port = address["port_value"].as_u64().and_then(|port| u16::try_from(port).ok());
        SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_else(|| panic!("no listener: {listeners}"))))
    }

    /// A page of the admin interface.
    pub fn get(&self, target: &str) -> Response {
        super::http::send(self.admin, &Request::get(target))
    }

    /// A command to the admin interface.
    pub fn post(&self, target: &str) -> Response {
        super::http::send(self.admin, &Request::post(target, ""))
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.options.file(&self.dir, "envoy.log")).unwrap_or_default())
            .into_owned()
    }

    /// The last lines of the log, for a test that failed, without the long list of extensions that Envoy starts with.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().filter(|line| !line.contains("[info][main]")).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// A field of /proc/PID/status that is in kB, such as `VmRSS`, in bytes.
    pub fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("is it running?");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        kilobytes.and_then(|number| number.parse::<u64>().ok()).expect("a number of kB") * 1024
    }

    /// Sends a signal by its name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.pid());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("cannot run sh");
        assert!(sent.success(), "{kill}: {sent}");
    }

    /// Waits until the process has ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait().expect("cannot wait for Envoy")
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the end of Envoy's log ---\n{}\n---", self.log_tail());
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts the process. Its log is written behind that of the one before.
fn spawn(dir: &Path, config: &Path, options: &EnvoyOptions) -> Child {
    let [admin, log] = ["admin", "envoy.log"].map(|name| options.file(dir, name));
    // Not by --log-path: Envoy writes to that every ten seconds only.
    let log = std::fs::File::options().create(true).append(true).open(log).expect("cannot write");
    let _ = std::fs::remove_file(&admin); // it names the port of the Envoy before, which may be another's by now
    command(options.processor)
        .arg("-c")
        .arg(config)
        .args(hot_restart(dir, options.epoch))
        .args(["--concurrency", &options.concurrency.to_string()])
        .args(["--log-level", &options.log_level])
        .args(["--component-log-level", &format!("wasm:{}", options.filter_log_level)])
        .args(&options.arguments)
        .arg("--admin-address-path")
        .arg(admin)
        .env_clear() // what runs the tests must not reach the filter
        .envs(options.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        .spawn()
        .expect("cannot start Envoy")
}

/// The options by which one process finds the one before it, or is the first, or stands alone.
fn hot_restart(dir: &Path, epoch: Option<u32>) -> Vec<String> {
    let file = dir.join("base-id");
    match epoch {
        None => vec!["--disable-hot-restart".into()],
        Some(0) => {
            let file = file.to_str().expect("a path in UTF-8");
            vec!["--use-dynamic-base-id".into(), "--base-id-path".into(), file.into()]
        }
        Some(epoch) => {
            let id = std::fs::read_to_string(&file).expect("the first process wrote it").trim().to_owned();
            vec!["--base-id".into(), id, "--restart-epoch".into(), epoch.to_string()]
        }
    }
}

/// Envoy, on one processor or on any. `taskset` becomes Envoy, so the process is the same.
fn command(processor: Option<usize>) -> Command {
    let Some(processor) = processor else { return Command::new(binary()) };
    let mut command = Command::new("/usr/bin/taskset");
    command.args(["--cpu-list", &processor.to_string()]).arg(binary());
    command
}

/// `ENVOY`, else the one that the set-up fetched.
pub fn binary() -> PathBuf {
    let own = std::env::var_os("ENVOY").filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = own.unwrap_or_else(|| root().join(".tools/envoy-1.40.0/envoy"));
    assert!(path.is_file(), "there is no Envoy at {}: run `make test`, or set ENVOY", path.display());
    path
}

/// Series of Prometheus' text format: `name{label="value",...} number`.
pub fn series<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
    page.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?.strip_prefix('{')?;
        let (labels, value) = rest.rsplit_once("} ")?;
        Some((labels, value.parse().ok()?))
    })
}

/// Whether `labels`, as they stand between the braces, contain all of `wanted`.
pub fn has_labels(labels: &str, wanted: &[(&str, &str)]) -> bool {
    let labels = format!(",{labels},");
    wanted.iter().all(|(name, value)| labels.contains(&format!(",{name}=\"{value}\",")))
}
