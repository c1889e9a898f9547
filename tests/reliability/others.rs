//! The other traffic of a worker that holds requests, and how long its clients wait.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::load::OnDrop;
use crate::support::held::CLIENT_KEY;
use crate::support::orders::order;
use crate::support::{Connection, Gateway, Request};

/// The kinds of it: requests that the filter sees and doesn't track, and purchases of browsers.
pub const KINDS: [&str; 2] = ["untracked requests", "tracking requests"];
/// Requests a second, of each kind.
const RATE: f64 = 200.0;
/// Passes the filter on its way to the collector.
const UNTRACKED: &str = "/v1/projects/k_shop/settings";

/// The 99th percentile of the latencies of each of [`KINDS`], in microseconds.
pub type Slowest = [f64; 2];

/// The clients, with a connection for each kind.
pub struct Others {
    connections: [Connection; 2],
    /// Orders that were answered 200. Their ids begin at 0.
    pub accepted: u64,
    /// Requests of either kind that were answered otherwise.
    pub refused: u64,
}

impl Others {
    /// Clients of the gateway that have sent nothing yet.
    pub fn of(gateway: &Gateway) -> Self {
        Self { connections: [gateway.connect(), gateway.connect()], accepted: 0, refused: 0 }
    }

    /// Sends requests of each kind at their rate while `meanwhile` runs. Returns their 99th percentiles, and what `meanwhile` gave.
    ///
    /// # Panics
    /// Where a request gets no answer.
    pub fn during<T>(&mut self, meanwhile: impl FnOnce() -> T) -> (Slowest, T) {
        let over = AtomicBool::new(false);
        let first = self.accepted;
        let [untracked, tracking] = &mut self.connections;
        let (results, result) = std::thread::scope(|scope| {
            let clients = [
                scope.spawn(|| client(untracked, &over, |_| Request::get(UNTRACKED))),
                scope.spawn(|| {
                    client(tracking, &over, |number| order(first + number).header("x-write-key", CLIENT_KEY))
                }),
            ];
            // Also when it panics: else the clients would never end.
            let result = {
                let _over = OnDrop(|| over.store(true, Ordering::Relaxed));
                meanwhile()
            };
            (clients.map(|client| client.join().expect("a client panicked")), result)
        });
        let [(_, refused_untracked), (tracked, refused_tracking)] = &results;
        self.accepted += tracked.len() as u64;
        self.refused += refused_untracked + refused_tracking;
        (results.map(|(latencies, _)| percentile_99(latencies)), result)
    }
}

/// Sends requests, each when it is due, until it is over. Returns the latencies of those that were answered 200, and the number of others.
/// One that was due while another had no answer yet counts from when it was due.
fn client(
    connection: &mut Connection,
    over: &AtomicBool,
    request: impl Fn(u64) -> Request,
) -> (Vec<f64>, u64) {
    let begun = Instant::now();
    let (mut latencies, mut refused) = (Vec::new(), 0);
    for number in 0.. {
        let due = begun + Duration::from_secs_f64(number as f64 / RATE);
        let early = due.saturating_duration_since(Instant::now());
        std::thread::sleep(early);
        if over.load(Ordering::Relaxed) {
            break;
        }
        // The moment by which sleeping took too long is ours, not the gateway's.
        let from = if early.is_zero() { due } else { Instant::now() };
        match connection.send(&request(number)).status {
            200 => latencies.push(from.elapsed().as_secs_f64() * 1e6),
            _ => refused += 1,
        }
    }
    (latencies, refused)
}

fn percentile_99(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * 0.99).ceil() as usize;
    values.get(at.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

/// The value in the middle; of two, the larger one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
