//! What a running Envoy exposes, against what docs, dashboard and alert rules say of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::json;
use support::orders::{configuration, flashtalking, order, podsights, settled};
use support::{Gateway, Options};

const DOCS: &str = include_str!("../docs/metrics.md");
const DASHBOARD: &str = include_str!("../deploy/grafana/dashboard.json");
const RULES: &str = include_str!("../deploy/prometheus/alerts.yaml");

/// Metrics of the filter and of its VM, each with its labels and their values.
type Exposed = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn exposed() -> Exposed {
    let gateway = Gateway::start(
        Options::new().configuration(configuration(&[flashtalking(), podsights()], json!({}))),
    );
    gateway.send(order(1)); // a histogram shows only what it has recorded
    settled(&gateway, "FT", 1);
    settled(&gateway, "PS", 1);
    let has_histogram = || gateway.prometheus().contains("conversion_relay_callout_duration_ms_bucket");
    assert!(
        support::wait_until(support::LIMIT * 2, has_histogram),
        "Envoy merges histograms every five seconds"
    );
    let mut exposed = Exposed::new();
    for line in gateway.prometheus().lines().filter(|line| !line.starts_with('#')) {
        let Some((series, _)) = line.rsplit_once(' ') else { continue };
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let of_name = exposed.entry(name.to_owned()).or_default();
        for label in labels.trim_end_matches('}').split("\",").filter(|label| !label.is_empty()) {
            let (label, value) = label.split_once("=\"").unwrap();
            of_name.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').to_owned());
        }
    }
    exposed
}

/// Words of a text that are names of metrics.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let of_name = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | ':');
    let words = text.split(|character| !of_name(character));
    words.filter(|word| word.starts_with("conversion_relay_") || word.starts_with("envoy_")).collect()
}

/// `label="a|b"` and `label=~"a|b"` of a text, one pair for each alternative.
fn label_values_in(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for label in ["outcome", "reason", "status", "kind"] {
        let operators = ["=", "!=", "!~"].map(|operator| format!("{label}{operator}"));
        for (at, _) in operators.iter().flat_map(|written| text.match_indices(written.as_str())) {
            let rest = text[at + label.len()..].trim_start_matches(['!', '=', '~', '\\']);
            let Some(rest) = rest.strip_prefix('"') else { continue };
            let value = rest.split(['"', '\\']).next().unwrap();
            found.extend(value.split('|').map(|value| (label.to_owned(), value.to_owned())));
        }
    }
    found
}

#[test]
fn docs_dashboard_and_rules_name_what_envoy_exposes_and_the_docs_name_all_of_it() {
    let exposed = exposed();
    let all_values: BTreeSet<(String, String)> = exposed
        .iter()
        .filter(|(name, _)| name.starts_with("conversion_relay_"))
        .flat_map(|(_, labels)| labels)
        .flat_map(|(label, values)| values.iter().map(|value| (label.clone(), value.clone())))
        .collect();
    for (file, text) in [("docs/metrics.md", DOCS), ("dashboard.json", DASHBOARD), ("alerts.yaml", RULES)] {
        let metrics = metrics_in(text);
        assert!(metrics.len() >= 6, "{file}: {metrics:?}");
        for metric in metrics {
            let is_there = exposed.contains_key(metric) || exposed.contains_key(&format!("{metric}_bucket"));
            assert!(is_there, "{file}: there is no {metric}");
        }
        for pair in label_values_in(text) {
            assert!(all_values.contains(&pair), "{file}: no metric has {}={:?}", pair.0, pair.1);
        }
    }
    for (name, labels) in exposed.iter().filter(|(name, _)| name.starts_with("conversion_relay_")) {
        let name =
            ["_bucket", "_sum", "_count"].iter().fold(name.as_str(), |name, end| name.trim_end_matches(end));
        let (_, section) =
            DOCS.split_once(&format!("## {name}\n")).unwrap_or_else(|| panic!("no section {name}"));
        let section = section.split("\n## ").next().unwrap();
        for (label, values) in
            labels.iter().filter(|(label, _)| *label != "le" && !label.starts_with("envoy_"))
        {
            assert!(section.contains(&format!("`{label}`")), "{name}: the label {label} is not explained");
            let fixed = !matches!(label.as_str(), "integration" | "vendor");
            for value in values.iter().filter(|_| fixed) {
                let rows = section.lines().filter(|line| line.starts_with(&format!("| `{value}` |"))).count();
                assert_eq!(rows, 1, "{name}: rows that explain {label}={value}");
            }
        }
    }
}

#[test]
fn the_alert_rules_pass_promtool() {
    let Ok(output) =
        Command::new("promtool").args(["check", "rules", "deploy/prometheus/alerts.yaml"]).output()
    else {
        return eprintln!("NOT CHECKED: there is no promtool (Debian: apt-get install prometheus)");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_dashboard_is_json_whose_panels_have_queries() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 8);
    for panel in panels {
        assert!(panel["targets"][0]["expr"].as_str().is_some_and(|expr| !expr.is_empty()), "{panel}");
    }
}
