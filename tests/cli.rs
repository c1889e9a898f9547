//! The command line as docs/cli.md and docs/field-mappings.md show it: every example in them is run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env_remove("PODSIGHTS_KEY");
    command.args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8(both).unwrap()
}

fn doc(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// The fenced blocks of a page in one language, with the line before the fence.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// A file that is gone when the test ends.
struct TempFile(std::path::PathBuf);

impl TempFile {
    fn new(name: &str, content: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The words of a shell command that knows single quotes only.
fn words(command: &str) -> Vec<String> {
    let quoted = |(at, part): (usize, &str)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    };
    command.split('\'').enumerate().flat_map(quoted).collect()
}

#[test]
fn every_example_of_the_command_lines_manual_prints_what_the_manual_says() {
    let examples = blocks(&doc("cli.md"), "console");
    assert!(examples.len() >= 4);
    for example in examples {
        let (command, expected) = example.split_once('\n').unwrap();
        let words = words(command.strip_prefix("$ conversion-relay ").unwrap());
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(text(&run(&words, &[])), expected, "{command}");
    }
}

#[test]
fn every_example_of_the_mapping_manual_makes_the_request_that_the_manual_shows() {
    let page = doc("field-mappings.md");
    let (mappings, json) = (blocks(&page, "yaml"), blocks(&page, "json"));
    assert!(mappings.len() >= 5 && json.len() == 2 * mappings.len(), "a mapping, an event, what comes of it");
    for (mapping, pair) in mappings.iter().zip(json.chunks(2)) {
        let indented: String = mapping.lines().map(|line| format!("      {line}\n")).collect();
        let (vendor, config) = match mapping.contains("U") && !mapping.contains("line_items") {
            true => ("flashtalking", "{advertiser_id: 1, spotlight_id: 2, spotlight_group_id: 3}"),
            false => ("podsights", "{key: k}"),
        };
        let config = format!(
            "integrations:\n  - name: x\n    vendor: {vendor}\n    config: {config}\n    field_mappings:\n{indented}"
        );
        let (config, event) = (TempFile::new("config.yaml", &config), TempFile::new("event.json", &pair[0]));
        let arguments = ["preview", config.path(), event.path(), "-H", "Cookie: plan=gold"];
        let printed = text(&run(&arguments, &[]));
        assert_eq!(
            fields(&printed),
            serde_json::from_str::<Value>(&pair[1]).unwrap(),
            "{mapping}\n{printed}"
        );
    }
}

/// The mapped fields of the one request that a preview prints.
fn fields(printed: &str) -> Value {
    if let Some(body) = printed.lines().find(|line| line.starts_with("    {")) {
        let mut body: Value = serde_json::from_str(body).unwrap();
        body.as_object_mut().unwrap().remove("key");
        return body;
    }
    let (_, path) = printed.split_once("/?").unwrap_or_else(|| panic!("no request: {printed}"));
    let pairs = form_urlencoded::parse(path.lines().next().unwrap().as_bytes());
    Value::Object(
        pairs
            .filter(|(name, _)| name != "cachebuster")
            .map(|(name, value)| (name.into_owned(), json!(value)))
            .collect(),
    )
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let kept =
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("conversion-relay.schema.json")).unwrap();
    let fresh = run(&["schema"], &[]).stdout;
    assert!(kept == fresh, "run: conversion-relay schema > conversion-relay.schema.json");
}

#[test]
fn the_exit_code_says_fine_refused_or_wrongly_called() {
    for (arguments, code) in [
        (&["check", "conversion-relay.yaml"][..], 0),
        (&["--help"], 0),
        (&["check", "docs/examples/misspelled.yaml"], 1),
        (&["check", "no-such-file.yaml"], 1),
        (&["check", "Cargo.toml"], 1),
        (&["check"], 2),
        (&["preview", "conversion-relay.yaml"], 2),
        (&["schema", "--no-such-option"], 2),
        (&["preview", "conversion-relay.yaml", "docs/examples/purchase.json", "--client-ip", "nowhere"], 2),
        (&[], 2),
    ] {
        assert_eq!(run(arguments, &[]).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_secret_never_shows() {
    let secret = "s3cr3t-\"quoted\"-key";
    let arguments = ["preview", "conversion-relay.yaml", "docs/examples/purchase.json"];
    let printed = text(&run(&arguments, &[("PODSIGHTS_KEY", secret)]));
    assert!(printed.contains(r#"{"key":"***","event""#) && !printed.contains("s3cr3t"), "{printed}");
}

#[test]
fn an_envoy_file_is_refused_where_the_gateway_would_fail() {
    let shipped =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("conversion-relay.yaml")).unwrap();
    let flag = "allow_on_headers_stop_iteration: true";
    assert!(shipped.contains(flag));
    let local = shipped.replace(
        "            integrations:\n",
        "            endpoints: {reply: local}\n            integrations:\n",
    );
    for (name, file, refused) in [
        ("local.yaml", local.clone(), None),
        ("hanging.yaml", local.replace(flag, ""), Some("allow_on_headers_stop_iteration: true")),
        (
            "unpassed.yaml",
            shipped.replace("[PODSIGHTS_KEY]", "[]"),
            Some("PODSIGHTS_KEY is not set in the VM"),
        ),
    ] {
        let file = TempFile::new(name, &file);
        let output = run(&["check", file.path()], &[]);
        assert_eq!(output.status.success(), refused.is_none(), "{}", text(&output));
        assert!(text(&output).contains(refused.unwrap_or("fine")), "{}", text(&output));
    }
}
