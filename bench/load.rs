//! The clients. At a fixed rate with latencies: our own, because each purchase needs a number of its own, and neither wrk nor
//! h2load can do that at a fixed rate. As fast as it goes: wrk.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Connection, root};

/// Connections of clients, where requests are answered at once. Enough that none waits for another's answer.
pub const CLIENTS: usize = 16;

/// Connections that are there before the clock starts.
pub struct Clients(Vec<Connection>);

impl Clients {
    pub fn connect(address: SocketAddr, count: usize) -> Self {
        let open = |_| Connection::open(address).expect("cannot connect to the gateway");
        let connections = (0..count).map(open).collect();
        std::thread::sleep(Duration::from_millis(10)); // for Envoy to accept them
        Self(connections)
    }

    /// Sends the requests, `rate` a second, whether answers come or not, and gives the latencies in microseconds, sorted.
    /// One that was due while all connections were waiting counts from when it was due.
    ///
    /// # Errors
    /// Where an answer is not 200.
    pub fn send(&mut self, requests: &[Vec<u8>], rate: f64) -> Result<Vec<f64>, String> {
        let (next, begun) = (AtomicUsize::new(0), Instant::now() + Duration::from_millis(2));
        let due = || {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((requests.get(at)?, begun + Duration::from_secs_f64(at as f64 / rate)))
        };
        let client = |connection: &mut Connection| {
            let mut latencies = Vec::new();
            while let Some((request, due)) = due() {
                latencies.push(exchange(connection, request, due)?);
            }
            Ok(latencies)
        };
        let latencies = std::thread::scope(|scope| {
            let clients: Vec<_> =
                self.0.iter_mut().map(|connection| scope.spawn(|| client(connection))).collect();
            let of_all = clients.into_iter().map(|client| client.join().expect("a client panicked"));
            of_all.collect::<Result<Vec<Vec<f64>>, String>>()
        });
        let mut latencies = latencies?.concat();
        latencies.sort_by(f64::total_cmp);
        Ok(latencies)
    }
}

/// Sends a request when it is due and reads its answer. Gives the microseconds in between.
fn exchange(connection: &mut Connection, request: &[u8], due: Instant) -> Result<f64, String> {
    let early = due.saturating_duration_since(Instant::now());
    std::thread::sleep(early);
    // The moment by which sleeping took too long is ours, not the gateway's.
    let from = if early.is_zero() { due } else { Instant::now() };
    connection.write(request);
    let answer = connection.try_read().map_err(|error| format!("no answer: {error}"))?;
    if answer.status != 200 {
        return Err(format!("a request was answered {}: {}", answer.status, answer.text()));
    }
    Ok(from.elapsed().as_secs_f64() * 1e6)
}

/// [`Clients::send`] over new connections.
pub fn at_rate(address: SocketAddr, requests: &[Vec<u8>], rate: f64) -> Result<Vec<f64>, String> {
    Clients::connect(address, CLIENTS).send(requests, rate)
}

/// The value below which this share of the sorted ones lies.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// Sends `template` as fast as answers come, for whole seconds, and gives the answers a second.
///
/// # Errors
/// Where wrk can't be run, or an answer is none or not 200.
pub fn flat_out(address: SocketAddr, template: &[u8], seconds: u64, dir: &Path) -> Result<f64, String> {
    static RUN: AtomicUsize = AtomicUsize::new(0);
    let file = dir.join("request");
    std::fs::write(&file, template).map_err(|error| error.to_string())?;
    let output = Command::new("wrk")
        .args(["-t1", &format!("-c{CLIENTS}"), &format!("-d{seconds}s"), "-s"])
        .arg(root().join("bench/lua/wrk.lua"))
        .arg(format!("http://{address}/"))
        .arg("--")
        .arg(&file)
        .arg((RUN.fetch_add(1, Ordering::Relaxed) + 1).to_string())
        .output()
        .map_err(|error| format!("wrk: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") || text.contains("Socket errors") || !output.status.success() {
        return Err(format!("wrk: {text}{}", String::from_utf8_lossy(&output.stderr)));
    }
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:")?.trim().parse().ok());
    rate.ok_or_else(|| format!("wrk does not say how many: {text}"))
}
