//! What the filter is held to, each as a figure of this run.

use std::process::Command;

use crate::arms::Setup;
use crate::checks::Contexts;
use crate::gateway::module;
use crate::payloads::Payload;
use crate::results::{Estimate, Measure, Results};
use crate::subject::{MEASURED, OTHERS};
use crate::support::root;

pub struct Target {
    pub what: &'static str,
    pub unit: &'static str,
    /// At most this.
    pub limit: f64,
    pub value: Option<Estimate>,
}

impl Target {
    /// A figure that is nearer to its limit than an arm is to itself is on neither side of it.
    pub fn verdict(&self) -> &'static str {
        match self.value {
            None => "not measured",
            Some(value) if value.spread > 0.0 && self.is_within(value) => "not resolved",
            Some(value) if value.median <= self.limit => "met",
            Some(_) => "missed",
        }
    }

    fn is_within(&self, value: Estimate) -> bool {
        (value.median - self.limit).abs() < value.spread * value.median.abs()
    }

    fn figure(&self) -> String {
        let Some(value) = self.value else { return "-".into() };
        let unit = self.unit;
        let digits = if unit.is_empty() && self.limit < 100.0 { 2 } else { 0 };
        let Estimate { median, least, most, spread } = value;
        if least == most {
            return format!("{median:.digits$}{unit}");
        }
        format!("{median:.digits$}{unit} ({least:.digits$} to {most:.digits$}, ±{:.0} %)", 100.0 * spread)
    }
}

/// The targets of a whole run. `instructions`: those of a purchase, by `make profile`.
pub fn targets(
    results: &Results,
    contexts: &Contexts,
    most_workers: u32,
    instructions: Option<f64>,
) -> Vec<Target> {
    let cpu = Measure::Cpu;
    let target = |what, limit, unit, value| Target { what, unit, limit, value };
    let (purchase, flat_out) = (cpu(Payload::Purchase), Measure::CpuFlatOut(Payload::Purchase));
    let (untracked, untracked_flat_out) = (cpu(Payload::Untracked), Measure::CpuFlatOut(Payload::Untracked));
    let above = |measure, over, under| results.ratio_of_differences(measure, over, under);
    vec![
        target("(e - a) / (b - a), one purchase", 1.25, "", above(purchase, ('e', 'a'), ('b', 'a'))),
        target(
            "(e - a) / (b - a), one purchase, flat out",
            1.25,
            "",
            above(flat_out, ('e', 'a'), ('b', 'a')),
        ),
        target("e / c, one purchase", 1.0, "", results.ratio(purchase, 'e', 'c')),
        target("e / d, one purchase", 0.85, "", results.ratio(purchase, 'e', 'd')),
        target("e / d, one purchase, flat out", 0.85, "", results.ratio(flat_out, 'e', 'd')),
        target("(n - h) / (b - a), one purchase", 0.28, "", above(purchase, ('n', 'h'), ('b', 'a'))),
        target("e / d, batch of 20", 0.9, "", results.ratio(cpu(Payload::Batch20), 'e', 'd')),
        target("f / h, untracked GET", 1.03, "", results.ratio(untracked, 'f', 'h')),
        target("f / h, untracked GET, flat out", 1.03, "", results.ratio(untracked_flat_out, 'f', 'h')),
        target("instructions of a purchase", 46_000.0, "", instructions.and_then(exact)),
        target("g: stream contexts created", 0.0, "", exact(contexts.off as f64)),
        target(
            "p99 of the tracked request, vendors take 2 s, e / a",
            1.10,
            "",
            results.ratio(Measure::SlowVendors99, 'e', 'a'),
        ),
        target("(e - a) per event: batch of 500 / batch of 10", 1.2, "", linear(results)),
        target("memory over h, each further worker", 4.0, " MB", by_worker(results, most_workers)),
    ]
}

/// The instructions that a purchase takes in the pipeline, counted by `scripts/profile`; `None` without valgrind.
pub fn instructions() -> Option<f64> {
    // It compiles first, for which it gets both processors.
    let processors = format!("{MEASURED},{OTHERS}");
    let profile = root().join("scripts/profile");
    let output = Command::new("taskset").args(["--cpu-list", &processors]).arg(profile).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (number, _) = text.split_once(" instructions a purchase,")?;
    number.trim().replace(',', "").parse().ok()
}

/// Without the request itself, which a batch of 500 pays for once.
fn linear(results: &Results) -> Option<Estimate> {
    let (large, small) = (Measure::Cpu(Payload::Batch500), Measure::Cpu(Payload::Batch10));
    let spread = |measure| results.difference(measure, 'e', 'a').map_or(0.0, |value| value.spread);
    results.combined(
        &[(large, 'e'), (large, 'a'), (small, 'e'), (small, 'a')],
        |values| (values[0] - values[1]) / 500.0 / ((values[2] - values[3]) / 10.0),
        spread(large) + spread(small),
    )
}

fn by_worker(results: &Results, most: u32) -> Option<Estimate> {
    let (many, one) = (Measure::Memory(most), Measure::Memory(1));
    let parts = [(many, 'e'), (many, 'h'), (one, 'e'), (one, 'h')];
    let further = f64::from(most - 1);
    let value =
        results.sum(&parts, |values| ((values[0] - values[1]) - (values[2] - values[3])) / further)?;
    Some(Estimate { spread: value.spread / further, ..value })
}

fn exact(value: f64) -> Option<Estimate> {
    Some(Estimate { median: value, least: value, most: value, spread: 0.0 })
}

pub fn module_kilobytes(setup: Setup) -> f64 {
    std::fs::metadata(module(setup)).map_or(f64::NAN, |file| file.len() as f64 / 1e3)
}

/// The targets as a table in Markdown.
pub fn table(targets: &[Target]) -> String {
    let mut table = "| target | at most | measured | |\n|---|---:|---:|---|\n".to_owned();
    for target in targets {
        let digits = if target.limit.fract() == 0.0 { 0 } else { 2 };
        table += &format!(
            "| {} | {:.digits$}{} | {} | {} |\n",
            target.what,
            target.limit,
            target.unit,
            target.figure(),
            target.verdict()
        );
    }
    table
}
