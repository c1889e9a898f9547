//! What a round consists of: the gateways of all arms, and what a request costs in each. Requests are sent, and once all that
//! follows from them is done, it is checked and only then is the clock read.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::arms::{Arm, Setup};
use crate::gateway::Wire;
use crate::load::{Clients, at_rate, percentile};
use crate::payloads::{PAYLOADS, Payload};
use crate::progress::Progress;
use crate::results::{Measure, Results, median};
use crate::sink::{Counts, Sink};
use crate::subject::{OTHERS, Subject, Variant};

/// Of each arm, at the same time. Two processes of one arm are not equally fast, and how far they are apart is what can't be told
/// from a difference between two arms.
pub const PROCESSES: usize = 2;
/// How long things are let alone after the last request has arrived: for answers, for what should not come, and for the counters
/// that the filter passes on a tenth of a second later.
pub const REST: Duration = Duration::from_millis(120);
/// Requests in the probe that the rates are set by, or to warm up.
const PROBE: usize = 100;
const PROBE_RATE: f64 = 300.0;
/// Requests, callouts included, that the sink's and the clients' processor is good for a second, with a wide margin.
const OTHERS_CAN: f64 = 5_000.0;

/// How long things are measured.
#[derive(Clone, Copy)]
pub struct Pace {
    pub rounds: usize,
    /// The pieces in which each process is measured: see [`Round::in_slices`].
    pub slices: usize,
    /// Seconds of load in each.
    pub slice: f64,
    /// The pieces at full load, and their whole seconds.
    pub flat_out_slices: usize,
    pub flat_out: u64,
    /// The processes of an arm in everything but the processor time of a request.
    pub aside: usize,
    pub slow_vendors: f64,
    pub batches: f64,
    pub most_workers: u32,
}

impl Pace {
    pub fn full() -> Self {
        Self {
            rounds: 3,
            slices: 3,
            slice: 1.0,
            flat_out_slices: 2,
            flat_out: 1,
            aside: PROCESSES,
            slow_vendors: 2.0,
            batches: 2.5,
            most_workers: 3,
        }
    }

    /// For a comparison by itself, of few arms whose differences are small: more rounds.
    pub fn apart() -> Self {
        Self { rounds: 5, ..Self::full() }
    }

    pub fn quick() -> Self {
        Self {
            rounds: 1,
            slices: 1,
            slice: 0.15,
            flat_out_slices: 1,
            flat_out: 1,
            aside: 1,
            slow_vendors: 0.5,
            batches: 0.8,
            most_workers: 2,
        }
    }
}

/// The gateways of a round: of each setup as many processes as [`PROCESSES`] says.
pub struct Round<'r> {
    pub number: usize,
    pub sink: &'r Sink,
    pub pace: Pace,
    subjects: BTreeMap<(Setup, usize), Subject>,
}

/// Requests a second for each payload.
pub type Rates = BTreeMap<Payload, f64>;

/// What a slice took.
pub struct Cost {
    /// Processor time, in microseconds a request.
    pub cpu: f64,
    latencies: Vec<f64>,
}

impl<'r> Round<'r> {
    /// Starts the gateways, in another order each round, and sends each a few purchases: connections to collector and vendors are
    /// open then, and LuaJIT and V8 have compiled what they compile.
    ///
    /// # Errors
    /// Where what follows from these purchases does not arrive.
    pub fn begin(
        number: usize,
        setups: &[Setup],
        wire: Wire,
        sink: &'r Sink,
        pace: Pace,
    ) -> Result<Self, String> {
        let mut subjects = BTreeMap::new();
        for process in 0..PROCESSES {
            for setup in rotated(setups, number + process) {
                let subject = Subject::start(setup, sink, Variant { wire, ..Variant::USUAL });
                subjects.insert((setup, process), subject);
            }
        }
        let mut expected = sink.counts();
        for ((setup, _), subject) in &subjects {
            let arm = setup.arm();
            let payload = if arm.asks_collector() { Payload::Purchase } else { Payload::Keyed };
            let requests = payload.requests(arm, PROBE);
            at_rate(subject.address(), &requests, 2.0 * PROBE_RATE)
                .map_err(|error| format!("{}, at its start: {error}", arm.label()))?;
            expected = expected + following(payload, arm, PROBE as u64);
        }
        sink.expect(expected, REST).map_err(|error| format!("at the start: {error}"))?;
        Ok(Self { number, sink, pace, subjects })
    }

    pub fn subject(&self, arm: &Arm, process: usize) -> &Subject {
        &self.subjects[&(arm.setup, process)]
    }

    /// Ends the gateways, so that what is started now has the processor for itself.
    pub fn end(self) -> (usize, &'r Sink, Pace) {
        (self.number, self.sink, self.pace)
    }

    /// The rates of all payloads that the rivals are compared by.
    pub fn rates(&self) -> Result<Rates, String> {
        PAYLOADS.iter().map(|payload| Ok((*payload, self.rate(*payload)?))).collect()
    }

    /// Half of what the arm that costs most can take, by a short probe.
    pub fn rate(&self, payload: Payload) -> Result<f64, String> {
        let (probe, rate) = if payload.events() >= 500 { (4, 8.0) } else { (PROBE, PROBE_RATE) };
        let mut dearest = 0.0_f64;
        for arm in payload.arms().iter().map(|letter| Arm::of(*letter)).filter(|arm| arm.can_be_dearest()) {
            dearest = dearest.max(self.cost(arm, 0, payload, probe, rate)?.cpu);
        }
        let most = |letter: &char| payload.callouts(Arm::of(*letter));
        let callouts = payload.arms().iter().map(most).map(|(one, other)| one + other).max().unwrap_or(0);
        Ok((0.5e6 / dearest).min(OTHERS_CAN / (1 + callouts) as f64))
    }

    /// Sends `count` requests to a process of an arm.
    ///
    /// # Errors
    /// Where what should follow from them doesn't arrive.
    pub fn cost(
        &self,
        arm: &Arm,
        process: usize,
        payload: Payload,
        count: usize,
        rate: f64,
    ) -> Result<Cost, String> {
        let subject = self.subject(arm, process);
        let requests = payload.requests(arm, count);
        let expected = self.sink.counts() + following(payload, arm, count as u64);
        let mut clients = Clients::connect(subject.address(), payload.clients());
        let before = subject.cpu();
        let done = clients.send(&requests, rate).and_then(|latencies| {
            self.sink.wait_for(expected, REST);
            let cpu = (subject.cpu_when_idle()? - before).as_secs_f64() * 1e6 / count as f64;
            self.sink.compare(expected)?;
            Ok(Cost { cpu, latencies })
        });
        done.map_err(|error| format!("{}, {}: {error}", arm.label(), payload.name()))
    }

    /// Processor time for each payload and arm.
    pub fn costs(&self, rates: &Rates, results: &mut Results, say: &dyn Fn(&str)) -> Result<(), String> {
        PAYLOADS
            .iter()
            .try_for_each(|payload| self.costs_of(*payload, payload.arms(), rates[payload], results, say))
    }

    /// How many requests each process gets in a slice.
    pub fn requests(&self, payload: Payload, rate: f64) -> usize {
        let least = if payload.events() >= 500 { 1 } else { 5 };
        ((rate * self.pace.slice * payload.share_of_slice()) as usize).max(least)
    }

    /// Processor time for one payload and some arms, each process by itself; with a purchase its latencies too.
    pub fn costs_of(
        &self,
        payload: Payload,
        letters: &[char],
        rate: f64,
        results: &mut Results,
        say: &dyn Fn(&str),
    ) -> Result<(), String> {
        let count = self.requests(payload, rate);
        let slices = self.pace.slices;
        say(&format!(
            "{}: {PROCESSES} x {slices} x {count} requests at {rate:.0}/s through each of {} arms",
            payload.name(),
            letters.len()
        ));
        let slice = |arm: &Arm, process| self.cost(arm, process, payload, count, rate);
        for ((letter, _), slices) in self.in_slices(letters, PROCESSES, slices, slice)? {
            results.add(Measure::Cpu(payload), letter, middle(slices.iter().map(|slice| slice.cpu)));
            if matches!(payload, Payload::Purchase | Payload::Keyed) {
                let mut all: Vec<f64> = slices.into_iter().flat_map(|slice| slice.latencies).collect();
                all.sort_by(f64::total_cmp);
                results.add(Measure::Median(payload), letter, percentile(&all, 0.5));
                results.add(Measure::Percentile99(payload), letter, percentile(&all, 0.99));
            }
        }
        Ok(())
    }

    /// Measures the processes of all arms in turn, a little at a time: whatever slows the machine for a moment meets all of
    /// them, or one slice of one, which its median doesn't show. Returns the slices by arm and process.
    pub fn in_slices<T>(
        &self,
        letters: &[char],
        processes: usize,
        slices: usize,
        measure: impl Fn(&Arm, usize) -> Result<T, String>,
    ) -> Result<BTreeMap<(char, usize), Vec<T>>, String> {
        let all: Vec<(char, usize)> =
            (0..processes).flat_map(|process| letters.iter().map(move |letter| (*letter, process))).collect();
        let mut measured = BTreeMap::<(char, usize), Vec<T>>::new();
        for slice in 0..slices {
            for (letter, process) in rotated(&all, self.number + slice) {
                measured.entry((letter, process)).or_default().push(measure(Arm::of(letter), process)?);
            }
        }
        Ok(measured)
    }
}

/// Measures one payload alone, in the gateways of its arms and for as long as `pace` says.
///
/// # Errors
/// Where the work that was to be measured was not done.
pub fn alone(payload: Payload, setups: &[Setup], pace: Pace) -> Result<(Results, Rates), String> {
    let mut rates = Rates::new();
    let results = rounds(setups, pace, |round, results, say| {
        if round.number == 0 {
            rates.insert(payload, round.rate(payload)?);
        }
        round.costs_of(payload, payload.arms(), rates[&payload], results, say)
    })?;
    Ok((results, rates))
}

/// Measures in as many rounds as `pace` has, each with new gateways, whose vendors are reached as shipped. `measure` gets the round,
/// the results that it adds to, and what prints what is done.
///
/// # Errors
/// The first of `measure`, or where the gateways don't start.
pub fn rounds(
    setups: &[Setup],
    pace: Pace,
    mut measure: impl FnMut(Round, &mut Results, &dyn Fn(&str)) -> Result<(), String>,
) -> Result<Results, String> {
    let progress = Progress::of(pace.rounds);
    let sink = Sink::start(OTHERS);
    let mut results = Results::default();
    for number in 0..pace.rounds {
        results.begin_round(number);
        let say = |what: &str| progress.say(number, what);
        say("starting the gateways");
        let round = Round::begin(number, setups, Wire::Shipped, &sink, pace)?;
        measure(round, &mut results, &say)?;
        progress.end_round(number);
    }
    Ok(results)
}

/// What should arrive because of so many requests.
pub fn following(payload: Payload, arm: &Arm, requests: u64) -> Counts {
    let (flashtalking, podsights) = payload.callouts(arm);
    let collector = if arm.asks_collector() { requests } else { 0 };
    let (flashtalking, podsights) = (flashtalking * requests, podsights * requests);
    // One at each delivery's end.
    let records = if arm.setup == Setup::Recording { flashtalking + podsights } else { 0 };
    Counts { collector, flashtalking, podsights, records }
}

/// The same things, beginning with another one: whoever comes first has no advantage over all rounds.
pub fn rotated<T: Copy>(things: &[T], by: usize) -> Vec<T> {
    let by = by % things.len();
    [&things[by..], &things[..by]].concat()
}

pub fn middle(values: impl Iterator<Item = f64>) -> f64 {
    median(values.collect()).unwrap_or(f64::NAN)
}
