//! The tables.

use std::process::Command;

use crate::arms::{Arm, Setup};
use crate::payloads::Payload;
use crate::phases::{PROCESSES, Pace, Rates};
use crate::results::{Estimate, Measure, Results};
use crate::subject::{MEASURED, OTHERS};
use crate::support::envoy_binary;
use crate::targets::module_kilobytes;

/// Processor time by payload and arm.
pub fn costs(results: &Results, payloads: &[Payload]) -> String {
    let mut table =
        "| request | arm | CPU µs | min to max | of a | itself |\n|---|---|---:|---:|---:|---:|\n".to_owned();
    for payload in payloads {
        let measure = Measure::Cpu(*payload);
        let measured = ('a'..='z').filter_map(|letter| Some((letter, results.of(measure, letter)?)));
        for (at, (letter, value)) in measured.enumerate() {
            table += &format!(
                "| {} | {} | {} | {} to {} | {} | ±{:.1} % |\n",
                if at == 0 { payload.name() } else { "" },
                Arm::of(letter).label(),
                short(value.median),
                short(value.least),
                short(value.most),
                if letter == 'a' { "1".into() } else { ratio(results.ratio(measure, letter, 'a')) },
                100.0 * value.spread,
            );
        }
    }
    table
}

/// In a sentence, how this filter compares with its rivals.
pub fn compared(results: &Results) -> String {
    let purchase = Measure::Cpu(Payload::Purchase);
    let batch = Measure::Cpu(Payload::Batch20);
    let above = results.ratio_of_differences(purchase, ('e', 'a'), ('b', 'a'));
    format!(
        "One purchase: (e - a) / (b - a) {}, e / c {}, e / d {}. A batch of 20: e / d {}.\n",
        ratio(above),
        ratio(results.ratio(purchase, 'e', 'c')),
        ratio(results.ratio(purchase, 'e', 'd')),
        ratio(results.ratio(batch, 'e', 'd')),
    )
}

/// What one purchase takes in time, and how many go through.
pub fn purchase(results: &Results) -> String {
    let mut table =
        "| arm | p50 µs | p99 µs | requests/s | Envoy's processor | refused | µs a request then |\n\
                     |---|---:|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for letter in Payload::Purchase.arms() {
        let cell = |measure, unit: &str| {
            let value = results.of(measure, *letter);
            value.map_or("-".into(), |value| format!("{}{unit}", with_range(value)))
        };
        let simple = |measure| {
            results.of(measure, *letter).map_or("-".into(), |value| format!("{:.0} %", value.median))
        };
        table += &format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            Arm::of(*letter).label(),
            cell(Measure::Median(Payload::Purchase), ""),
            cell(Measure::Percentile99(Payload::Purchase), ""),
            cell(Measure::Throughput(Payload::Purchase), ""),
            simple(Measure::Busy(Payload::Purchase)),
            simple(Measure::Refused(Payload::Purchase)),
            cell(Measure::CpuFlatOut(Payload::Purchase), ""),
        );
    }
    table
}

/// Latencies of others, and of the tracked request with slow vendors.
pub fn latencies(results: &Results) -> String {
    let mut table = "| p99, µs | arm | | of a | itself |\n|---|---|---:|---:|---:|\n".to_owned();
    for (measure, name, letters) in [
        (Measure::SlowVendors99, "a purchase, while each vendor takes 2 s", ['a', 'e'].as_slice()),
        (Measure::Others99, "other requests, while batches of 500 arrive", &['a', 'd', 'e', 'h']),
    ] {
        for (at, letter) in letters.iter().enumerate() {
            let Some(value) = results.of(measure, *letter) else { continue };
            let of_bare =
                if *letter == 'a' { "1".into() } else { ratio(results.ratio(measure, *letter, 'a')) };
            let (name, label) = (if at == 0 { name } else { "" }, Arm::of(*letter).label());
            let spread = 100.0 * value.spread;
            table += &format!("| {name} | {label} | {} | {of_bare} | ±{spread:.0} % |\n", with_range(value));
        }
    }
    table
}

/// Memory and start.
pub fn idle(results: &Results, pace: &Pace) -> String {
    let workers: Vec<u32> = (1..=pace.most_workers).collect();
    let mut table = "| arm | start, ms |".to_owned();
    workers.iter().for_each(|workers| table += &format!(" MB, workers: {workers} |"));
    table += &format!(" module, KB |\n|---|---:|{}---:|\n", "---:|".repeat(workers.len()));
    for (letter, setup) in [('a', None), ('e', Some(Setup::Relay)), ('h', Some(Setup::Empty))] {
        let cell =
            |measure| results.of(measure, letter).map_or("-".into(), |value: Estimate| with_range(value));
        table += &format!("| {} | {} |", Arm::of(letter).label(), cell(Measure::Start));
        workers.iter().for_each(|workers| table += &format!(" {} |", cell(Measure::Memory(*workers))));
        table +=
            &format!(" {} |\n", setup.map_or("-".into(), |setup| format!("{:.0}", module_kilobytes(setup))));
    }
    table
}

/// On what, with what and when.
pub fn circumstances(pace: &Pace, rates: &Rates) -> String {
    let version = Command::new(envoy_binary()).arg("--version").output().map(|output| output.stdout);
    let version = String::from_utf8_lossy(&version.unwrap_or_default()).into_owned();
    // `/path/envoy  version: commit/1.40.0/Clean/RELEASE/BoringSSL`
    let version = version.split_once("version: ").and_then(|(_, version)| version.split('/').nth(1));
    let version = version.unwrap_or("of unknown version");
    let file = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = file("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let rates: Vec<String> =
        rates.iter().map(|(payload, rate)| format!("{} {rate:.0}", payload.name())).collect();
    format!(
        "Envoy {version}, {} processors ({}), Linux {}, {}; Envoy on processor {MEASURED}, all else on {OTHERS}. Rounds: {}, \
         each with {PROCESSES} new processes of each arm. Requests a second, by payload: {}.\n",
        std::fs::read_dir("/sys/bus/cpu/devices").map_or(0, Iterator::count),
        model.map_or("unknown", |(_, model)| model.trim()),
        file("/proc/sys/kernel/osrelease").trim(),
        crate::payloads::now().get(..10).unwrap_or_default(),
        pace.rounds,
        rates.join(", "),
    )
}

pub fn with_range(value: Estimate) -> String {
    if value.least == value.most {
        return short(value.median);
    }
    format!("{} ({} to {})", short(value.median), short(value.least), short(value.most))
}

/// A ratio that is closer to 1 than the arms are to themselves says nothing.
pub fn ratio(value: Option<Estimate>) -> String {
    match value {
        None => "-".into(),
        Some(value) if value.is_lost_in_noise() => format!("{:.2}, not resolved", value.median),
        Some(value) => format!("{:.2}", value.median),
    }
}

/// Three digits are more than can be repeated.
pub fn short(value: f64) -> String {
    let digits = if value >= 100.0 { 0 } else { 1 };
    format!("{value:.digits$}")
}
