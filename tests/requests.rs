//! docs/requests.md: every example in it, by the shell, as a reader would paste it, makes a conversion.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Flashtalking, Gateway, Options, Podsights};

const PAGE: &str = include_str!("../docs/requests.md");
const SHIPPED: &str = include_str!("../conversion-relay.yaml");

fn blocks(language: &str) -> impl Iterator<Item = &'static str> {
    PAGE.split("```").filter_map(move |block| block.strip_prefix(language)?.strip_prefix('\n'))
}

/// The shipped configuration with the sources of the page.
fn with_sources() -> String {
    let sources = blocks("yaml").find(|block| block.contains("sources:")).unwrap();
    let at = "            integrations:\n";
    assert_eq!(SHIPPED.matches(at).count(), 1);
    let file = SHIPPED.replace(at, &format!("{sources}{at}"));
    let only = file.lines().find(|line| line.trim_start().starts_with("source_id:")).unwrap();
    let file: Value = serde_saphyr::from_str(&file.replace(only, "")).unwrap();
    file.pointer("/resources/0/typed_config/config/configuration/value").unwrap().to_string()
}

/// Runs an example in bash against `gateway`, and returns what it printed.
fn run(gateway: &Gateway, example: &str) -> String {
    let address = gateway.address().to_string();
    assert!(example.contains("127.0.0.1:10000"), "{example}");
    let output =
        Command::new("bash").args(["-euc", &example.replace("127.0.0.1:10000", &address)]).output().unwrap();
    assert!(output.status.success(), "{example}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_example_becomes_a_conversion_at_both_vendors() {
    let options =
        Options::new().configuration(with_sources().as_str()).env("SHOP_SECRET", "my-signing-secret");
    let gateway = Gateway::start(options);
    let examples: Vec<&str> = blocks("sh").collect();
    assert!(examples.len() >= 6, "{}", examples.len());
    for (nth, example) in examples.iter().enumerate() {
        let order = format!("ORD-{}", nth + 1);
        assert!(example.contains(&order), "an example for each order, in turn: {example}");
        assert!(run(&gateway, example).contains("200"), "{example}");
        for vendor in [Flashtalking, Podsights] {
            let made = gateway.wait_for(vendor, nth + 1);
            assert!(
                made.iter().any(|one| one.path.contains(&order) || one.text().contains(&order)),
                "{example}"
            );
        }
    }
    let signed = gateway.requests(Podsights).into_iter().find(|one| one.text().contains("ORD-4")).unwrap();
    assert!(signed.text().contains(r#""ip":"203.0.113.9""#), "{}", signed.text());
}
