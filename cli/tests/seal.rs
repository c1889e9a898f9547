//! `conversion-relay seal`, and sealed values in `check` and `preview`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const RELAY_KEY: &str = "the gateways' secret, 32 bytes or more";
const KEY: &str = "ps_pixel_key_abc123";

fn run(arguments: &[&str], relay_key: Option<&str>, input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
    command.current_dir(ROOT).args(arguments).env_remove("RELAY_KEY").env_remove("PODSIGHTS_KEY");
    command.envs(relay_key.map(|key| ("RELAY_KEY", key)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let written = child.stdin.take().unwrap().write_all(input.as_bytes());
    // A command that is refused doesn't read.
    assert!(written.is_ok() || written.unwrap_err().kind() == std::io::ErrorKind::BrokenPipe);
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file that is gone when the test ends.
struct TempFile(PathBuf);

impl TempFile {
    fn new(content: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("seal-{}-{}.yaml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
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

/// A plain configuration with this pixel key.
fn configuration(key: &str) -> String {
    format!(
        "secrets: [\"${{RELAY_KEY}}\"]\nintegrations:\n  - name: Pod\n    id: int_abc\n    vendor: podsights\n    config: {{key: \"{key}\"}}\n"
    )
}

fn sealed(file: &TempFile, path: &str, secret: &str) -> String {
    let output = run(&["seal", "--config", file.path(), path], Some(RELAY_KEY), secret);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(!stderr(&output).contains(secret.trim()), "the secret is shown");
    stdout(&output).trim_end().to_owned()
}

#[test]
fn what_seal_prints_opens_at_its_place_and_a_preview_masks_it() {
    let plain = TempFile::new(&configuration("anything"));
    let text = sealed(&plain, "integrations[0].config.key", &format!("{KEY}\n"));
    assert!(text.starts_with("sealed:v1:") && !text.contains('\n'), "{text}");
    let file = TempFile::new(&configuration(&text));

    let checked = run(&["check", file.path()], Some(RELAY_KEY), "");
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(!stdout(&checked).contains("note:"), "{}", stdout(&checked));

    let event = "docs/examples/purchase.json";
    let shown = run(&["preview", file.path(), event], Some(RELAY_KEY), "");
    assert!(stdout(&shown).contains("{\"key\":\"***\""), "{}", stdout(&shown));
    assert!(!stdout(&shown).contains(KEY));
}

#[test]
fn a_secret_sealed_twice_makes_two_texts_since_each_has_a_nonce_of_its_own() {
    let file = TempFile::new(&configuration("anything"));
    let [one, other] = [0, 1].map(|_| sealed(&file, "integrations[id=int_abc].config.key", KEY));
    assert_ne!(one, other);
}

#[test]
fn without_the_variable_a_check_puts_a_placeholder_and_says_so() {
    let plain = TempFile::new(&configuration("anything"));
    let file = TempFile::new(&configuration(&sealed(&plain, "integrations[0].config.key", KEY)));
    let output = run(&["check", file.path()], None, "");
    assert!(output.status.success(), "{}", stderr(&output));
    let notes = "note: RELAY_KEY is not set here; a placeholder stands for it\n\
                 note: integrations[0].config.key can't be opened here without RELAY_KEY; a placeholder stands for it\n";
    assert!(stdout(&output).contains(notes), "{}", stdout(&output));
}

#[test]
fn a_value_under_another_secret_than_that_of_the_variable_is_refused() {
    let plain = TempFile::new(&configuration("anything"));
    let file = TempFile::new(&configuration(&sealed(&plain, "integrations[0].config.key", KEY)));
    let output = run(&["check", file.path()], Some("another secret, of 32 bytes or more"), "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("integrations[0].config.key: sealed under a secret that is not"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_file_that_envoy_loads_the_filter_from_has_places_too() {
    let shipped = std::fs::read_to_string(Path::new(ROOT).join("conversion-relay.yaml")).unwrap();
    let changed = shipped.replace("host_env_keys: [PODSIGHTS_KEY]", "host_env_keys: [RELAY_KEY]").replace(
        "            integrations:\n",
        "            secrets: [\"${RELAY_KEY}\"]\n            integrations:\n",
    );
    let file = TempFile::new(&changed);
    let text = sealed(&file, "integrations[name=\"Podsights Production\"].config.key", KEY);
    let file = TempFile::new(&changed.replace("\"${PODSIGHTS_KEY}\"", &text));
    let output = run(&["check", file.path()], Some(RELAY_KEY), "");
    assert!(output.status.success(), "{}", stderr(&output));

    let not_passed_on = TempFile::new(&changed.replace("[RELAY_KEY]", "[]"));
    let arguments = ["seal", "--config", not_passed_on.path(), "integrations[1].config.key"];
    let output = run(&arguments, Some(RELAY_KEY), KEY);
    assert!(stderr(&output).contains("host_env_keys"), "{}", stderr(&output));
}

#[test]
fn a_key_that_is_not_there_yet_can_be_sealed_and_a_misspelled_path_cannot() {
    let file = TempFile::new(&configuration("anything"));
    let text = sealed(&file, "identity", "x");
    assert!(text.starts_with("sealed:v1:"));
    let output = run(&["seal", "--config", file.path(), "integrations[0].confg.key"], Some(RELAY_KEY), KEY);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no integrations[0].confg.key"), "{}", stderr(&output));
}

#[test]
fn seal_says_what_is_missing() {
    let file = TempFile::new(&configuration("anything"));
    let without = TempFile::new(&configuration("anything").replace("secrets: [\"${RELAY_KEY}\"]", ""));
    let path = "integrations[0].config.key";
    let of_file = |file: &TempFile| ["seal", "--config", file.path(), path].map(str::to_owned);
    let table = [
        (
            of_file(&file),
            None,
            KEY,
            1,
            "RELAY_KEY is not set here: set it to the secret that the gateway has",
        ),
        (of_file(&file), Some("short"), KEY, 1, "secrets: expected at least 32 bytes in secret 0"),
        (of_file(&file), Some(RELAY_KEY), "\n", 1, "expected the secret on standard input, got nothing"),
        (of_file(&without), Some(RELAY_KEY), KEY, 1, "there are no secrets to seal with: add secrets"),
    ];
    for (arguments, relay_key, input, code, expected) in table {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = run(&arguments, relay_key, input);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(stderr(&output).contains(expected), "{expected}\n{}", stderr(&output));
        assert!(stdout(&output).is_empty());
    }
    let secrets = run(&["seal", "--config", file.path(), "secrets[0]"], Some(RELAY_KEY), KEY);
    assert!(stderr(&secrets).contains("secrets[0] can't be sealed"), "{}", stderr(&secrets));
    for arguments in [&["seal"][..], &["seal", path], &["seal", "--config", file.path(), path, KEY]] {
        let output = run(arguments, Some(RELAY_KEY), "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!stderr(&output).contains(KEY));
    }
    assert!(
        stdout(&run(&["seal", "--help"], None, ""))
            .contains("usage: conversion-relay seal --config FILE PATH")
    );
}
