//! The table of docs/performance.md: a row for each call, a column for each scenario.

use std::collections::BTreeSet;

use super::shop::{self, Measured, Scenario};
use super::tally::Tally;

/// The row that changes with each build of the module, so that no test compares it.
pub const INSTRUCTIONS: &str = "WebAssembly instructions";

/// What one module takes for each scenario.
pub struct Measurements(Vec<Measured>);

impl Measurements {
    pub fn of(code: &[u8]) -> Self {
        Self(shop::ALL.iter().map(|scenario| scenario.measure(code)).collect())
    }

    pub fn get(&self, scenario: &Scenario) -> &Measured {
        let at = shop::ALL.iter().position(|known| known.title == scenario.title).unwrap();
        &self.0[at]
    }

    /// Returns what a row shows in each column, for one event.
    fn row(&self, of: impl Fn(&Tally) -> u64, decimals: usize) -> Vec<String> {
        self.0.iter().map(|measured| per_event(of(&measured.tally), measured.events, decimals)).collect()
    }

    fn call_names(&self) -> BTreeSet<String> {
        self.0.iter().flat_map(|measured| measured.tally.calls().into_keys()).collect()
    }

    fn callback_names(&self) -> BTreeSet<&'static str> {
        self.0.iter().flat_map(|measured| measured.tally.0.keys().copied()).collect()
    }
}

/// A number without needless zeros: `2`, `0.125`, `-` for nothing.
fn per_event(sum: u64, events: u64, decimals: usize) -> String {
    if sum == 0 {
        return "-".to_owned();
    }
    let number = format!("{:.decimals$}", sum as f64 / events as f64);
    if decimals == 0 { number } else { number.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Returns the table of a module; of two modules where another one is given: a cell in which they differ has both numbers.
pub fn calls(this: &Measurements, other: Option<&Measurements>) -> String {
    let mut names = this.call_names();
    names.extend(other.iter().flat_map(|other| other.call_names()));
    let mut table = Table::new("call into Envoy", this, other);
    for name in names {
        table.row(&format!("`{name}`"), |tally| tally.calls().get(&name).copied().unwrap_or_default(), 3);
    }
    table.row("all calls into Envoy", |tally| tally.sum(|callback| callback.calls.values().sum()), 3);
    table.row("callbacks of the module", |tally| tally.sum(|callback| callback.times), 3);
    table.row(INSTRUCTIONS, |tally| tally.sum(|callback| callback.instructions), 0);
    table.text
}

/// Returns where the calls come from: for each callback how often it runs, the calls that it makes, and its instructions.
pub fn callbacks(this: &Measurements, other: Option<&Measurements>) -> String {
    let mut names = this.callback_names();
    names.extend(other.iter().flat_map(|other| other.callback_names()));
    let mut table = Table::new("callback", this, other);
    for name in names {
        let of = |tally: &Tally| tally.0.get(name).cloned().unwrap_or_default();
        table.row(&format!("`{name}`"), |tally| of(tally).times, 3);
        table.row("its calls into Envoy", |tally| of(tally).calls.values().sum(), 3);
        table.row("its instructions", |tally| of(tally).instructions, 0);
    }
    table.text
}

struct Table<'a> {
    this: &'a Measurements,
    other: Option<&'a Measurements>,
    text: String,
}

impl<'a> Table<'a> {
    fn new(first: &str, this: &'a Measurements, other: Option<&'a Measurements>) -> Self {
        let titles = shop::ALL.map(|scenario| scenario.title).join(" | ");
        let text = format!("| {first} | {titles} |\n|---|{}\n", "---:|".repeat(shop::ALL.len()));
        Self { this, other, text }
    }

    fn row(&mut self, name: &str, of: impl Fn(&Tally) -> u64, decimals: usize) {
        let mut cells = self.this.row(&of, decimals);
        if let Some(other) = self.other {
            for (cell, other) in cells.iter_mut().zip(other.row(&of, decimals)) {
                if *cell != other {
                    *cell = format!("{cell} / {other}");
                }
            }
        }
        self.text += &format!("| {name} | {} |\n", cells.join(" | "));
    }
}

/// Returns the rows in which two tables differ, those of `known` first, each with its table's name.
pub fn differences(known: &str, found: &str) -> Vec<String> {
    let rows = |text: &str| -> Vec<String> {
        let compared =
            |line: &&str| line.starts_with('|') && !line.starts_with(&format!("| {INSTRUCTIONS} "));
        text.lines().filter(compared).map(str::to_owned).collect()
    };
    let (known, found) = (rows(known), rows(found));
    let gone = known.iter().filter(|row| !found.contains(row)).map(|row| format!("recorded: {row}"));
    let new = found.iter().filter(|row| !known.contains(row)).map(|row| format!("counted:  {row}"));
    gone.chain(new).collect()
}
