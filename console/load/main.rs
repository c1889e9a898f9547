//! Ten thousand records a second into the console for half a minute: what is kept, what is dropped and counted, and how quickly it
//! answers meanwhile. `scripts/cargo test --profile fuzz -p conversion-relay-console --test load -- [RECORDS A SECOND] [SECONDS] [PATH]`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../tests/fleet/kit.rs"]
mod kit;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use kit::{GATEWAY_TOKEN, Program, VIEWER_TOKEN, with_token};
use serde_json::json;
use support::{Connection, Request, TempDir};

/// Records in one request, as the filter sends them at most.
const BATCH: u64 = 100;
const SENDERS: u64 = 4;
/// Between two requests of somebody who looks on.
const LOOK: Duration = Duration::from_millis(50);

fn batch(sender: u64, number: u64) -> String {
    let lines = (0..BATCH).map(|at| {
        let id = number * BATCH + at;
        let record = json!({"version": 1, "time": "2026-11-29T12:00:00.000Z", "gateway": format!("gw-{sender}"),
            "plugin": "conversion-relay", "what": "ended", "source": "shop", "integration": "Podsights Production",
            "vendor": "podsights", "outcome": "delivered", "explanation": "the vendor accepted it",
            "event": {"type": "track", "name": "Order Completed", "order_id": format!("ORD-{sender}-{id}"),
                "message_id": format!("m-{sender}-{id}")},
            "request": {"method": "POST", "authority": "pdst.fm", "path": "/v1/events", "headers": {},
                "body": {"filler": "x".repeat(700)}},
            "attempts": [{"status": 200, "ms": 40}]});
        format!("{record}\n")
    });
    lines.collect()
}

/// Sends so many batches a second. Returns how many records were answered with 2xx, and how many not.
fn send(address: SocketAddr, sender: u64, a_second: u64, until: Instant) -> (u64, u64) {
    let mut connection = Connection::open(address).unwrap();
    let begun = Instant::now();
    let (mut taken, mut refused) = (0, 0);
    for number in 0.. {
        let due = begun + Duration::from_secs_f64(number as f64 / a_second as f64);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if Instant::now() > until {
            break;
        }
        let request = with_token(Request::post("/v1/records", batch(sender, number)), GATEWAY_TOKEN);
        match connection.send(&request).status {
            200 => taken += BATCH,
            503 => refused += BATCH,
            other => panic!("{other}"),
        }
    }
    (taken, refused)
}

/// The processor's time that a process has taken, and the memory that it has, from /proc.
fn usage(pid: u32) -> (f64, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = [11, 12].map(|at| fields[at].parse::<f64>().unwrap()).iter().sum();
    let pages: u64 = fields[21].parse().unwrap();
    (ticks / 100.0, pages * 4096)
}

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let number = |at: usize, default: u64| arguments.get(at).map_or(default, |text| text.parse().unwrap());
    let (a_second, seconds) = (number(0, 10_000), number(1, 30));
    let path = arguments.get(2).map_or("/v1/admin/intake", String::as_str).to_owned();
    let dir = TempDir::new();
    let program = Program::start(&dir.0);
    let (address, id) = (program.address, program.process.id());

    let begun = Instant::now();
    let until = begun + Duration::from_secs(seconds);
    let (taken, refused) = (AtomicU64::default(), AtomicU64::default());
    let mut looks: Vec<Duration> = Vec::new();
    let mut peak = 0;
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let (taken, refused) = (&taken, &refused);
            scope.spawn(move || {
                let sent = send(address, sender, (a_second / BATCH / SENDERS).max(1), until);
                taken.fetch_add(sent.0, Relaxed);
                refused.fetch_add(sent.1, Relaxed);
            });
        }
        let mut connection = Connection::open(address).unwrap();
        while Instant::now() < until {
            let asked = Instant::now();
            // Beyond the limit of 100 requests a minute the answer is another one, and comes from the same server.
            connection.send(&with_token(Request::get(&path), VIEWER_TOKEN));
            looks.push(asked.elapsed());
            peak = peak.max(usage(id).1);
            std::thread::sleep(LOOK);
        }
    });
    let took = begun.elapsed().as_secs_f64();
    let (cpu, _) = usage(id);
    std::thread::sleep(Duration::from_secs(1));
    let counts = Connection::open(address)
        .unwrap()
        .send(&with_token(Request::get("/v1/admin/intake"), kit::ADMIN_TOKEN))
        .json();
    looks.sort();
    let at = |share: f64| looks[((looks.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "sent          {:.0} records a second for {took:.1} s",
        (taken.load(Relaxed) + refused.load(Relaxed)) as f64 / took
    );
    println!("answered 200  {} records; 503: {}", taken.load(Relaxed), refused.load(Relaxed));
    println!("counted       {}", counts["records"]);
    println!(
        "GET {path}: median {:.1} ms, p99 {:.1} ms, longest {:.1} ms of {}",
        at(0.5),
        at(0.99),
        at(1.0),
        looks.len()
    );
    println!("processor     {:.2} of one; memory at most {} MB", cpu / took, peak >> 20);
    let database = std::fs::metadata(dir.0.join("console.db")).unwrap().len();
    println!("database      {} MB", database >> 20);
}
