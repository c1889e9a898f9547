//! What a gateway does at its limits: as many requests as it takes, vendors that are slow, large batches beside other requests. And
//! what it needs while nothing happens.

use std::time::{Duration, Instant};

use crate::arms::{Arm, Setup};
use crate::load::{CLIENTS, at_rate, flat_out, percentile};
use crate::payloads::{Payload, other};
use crate::phases::{Pace, REST, Round, following, middle, rotated};
use crate::results::{Measure, Results};
use crate::sink::{Counts, SLOW};
use crate::subject::{Subject, Variant};
use crate::support::TempDir;

/// Between a start and a look at the memory.
const IDLE: Duration = Duration::from_millis(500);

/// Requests a second, percent of its processor that Envoy used, percent of the deliveries refused, processor time a request.
struct FlatOut {
    rate: f64,
    busy: f64,
    refused: f64,
    cpu: f64,
}

impl Round<'_> {
    /// As many requests as an arm takes. The filter answers before it delivers, so it can take more than it can deliver;
    /// what it then refuses is counted.
    pub fn flat_out(&self, payload: Payload, letters: &[char], results: &mut Results) -> Result<(), String> {
        let dir = TempDir::new();
        let slice = |arm: &Arm, process| {
            let done = self.flat_out_once(payload, arm, process, &dir);
            done.map_err(|error| format!("{}, {}, flat out: {error}", arm.label(), payload.name()))
        };
        let Pace { aside, flat_out_slices, .. } = self.pace;
        for ((letter, _), slices) in self.in_slices(letters, aside, flat_out_slices, slice)? {
            let mut add = |measure: fn(Payload) -> Measure, value: fn(&FlatOut) -> f64| {
                results.add(measure(payload), letter, middle(slices.iter().map(value)));
            };
            add(Measure::Throughput, |slice| slice.rate);
            add(Measure::Busy, |slice| slice.busy);
            add(Measure::CpuFlatOut, |slice| slice.cpu);
            if Arm::of(letter).relays() {
                add(Measure::Refused, |slice| slice.refused);
            }
        }
        Ok(())
    }

    fn flat_out_once(
        &self,
        payload: Payload,
        arm: &Arm,
        process: usize,
        dir: &TempDir,
    ) -> Result<FlatOut, String> {
        let subject = self.subject(arm, process);
        let template = payload.template(arm);
        let (books, arrived) = (subject.deliveries(), self.sink.counts());
        let (cpu, begun) = (subject.cpu(), Instant::now());
        let rate = flat_out(subject.address(), &template, self.pace.flat_out, &dir.0)?;
        let busy = (subject.cpu() - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
        let (mut refused, mut asked) = (0, 0);
        if arm.relays() && payload.callouts(arm) != (0, 0) {
            let after = subject.settled()?;
            let ignored = 2 * (after.ignored - books.ignored);
            refused = after.dropped - books.dropped + ignored;
            asked = after.matched - books.matched + ignored;
        }
        std::thread::sleep(REST); // calls that a script has let go of are still on their way
        let cpu = (subject.cpu_when_idle()? - cpu).as_secs_f64() * 1e6;
        let after = self.sink.counts();
        worked(payload, arm, arrived, after, refused)?;
        Ok(FlatOut {
            rate,
            busy: 100.0 * busy,
            refused: 100.0 * refused as f64 / asked.max(1) as f64,
            cpu: cpu / (after.collector - arrived.collector) as f64,
        })
    }

    /// The tracked request while each vendor takes two seconds.
    pub fn slow_vendors(&self, results: &mut Results) -> Result<(), String> {
        const RATE: f64 = 300.0;
        let count = (RATE * self.pace.slow_vendors) as usize;
        let variant = Variant { slow_vendors: true, ..Variant::USUAL };
        for process in 0..self.pace.aside {
            let slow = Subject::start(Setup::Relay, self.sink, variant);
            // The first of them open connections to the vendors, as many as it takes for all that wait; that is over in two seconds.
            let first = Payload::Purchase.requests(Arm::of('e'), (RATE * SLOW.as_secs_f64()) as usize);
            let expected =
                self.sink.counts() + following(Payload::Purchase, Arm::of('e'), first.len() as u64);
            at_rate(slow.address(), &first, RATE).and_then(|_| self.sink.expect(expected, SLOW + REST))?;
            for letter in rotated(&['a', 'e'], self.number + process) {
                let arm = Arm::of(letter);
                let subject = if letter == 'e' { &slow } else { self.subject(arm, process) };
                let requests = Payload::Purchase.requests(arm, count);
                let expected = self.sink.counts() + following(Payload::Purchase, arm, count as u64);
                let done = at_rate(subject.address(), &requests, RATE).and_then(|latencies| {
                    let rest = if letter == 'e' { SLOW + REST } else { REST };
                    self.sink.expect(expected, rest).map(|()| latencies)
                });
                let latencies = done.map_err(|error| format!("{}, slow vendors: {error}", arm.label()))?;
                results.add(Measure::SlowVendors99, letter, percentile(&latencies, 0.99));
            }
            let books = slow.deliveries();
            if books.delivered != books.matched {
                return Err(format!("slow vendors: {books:?}"));
            }
        }
        Ok(())
    }

    /// Requests that nobody tracks, while a batch of 500 events arrives every 200 ms.
    pub fn others(&self, results: &mut Results) -> Result<(), String> {
        const RATE: f64 = 400.0;
        const BATCHES: f64 = 5.0;
        let (count, batches) =
            ((RATE * self.pace.batches) as usize, (BATCHES * self.pace.batches).ceil() as usize);
        let requests = vec![other(); count];
        for process in 0..self.pace.aside {
            for letter in rotated(&['a', 'd', 'e', 'h'], self.number + process) {
                let arm = Arm::of(letter);
                let address = self.subject(arm, process).address();
                let large = Payload::Batch500.requests(arm, batches);
                let expected = self.sink.counts()
                    + following(Payload::Batch500, arm, batches as u64)
                    + Counts { collector: count as u64, ..Counts::default() };
                let (latencies, sent) = std::thread::scope(|scope| {
                    let batches = scope.spawn(|| at_rate(address, &large, BATCHES));
                    (at_rate(address, &requests, RATE), batches.join().expect("a client panicked"))
                });
                let latencies = sent.and(latencies).map_err(|error| format!("{}: {error}", arm.label()))?;
                self.sink.expect(expected, REST).map_err(|error| format!("{}: {error}", arm.label()))?;
                results.add(Measure::Others99, letter, percentile(&latencies, 0.99));
            }
        }
        Ok(())
    }

    /// Starts, and memory while nothing happens, by workers. The gateways of the round are gone by then.
    pub fn idle(self, letters: &[char], results: &mut Results) {
        let (number, sink, pace) = self.end();
        let letters = rotated(letters, number);
        for workers in 1..=pace.most_workers {
            for letter in letters.repeat(pace.aside) {
                let subject =
                    Subject::start(Arm::of(letter).setup, sink, Variant { workers, ..Variant::USUAL });
                if workers == 1 {
                    results.add(Measure::Start, letter, subject.started_in.as_secs_f64() * 1e3);
                }
                std::thread::sleep(IDLE);
                results.add(Measure::Memory(workers), letter, subject.resident_bytes() as f64 / 1e6);
            }
        }
    }
}

/// Whether the vendors got what follows from the requests that the collector got, but for what was refused. wrk leaves while
/// it waits for answers, so on each connection one may have come halfway.
fn worked(payload: Payload, arm: &Arm, before: Counts, after: Counts, refused: u64) -> Result<(), String> {
    let requests = after.collector - before.collector;
    let (flashtalking, podsights) = payload.callouts(arm);
    let expected = (flashtalking + podsights) * requests - refused;
    let arrived = after.flashtalking - before.flashtalking + after.podsights - before.podsights;
    if arrived.abs_diff(expected) <= 2 * CLIENTS as u64 {
        return Ok(());
    }
    Err(format!("{arrived} requests at the vendors after {requests} requests, {refused} refused"))
}
