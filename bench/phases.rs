//! What a round consists of. Each phase sends its requests, waits until all that follows from them is done, checks that it
//! was, and only then looks at the clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::arms::{Arm, Setup};
use crate::load::{CLIENTS, Clients, at_rate, flat_out, percentile};
use crate::payloads::{PAYLOADS, Payload, other};
use crate::results::{Measure, Results, median};
use crate::sink::{Counts, SLOW, Sink};
use crate::subject::{Subject, Variant};
use crate::support::TempDir;

/// The pieces in which an arm is measured: see [`Round::in_slices`].
const SLICES: usize = 4;
/// The same, flat out.
const FLAT_OUT_SLICES: usize = 3;
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

/// Requests a second, percent of its processor that Envoy used, percent of the deliveries refused, processor time a request.
struct FlatOut {
    rate: f64,
    busy: f64,
    refused: f64,
    cpu: f64,
}

impl<'r> Round<'r> {
    /// Starts a gateway of each kind, in another order each round.
    pub fn begin(number: usize, setups: &[Setup], sink: &'r Sink, pace: Pace) -> Self {
        let mut subjects = BTreeMap::new();
        for setup in rotated(setups, number) {
            let subject = Subject::start(setup, sink, Variant::USUAL);
            subjects.insert(setup, subject);
        }
        Self { number, sink, pace, subjects }
    }

    fn subject(&self, arm: &Arm) -> &Subject {
        &self.subjects[&arm.setup]
    }

    /// The rates of all payloads that the rivals are compared by.
    pub fn rates(&self) -> Result<Rates, String> {
        PAYLOADS.iter().map(|payload| Ok((*payload, self.rate(*payload)?))).collect()
    }

    /// Half of what the arm that costs most can take, by a short probe.
    pub fn rate(&self, payload: Payload) -> Result<f64, String> {
        let (probe, rate) = if payload.events() >= 500 { (4, 8.0) } else { (PROBE, PROBE_RATE) };
        let mut dearest = 0.0_f64;
        for arm in payload.arms().iter().map(|letter| Arm::of(*letter)).filter(|arm| arm.can_be_dear()) {
            self.cost(arm, payload, probe, rate)?; // for connections and for LuaJIT
            dearest = dearest.max(self.cost(arm, payload, probe, rate)?.cpu);
        }
        let most = |letter: &char| payload.callouts(Arm::of(*letter));
        let callouts = payload.arms().iter().map(most).map(|(one, other)| one + other).max().unwrap_or(0);
        Ok((0.5e6 / dearest).min(OTHERS_CAN / (1 + callouts) as f64))
    }

    fn cost(&self, arm: &Arm, payload: Payload, count: usize, rate: f64) -> Result<Cost, String> {
        let subject = self.subject(arm);
        let requests = payload.requests(arm, count);
        let expected = self.sink.counts() + following(payload, arm, count as u64);
        let mut clients = Clients::connect(subject.address(), payload.clients());
        let before = subject.cpu();
        let latencies = clients.send(&requests, rate);
        let done = latencies.and_then(|latencies| self.sink.expect(expected, REST).map(|()| latencies));
        let latencies = done.map_err(|error| format!("{}, {}: {error}", arm.label(), payload.name()))?;
        let cpu = (subject.cpu() - before).as_secs_f64() * 1e6 / count as f64;
        Ok(Cost { cpu, latencies })
    }

    /// Processor time for each payload and arm, each arm twice; with a purchase its latencies too.
    pub fn costs(&self, rates: &Rates, results: &mut Results, say: &dyn Fn(&str)) -> Result<(), String> {
        PAYLOADS
            .iter()
            .try_for_each(|payload| self.costs_of(*payload, payload.arms(), rates[payload], results, say))
    }

    /// The same for one payload and some arms.
    pub fn costs_of(
        &self,
        payload: Payload,
        letters: &[char],
        rate: f64,
        results: &mut Results,
        say: &dyn Fn(&str),
    ) -> Result<(), String> {
        let least = if payload.events() >= 500 { 1 } else { 5 };
        let count = ((rate * self.pace.load) as usize / SLICES).max(least);
        say(&format!(
            "{}: {SLICES} x {count} requests at {rate:.0}/s through each arm, twice",
            payload.name()
        ));
        for turn in 0..2 {
            let slice = |arm: &Arm| self.cost(arm, payload, count, rate);
            for (letter, slices) in self.in_slices(letters, SLICES, turn, slice)? {
                results.add(Measure::Cpu(payload), letter, middle(slices.iter().map(|slice| slice.cpu)));
                if matches!(payload, Payload::Purchase | Payload::Keyed) {
                    let mut all: Vec<f64> = slices.into_iter().flat_map(|slice| slice.latencies).collect();
                    all.sort_by(f64::total_cmp);
                    results.add(Measure::Median(payload), letter, percentile(&all, 0.5));
                    results.add(Measure::Percentile99(payload), letter, percentile(&all, 0.99));
                }
            }
        }
        Ok(())
    }

    /// Measures the arms in turn, a little at a time: whatever slows the machine for a moment meets all of them, or one
    /// slice of one, which its median doesn't show.
    fn in_slices<T>(
        &self,
        letters: &[char],
        slices: usize,
        turn: usize,
        measure: impl Fn(&Arm) -> Result<T, String>,
    ) -> Result<BTreeMap<char, Vec<T>>, String> {
        let mut measured = BTreeMap::<char, Vec<T>>::new();
        for slice in 0..slices {
            for letter in rotated(letters, self.number + turn + slice) {
                measured.entry(letter).or_default().push(measure(Arm::of(letter))?);
            }
        }
        Ok(measured)
    }

    /// As many requests as an arm takes. The filter answers before it delivers, so it can take more than it can deliver;
    /// what it then refuses is counted.
    pub fn flat_out(&self, payload: Payload, letters: &[char], results: &mut Results) -> Result<(), String> {
        let dir = TempDir::new();
        for turn in 0..2 {
            let slice = |arm: &Arm| {
                let done = self.flat_out_once(payload, arm, &dir);
                done.map_err(|error| format!("{}, {}, flat out: {error}", arm.label(), payload.name()))
            };
            for (letter, slices) in self.in_slices(letters, FLAT_OUT_SLICES, turn, slice)? {
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
        }
        Ok(())
    }

    fn flat_out_once(&self, payload: Payload, arm: &Arm, dir: &TempDir) -> Result<FlatOut, String> {
        let subject = self.subject(arm);
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
        std::thread::sleep(3 * REST); // calls that a script has let go of are still on their way
        let after = self.sink.counts();
        let cpu = (subject.cpu() - cpu).as_secs_f64() * 1e6;
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
    pub fn idle(self, letters: &[char], results: &mut Results) {
        let Self { number, sink, pace, subjects } = self;
        drop(subjects);
        let letters = rotated(letters, number);
        for workers in 1..=pace.most_workers {
            for letter in [&letters[..], &letters[..]].concat() {
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

/// What should arrive because of so many requests.
pub fn following(payload: Payload, arm: &Arm, requests: u64) -> Counts {
    let (flashtalking, podsights) = payload.callouts(arm);
    let collector = if arm.asks_collector() { requests } else { 0 };
    Counts { collector, flashtalking: flashtalking * requests, podsights: podsights * requests }
}

/// The same things, beginning with another one: whoever comes first has no advantage over all rounds.
fn rotated<T: Copy>(things: &[T], by: usize) -> Vec<T> {
    let by = by % things.len();
    [&things[by..], &things[..by]].concat()
}

fn middle(values: impl Iterator<Item = f64>) -> f64 {
    median(values.collect()).unwrap_or(f64::NAN)
}
