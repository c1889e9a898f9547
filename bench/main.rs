//! The filter beside its rivals, in the real Envoy.
//!
//!     make bench                the whole run, about twenty minutes; writes docs/performance.md and its plot
//!     make bench ARGS=--quick   a smoke run of a few minutes; writes nothing
//!     make bench ARGS=--acknowledged   only the acknowledged route beside `reply: local`; writes its part of docs/performance.md
//!     make bench ARGS="--against other.wasm"   this module beside another build of it; writes nothing
//!
//! Ends with 1 where the work that was to be measured was not done. A target missed is a result, not an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acknowledged;
mod against;
mod arms;
mod checks;
mod load;
mod payloads;
mod phases;
mod plot;
mod report;
mod results;
mod sink;
mod subject;
#[path = "../tests/support/mod.rs"]
mod support;
mod targets;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use arms::SETUPS;
use checks::Contexts;
use payloads::Payload;
use phases::{Pace, Rates, Round};
use results::Results;
use sink::Sink;
use support::{documents, root};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let quick = has("--quick");
    let pace = if quick { Pace::quick() } else { Pace::full() };
    let against = arguments.iter().position(|argument| argument == "--against");
    let ran = prepare().and_then(|()| match against {
        Some(at) => {
            let other = arguments.get(at + 1).map(String::as_str).unwrap_or_default();
            against::compare(Path::new(other), pace)
        }
        None if has("--acknowledged") => acknowledged::alone(pace, !quick),
        None => beside_rivals(pace, !quick),
    });
    match ran {
        Ok(tables) => {
            println!("\n{tables}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All arms; with `write`, docs/performance.md says what came of it. Gives the tables.
fn beside_rivals(pace: Pace, write: bool) -> Result<String, String> {
    let (results, contexts, rates) = run(pace)?;
    let targets = targets::table(&targets::targets(&results, &contexts, pace.most_workers));
    let tables = tables(&results, &contexts, &rates, &pace);
    let acknowledged = acknowledged::section(&results, &rates, &pace);
    if write {
        let docs = root().join("docs");
        std::fs::write(docs.join("performance.svg"), plot::plot(&results)).expect("cannot write");
        documents::write(&docs.join("performance.md"), "targets", &targets);
        documents::write(&docs.join("performance.md"), "tables", &tables);
        acknowledged::write(&acknowledged);
    }
    Ok(format!("{tables}\n{acknowledged}\n{targets}"))
}

/// All that is said of a run, in Markdown.
fn tables(results: &Results, contexts: &Contexts, rates: &Rates, pace: &Pace) -> String {
    let Contexts { off, on, requests } = contexts;
    [
        report::circumstances(pace, rates),
        "### Processor time a request\n".into(),
        "![Envoy's processor time for one purchase, by arm](performance.svg)\n".into(),
        report::costs(results),
        "### One purchase: latency at half load, and as many as it takes\n".into(),
        report::purchase(results),
        "### Who waits\n".into(),
        report::latencies(results),
        "### Start and memory\n".into(),
        report::idle(results, pace),
        format!("Of {requests} requests {off} made a stream context with the filter switched off (g), {on} with it on (f).\n"),
    ]
    .join("\n")
}

/// Keeps this process, and all that it starts unless told otherwise, off the processor that is measured.
fn prepare() -> Result<(), String> {
    let own = std::process::id().to_string();
    let others = subject::OTHERS.to_string();
    let pinned = Command::new("taskset").args(["--cpu-list", "--pid", &others, &own]).output();
    let pinned = pinned.map_err(|error| format!("taskset (Debian: apt-get install util-linux): {error}"))?;
    if !pinned.status.success() {
        let why = String::from_utf8_lossy(&pinned.stderr).into_owned();
        return Err(format!("two processors are needed, numbered 0 and 1: {}", why.trim()));
    }
    Ok(())
}

fn run(pace: Pace) -> Result<(Results, Contexts, Rates), String> {
    let begun = Instant::now();
    let say = |what: &str| println!("[{:>4} s] {what}", begun.elapsed().as_secs());
    say("comparing what arms d and e send");
    checks::same_requests()?;
    say("comparing what arms j and k send");
    checks::same_deliveries()?;
    let sink = Sink::start(subject::OTHERS);
    say("counting stream contexts");
    let contexts = checks::contexts(&sink)?;
    let mut results = Results::default();
    let mut rates = Rates::new();
    for number in 0..pace.rounds {
        results.begin_round(number);
        let say = |what: &str| say(&format!("round {} of {}: {what}", number + 1, pace.rounds));
        say("starting the gateways");
        let round = Round::begin(number, &SETUPS, &sink, pace);
        if number == 0 {
            say("looking for the rates");
            rates = round.rates()?;
            rates.insert(Payload::Keyed, round.rate(Payload::Keyed)?);
        }
        round.costs(&rates, &mut results, &say)?;
        round.costs_of(Payload::Keyed, Payload::Keyed.arms(), rates[&Payload::Keyed], &mut results, &say)?;
        say("as many purchases as each arm takes");
        round.flat_out(Payload::Purchase, Payload::Purchase.arms(), &mut results)?;
        say("as many untracked requests as each arm takes");
        round.flat_out(Payload::Untracked, &['f', 'h'], &mut results)?;
        say("vendors that take two seconds");
        round.slow_vendors(&mut results)?;
        say("other requests while batches of 500 arrive");
        round.others(&mut results)?;
        say("starts, and memory while idle");
        round.idle(&['a', 'e', 'h'], &mut results);
    }
    say("done");
    Ok((results, contexts, rates))
}
