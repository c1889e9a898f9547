//! The Envoy that is measured: one worker, all of it on a processor of its own.

use std::net::SocketAddr;
use std::time::Duration;

use crate::arms::Setup;
use crate::gateway::{Surroundings, Wire, write};
use crate::sink::{Sink, quiet};
use crate::support::{Connection, Envoy, TempDir, sum, wait_until_every};

/// The processor of what is measured, and that of everything else.
pub const MEASURED: usize = 0;
pub const OTHERS: usize = 1;

/// Between two looks at whether Envoy is idle, and the processor time in between by which it is: its timers take less.
const LOOK: Duration = Duration::from_millis(40);
const IDLE_USES: Duration = Duration::from_micros(800);

/// In what it differs from the others.
#[derive(Clone, Copy)]
pub struct Variant {
    pub workers: u32,
    pub wire: Wire,
    /// Its vendors take two seconds, and it may have as many callouts open as can be configured.
    pub slow_vendors: bool,
    /// Its log has each call of the host into the VM.
    pub traced: bool,
}

impl Variant {
    pub const USUAL: Self = Self { workers: 1, wire: Wire::Shipped, slow_vendors: false, traced: false };
}

pub struct Subject {
    envoy: Envoy,
    /// From its call to its first answer to /ready and its first connection.
    pub started_in: Duration,
    _dir: TempDir,
}

impl Subject {
    pub fn start(setup: Setup, sink: &Sink, variant: Variant) -> Self {
        let dir = TempDir::new();
        let vendors = match (variant.wire, variant.slow_vendors) {
            (Wire::Plain, _) => "plain ",
            (Wire::Shipped, true) => "slow ",
            (Wire::Shipped, false) => "",
        };
        let surroundings = Surroundings {
            wire: variant.wire,
            collector: sink.port("collector"),
            flashtalking: sink.port(&format!("{vendors}flashtalking")),
            podsights: sink.port(&format!("{vendors}podsights")),
            records: sink.port("records"),
            ca: sink.ca(),
            max_in_flight: variant.slow_vendors.then_some(1024),
            dir: &dir.0,
        };
        let config = write(setup, &surroundings);
        let mut options = quiet(Some(MEASURED));
        options.concurrency = variant.workers;
        if variant.traced {
            options.filter_log_level = "trace".into();
        }
        let envoy = Envoy::start(&dir.0, &config, &options);
        Connection::open(envoy.listener).expect("it says that it is ready");
        let started_in = envoy.begun.elapsed();
        Self { envoy, started_in, _dir: dir }
    }

    pub fn address(&self) -> SocketAddr {
        self.envoy.listener
    }

    pub fn pid(&self) -> u32 {
        self.envoy.pid()
    }

    /// Processor time of all its threads so far, user and system: Linux keeps it in nanoseconds, and /proc/PID/stat
    /// only shows ticks of ten milliseconds.
    pub fn cpu(&self) -> Duration {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.envoy.pid())).expect("is it running?");
        let of_thread = |thread: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        Duration::from_nanos(threads.filter_map(of_thread).sum())
    }

    /// [`Subject::cpu`], once it has nothing left to do: all the while it used next to none of its processor.
    ///
    /// # Errors
    /// Where it is still busy after half a minute.
    pub fn cpu_when_idle(&self) -> Result<Duration, String> {
        let mut last = self.cpu();
        std::thread::sleep(LOOK);
        let idle = wait_until_every(LOOK, Duration::from_secs(30), || {
            let before = std::mem::replace(&mut last, self.cpu());
            last - before < IDLE_USES
        });
        if idle { Ok(last) } else { Err("Envoy is busy half a minute after the last request".into()) }
    }

    pub fn resident_bytes(&self) -> u64 {
        self.envoy.memory("VmRSS")
    }

    pub fn log(&self) -> String {
        self.envoy.log()
    }

    /// Deliveries that were matched, and those that have come to an end; of the latter those that were dropped. The answer
    /// costs the measured processor time, so nothing else is asked for.
    pub fn deliveries(&self) -> Deliveries {
        const NAME: &str = "conversion_relay_deliveries_total";
        let page = self.envoy.get("/stats/prometheus?filter=conversion_relay").text();
        let count = |outcome: &str| sum(&page, NAME, &[("outcome", outcome)]);
        let (matched, delivered, dropped) = (count("matched"), count("delivered"), count("dropped"));
        let dry_run = count("dry_run");
        let ignored = sum(&page, "conversion_relay_requests_ignored_total", &[]);
        Deliveries { matched, delivered, dropped, dry_run, ignored }
    }

    /// Waits until the filter has nothing left to deliver. Under load its books balance now and then; they have to stay so.
    ///
    /// # Errors
    /// Where that takes longer than a minute.
    pub fn settled(&self) -> Result<Deliveries, String> {
        let mut last = self.deliveries();
        let settled = wait_until_every(Duration::from_millis(300), Duration::from_secs(60), || {
            let before = std::mem::replace(&mut last, self.deliveries());
            last == before && last.matched == last.delivered + last.dropped + last.dry_run
        });
        if settled { Ok(last) } else { Err(format!("deliveries are pending after a minute: {last:?}")) }
    }
}

/// The filter's books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deliveries {
    pub matched: u64,
    pub delivered: u64,
    pub dropped: u64,
    pub dry_run: u64,
    /// Whole requests that were not looked into.
    pub ignored: u64,
}
