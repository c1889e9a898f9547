//! The filter beside its rivals, in the real Envoy.
//!
//!     make bench                the whole run, at most half an hour; writes docs/performance.md and its plot
//!     make bench ARGS=--quick   a smoke run of two minutes; writes nothing
//!     make bench ARGS=--acknowledged   only the acknowledged route beside `reply: local`; writes its part of docs/performance.md
//!     make bench ARGS=--records   only a purchase with records beside one without; writes its part of docs/performance.md
//!     make bench ARGS=--places   only where the processor time is spent, by perf; writes its part of docs/performance.md
//!     make bench ARGS="--against other.wasm"   this module beside another build of it; writes nothing. With --places too, the same by perf
//!
//! Ends with 1 where the work that was to be measured was not done. A target missed is a result, not an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod acknowledged;
mod against;
mod arms;
#[path = "../stand-in/src/authority.rs"]
mod authority;
mod checks;
mod gateway;
mod limits;
mod load;
mod payloads;
mod phases;
mod places;
mod plot;
mod progress;
mod receiver;
mod records;
mod report;
mod results;
mod samples;
mod sink;
mod subject;
#[path = "../tests/support/mod.rs"]
mod support;
mod targets;

use std::path::Path;
use std::process::{Command, ExitCode};

use arms::{PLAIN_SETUPS, RIVALS, SETUPS};
use checks::Contexts;
use gateway::Wire;
use payloads::{PAYLOADS, PLAIN_PAYLOADS, Payload};
use phases::{Pace, Rates, Round};
use progress::Progress;
use results::Results;
use sink::Sink;
use support::{documents, root};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let quick = has("--quick");
    let pace = |full: fn() -> Pace| if quick { Pace::quick() } else { full() };
    let against = arguments.iter().position(|argument| argument == "--against");
    let ran = prepare().and_then(|()| match against {
        Some(at) => {
            let other = arguments.get(at + 1).map(String::as_str).unwrap_or_default();
            let other = Path::new(other);
            if has("--places") {
                places::beside(other, pace(Pace::full))
            } else {
                against::compare(other, pace(Pace::apart))
            }
        }
        None if has("--acknowledged") => acknowledged::alone(pace(Pace::apart), !quick),
        None if has("--records") => records::alone(pace(Pace::apart), !quick),
        None if has("--places") => places::alone(pace(Pace::full), !quick),
        None => beside_rivals(pace(Pace::full), !quick),
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

/// All that a whole run measures.
struct Run {
    /// As deployed.
    results: Results,
    /// Over plaintext HTTP/1.1.
    plain: Results,
    contexts: Contexts,
    rates: Rates,
    instructions: Option<f64>,
}

/// The arms of the comparison; with `write`, docs/performance.md says what came of it. Gives the tables.
fn beside_rivals(pace: Pace, write: bool) -> Result<String, String> {
    let run = run(pace, write)?;
    let targets = targets::targets(&run.results, &run.contexts, pace.most_workers, run.instructions);
    let targets = targets::table(&targets);
    let tables = tables(&run, &pace);
    if write {
        let docs = root().join("docs");
        std::fs::write(docs.join("performance.svg"), plot::plot(&run.results)).expect("cannot write");
        documents::write(&docs.join("performance.md"), "targets", &targets);
        documents::write(&docs.join("performance.md"), "tables", &tables);
    }
    Ok(format!("{tables}\n{targets}"))
}

/// All that is said of a run, in Markdown.
fn tables(run: &Run, pace: &Pace) -> String {
    let Run { results, plain, contexts, rates, .. } = run;
    let Contexts { off, on, requests } = contexts;
    [
        report::circumstances(pace, rates),
        "### Processor time a request, as deployed\n".into(),
        "![Envoy's processor time for one purchase, by arm](performance.svg)\n".into(),
        report::costs(results, &PAYLOADS),
        report::compared(results),
        "### Processor time a request, with vendors that speak plaintext HTTP/1.1\n".into(),
        report::costs(plain, &PLAIN_PAYLOADS),
        report::compared(plain),
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

/// Measures everything; the instructions of a purchase only if asked to, because that compiles the pipeline.
fn run(pace: Pace, count_instructions: bool) -> Result<Run, String> {
    let progress = Progress::of(pace.rounds);
    let mut instructions = None;
    if count_instructions {
        progress.say_first("counting the instructions of a purchase");
        instructions = targets::instructions();
    }
    progress.say_first("comparing what arms d and e send");
    checks::same_requests()?;
    let sink = Sink::start(subject::OTHERS);
    progress.say_first("asking arms n and p why they send nothing");
    checks::unsent(&sink)?;
    progress.say_first("counting stream contexts");
    let contexts = checks::contexts(&sink)?;
    let (mut results, mut plain, mut rates) = (Results::default(), Results::default(), Rates::new());
    for number in 0..pace.rounds {
        results.begin_round(number);
        plain.begin_round(number);
        let say = |what: &str| progress.say(number, what);
        say("starting the gateways");
        let round = Round::begin(number, &SETUPS, Wire::Shipped, &sink, pace)?;
        if number == 0 {
            sink.vendors_speak_http2()?;
            say("looking for the rates");
            rates = round.rates()?;
        }
        as_deployed(round, &rates, &mut results, &say)?;
        say("starting the gateways whose vendors speak plaintext HTTP/1.1");
        let round = Round::begin(number, &PLAIN_SETUPS, Wire::Plain, &sink, pace)?;
        for payload in PLAIN_PAYLOADS {
            round.costs_of(payload, &RIVALS, rates[&payload], &mut plain, &say)?;
        }
        progress.end_round(number);
    }
    progress.say_first("done");
    Ok(Run { results, plain, contexts, rates, instructions })
}

fn as_deployed(round: Round, rates: &Rates, results: &mut Results, say: &dyn Fn(&str)) -> Result<(), String> {
    round.costs(rates, results, say)?;
    say("as many purchases as each arm takes");
    round.flat_out(Payload::Purchase, &RIVALS, results)?;
    say("as many untracked requests as each arm takes");
    round.flat_out(Payload::Untracked, &['f', 'h'], results)?;
    say("vendors that take two seconds");
    round.slow_vendors(results)?;
    say("other requests while batches of 500 arrive");
    round.others(results)?;
    say("starts, and memory while idle");
    round.idle(&['a', 'e', 'h'], results);
    Ok(())
}
