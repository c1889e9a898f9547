//! Where a request's processor time is spent: in the module's code, in what it asks Envoy for, elsewhere in Envoy, or in the kernel.
//!
//! perf looks at each gateway some thousand times a second. A look shows the function that is running and those that have called it;
//! Envoy keeps frame pointers, and what V8 compiles is in no file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::against;
use crate::arms::{Arm, Setup};
use crate::gateway::Wire;
use crate::looks::{self, Place};
use crate::payloads::Payload;
use crate::phases::{PROCESSES, Pace, Round};
use crate::progress::Progress;
use crate::report::{circumstances, short};
use crate::results::{Measure, Results};
use crate::sink::Sink;
use crate::subject::OTHERS;
use crate::support::{TempDir, documents, root, wait_until};

/// What is sent, to which arms, and how often a second. LuaJIT keeps no frame pointers, so c and d can't be looked at like this.
type Loads = [(Payload, &'static [char], f64); 2];
const LOADS: Loads = [
    (Payload::Purchase, &['a', 'b', 'e', 'h', 'i', 'n'], 300.0),
    (Payload::Batch20, &['a', 'b', 'e'], 100.0),
];
const BESIDE_ANOTHER: Loads =
    [(Payload::Purchase, &['e', 'o'], 300.0), (Payload::Batch20, &['e', 'o'], 100.0)];

/// How long perf may take to begin.
const BEGINS: Duration = Duration::from_secs(10);

/// Looks a second.
const LOOKS: f64 = 4000.0;

const PLACES: [(Place, &str); 4] = [
    (Place::Module, "the module's code"),
    (Place::Calls, "called by the module"),
    (Place::Envoy, "Envoy by itself"),
    (Place::Kernel, "kernel, for Envoy"),
];

/// Measures only this. With `write`, docs/performance.md says what came of it. Returns its section of that page.
///
/// # Errors
/// Where perf can't be run, or the work that was to be looked at was not done.
pub fn alone(pace: Pace, write: bool) -> Result<String, String> {
    let results = measure(pace, &LOADS)?;
    let section = format!("{}\n{}", report(&pace, &results, &LOADS), without(&results));
    if write {
        documents::write(&root().join("docs/performance.md"), "places", &section);
    }
    Ok(section)
}

/// The same for this module beside another build of it.
///
/// # Errors
/// As for [`alone`], and where there is no such module.
pub fn beside(other: &Path, pace: Pace) -> Result<String, String> {
    against::choose(other)?;
    measure(pace, &BESIDE_ANOTHER).map(|results| report(&pace, &results, &BESIDE_ANOTHER))
}

fn report(pace: &Pace, results: &Results, loads: &Loads) -> String {
    let rates = loads.iter().map(|(payload, _, rate)| (*payload, *rate)).collect();
    format!("{}\n{}", circumstances(pace, &rates), table(results, loads))
}

fn measure(pace: Pace, loads: &Loads) -> Result<Results, String> {
    let (progress, dir) = (Progress::of(pace.rounds), TempDir::new());
    let sink = Sink::start(OTHERS);
    let setups: BTreeSet<Setup> =
        loads.iter().flat_map(|(_, letters, _)| *letters).map(|letter| Arm::of(*letter).setup).collect();
    let setups: Vec<Setup> = setups.into_iter().collect();
    let mut results = Results::default();
    for number in 0..pace.rounds {
        results.begin_round(number);
        let say = |what: &str| progress.say(number, what);
        say("starting the gateways");
        let round = Round::begin(number, &setups, Wire::Shipped, &sink, pace)?;
        for (payload, letters, rate) in *loads {
            let watched: BTreeMap<u32, char> = letters
                .iter()
                .flat_map(|letter| (0..PROCESSES).map(move |process| (*letter, process)))
                .map(|(letter, process)| (round.subject(Arm::of(letter), process).pid(), letter))
                .collect();
            let watch = Watch::begin(watched.keys(), dir.0.join("perf.data"))?;
            round.costs_of(payload, letters, rate, &mut results, &say)?;
            let looks = watch.end()?;
            let requests = pace.slices * round.requests(payload, rate);
            for (pid, letter) in &watched {
                for (place, _) in PLACES {
                    let looks = looks.get(&(*pid, place)).copied().unwrap_or_default();
                    let spent = f64::from(looks) * 1e6 / LOOKS / requests as f64;
                    results.add(Measure::Spent(payload, place), *letter, spent);
                }
            }
        }
        progress.end_round(number);
    }
    Ok(results)
}

/// perf, while it looks at some processes.
struct Watch {
    perf: Child,
    data: PathBuf,
}

impl Watch {
    fn begin<'p>(pids: impl Iterator<Item = &'p u32>, data: PathBuf) -> Result<Self, String> {
        let pids: Vec<String> = pids.map(u32::to_string).collect();
        _ = std::fs::remove_file(&data);
        let perf = Command::new("perf")
            .args(["record", "--quiet", "--event=cpu-clock", "--call-graph=fp"])
            .args([&format!("--freq={LOOKS}"), &format!("--pid={}", pids.join(",")), "--output"])
            .arg(&data)
            .stdout(Stdio::null())
            .spawn();
        let perf = perf.map_err(|error| format!("perf (Debian: apt-get install linux-perf): {error}"))?;
        let watch = Self { perf, data };
        // It writes the head of its file once it is attached.
        let begun = || std::fs::metadata(&watch.data).is_ok_and(|data| data.len() > 0);
        if wait_until(BEGINS, begun) { Ok(watch) } else { Err("perf does not begin to look".into()) }
    }

    /// How often each process was seen in each place.
    fn end(mut self) -> Result<BTreeMap<(u32, Place), u32>, String> {
        let told = Command::new("kill").args(["-INT", &self.perf.id().to_string()]).status();
        told.and_then(|_| self.perf.wait()).map_err(|error| format!("perf: {error}"))?;
        let script = Command::new("perf")
            .args(["script", "--no-inline", "--fields=pid,ip,dso", "--input"])
            .arg(&self.data)
            .output()
            .map_err(|error| format!("perf: {error}"))?;
        let looks = looks::count(&String::from_utf8_lossy(&script.stdout));
        if looks.is_empty() { Err("perf has seen nothing".into()) } else { Ok(looks) }
    }
}

fn table(results: &Results, loads: &Loads) -> String {
    let mut table = "| request | arm |".to_owned();
    PLACES.iter().for_each(|(_, name)| table += &format!(" {name} |"));
    table += " all, by perf | all, by the clock |\n|---|---|---:|---:|---:|---:|---:|---:|\n";
    for (payload, letters, _) in *loads {
        for (at, letter) in letters.iter().enumerate() {
            let name = if at == 0 { payload.name() } else { "" };
            table += &format!("| {name} | {} |", Arm::of(*letter).label());
            let cell =
                |value: Option<f64>| value.map_or(" - |".into(), |value| format!(" {} |", short(value)));
            for (place, _) in PLACES {
                table += &cell(results.of(Measure::Spent(payload, place), *letter).map(|value| value.median));
            }
            table += &cell(of_all(results, payload, *letter, &PLACES.map(|(place, _)| place)));
            table += &cell(results.of(Measure::Cpu(payload), *letter).map(|value| value.median));
            table.push('\n');
        }
    }
    table
}

/// In a sentence, what could be gained at most.
fn without(results: &Results) -> String {
    let all = PLACES.map(|(place, _)| place);
    let inside = [Place::Module, Place::Calls];
    let spent =
        |letter, places: &[Place]| of_all(results, Payload::Purchase, letter, places).unwrap_or(f64::NAN);
    let [bare, mirrored, filter] = ['a', 'b', 'e'].map(|letter| spent(letter, &all));
    let own = spent('e', &inside) - spent('i', &inside);
    format!(
        "One purchase: the module of e and what it calls take {} µs more than those of i. Without these, (e - a) / (b - a) would be \
         {:.2} in place of {:.2}.\n",
        short(own),
        (filter - own - bare) / (mirrored - bare),
        (filter - bare) / (mirrored - bare),
    )
}

/// The time in several places together, in microseconds a request.
fn of_all(results: &Results, payload: Payload, letter: char, places: &[Place]) -> Option<f64> {
    let parts: Vec<_> = places.iter().map(|place| (Measure::Spent(payload, *place), letter)).collect();
    results.sum(&parts, |values| values.iter().sum()).map(|sum| sum.median)
}
