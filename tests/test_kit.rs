//! The examples of docs/integration-tests.md, each copied to an empty folder and run beside a real Envoy and the stand-in. Here they
//! run without containers, told the addresses by the environment as the page says; `make test-compose` runs the same files with
//! examples/integration-tests/docker-compose.yaml on a container engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::json;
use support::{Connection, Gateway, Options, Request, Response, root};

const PAGE: &str = include_str!("../docs/integration-tests.md");
const CONFIGURATION: &str = "/resources/0/typed_config/config/configuration/value";

/// A folder outside of this project, deleted when it is dropped.
struct EmptyFolder(PathBuf);

impl EmptyFolder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-kit-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for EmptyFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        match path.is_dir() {
            true if name == "target" || name == "__pycache__" => {}
            true => copy(&path, &to.join(name)),
            false => drop(std::fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

/// Runs an example against the gateway, in a copy of its folder: whether it passed, and what it said.
fn run(example: &str, gateway: &Gateway) -> (bool, String) {
    let folder = EmptyFolder::new();
    copy(&root().join("examples/integration-tests").join(example), &folder.0);
    let pytest = root().join(".tools/pytest/bin/python");
    let mut command = match example {
        "shell" => Command::new(folder.0.join("test.sh")),
        "pytest" => {
            assert!(pytest.is_file(), "there is no pytest: run `make test`, or `scripts/setup test-kit`");
            Command::new(pytest)
        }
        _ => Command::new(root().join("scripts/cargo")),
    };
    match example {
        "pytest" => command.args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]),
        // Compiled once for all copies.
        "rust" => command.args(["test", "--locked"]).env("CARGO_TARGET_DIR", root().join("target/test-kit")),
        _ => &mut command,
    };
    command.current_dir(&folder.0);
    for (name, address) in [("GATEWAY", gateway.address()), ("STAND_IN", gateway.control_address())] {
        command.env(name, address.to_string());
    }
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The shipped gateway, whose filter sends its records to the stand-in.
fn options() -> Options {
    Options::new().with_records().edit_filter(|file| {
        file.pointer_mut(CONFIGURATION).unwrap()["records"] = json!({"cluster": "records"});
    })
}

/// The example passes, twice on the same gateway, and says that it ran all of its tests.
fn passes(example: &str, all: &str) {
    let gateway = Gateway::start(options());
    for _ in 0..2 {
        let (passed, said) = run(example, &gateway);
        assert!(passed && said.contains(all), "{said}");
    }
}

/// The example fails on a gateway that is wrong in all that it tests, and says so.
fn notices_what_is_wrong(example: &str, complaint: &str) {
    let gateway = Gateway::start(options().edit_filter(|file| {
        let configuration = file.pointer_mut(CONFIGURATION).unwrap();
        configuration["delivery"] = json!({"max_attempts": 1});
        for integration in configuration["integrations"].as_array_mut().unwrap() {
            integration["consent_categories"] = json!([]);
        }
        configuration["integrations"][0]["config"]["spotlight_id"] = json!(1);
    }));
    let (passed, said) = run(example, &gateway);
    assert!(!passed && said.contains(complaint), "{said}");
}

#[test]
fn the_shell_example_passes() {
    passes("shell", "all passed");
}

#[test]
fn the_pytest_example_passes() {
    passes("pytest", "3 passed");
}

#[test]
fn the_rust_example_passes() {
    passes("rust", "3 passed");
}

#[test]
fn the_shell_example_fails_on_a_gateway_that_is_wrong() {
    notices_what_is_wrong("shell", "FAILED: its tag: expected true, got false");
}

#[test]
fn the_pytest_example_fails_on_a_gateway_that_is_wrong() {
    notices_what_is_wrong("pytest", "3 failed");
}

#[test]
fn the_rust_example_fails_on_a_gateway_that_is_wrong() {
    notices_what_is_wrong("rust", "0 passed; 3 failed");
}

#[test]
fn the_page_shows_the_tests_that_are_run_here() {
    for shown in [
        include_str!("../examples/integration-tests/pytest/test_conversions.py"),
        include_str!("../examples/integration-tests/docker-compose.yaml"),
    ] {
        assert!(PAGE.contains(shown), "docs/integration-tests.md lacks, or has otherwise:\n{shown}");
    }
}

#[test]
fn the_compose_file_and_the_page_name_the_image_of_this_version() {
    let image = concat!("conversion-relay-stand-in:", env!("CARGO_PKG_VERSION"));
    let compose = include_str!("../examples/integration-tests/docker-compose.yaml");
    assert!(compose.contains(&format!("image: {image}\n")) && PAGE.contains(&format!("# {image}\n")));
}

fn send(address: std::net::SocketAddr, request: &Request) -> Response {
    Connection::open(address).expect("the stand-in doesn't listen").send(request)
}

#[test]
fn records_that_are_posted_to_the_stand_in_can_be_asked_for() {
    let gateway = Gateway::start(Options::new());
    let record = |order: &str, outcome: &str| {
        json!({"version": 1, "what": "ended", "event": {"order_id": order}, "integration": "Podsights Production",
            "vendor": "podsights", "outcome": outcome})
    };
    let lines = format!("{}\n{}\n", record("A", "delivered"), record("B", "dropped"));
    let post = Request::post("/v1/records", lines).header("content-type", "application/x-ndjson");
    assert_eq!(send(gateway.records_address(), &post).status, 202);

    let ask = |query: &str| send(gateway.control_address(), &Request::get(&format!("/records?{query}")));
    let found = ask("order=A&integration=Podsights%20Production&within=5s").json();
    assert_eq!(found, json!([record("A", "delivered")]));
    let missing = ask("order=B&outcome=delivered&count=1&within=10ms");
    assert_eq!((missing.status, &missing.json()["found"]), (404, &json!([])));
}

#[test]
fn the_page_lists_the_api_that_the_stand_in_has() {
    let gateway = Gateway::start(Options::new());
    let requests: Vec<_> =
        PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`')).collect();
    let api: Vec<_> = requests.iter().filter_map(|(request, _)| request.split_once(" /")).collect();
    assert!(api.len() >= 8, "the table of the API is gone: {api:?}");
    for (method, path) in api {
        let path = format!("/{}", path.replace("{destination}", "podsights"));
        let answer = send(gateway.control_address(), &Request::new(method, &path).body("{}"));
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
    }
    // Its complaints name all that it knows.
    for (complaint, between) in [
        (Request::get("/requests?x=1"), ", "),
        (Request::get("/records?x=1"), ", "),
        (Request::new("PUT", "/behaviour/podsights").body(r#"{"x":1}"#), "`, `"),
    ] {
        let answer = send(gateway.control_address(), &complaint).json();
        let (_, known) = answer["error"].as_str().unwrap().split_once("expected ").unwrap();
        let known =
            known.trim_start_matches("one of `").split(" at line").next().unwrap().trim_end_matches('`');
        assert!(known.split(between).count() >= 5, "{answer}");
        for name in known.split(between) {
            assert!(PAGE.contains(&format!("`{name}`")), "docs/integration-tests.md says nothing of {name}");
        }
    }
}
