//! `conversion-relay pull`, with a console that this file plays.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "pull/console.rs"]
mod console;
#[path = "tap/support.rs"]
mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use console::{Behaviour, Console, TOKEN};
use serde_json::Value;
use support::Running;

const SHIPPED: &str = include_str!("../../conversion-relay.yaml");

/// The shipped file with a note in it, by which versions are told apart.
fn version(note: &str) -> String {
    format!("# {note}\n{SHIPPED}")
}

fn serves(note: &str) -> Behaviour {
    Behaviour::Serve { body: version(note).into_bytes(), etag: format!("\"{note}\"") }
}

/// A folder of its own, with the file in it or without.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("pull-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn with(content: &str) -> Self {
        let folder = Self::new();
        std::fs::write(folder.file(), content).unwrap();
        folder
    }

    fn file(&self) -> PathBuf {
        self.0.join("relay.yaml")
    }

    fn content(&self) -> Option<String> {
        std::fs::read_to_string(self.file()).ok()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(&self) -> u32 {
        std::fs::metadata(self.file()).unwrap().permissions().mode() & 0o777
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn command(url: &str, folder: &Folder, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
    command.args(["pull", "--console", url, "--gateway", "edge-1", "--file"]).arg(folder.file()).args(more);
    command.env("CONSOLE_TOKEN", TOKEN).env_remove("PODSIGHTS_KEY");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(console: &Console, folder: &Folder) -> Running {
    Running::of(command(&console.url(), folder, &["--every", "100ms"]))
}

fn once(url: &str, folder: &Folder, more: &[&str]) -> Output {
    command(url, folder, more).arg("--once").output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_file_is_written_once_and_left_alone_for_as_long_as_the_console_has_nothing_new() {
    let (console, folder) = (Console::start(serves("one")), Folder::new());
    let pull = start(&console, &folder);
    assert_eq!(pull.stderr.next(), format!("pull: {} is written anew", folder.file().display()));
    assert_eq!(folder.content(), Some(version("one")));
    assert_eq!(folder.mode(), 0o640);
    let inode = std::fs::metadata(folder.file()).unwrap().ino();

    console.wait_for_requests(4);

    assert_eq!(std::fs::metadata(folder.file()).unwrap().ino(), inode);
    assert_eq!(folder.names(), ["relay.yaml", "relay.yaml.etag"]);
    let requests = console.requests();
    assert!(requests[0].starts_with("GET /v1/gateway/configuration HTTP/1.1\r\n"), "{}", requests[0]);
    for request in &requests {
        assert!(request.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{request}");
        assert!(request.contains("x-gateway: edge-1\r\n"), "{request}");
    }
    assert!(!requests[0].contains("if-none-match"), "there is nothing yet");
    assert!(requests[1..].iter().all(|request| request.contains("if-none-match: \"one\"\r\n")));
    drop(console);
    assert!(pull.stderr.next().contains("stays as it is"), "the second line is of the console's end");
}

#[test]
fn a_new_configuration_replaces_the_file_which_keeps_its_permissions() {
    let (console, folder) = (Console::start(serves("one")), Folder::with("anything"));
    std::fs::set_permissions(folder.file(), PermissionsExt::from_mode(0o604)).unwrap();
    std::fs::write(folder.0.join("relay.yaml.new"), "left by a run that was killed").unwrap();
    let pull = start(&console, &folder);
    pull.stderr.next();
    assert_eq!((folder.content(), folder.mode()), (Some(version("one")), 0o604));
    let before = std::fs::metadata(folder.file()).unwrap().ino();

    console.behave(serves("two"));

    assert!(pull.stderr.next().ends_with("is written anew"));
    assert_eq!((folder.content(), folder.mode()), (Some(version("two")), 0o604));
    assert_ne!(std::fs::metadata(folder.file()).unwrap().ino(), before, "renamed into place");
    assert_eq!(folder.names(), ["relay.yaml", "relay.yaml.etag"]);
}

#[test]
fn a_pull_that_was_killed_and_starts_again_asks_only_for_news() {
    let (console, folder) = (Console::start(serves("one")), Folder::new());
    let pull = start(&console, &folder);
    pull.stderr.next();
    pull.signal("KILL");
    drop(pull);
    let before = console.requests().len();
    let inode = std::fs::metadata(folder.file()).unwrap().ino();

    let again = start(&console, &folder);

    assert!(again.stderr.next().ends_with("is current"));
    assert!(console.requests()[before].contains("if-none-match: \"one\"\r\n"));
    assert_eq!(std::fs::metadata(folder.file()).unwrap().ino(), inode);
}

#[test]
fn a_file_that_was_changed_by_hand_is_fetched_anew_even_between_two_polls() {
    let (console, folder) = (Console::start(serves("one")), Folder::new());
    let pull = start(&console, &folder);
    pull.stderr.next();
    std::fs::write(folder.file(), "integrations: [").unwrap();
    assert!(pull.stderr.next().ends_with("is written anew"));
    assert_eq!(folder.content(), Some(version("one")));
    std::fs::remove_file(folder.file()).unwrap();
    assert!(pull.stderr.next().ends_with("is written anew"));
}

#[test]
fn the_etag_of_another_console_or_another_gateway_is_not_sent() {
    let (console, other, folder) =
        (Console::start(serves("one")), Console::start(serves("one")), Folder::new());
    assert!(once(&console.url(), &folder, &[]).status.success());
    assert!(once(&other.url(), &folder, &[]).status.success());
    assert!(once(&other.url(), &folder, &["--gateway", "edge-2"]).status.success());
    assert!(other.requests().iter().all(|request| !request.contains("if-none-match")));
}

#[test]
fn a_damaged_note_beside_the_file_is_as_good_as_none() {
    let (console, folder) = (Console::start(serves("one")), Folder::new());
    for note in ["", "{", "{}", "\u{0}", "[1]"] {
        assert!(once(&console.url(), &folder, &[]).status.success());
        std::fs::write(folder.0.join("relay.yaml.etag"), note).unwrap();
    }
    assert!(once(&console.url(), &folder, &[]).status.success());
    assert!(console.requests().iter().all(|request| !request.contains("if-none-match")));
}

#[test]
fn whatever_else_the_console_answers_the_file_stays_as_it_is() {
    let serve = |body: &[u8]| Behaviour::Serve { body: body.to_vec(), etag: "\"x\"".to_owned() };
    let changed = |from: &str, to: &str| serve(version("x").replace(from, to).as_bytes());
    let raw = |text: &str| Behaviour::Raw(text.as_bytes().to_vec());
    let table = [
        (raw("no HTTP at all\r\n\r\n"), "the console's answer can't be read"),
        (raw(""), "the console's answer can't be read"),
        (
            raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nresources:"),
            "the console's answer can't be read",
        ),
        (raw("HTTP/1.1 304 Not Modified\r\n\r\n"), "304, not modified, although it was asked for all"),
        (raw("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n"), "401: it doesn't know CONSOLE_TOKEN"),
        (raw("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n"), "403: CONSOLE_TOKEN has no right"),
        (
            raw("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n"),
            "404: it has no configuration for this gateway",
        ),
        (raw("HTTP/1.1 302 No\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n"), "302, a redirect"),
        (raw("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"), "answered 500"),
        (serve(b""), "expected resources with one TypedExtensionConfig"),
        (serve(b"<html>It works!</html>"), "expected resources with one TypedExtensionConfig"),
        (serve(b"\xff\xfe"), "no text in UTF-8"),
        (serve(b"integrations: []"), "expected resources with one TypedExtensionConfig"),
        (
            changed("consent_categories", "consent_categorys"),
            "integrations[0].consent_categorys: unknown field",
        ),
        (
            changed("host_env_keys: [PODSIGHTS_KEY]", "host_env_keys: []"),
            "PODSIGHTS_KEY is not set in the VM",
        ),
        (changed("name: conversion-relay  ", "name: another  "), "its resource is \"another\""),
        (serve(&vec![b'#'; 10 << 20]), "larger than 8388608 bytes"),
        (Behaviour::Endless, "larger than 8388608 bytes"),
    ];
    for (behaviour, expected) in table {
        let (console, folder) = (Console::start(behaviour), Folder::with(SHIPPED));
        let output = once(&console.url(), &folder, &[]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{expected}: {said}");
        assert!(said.contains(expected) && said.trim_end().lines().count() == 1, "{expected}\n{said}");
        assert!(!said.contains(TOKEN));
        assert_eq!(folder.content().as_deref(), Some(SHIPPED), "{expected}");
        assert_eq!(folder.names(), ["relay.yaml"], "{expected}");
    }
}

#[test]
fn an_outage_is_told_in_one_line_and_ends_with_what_the_console_then_has() {
    let (console, folder) = (Console::start(serves("one")), Folder::new());
    let pull = start(&console, &folder);
    pull.stderr.next();
    console.behave(Behaviour::Raw(Vec::new()));
    assert!(pull.stderr.next().ends_with("relay.yaml stays as it is"));
    console.behave(Behaviour::Raw(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n".to_vec()));
    console.wait_for_requests(console.requests().len() + 2);
    console.behave(serves("two"));
    assert!(pull.stderr.next().ends_with("is written anew"), "no other line was told meanwhile");
    assert_eq!(folder.content(), Some(version("two")));
}

#[test]
fn a_console_that_is_down_at_the_start_is_waited_for() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = Folder::with(SHIPPED);
    let pull = Running::of(command(&format!("http://{address}"), &folder, &["--every", "100ms"]));
    assert!(pull.stderr.next().starts_with("pull: the console can't be reached: "));
    assert_eq!(folder.content().as_deref(), Some(SHIPPED));
    let _console = Console::at(std::net::TcpListener::bind(address).unwrap(), serves("one"));
    assert!(pull.stderr.next().ends_with("is written anew"));
}

#[test]
fn sigterm_ends_it_at_once_even_while_the_console_is_silent() {
    let (console, folder) = (Console::start(Behaviour::Silent), Folder::new());
    let mut pull = start(&console, &folder);
    console.wait_for_requests(1);
    let told = Instant::now();
    pull.signal("TERM");
    assert!(pull.ends_well());
    assert!(told.elapsed() < Duration::from_secs(5), "it waited for the console, which has ten seconds");
}

#[test]
fn a_console_that_dribbles_has_ten_seconds() {
    let (console, folder) = (Console::start(Behaviour::Dribble), Folder::with(SHIPPED));
    let output = once(&console.url(), &folder, &[]);
    assert!(stderr(&output).contains("did not answer within 10 seconds"), "{}", stderr(&output));
    assert_eq!(folder.content().as_deref(), Some(SHIPPED));
}

#[test]
fn a_file_that_says_the_same_is_not_written_again() {
    let (console, folder) = (Console::start(serves("one")), Folder::with(&version("one")));
    let inode = std::fs::metadata(folder.file()).unwrap().ino();
    let output = once(&console.url(), &folder, &[]);
    assert!(output.status.success() && stderr(&output).contains("is current"), "{}", stderr(&output));
    assert_eq!(std::fs::metadata(folder.file()).unwrap().ino(), inode);
    assert!(once(&console.url(), &folder, &[]).status.success());
    assert!(console.requests()[1].contains("if-none-match: \"one\"\r\n"));
}

#[test]
fn a_configuration_in_json_and_one_with_sealed_values_are_taken() {
    let mut file: Value = serde_saphyr::from_str(SHIPPED).unwrap();
    let plugin = file.pointer_mut("/resources/0/typed_config/config").unwrap();
    plugin["vm_config"]["environment_variables"]["host_env_keys"] = serde_json::json!(["RELAY_KEY"]);
    let value = plugin.pointer_mut("/configuration/value").unwrap();
    value["secrets"] = serde_json::json!(["${RELAY_KEY}"]);
    let keys = conversion_relay::sealed::SealingKeys::new(&[conversion_relay::settings::Secret::new(
        "x".repeat(32),
    )]);
    let place = conversion_relay::sealed::place(value, "integrations[1].config.key").unwrap();
    value["integrations"][1]["config"]["key"] = keys.unwrap().seal("k", &place, [7; 24]).unwrap().into();
    let body = file.to_string();
    let console =
        Console::start(Behaviour::Serve { body: body.clone().into_bytes(), etag: "\"json\"".to_owned() });
    let folder = Folder::new();
    let output = once(&console.url(), &folder, &[]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(folder.content(), Some(body));
}

#[test]
fn https_trusts_the_certificates_of_ca_and_none_that_this_machine_does_not_know() {
    let (console, folder) = (Console::start_tls(serves("one")), Folder::new());
    let ca = folder.0.join("ca.pem");
    std::fs::write(&ca, console.certificate()).unwrap();
    let output = once(&console.url(), &folder, &["--ca", ca.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(folder.content(), Some(version("one")));

    let other = Console::start_tls(serves("two"));
    let output = once(&other.url(), &folder, &["--ca", ca.to_str().unwrap()]);
    assert!(stderr(&output).contains("the console can't be trusted"), "{}", stderr(&output));
    assert!(other.requests().is_empty(), "the token was sent");
    assert_eq!(folder.content(), Some(version("one")));

    std::fs::write(&ca, "no certificate").unwrap();
    let output = once(&console.url(), &folder, &["--ca", ca.to_str().unwrap()]);
    assert!(stderr(&output).contains("expected certificates in PEM, found none"), "{}", stderr(&output));
}

#[test]
fn incorrect_usage_is_told_without_a_request() {
    let (console, folder) = (Console::start(serves("one")), Folder::new());
    let url = console.url();
    let run = |arguments: &[&str], token: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
        command.arg("pull").args(arguments).env_remove("CONSOLE_TOKEN");
        let output = command.envs(token.map(|token| ("CONSOLE_TOKEN", token))).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let file = folder.file();
    let file = file.to_str().unwrap();
    let table = [
        (&["--file", file][..], Some("t"), 2, "expected pull --console URL --file FILE"),
        (&["--console", &url], Some("t"), 2, "expected pull --console URL --file FILE"),
        (&["--console", &url, "--file", file], None, 1, "CONSOLE_TOKEN is not set"),
        (
            &["--console", &url, "--file", file],
            Some("t\n"),
            1,
            "CONSOLE_TOKEN has a character that no token has",
        ),
        (&["--console", "ftp://x", "--file", file], Some("t"), 2, "expected a --console URL like"),
        (&["--console", "https://me:secret@x", "--file", file], Some("t"), 2, "without user, password"),
        (&["--console", &url, "--file", "/etc/envoy"], Some("t"), 2, "ends in .yaml, .yml or .json"),
        (
            &["--console", &url, "--file", file, "--every", "1ms"],
            Some("t"),
            2,
            "--every: expected 100ms to 1h",
        ),
        (
            &["--console", &url, "--file", file, "--gateway", "a\nb"],
            Some("t"),
            2,
            "expected a --gateway NAME",
        ),
        (&["--console", &url, "--file", file, "--of"], Some("t"), 2, "--of"),
        (&["--help"], None, 0, "usage: CONSOLE_TOKEN=... conversion-relay pull --console URL --file FILE"),
    ];
    for (arguments, token, code, expected) in table {
        let (exit, said) = run(arguments, token);
        assert!(
            exit == code && said.contains(expected) && !said.contains("secret@"),
            "{arguments:?}: {exit} {said}"
        );
    }
    assert!(console.requests().is_empty());
    let (exit, said) = run(&["--console", &url, "--file", file, "--once"], Some(TOKEN));
    assert_eq!(exit, 0, "{said}");
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert!(
        console.requests()[0].contains(&format!("x-gateway: {}\r\n", name.trim())),
        "this machine's name"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_told_and_harms_nothing() {
    let (console, folder) = (Console::start(serves("one")), Folder::with(SHIPPED));
    // A folder in the place of the file that is written beside: also root can't remove that like a file.
    std::fs::create_dir(folder.0.join("relay.yaml.new")).unwrap();
    let output = once(&console.url(), &folder, &[]);
    assert!(stderr(&output).starts_with("cannot write "), "{}", stderr(&output));
    assert_eq!(folder.content().as_deref(), Some(SHIPPED));
}
