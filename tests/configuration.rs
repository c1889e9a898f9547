//! What the gateway's files and the filter's configuration do in the real Envoy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::{Gateway, Options, PODSIGHTS_KEY, Podsights, Request};

fn integration() -> Value {
    json!({"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}})
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut configuration = json!({"integrations": [integration()]});
    change(&mut configuration);
    configuration
}

#[test]
fn a_refused_update_names_path_and_fix_shows_no_key_and_leaves_the_old_configuration_at_work() {
    let gateway = Gateway::start(Options::new().configuration(with(|_| {})));
    let table = [
        (
            with(|it| drop(it["integrations"][0]["config"].as_object_mut().unwrap().remove("key"))),
            "integrations[0].config",
        ),
        (with(|it| it["integrations"][0]["sorce_id"] = json!("x")), "integrations[0].sorce_id"),
        (with(|it| it["integrations"][0]["enabled"] = json!("${PODSIGHTS_KEY}")), "integrations[0].enabled"),
        (with(|it| it["integrations"][0]["config"]["key"] = json!("${UNSET}")), "UNSET is not set"),
        (with(|it| it["integrations"] = json!([integration(), integration()])), "integrations[1].name"),
        (with(|it| it["integrations"][0]["vendor"] = json!("${PODSIGHTS_KEY}")), "integrations[0].vendor"),
        (with(|it| it["integrations"][0]["preset"] = json!("default")), "integrations[0].preset"),
        (with(|it| it["delivery"] = json!({"timeout": "0s"})), "delivery.timeout"),
    ];
    for (configuration, named) in table {
        assert!(!gateway.reconfigure(configuration.clone()), "{configuration} was taken");
        gateway.wait_for_log(named);
    }
    assert!(!gateway.envoy_log().contains(PODSIGHTS_KEY), "the key is in the log");

    let event = json!({"event": "Signed Up", "properties": {}});
    gateway.send(Request::post("/v1/t", event.to_string()));
    assert_eq!(gateway.wait_for(Podsights, 1)[0].json()["event"], "signup");
}

#[test]
fn a_key_written_out_is_warned_of_and_not_shown() {
    let configuration = with(|it| it["integrations"][0]["config"]["key"] = json!("ps_literal_key_77"));
    let gateway = Gateway::start(Options::new().configuration(configuration));
    let log = gateway.wait_for_log("integrations[0].config.key");
    assert!(log.contains("warning") && !log.contains("ps_literal_key_77"), "{log}");
}

#[test]
fn envoy_validates_the_files_that_a_gateway_runs_and_the_shipped_ones_with_their_paths_replaced() {
    let gateway = Gateway::start(Options::new());
    let dir = gateway.dir().to_owned();
    validate(&dir.join("envoy.yaml"));

    let read = |name: &str| std::fs::read_to_string(support::root().join(name)).unwrap();
    let write = |name: &str, text: String| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let module = support::root().join("dist/conversion-relay.wasm").display().to_string();
    let filter = read("conversion-relay.yaml").replace("/etc/envoy/conversion-relay.wasm", &module);
    let filter = write("shipped-filter.yaml", filter);
    let envoy = read("envoy.yaml").replace("/etc/envoy/conversion-relay.yaml", filter.to_str().unwrap());
    validate(&write("shipped-envoy.yaml", envoy));
}

fn validate(path: &std::path::Path) {
    let output = Command::new(support::envoy_binary())
        .args(["--mode", "validate", "-c"])
        .arg(path)
        .env("PODSIGHTS_KEY", PODSIGHTS_KEY)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
