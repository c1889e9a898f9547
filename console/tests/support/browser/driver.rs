//! The processes: a ChromeDriver on a free port and the Chromium that it starts, with a folder for what both write.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

/// How long the driver may take to start, and to end. Each takes a fraction of a second on an idle machine.
const LIMIT: Duration = Duration::from_secs(15);

pub struct Driver {
    process: Child,
    port: u16,
    /// The browser's main process, for the case that the driver doesn't end it.
    chromium: Option<u64>,
    dir: PathBuf,
}

impl Driver {
    /// Starts a ChromeDriver, which chooses a free port and prints it.
    pub fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("browser-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&dir).expect("cannot make a folder for the browser");
        let program = program("CHROMEDRIVER", &["chromedriver"]);
        let mut process = Command::new(&program)
            .args(["--port=0", "--log-level=WARNING"])
            // Profile, caches and crash reports go where the next lines say, and are deleted with it.
            .env("HOME", &dir)
            .env("TMPDIR", &dir)
            .env("XDG_CONFIG_HOME", &dir)
            .env("XDG_CACHE_HOME", &dir)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(dir.join("chromedriver.log")).expect("cannot write"))
            .spawn()
            .unwrap_or_else(|error| panic!("{program} doesn't start ({error}): run `scripts/setup browser`"));

        let output = BufReader::new(process.stdout.take().expect("piped"));
        let (found, port) = mpsc::channel();
        std::thread::spawn(move || {
            // Reads to the end, since a full pipe would stop the driver.
            for line in output.lines().map_while(Result::ok) {
                let port =
                    line.split_once("successfully on port ").map(|(_, port)| port.trim_end_matches('.'));
                if let Some(port) = port.and_then(|port| port.parse().ok()) {
                    let _ = found.send(port);
                }
            }
        });
        let mut driver = Self { process, port: 0, chromium: None, dir };
        driver.port = port.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{program} printed no port"));
        driver
    }

    /// Starts a headless Chromium and returns what commands it.
    pub async fn session(&mut self) -> Client {
        let Value::Object(capabilities) = capabilities() else { unreachable!("an object") };
        let url = format!("http://127.0.0.1:{}", self.port);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&url)
            .await
            .expect("Chromium doesn't start");
        self.chromium = client.capabilities().and_then(|all| all.get("goog:processID")?.as_u64());
        client
    }

    /// The ids of the driver's process and of the browser's.
    pub fn processes(&self) -> [u64; 2] {
        [self.process.id().into(), self.chromium.expect("Chromium was started")]
    }

    /// Asks the driver to end its browser and itself. Whether it does shows in the process.
    fn ask_to_end(&self) -> std::io::Result<()> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_read_timeout(Some(LIMIT))?;
        write!(connection, "GET /shutdown HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        connection.read_to_end(&mut Vec::new()).map(drop)
    }

    fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

/// Blocks, since a test that panics can await nothing any more.
impl Drop for Driver {
    fn drop(&mut self) {
        if self.ask_to_end().is_err() || !self.ends_within(LIMIT) {
            let _ = self.process.kill();
            let _ = self.process.wait();
            if let Some(chromium) = self.chromium {
                let _ = Command::new("kill")
                    .args(["-KILL", &chromium.to_string()])
                    .stderr(Stdio::null())
                    .status();
            }
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn capabilities() -> Value {
    let mut arguments = vec![
        "--headless",
        "--disable-dev-shm-usage", // containers have little of it
        "--disable-gpu",
        "--force-color-profile=srgb",
        "--lang=en-US",
        // A page that asks another host for anything, a font or a script, gets an error, which then fails the test.
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        "--no-proxy-server",
    ];
    if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        arguments.push("--no-sandbox"); // Chromium's sandbox refuses root
    }
    json!({
        "goog:loggingPrefs": { "browser": "ALL" },
        "goog:chromeOptions": { "binary": program("CHROMIUM", &["chromium", "google-chrome"]), "args": arguments },
        "pageLoadStrategy": "normal",
        "unhandledPromptBehavior": "ignore",
    })
}

/// The program that the environment names, otherwise the first of `names` on PATH: `scripts/setup browser` looks for the same.
/// The driver wants its browser by a full path.
fn program(variable: &str, names: &[&str]) -> String {
    if let Some(path) = std::env::var(variable).ok().filter(|path| !path.is_empty()) {
        return path;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<_> = std::env::split_paths(&path).collect();
    let found =
        names.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name))).find(|file| file.is_file());
    let found = found.unwrap_or_else(|| panic!("{names:?}: not on PATH; run `scripts/setup browser`"));
    found.to_str().expect("UTF-8").to_owned()
}
