//! A purchase with records beside the same purchase without.

use std::time::Instant;

use crate::arms::{Arm, Setup};
use crate::payloads::Payload;
use crate::phases::{Pace, Rates, Round};
use crate::report::{circumstances, ratio, short};
use crate::results::{Measure, Results};
use crate::sink::Sink;
use crate::subject::OTHERS;
use crate::support::{documents, root};
use crate::targets::{Target, table};

const PAYLOAD: Payload = Payload::Recorded;
const COST: Measure = Measure::Cpu(PAYLOAD);
/// By how much longer each is measured than in a whole run: the differences are small.
const LONGER: f64 = 2.0;

/// Measures only this. With `write`, docs/performance.md says what came of it. Returns its section of that page.
pub fn alone(pace: Pace, write: bool) -> Result<String, String> {
    let begun = Instant::now();
    let pace = Pace { load: LONGER * pace.load, ..pace };
    let sink = Sink::start(OTHERS);
    let (mut results, mut rates) = (Results::default(), Rates::new());
    for number in 0..pace.rounds {
        results.begin_round(number);
        let round = Round::begin(number, &[Setup::Relay, Setup::Recording, Setup::Unread], &sink, pace);
        if number == 0 {
            rates.insert(PAYLOAD, round.rate(PAYLOAD)?);
        }
        let say = |what: &str| {
            println!("[{:>4} s] round {} of {}: {what}", begun.elapsed().as_secs(), number + 1, pace.rounds);
        };
        // Unmeasured, for connections to collector, vendors and receiver.
        round.costs_of(PAYLOAD, PAYLOAD.arms(), rates[&PAYLOAD] / 4.0, &mut Results::default(), &|_| {})?;
        round.costs_of(PAYLOAD, PAYLOAD.arms(), rates[&PAYLOAD], &mut results, &say)?;
    }
    let section = section(&results, &rates, &pace);
    if write {
        self::write(&section);
    }
    Ok(section)
}

/// Puts a section into docs/performance.md.
pub fn write(section: &str) {
    documents::write(&root().join("docs/performance.md"), "records", section);
}

/// The arms in a table of Markdown, and what they are held to in another one.
pub fn section(results: &Results, rates: &Rates, pace: &Pace) -> String {
    let rates: Rates = rates
        .iter()
        .filter(|(payload, _)| **payload == PAYLOAD)
        .map(|(payload, rate)| (*payload, *rate))
        .collect();
    let mut costs =
        "| arm | CPU µs a purchase | min to max | of e | itself |\n|---|---:|---:|---:|---:|\n".to_owned();
    for letter in PAYLOAD.arms() {
        let Some(value) = results.of(COST, *letter) else { continue };
        costs += &format!(
            "| {} | {} | {} to {} | {} | ±{:.1} % |\n",
            Arm::of(*letter).label(),
            short(value.median),
            short(value.least),
            short(value.most),
            if *letter == 'e' { "1".into() } else { ratio(results.ratio(COST, *letter, 'e')) },
            100.0 * value.spread,
        );
    }
    let target =
        |what, limit, letter| Target { what, unit: "", limit, value: results.ratio(COST, letter, 'e') };
    let targets =
        [target("l / e, records posted", 1.10, 'l'), target("m / e, records that nobody reads", 1.0, 'm')];
    format!("{}\n{costs}\n{}", circumstances(pace, &rates), table(&targets))
}
