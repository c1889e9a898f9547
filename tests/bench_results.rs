//! What the gateway benchmark makes of its measurements: medians, doubts and ratios, by figures whose answers are plain.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[allow(dead_code, reason = "the benchmark uses the rest")]
#[path = "../bench/results.rs"]
mod results;
#[path = "../bench/samples.rs"]
mod samples;

/// In the benchmark this is what is sent.
mod payloads {
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Payload {
        Purchase,
    }
}

use payloads::Payload;
use results::{Measure, Results, median};
use samples::Place;

const CPU: Measure = Measure::Cpu(Payload::Purchase);

/// Results of one round after the other: for each arm the values of its processes in that round.
fn rounds(rounds: &[&[(char, &[f64])]]) -> Results {
    let mut results = Results::default();
    for (number, arms) in rounds.iter().enumerate() {
        results.begin_round(number);
        for (arm, values) in *arms {
            values.iter().for_each(|value| results.add(CPU, *arm, *value));
        }
    }
    results
}

fn near(value: f64, expected: f64) -> bool {
    (value - expected).abs() < 1e-9
}

#[test]
fn the_median_of_an_even_number_is_between_the_two_in_the_middle() {
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.5));
    assert_eq!(median(Vec::new()), None);
}

#[test]
fn an_arm_has_the_median_of_all_its_values_with_the_least_and_the_most() {
    let results = rounds(&[&[('a', &[100.0, 110.0])], &[('a', &[90.0, 500.0])]]);
    let value = results.of(CPU, 'a').unwrap();
    assert_eq!((value.median, value.least, value.most), (105.0, 90.0, 500.0));
    assert!(results.of(CPU, 'b').is_none());
}

#[test]
fn the_spread_is_the_usual_distance_of_an_arms_two_processes_within_a_round() {
    let results = rounds(&[&[('a', &[100.0, 110.0])], &[('a', &[200.0, 200.0])], &[('a', &[50.0, 100.0])]]);
    assert!(near(results.spread(CPU, 'a'), 0.1)); // of 10 %, none and 100 %
}

#[test]
fn a_ratio_is_taken_within_rounds_so_that_a_slow_round_does_not_show() {
    let results = rounds(&[
        &[('a', &[100.0, 100.0]), ('e', &[150.0, 150.0])],
        &[('a', &[900.0, 900.0]), ('e', &[1350.0, 1350.0])],
        &[('a', &[10.0, 10.0]), ('e', &[20.0, 20.0])],
    ]);
    let ratio = results.ratio(CPU, 'e', 'a').unwrap();
    assert!(near(ratio.median, 1.5) && near(ratio.least, 1.5) && near(ratio.most, 2.0));
    assert!(!ratio.is_lost_in_noise());
}

#[test]
fn a_ratio_nearer_to_one_than_the_worse_of_its_arms_is_to_itself_is_lost_in_noise() {
    let results = rounds(&[&[('a', &[100.0, 120.0]), ('e', &[121.0, 121.0])]]);
    let ratio = results.ratio(CPU, 'e', 'a').unwrap();
    assert!(near(ratio.median, 1.1) && near(ratio.spread, 0.2));
    assert!(ratio.is_lost_in_noise());
}

#[test]
fn the_doubts_of_small_differences_of_large_values_add_up() {
    let results = rounds(&[&[('a', &[100.0, 110.0]), ('b', &[150.0, 150.0]), ('e', &[205.0, 205.0])]]);
    let ratio = results.ratio_of_differences(CPU, ('e', 'a'), ('b', 'a')).unwrap();
    assert!(near(ratio.median, 100.0 / 45.0));
    // The base's doubt is a tenth of 105, in a difference of 100 and in one of 45.
    assert!(near(ratio.spread, 10.5 / 100.0 + 10.5 / 45.0));
}

#[test]
fn a_difference_is_compared_with_one_between_two_other_arms() {
    let values: [(char, &[f64]); 4] =
        [('a', &[100.0, 100.0]), ('b', &[300.0, 300.0]), ('h', &[110.0, 120.0]), ('n', &[165.0, 165.0])];
    let ratio = rounds(&[&values]).ratio_of_differences(CPU, ('n', 'h'), ('b', 'a')).unwrap();
    assert!(near(ratio.median, 50.0 / 200.0));
    // Only h varies: by a tenth of 115 or so, in a difference of 50.
    assert!(near(ratio.spread, 115.0 * (120.0 / 110.0 - 1.0) / 50.0));
}

#[test]
fn a_round_that_lacks_one_of_the_arms_counts_for_no_ratio() {
    let results = rounds(&[&[('a', &[100.0]), ('e', &[300.0])], &[('e', &[100.0])]]);
    assert!(near(results.ratio(CPU, 'e', 'a').unwrap().median, 3.0));
    assert!(results.ratio(CPU, 'e', 'b').is_none());
}

#[test]
fn time_is_spent_where_the_innermost_frame_is_and_a_call_of_a_module_is_told_from_envoy_itself() {
    let samples = [
        ["/tmp/perf-7.map", "/usr/bin/envoy"].as_slice(),
        &["[JIT] tid 7"],
        &["[kernel.kallsyms]", "/usr/bin/envoy", "//anon", "/usr/bin/envoy"],
        &["[kernel.kallsyms]", "/usr/bin/envoy"],
        &["[nf_conntrack]", "[kernel.kallsyms]", "/usr/bin/envoy"],
        &["[vdso]", "/usr/bin/envoy"],
        &["/usr/bin/envoy"],
        &[],
    ];
    let shown = samples.map(|files| {
        let frames: Vec<String> = files.iter().map(|file| format!("\t 1f ({file})\n")).collect();
        format!("  7 \n{}", frames.concat())
    });
    let expected = [(Place::Module, 2), (Place::Calls, 1), (Place::Envoy, 2), (Place::Kernel, 2)];
    assert_eq!(samples::count(&shown.join("\n")).into_iter().collect::<Vec<_>>(), expected);
}
