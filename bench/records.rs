//! A purchase with records beside the same purchase without.

use crate::arms::{Arm, Setup};
use crate::payloads::Payload;
use crate::phases::{self, Pace, Rates};
use crate::report::{circumstances, ratio, short};
use crate::results::{Measure, Results};
use crate::support::{documents, root};
use crate::targets::{Target, table};

const PAYLOAD: Payload = Payload::Recorded;
const COST: Measure = Measure::Cpu(PAYLOAD);
/// Measures only this. With `write`, docs/performance.md says what came of it. Returns its section of that page.
pub fn alone(pace: Pace, write: bool) -> Result<String, String> {
    let setups = [Setup::Relay, Setup::Recording, Setup::Unrecorded];
    let (results, rates) = phases::alone(PAYLOAD, &setups, pace)?;
    let section = section(&results, &rates, &pace);
    if write {
        documents::write(&root().join("docs/performance.md"), "records", &section);
    }
    Ok(section)
}

/// The arms in a table of Markdown, and what they are held to in another one.
fn section(results: &Results, rates: &Rates, pace: &Pace) -> String {
    let mut costs =
        "| arm | CPU µs a purchase | min to max | of m | itself |\n|---|---:|---:|---:|---:|\n".to_owned();
    for letter in PAYLOAD.arms() {
        let Some(value) = results.of(COST, *letter) else { continue };
        costs += &format!(
            "| {} | {} | {} to {} | {} | ±{:.1} % |\n",
            Arm::of(*letter).label(),
            short(value.median),
            short(value.least),
            short(value.most),
            if *letter == 'm' { "1".into() } else { ratio(results.ratio(COST, *letter, 'm')) },
            100.0 * value.spread,
        );
    }
    let target =
        |what, limit, over, under| Target { what, unit: "", limit, value: results.ratio(COST, over, under) };
    let targets = [
        target("l / e, records posted", 1.10, 'l', 'e'),
        target("e / m, records that nobody reads", 1.0, 'e', 'm'),
    ];
    format!("{}\n{costs}\n{}", circumstances(pace, rates), table(&targets))
}
