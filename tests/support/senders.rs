//! Clients that keep count of each order, through a server that goes away.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Connection, Request};

/// Connections of clients: enough for answers that wait for a disk.
pub const CLIENTS: usize = 8;
/// Between two tries to reach a server that is down.
const RECONNECT: Duration = Duration::from_millis(5);
/// Before an order is sent again that was refused.
const AGAIN: Duration = Duration::from_millis(200);

/// An answer as its client saw it.
#[derive(Clone, Copy)]
pub struct Answer {
    pub order: u64,
    pub status: u16,
    pub sent: Instant,
    pub took: Duration,
}

impl Answer {
    pub fn accepts(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// What the clients sent, and how it was answered.
pub struct Sent {
    pub answers: Vec<Answer>,
    /// Requests that were sent, at least in part, and never answered.
    pub unanswered: u64,
}

impl Sent {
    /// The orders that were accepted.
    pub fn accepted(&self) -> HashSet<u64> {
        self.answers.iter().filter(|answer| answer.accepts()).map(|answer| answer.order).collect()
    }

    /// How many answers were no acceptance.
    pub fn refused(&self) -> u64 {
        self.answers.iter().filter(|answer| !answer.accepts()).count() as u64
    }
}

/// Where orders go, and what is done with one that is not accepted.
pub struct Senders<'a> {
    pub address: SocketAddr,
    pub request: &'a (dyn Fn(u64) -> Request + Sync),
    /// Orders a second, as long as the server takes them.
    pub rate: u64,
    /// How many are to be accepted at least.
    pub least: u64,
    /// Whether an order is sent until it is accepted. If not, each is sent once.
    pub again: bool,
}

impl Senders<'_> {
    /// Sends orders while `meanwhile` runs, and on until there are enough. What has begun by then is brought to its end.
    pub fn send<T>(&self, meanwhile: impl FnOnce() -> T) -> (Sent, T) {
        let (next, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
        let (unanswered, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let abandoned = AtomicBool::new(false); // where `meanwhile` panics, with a server that may never come back
        let answers = Mutex::new(Vec::new());
        let begun = Instant::now();
        let client = || {
            let mut link = Link { address: self.address, connection: None, abandoned: &abandoned };
            loop {
                let order = next.fetch_add(1, Ordering::Relaxed);
                let due = begun + Duration::from_secs(1).mul_f64(order as f64 / self.rate as f64);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let request = (self.request)(order);
                loop {
                    let sent = Instant::now();
                    let status = link.send(&request);
                    let Some(status) = status else {
                        unanswered.fetch_add(1, Ordering::Relaxed);
                        if self.again && !abandoned.load(Ordering::Relaxed) { continue } else { break }
                    };
                    let answer = Answer { order, status, sent, took: sent.elapsed() };
                    answers.lock().unwrap().push(answer);
                    accepted.fetch_add(u64::from(answer.accepts()), Ordering::Relaxed);
                    if answer.accepts() || !self.again || abandoned.load(Ordering::Relaxed) {
                        break;
                    }
                    std::thread::sleep(AGAIN);
                }
            }
        };
        let result = std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(client);
            }
            let _stop = OnDrop(|| {
                stop.store(true, Ordering::Relaxed);
                abandoned.store(std::thread::panicking(), Ordering::Relaxed);
            });
            let result = meanwhile();
            while accepted.load(Ordering::Relaxed) < self.least {
                std::thread::sleep(Duration::from_millis(50));
            }
            result
        });
        let answers = answers.into_inner().unwrap();
        (Sent { answers, unanswered: unanswered.into_inner() }, result)
    }
}

/// A client's connection, made anew where the server has gone.
struct Link<'a> {
    address: SocketAddr,
    connection: Option<Connection>,
    abandoned: &'a AtomicBool,
}

impl Link<'_> {
    /// Waits until the server can be reached, and sends. `None`: no answer came.
    fn send(&mut self, request: &Request) -> Option<u16> {
        let mut connection = loop {
            if let Some(connection) = self.connection.take() {
                break connection;
            }
            match Connection::open(self.address) {
                Ok(connection) => break connection,
                Err(_) if self.abandoned.load(Ordering::Relaxed) => return None,
                Err(_) => std::thread::sleep(RECONNECT),
            }
        };
        let response = connection.try_send(request).ok()?;
        if response.header("connection").is_none_or(|value| value != "close") {
            self.connection = Some(connection);
        }
        Some(response.status)
    }
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
