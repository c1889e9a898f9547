//! `conversion-relay tap` beside the real Envoy.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../tests/support/mod.rs"]
mod support;
#[path = "tap/support.rs"]
mod tap;

use std::fs::OpenOptions;
use std::io::Write;

use support::{Gateway, Options, wait_until};
use tap::{LIMIT, Running, line, record};

#[test]
fn the_log_level_of_the_real_envoy_is_raised_while_its_log_is_followed_and_restored_by_ctrl_c() {
    let gateway = Gateway::start(Options::new().filter_log_level("warning"));
    let is_at = |level: &str| {
        let answer = gateway.admin_post("/logging");
        String::from_utf8_lossy(&answer.body).lines().any(|line| line.trim() == format!("wasm: {level}"))
    };
    assert!(is_at("warning"));
    let log = gateway.dir().join("0-envoy.log");
    let admin = gateway.admin_address().to_string();
    let mut tap = Running::start(&["--admin", &admin, "--log", log.to_str().unwrap()]);
    assert!(wait_until(LIMIT, || is_at("debug")));
    // Beside the lines that Envoy itself writes.
    let mut file = OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(format!("[debug][wasm] wasm log: record {}\n", record("ORD-1")).as_bytes()).unwrap();
    assert_eq!(tap.stdout.next(), line("ORD-1"));
    tap.signal("INT");
    assert!(tap.ends_well());
    assert!(is_at("warning"));
}
