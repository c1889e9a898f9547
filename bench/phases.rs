//! What a round consists of. Each phase sends its requests, waits until all that follows from them is done, checks that it
//! was, and only then looks at the clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::arms::{Arm, SETUPS, Setup};
use crate::load::{CLIENTS, Clients, at_rate, flat_out, percentile};
use crate::payloads::{PAYLOADS, Payload, other};
use crate::results::{Measure, Results};
use crate::sink::{Counts, SLOW, Sink};
use crate::subject::{Subject, Variant};
use crate::support::TempDir;

/// How long things are let alone after the last request has arrived: for answers, and for what should not come.
const REST: Duration = Duration::from_millis(100);
/// Between a start and a look at the memory.
const IDLE: Duration = Duration::from_millis(500);
/// Requests in the probe that the rates are set by.
const PROBE: usize = 100;
const PROBE_RATE: f64 = 300.0;
/// Requests, callouts included, that the sink's and the clients' processor is good for a second, with a wide margin.
const OTHERS_CAN: f64 = 6_000.0;

/// How long things are measured.
#[derive(Clone, Copy)]
pub struct Pace {
    pub rounds: usize,
    /// Seconds of load for each payload and arm.
    pub load: f64,
    pub flat_out: u64,
    pub slow_vendors: f64,
    pub batches: f64,
    pub most_workers: u32,
}

impl Pace {
    pub fn full() -> Self {
        Self { rounds: 5, load: 0.8, flat_out: 1, slow_vendors: 2.0, batches: 2.5, most_workers: 3 }
    }

    pub fn quick() -> Self {
        Self { rounds: 1, load: 0.3, flat_out: 1, slow_vendors: 0.5, batches: 0.8, most_workers: 2 }
    }
}

/// The gateways of a round.
pub struct Round<'r> {
    pub number: usize,
    pub sink: &'r Sink,
    pub pace: Pace,
    subjects: BTreeMap<Setup, Subject>,
}

/// Requests a second for each payload.
pub type Rates = BTreeMap<Payload, f64>;

struct Cost {
    cpu: f64,
    latencies: Vec<f64>,
}

impl<'r> Round<'r> {
    /// Starts a gateway of each kind, in another order each round.
    pub fn begin(number: usize, sink: &'r Sink, pace: Pace) -> Self {
        let mut subjects = BTreeMap::new();
        for setup in rotated(&SETUPS, number) {
            let subject = Subject::start(setup, sink, Variant::USUAL);
            subjects.insert(setup, subject);
        }
        Self { number, sink, pace, subjects }
    }

    fn subject(&self, arm: &Arm) -> &Subject {
        &self.subjects[&arm.setup]
    }

    /// Half of what the arm that costs most can take, by a short probe.
    pub fn rates(&self) -> Result<Rates, String> {
        let rate = |payload: Payload| {
            let (probe, rate) = if payload.events() >= 500 { (4, 8.0) } else { (PROBE, PROBE_RATE) };
            let mut dearest = 0.0_f64;
            for arm in payload.arms().iter().map(|letter| Arm::of(*letter)).filter(|arm| arm.can_be_dear()) {
                self.cost(arm, payload, probe, rate)?; // for connections and for LuaJIT
                dearest = dearest.max(self.cost(arm, payload, probe, rate)?.cpu);
            }
            let most = |letter: &char| payload.callouts(Arm::of(*letter));
            let callouts = payload.arms().iter().map(most).map(|(one, other)| one + other).max().unwrap_or(0);
            Ok((payload, (0.5e6 / dearest).min(OTHERS_CAN / (1 + callouts) as f64)))
        };
        PAYLOADS.iter().map(|payload| rate(*payload)).collect()
    }

    fn cost(&self, arm: &Arm, payload: Payload, count: usize, rate: f64) -> Result<Cost, String> {
        let subject = self.subject(arm);
        let requests = payload.requests(arm, count);
        let expected = self.sink.counts() + following(payload, arm, count as u64);
        let mut clients = Clients::connect(subject.address());
        let before = subject.cpu();
        let latencies = clients.send(&requests, rate);
        let done = latencies.and_then(|latencies| self.sink.expect(expected, REST).map(|()| latencies));
        let latencies = done.map_err(|error| format!("{}, {}: {error}", arm.label(), payload.name()))?;
        let cpu = (subject.cpu() - before).as_secs_f64() * 1e6 / count as f64;
        Ok(Cost { cpu, latencies })
    }

    /// Processor time for each payload and arm, each arm twice; with the purchase its latencies too.
    pub fn costs(&self, rates: &Rates, results: &mut Results, say: &dyn Fn(&str)) -> Result<(), String> {
        for payload in PAYLOADS {
            let rate = rates[&payload];
            let count = ((rate * self.pace.load) as usize).max(if payload.events() >= 500 { 4 } else { 20 });
            say(&format!("{}: {count} requests at {rate:.0}/s through each arm, twice", payload.name()));
            for turn in 0..2 {
                for letter in rotated(payload.arms(), self.number + turn) {
                    let cost = self.cost(Arm::of(letter), payload, count, rate)?;
                    results.add(Measure::Cpu(payload), letter, cost.cpu);
                    if payload == Payload::Purchase {
                        results.add(Measure::Median, letter, percentile(&cost.latencies, 0.5));
                        results.add(Measure::Percentile99, letter, percentile(&cost.latencies, 0.99));
                    }
                }
            }
        }
        Ok(())
    }

    /// As many purchases as an arm takes. The filter answers before it delivers, so it can take more than it can deliver;
    /// what it then refuses is counted.
    pub fn flat_out(&self, results: &mut Results) -> Result<(), String> {
        let dir = TempDir::new();
        for turn in 0..2 {
            for letter in rotated(Payload::Purchase.arms(), self.number + turn) {
                let arm = Arm::of(letter);
                let subject = self.subject(arm);
                let template = Payload::Purchase.template(arm);
                let (books, arrived) = (subject.deliveries(), self.sink.counts());
                let (cpu, begun) = (subject.cpu(), Instant::now());
                let rate = flat_out(subject.address(), &template, self.pace.flat_out, &dir.0)
                    .map_err(|error| format!("{}: {error}", arm.label()))?;
                let busy = (subject.cpu() - cpu).as_secs_f64() / begun.elapsed().as_secs_f64();
                results.add(Measure::Throughput, letter, rate);
                results.add(Measure::Busy, letter, 100.0 * busy);
                let mut refused = 0;
                if arm.setup == Setup::Relay && !arm.switched_off {
                    let after = subject.settled()?;
                    refused = after.dropped - books.dropped + 2 * (after.ignored - books.ignored);
                    let asked = after.matched - books.matched + 2 * (after.ignored - books.ignored);
                    results.add(Measure::Refused, letter, 100.0 * refused as f64 / asked.max(1) as f64);
                }
                std::thread::sleep(3 * REST); // calls that a script has let go of are still on their way
                let after = self.sink.counts();
                let cpu = (subject.cpu() - cpu).as_secs_f64() * 1e6;
                results.add(Measure::CpuFlatOut, letter, cpu / (after.collector - arrived.collector) as f64);
                worked(arm, arrived, after, refused)
                    .map_err(|error| format!("{}, flat out: {error}", arm.label()))?;
            }
        }
        Ok(())
    }

    /// The tracked request while each vendor takes two seconds.
    pub fn slow_vendors(&self, results: &mut Results) -> Result<(), String> {
        const RATE: f64 = 300.0;
        let count = (RATE * self.pace.slow_vendors) as usize;
        let variant = Variant { slow_vendors: true, ..Variant::USUAL };
        let slow = Subject::start(Setup::Relay, self.sink, variant);
        // The first of them open connections to the vendors, one for each callout that waits; that is over in two seconds.
        let first = Payload::Purchase.requests(Arm::of('e'), (RATE * SLOW.as_secs_f64()) as usize);
        let expected = self.sink.counts() + following(Payload::Purchase, Arm::of('e'), first.len() as u64);
        at_rate(slow.address(), &first, RATE).and_then(|_| self.sink.expect(expected, SLOW + REST))?;
        for turn in 0..2 {
            for letter in rotated(&['a', 'e'], self.number + turn) {
                let arm = Arm::of(letter);
                let subject = if letter == 'e' { &slow } else { self.subject(arm) };
                let requests = Payload::Purchase.requests(arm, count);
                let expected = self.sink.counts() + following(Payload::Purchase, arm, count as u64);
                let done = at_rate(subject.address(), &requests, RATE).and_then(|latencies| {
                    let rest = if letter == 'e' { SLOW + REST } else { REST };
                    self.sink.expect(expected, rest).map(|()| latencies)
                });
                let latencies = done.map_err(|error| format!("{}, slow vendors: {error}", arm.label()))?;
                results.add(Measure::SlowVendors99, letter, percentile(&latencies, 0.99));
            }
        }
        let books = slow.deliveries();
        if books.delivered == books.matched { Ok(()) } else { Err(format!("slow vendors: {books:?}")) }
    }

    /// Requests that nobody tracks, while a batch of 500 events arrives every 200 ms.
    pub fn others(&self, results: &mut Results) -> Result<(), String> {
        const RATE: f64 = 400.0;
        const BATCHES: f64 = 5.0;
        let (count, batches) =
            ((RATE * self.pace.batches) as usize, (BATCHES * self.pace.batches).ceil() as usize);
        let requests = vec![other(); count];
        for turn in 0..2 {
            for letter in rotated(&['a', 'd', 'e', 'h'], self.number + turn) {
                let arm = Arm::of(letter);
                let address = self.subject(arm).address();
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
    pub fn idle(self, results: &mut Results) {
        let Self { number, sink, pace, subjects } = self;
        drop(subjects);
        let kinds = rotated(&[('a', Setup::Bare), ('e', Setup::Relay), ('h', Setup::Empty)], number);
        for workers in 1..=pace.most_workers {
            for (letter, setup) in [&kinds[..], &kinds[..]].concat() {
                let subject = Subject::start(setup, sink, Variant { workers, ..Variant::USUAL });
                if workers == 1 {
                    results.add(Measure::Start, letter, subject.started_in.as_secs_f64() * 1e3);
                }
                std::thread::sleep(IDLE);
                results.add(Measure::Memory(workers), letter, subject.resident_bytes() as f64 / 1e6);
            }
        }
    }
}

/// Whether the vendors got about two requests for each purchase that the collector got, but for those that were refused. wrk
/// leaves while it waits for answers, so on each connection one may have come halfway.
fn worked(arm: &Arm, before: Counts, after: Counts, refused: u64) -> Result<(), String> {
    let purchases = after.collector - before.collector;
    let (flashtalking, podsights) = Payload::Purchase.callouts(arm);
    let expected = (flashtalking + podsights) * purchases - refused;
    let arrived = after.flashtalking - before.flashtalking + after.podsights - before.podsights;
    if arrived.abs_diff(expected) <= 2 * CLIENTS as u64 {
        return Ok(());
    }
    Err(format!("{arrived} requests at the vendors after {purchases} purchases, {refused} refused"))
}

/// What should arrive because of so many requests.
pub fn following(payload: Payload, arm: &Arm, requests: u64) -> Counts {
    let (flashtalking, podsights) = payload.callouts(arm);
    Counts { collector: requests, flashtalking: flashtalking * requests, podsights: podsights * requests }
}

/// The same things, beginning with another one: whoever comes first has no advantage over all rounds.
fn rotated<T: Copy>(things: &[T], by: usize) -> Vec<T> {
    let by = by % things.len();
    [&things[by..], &things[..by]].concat()
}
