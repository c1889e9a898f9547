//! Where a request's processor time is spent: in the module's code, in what it asks Envoy for, elsewhere in Envoy, or in the kernel.
//!
//! perf takes samples of each gateway while it is measured. A sample has the function that is running and those that have called it;
//! Envoy keeps frame pointers, and what V8 compiles is in no file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::against;
use crate::arms::{Arm, Setup};
use crate::payloads::Payload;
use crate::phases::{PROCESSES, Pace, middle, rounds};
use crate::report::{circumstances, short};
use crate::results::{Measure, Results};
use crate::samples::{self, Place};
use crate::support::{TempDir, documents, root, wait_until};

/// What is sent, to which arms, and how often a second. LuaJIT keeps no frame pointers, so c and d can't be told apart like this.
type Loads = [(Payload, &'static [char], f64); 2];
const LOADS: Loads = [
    (Payload::Purchase, &['a', 'b', 'e', 'h', 'i', 'n'], 300.0),
    (Payload::Batch20, &['a', 'b', 'e'], 100.0),
];
const BESIDE_ANOTHER: Loads =
    [(Payload::Purchase, &['e', 'o'], 300.0), (Payload::Batch20, &['e', 'o'], 100.0)];

/// How long perf may take to begin.
const BEGINS: Duration = Duration::from_secs(10);

/// Samples a second.
const FREQUENCY: f64 = 4000.0;

const PLACES: [(Place, &str); 4] = [
    (Place::Module, "the module's code"),
    (Place::Calls, "called by the module"),
    (Place::Envoy, "Envoy by itself"),
    (Place::Kernel, "kernel, for Envoy"),
];

/// Measures only this. With `write`, docs/performance.md says what came of it. Returns its section of that page.
///
/// # Errors
/// Where perf can't be run, or the work that was to be measured was not done.
pub fn alone(pace: Pace, write: bool) -> Result<String, String> {
    let results = measure(pace, &LOADS)?;
    let section = format!("{}\n{}", report(&pace, &results, &LOADS), at_best(&results));
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
    let dir = TempDir::new();
    let letters = loads.iter().flat_map(|(_, letters, _)| *letters);
    let setups: BTreeSet<Setup> = letters.map(|letter| Arm::of(*letter).setup).collect();
    let setups: Vec<Setup> = setups.into_iter().collect();
    rounds(&setups, pace, |round, results, say| {
        for (payload, letters, rate) in *loads {
            say(&format!("{}: {rate:.0}/s through each of {} arms", payload.name(), letters.len()));
            let count = round.requests(payload, rate);
            let slice = |arm: &Arm, process| {
                let watch = Watch::begin(round.subject(arm, process).pid(), dir.0.join("perf.data"))?;
                let cpu = round.cost(arm, process, payload, count, rate)?.cpu;
                Ok((cpu, watch.end()?))
            };
            for ((letter, _), slices) in round.in_slices(letters, PROCESSES, pace.slices, slice)? {
                results.add(Measure::Cpu(payload), letter, middle(slices.iter().map(|(cpu, _)| *cpu)));
                for (place, _) in PLACES {
                    let taken =
                        slices.iter().map(|(_, samples)| samples.get(&place).copied().unwrap_or_default());
                    let spent = middle(taken.map(|taken| f64::from(taken) * 1e6 / FREQUENCY / count as f64));
                    results.add(Measure::Spent(payload, place), letter, spent);
                }
            }
        }
        Ok(())
    })
}

/// perf, while it takes samples of a process.
struct Watch {
    perf: Child,
    data: PathBuf,
}

impl Watch {
    fn begin(pid: u32, data: PathBuf) -> Result<Self, String> {
        _ = std::fs::remove_file(&data);
        let perf = Command::new("perf")
            .args(["record", "--quiet", "--event=cpu-clock", "--call-graph=fp", "--strict-freq"])
            .args([&format!("--freq={FREQUENCY}"), &format!("--pid={pid}"), "--output"])
            .arg(&data)
            .stdout(Stdio::null())
            .spawn();
        let perf = perf.map_err(|error| format!("perf (Debian: apt-get install linux-perf): {error}"))?;
        let watch = Self { perf, data };
        // It writes the head of its file once it is attached.
        let begun = || std::fs::metadata(&watch.data).is_ok_and(|data| data.len() > 0);
        if wait_until(BEGINS, begun) { Ok(watch) } else { Err("perf does not begin to take samples".into()) }
    }

    fn end(mut self) -> Result<BTreeMap<Place, u32>, String> {
        let told = Command::new("kill").args(["-INT", &self.perf.id().to_string()]).status();
        told.and_then(|_| self.perf.wait()).map_err(|error| format!("perf: {error}"))?;
        let script = Command::new("perf")
            .args(["script", "--no-inline", "--fields=pid,ip,dso", "--input"])
            .arg(&self.data)
            .output()
            .map_err(|error| format!("perf: {error}"))?;
        if !script.status.success() {
            return Err(format!("perf script: {}", String::from_utf8_lossy(&script.stderr)));
        }
        let samples = samples::count(&String::from_utf8_lossy(&script.stdout));
        if samples.is_empty() { Err("perf has taken no samples".into()) } else { Ok(samples) }
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
fn at_best(results: &Results) -> String {
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
