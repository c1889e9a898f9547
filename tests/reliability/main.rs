//! What becomes of conversions while vendors fail, measured on the real Envoy.
//!
//!     make reliability                all rows, and the table in docs/reliability.md
//!     make reliability ARGS=--quick   a tenth of the time; writes nothing
//!     make reliability ARGS='down'    the rows whose names contain a word; writes nothing
//!     make soak                       half a million deliveries, and docs/soak.svg
//!
//! Ends with 1 if a claim does not hold.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod durable;
mod held;
mod load;
mod others;
mod report;
mod rows;
mod soak;
#[path = "../support/mod.rs"]
mod support;

use std::collections::VecDeque;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use load::Pace;
use report::Report;
use rows::{ROWS, Row};

/// Rows that run at the same time: each waits far more than it works.
const AT_ONCE: usize = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let pace = if has("--quick") { Pace::quick() } else { Pace::full() };
    if has("--soak") {
        return if soak::run(has("--quick")) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let rows: Vec<&Row> = ROWS
        .iter()
        .chain(durable::ROWS)
        .chain(held::ROWS)
        .filter(|row| words.is_empty() || words.iter().any(|word| row.name.contains(*word)))
        .collect();
    let reports = run(&rows, &pace);
    let table = report::table(&reports);
    println!("\n{table}");
    let failures: Vec<String> = reports.iter().flat_map(Report::failures).collect();
    for failure in &failures {
        println!("DOES NOT HOLD  {failure}");
    }
    if words.is_empty() && !has("--quick") && failures.is_empty() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
        support::documents::write(&docs, "table", &format!("{table}\n{}", report::circumstances(&pace)));
    }
    println!(
        "{} of {} rows hold every claim",
        reports.iter().filter(|report| report.holds()).count(),
        rows.len()
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the rows, some at a time, and gives the reports in the rows' order.
fn run(rows: &[&Row], pace: &Pace) -> Vec<Report> {
    let begun = Instant::now();
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((0..rows.len()).collect());
    let done: Mutex<Vec<(usize, Report)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(at) = waiting.lock().unwrap().pop_front() else { return };
                    let row = rows[at];
                    let say =
                        |what: &str| println!("[{:>4} s] {}: {what}", begun.elapsed().as_secs(), row.name);
                    say("starts");
                    let run = std::panic::AssertUnwindSafe(|| (row.run)(row.name, pace, &say));
                    let report = std::panic::catch_unwind(run).unwrap_or_else(|_| Report::broken(row.name));
                    let mut done = done.lock().unwrap();
                    done.push((at, report));
                    say(&format!("done ({} of {} rows)", done.len(), rows.len()));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, report)| report).collect()
}
