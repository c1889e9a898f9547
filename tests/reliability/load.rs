//! Conversions at a steady rate, whatever the gateway does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::Gateway;
use crate::support::orders::order;

/// How fast and how long a row runs.
pub struct Pace {
    /// Conversions a second.
    pub rate: u64,
    /// Before the fault, and after it.
    pub healthy: Duration,
    pub fault: Duration,
    /// Conversions, however long they take on a machine that is busy with other things.
    pub least: u64,
    /// What an outage of minutes is cut to.
    pub longest_outage: Duration,
}

impl Pace {
    /// 2,000 conversions and more a row, and ten seconds of fault.
    pub fn full() -> Self {
        Self {
            rate: 110,
            healthy: Duration::from_secs(5),
            fault: Duration::from_secs(10),
            least: 2_000,
            longest_outage: Duration::MAX,
        }
    }

    pub fn quick() -> Self {
        Self {
            rate: 100,
            healthy: Duration::from_secs(1),
            fault: Duration::from_secs(2),
            least: 0,
            longest_outage: Duration::from_secs(12),
        }
    }
}

/// Connections of clients. Their answers come in a millisecond, so few are enough.
const CLIENTS: usize = 4;

/// Sends orders at the rate of `pace` while `meanwhile` runs, and on until there are enough. Gives how many the gateway
/// accepted, and what `meanwhile` gave.
pub fn under_load<T>(gateway: &Gateway, pace: &Pace, meanwhile: impl FnOnce() -> T) -> (u64, T) {
    let (next, accepted, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let begun = Instant::now();
    let client = || {
        let mut connection = gateway.connect();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = begun + Duration::from_secs(1).mul_f64(number as f64 / pace.rate as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if stop.load(Ordering::Relaxed) {
                return;
            }
            if connection.send(&order(number)).status == 200 {
                accepted.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let result = std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(client);
        }
        // Also when it panics: else the clients would never end.
        let _stop = OnDrop(|| stop.store(true, Ordering::Relaxed));
        let result = meanwhile();
        while accepted.load(Ordering::Relaxed) < pace.least {
            std::thread::sleep(Duration::from_millis(50));
        }
        result
    });
    (accepted.into_inner(), result)
}

/// Calls it when it is dropped, also by a panic.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
