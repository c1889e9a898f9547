//! `conversion-relay pull` beside the real Envoy.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "pull/console.rs"]
mod console;
#[path = "../../tests/support/mod.rs"]
mod gateway;
#[path = "tap/support.rs"]
mod support;

use std::process::{Command, Stdio};

use console::{Behaviour, Console, TOKEN};
use gateway::orders::{PS, configuration, order, podsights, settled};
use gateway::{Gateway, Options, Podsights, wait_until};
use serde_json::{Value, json};
use support::{LIMIT, Running};

const CONFIGURATION: &str = "/resources/0/typed_config/config/configuration/value";

fn with_key(key: &str) -> Value {
    let mut configuration = configuration(&[podsights()], json!({}));
    configuration["integrations"][0]["config"]["key"] = json!(key);
    configuration
}

#[test]
fn envoy_takes_what_the_console_has_and_starts_with_it_while_the_console_is_down() {
    let mut gateway = Gateway::start(Options::new().fixed_port().configuration(with_key("of the file")));
    let file = gateway.dir().join("conversion-relay.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut changed: Value = serde_saphyr::from_str(&text).unwrap();
    *changed.pointer_mut(CONFIGURATION).unwrap() = with_key("of the console");
    let body = serde_saphyr::to_string(&changed).unwrap().into_bytes();
    let console = Console::start(Behaviour::Serve { body, etag: "\"1\"".to_owned() });
    let mut command = Command::new(env!("CARGO_BIN_EXE_conversion-relay"));
    command.args(["pull", "--every", "100ms", "--console", &console.url(), "--file"]).arg(&file);
    command.env("CONSOLE_TOKEN", TOKEN).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let taken = "extension_config_discovery.http_filter.conversion-relay.update_success";
    let before = gateway.stat(taken);

    let pull = Running::of(command);

    assert!(pull.stderr.next().ends_with("is written anew"));
    assert!(wait_until(LIMIT, || gateway.stat(taken) > before));
    gateway.send(order(1));
    settled(&gateway, PS, 1);
    assert_eq!(gateway.requests(Podsights)[0].json()["key"], "of the console");

    drop(console);
    assert!(pull.stderr.next().contains("stays as it is"));
    gateway.kill();
    gateway.restart();
    gateway.send(order(2));
    settled(&gateway, PS, 1);
    assert_eq!(gateway.requests(Podsights)[1].json()["key"], "of the console");
}
