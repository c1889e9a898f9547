//! This module beside another build of it: whether a change is worth having.

use std::path::Path;

use crate::arms::Setup;
use crate::gateway::{OTHER_MODULE, module};
use crate::payloads::Payload;
use crate::phases::{Pace, rounds};
use crate::report::{ratio, with_range};
use crate::results::{Measure, Results};

/// Requests a second: below what either takes, by a wide margin.
const RATES: [(Payload, f64); 3] =
    [(Payload::Purchase, 1200.0), (Payload::Batch20, 400.0), (Payload::Untracked, 1600.0)];

/// Gives a table of both.
pub fn compare(other: &Path, pace: Pace) -> Result<String, String> {
    choose(other)?;
    run(pace).map(|results| table(&results))
}

/// Makes a file the other module.
///
/// # Errors
/// Where there is none.
pub fn choose(other: &Path) -> Result<(), String> {
    if !other.is_file() {
        return Err(format!("--against needs another module, and {other:?} is no file"));
    }
    OTHER_MODULE.set(std::path::absolute(other).expect("a file has a path")).expect("set once");
    Ok(())
}

fn run(pace: Pace) -> Result<Results, String> {
    let pace = Pace { most_workers: 1, ..pace };
    rounds(&[Setup::Relay, Setup::Other], pace, |round, results, say| {
        for (payload, rate) in RATES {
            round.costs_of(payload, &['e', 'o'], rate, results, say)?;
        }
        say("as many as each takes");
        for payload in [Payload::Purchase, Payload::Untracked] {
            round.flat_out(payload, &['e', 'o'], results)?;
        }
        say("starts and memory");
        round.idle(&['e', 'o'], results);
        Ok(())
    })
}

fn table(results: &Results) -> String {
    let mut table = "| | this | the other | this / the other |\n|---|---:|---:|---:|\n".to_owned();
    let measures = RATES
        .iter()
        .map(|(payload, _)| (format!("{}, µs", payload.name()), Measure::Cpu(*payload)))
        .chain(
            [Payload::Purchase, Payload::Untracked]
                .map(|payload| (format!("{}, flat out, µs", payload.name()), Measure::CpuFlatOut(payload))),
        )
        .chain([("start, ms".into(), Measure::Start), ("memory, MB".into(), Measure::Memory(1))]);
    for (name, measure) in measures {
        let cell = |letter| results.of(measure, letter).map_or("-".into(), with_range);
        table += &format!(
            "| {name} | {} | {} | {} |\n",
            cell('e'),
            cell('o'),
            ratio(results.ratio(measure, 'e', 'o'))
        );
    }
    let bytes = |setup| std::fs::metadata(module(setup)).map_or(0, |file| file.len());
    table + &format!("| module, bytes | {} | {} | |\n", bytes(Setup::Relay), bytes(Setup::Other))
}
