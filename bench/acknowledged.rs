//! The acknowledged route beside `reply: local`: what the same purchase costs on each.

use crate::arms::{Arm, Setup};
use crate::checks;
use crate::payloads::Payload;
use crate::phases::{self, Pace, Rates};
use crate::report::{circumstances, ratio, short, with_range};
use crate::results::{Estimate, Measure, Results};
use crate::support::{documents, root};

const PAYLOAD: Payload = Payload::Keyed;

/// Measures only this. With `write`, docs/performance.md says what came of it. Returns its section of that page.
pub fn alone(pace: Pace, write: bool) -> Result<String, String> {
    println!("comparing what arms j and k send");
    checks::same_deliveries()?;
    let (results, rates) = phases::alone(PAYLOAD, &[Setup::Bare, Setup::Answering], pace)?;
    let section = section(&results, &rates, &pace);
    if write {
        documents::write(&root().join("docs/performance.md"), "acknowledged", &section);
    }
    Ok(section)
}

/// Both arms in a table of Markdown, and the difference between them in a sentence.
fn section(results: &Results, rates: &Rates, pace: &Pace) -> String {
    let cost = Measure::Cpu(PAYLOAD);
    let mut table = "| arm | CPU µs an event | min to max | of j | itself | p50 µs | p99 µs |\n|---|---:|---:|---:|---:|---:|---:|\n".to_owned();
    for letter in PAYLOAD.arms() {
        let Some(value) = results.of(cost, *letter) else { continue };
        let cell = |measure| results.of(measure, *letter).map_or("-".into(), with_range);
        table += &format!(
            "| {} | {} | {} to {} | {} | ±{:.1} % | {} | {} |\n",
            Arm::of(*letter).label(),
            short(value.median),
            short(value.least),
            short(value.most),
            if *letter == 'j' { "1".into() } else { ratio(results.ratio(cost, *letter, 'j')) },
            100.0 * value.spread,
            cell(Measure::Median(PAYLOAD)),
            cell(Measure::Percentile99(PAYLOAD)),
        );
    }
    let more = results.difference(cost, 'k', 'j').map_or("-".into(), difference);
    format!("{}\n{table}\nk - j: {more} of processor time for an event.\n", circumstances(pace, rates))
}

/// A difference of processor times. One that is smaller than what its parts may be off by says nothing.
fn difference(value: Estimate) -> String {
    let doubt = value.spread * value.median.abs();
    let note = if value.median.abs() < doubt { ", not resolved" } else { "" };
    format!("{:.0} µs ({:.0} to {:.0}, ±{doubt:.0} µs{note})", value.median, value.least, value.most)
}
