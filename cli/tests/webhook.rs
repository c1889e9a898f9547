//! docs/webhook.md is true: each of its configurations is accepted, and makes the request that the page shows.
//! `UPDATE_DOCS=1` writes the requests anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The secrets of the page's configurations.
const SECRETS: [(&str, &str); 4] = [
    ("QUEUE_TOKEN", "s3cret-queue"),
    ("CLICKHOUSE_USER", "s3cret-user"),
    ("CLICKHOUSE_PASSWORD", "s3cret-password"),
    ("META_TOKEN", "s3cret-meta"),
];

fn page() -> PathBuf {
    Path::new(ROOT).join("docs/webhook.md")
}

/// Runs the command line with a configuration. Returns what it printed, and whether it was satisfied.
fn run(command: &str, configuration: &Path, rest: &[&str]) -> (String, bool) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
    let output =
        program.current_dir(ROOT).envs(SECRETS).arg(command).arg(configuration).args(rest).output().unwrap();
    (String::from_utf8([output.stdout, output.stderr].concat()).unwrap(), output.status.success())
}

/// The parts of a page before, in and behind the first block of a language.
fn block<'p>(page: &'p str, language: &str) -> Option<(&'p str, &'p str, &'p str)> {
    let fence = format!("```{language}\n");
    let start = page.find(&fence)? + fence.len();
    let end = start + page[start..].find("```").expect("the block's end");
    Some((&page[..start], &page[start..end], &page[end..]))
}

#[test]
fn every_configuration_of_the_page_is_accepted_and_makes_the_request_that_the_page_shows() {
    let text = std::fs::read_to_string(page()).unwrap();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("webhook-{}.yaml", std::process::id()));
    let (mut rest, mut written, mut examples) = (text.as_str(), String::new(), 0);
    while let Some((before, configuration, behind)) = block(rest, "yaml") {
        std::fs::write(&file, configuration).unwrap();
        let (printed, is_fine) = run("check", &file, &[]);
        assert!(is_fine && !printed.contains("warn") && !printed.contains("plain text"), "{printed}");
        let request =
            ["docs/examples/order.json", "--client-ip", "203.0.113.50", "-H", "User-Agent: a browser"];
        let (printed, _) = run("preview", &file, &request);
        assert!(printed.contains(": sent ("), "{printed}");
        assert!(!printed.contains("s3cret") && !printed.to_lowercase().contains("jane"), "{printed}");
        let (between, _, behind) = block(behind, "text").expect("a request");
        written += &format!("{before}{configuration}{between}{printed}");
        (rest, examples) = (behind, examples + 1);
    }
    written += rest;
    std::fs::remove_file(&file).unwrap();
    assert_eq!(examples, 3);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(page(), &written).unwrap();
        return;
    }
    assert!(
        written == text,
        "docs/webhook.md shows other requests, run: make docs. It should be:\n{written}"
    );
}
