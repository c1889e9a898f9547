//! Hostile input for everything that reads what a client, a vendor or an operator sends.
//!
//! The targets are those of `make fuzz` (docs/fuzzing.md), which lets libFuzzer look for new inputs. Here each of them reads
//! the seeds in `fuzz/seeds`, and 256 seeds broken in random ways, or as many as PROPTEST_CASES says. A target fails when
//! something panics, or when what it promises about its output doesn't hold.
#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used, clippy::expect_used)]

#[path = "fuzz/broken.rs"]
mod broken;
#[allow(dead_code, reason = "the other half plays the cases")]
#[path = "cases/case.rs"]
mod case;
#[allow(dead_code, reason = "the bounds on memory are libFuzzer's to check")]
#[path = "../fuzz/src/checks/mod.rs"]
mod checks;
#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/seeds.rs"]
mod seeds;

/// Of the harness for the real Envoy, the requests.
mod support {
    pub use crate::http::Request;
}
#[allow(dead_code, reason = "only what a request consists of")]
#[path = "support/http.rs"]
mod http;

use std::path::{Path, PathBuf};

#[test]
fn an_answer_of_any_bytes_has_a_verdict_and_only_a_2xx_or_a_redirect_that_counts_delivers() {
    run("answer", checks::answer::check);
}

#[test]
fn a_body_of_any_encoding_is_refused_or_stays_within_the_cap() {
    run("body", checks::body::check);
}

#[test]
fn any_bytes_are_a_configuration_or_are_refused_in_a_line_without_secrets() {
    run("configuration", checks::configuration::check);
}

#[test]
fn every_source_of_consent_reads_any_bytes_alike_twice() {
    run("consent", checks::consent::check);
}

#[test]
fn the_first_cookie_of_a_name_is_found() {
    run("cookies", checks::cookies::check);
}

#[test]
fn a_body_is_refused_or_all_of_its_events_can_be_read_or_refused() {
    run("events", checks::events::check);
}

#[test]
fn the_lazy_reader_of_json_finds_what_serde_json_finds() {
    run("json", checks::json::check);
}

#[test]
fn a_path_is_an_endpoint_or_not_and_a_query_never_decides() {
    run("path", checks::path::check);
}

#[test]
fn a_pixel_is_refused_or_becomes_a_text_of_bounded_size() {
    run("pixel", checks::pixel::check);
}

#[test]
fn no_text_keeps_an_email_address_through_the_last_station() {
    run("privacy", checks::privacy::check);
}

#[test]
fn whatever_a_client_sends_the_books_balance_and_nothing_leaves_against_a_plain_refusal() {
    run("request", checks::request::check);
}

#[test]
fn a_timestamp_is_read_as_a_time_after_1970_or_refused() {
    run("timestamp", checks::timestamp::check);
}

/// `make fuzz-seeds` sets FUZZ_SEEDS to the folder that it wants the seeds in.
#[test]
fn each_target_has_seeds_from_the_cases_and_the_corpus() {
    let wanted = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from);
    let folder = wanted.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("fuzz-seeds"));
    seeds::write(&folder, &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"));
    let targets = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/src/bin")).unwrap();
    for target in targets.map(|entry| entry.unwrap().path()) {
        let name = target.file_stem().unwrap().to_str().unwrap().to_owned();
        let some = std::fs::read_dir(folder.join(&name)).is_ok_and(|mut seeds| seeds.next().is_some());
        assert!(some, "{name} has no seeds");
    }
}

/// Checks each seed of a target, and broken ones.
fn run(target: &str, check: fn(&[u8]) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    for (file, seed) in files.iter().zip(&seeds) {
        println!("{}", file.display()); // shown if the seed fails
        check(seed);
    }
    broken::fuzz(target, seeds, check);
}
