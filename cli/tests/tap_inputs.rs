//! `conversion-relay tap`: where its records come from, and the log level of an Envoy whose log it follows.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "tap/support.rs"]
mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Client, FakeAdmin, Running, TempFolder, command, line, record, records, shown, tap, told};

// --- A log in a file -------------------------------------------------------------------------------------------------

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn a_log_is_followed_from_its_end_through_rotation_and_truncation() {
    let folder = TempFolder::new("log");
    let log = folder.0.join("envoy.log");
    append(&log, &format!("{}\n", record("ORD-0")));
    // Its level is raised once the log is open, so that tells when the test can go on.
    let admin = FakeAdmin::start("info");
    let tap = Running::start(&["--log", log.to_str().unwrap(), "--admin", &admin.address]);
    assert_eq!(admin.change(), "debug");
    append(&log, &format!("other\n{}\n", record("ORD-1")));
    assert_eq!(tap.stdout.next(), line("ORD-1"));

    std::fs::rename(&log, folder.0.join("envoy.log.1")).unwrap();
    append(&folder.0.join("envoy.log.1"), &format!("{}\n", record("ORD-2")));
    assert_eq!(tap.stdout.next(), line("ORD-2"), "Envoy writes to the old file until it reopens its log");
    append(&folder.0.join("envoy.log.1"), &format!("{}\n", record("ORD-3")));
    append(&log, &format!("{}\n", record("ORD-4")));
    assert_eq!(tap.stdout.next(), line("ORD-3"));
    assert_eq!(tap.stdout.next(), line("ORD-4"), "the new file is read from its beginning");

    File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    append(&log, &format!("{}\n", record("5")));
    assert_eq!(tap.stdout.next(), line("5"), "a shorter file was truncated");
}

#[test]
fn a_log_that_does_not_exist_yet_is_waited_for_and_one_that_cannot_be_read_is_refused() {
    let folder = TempFolder::new("no-log");
    let log = folder.0.join("envoy.log");
    let admin = FakeAdmin::start("info");
    let tap = Running::start(&["--log", log.to_str().unwrap(), "--admin", &admin.address]);
    assert_eq!(admin.change(), "debug");
    append(&log, &format!("{}\n", record("ORD-1")));
    assert_eq!(tap.stdout.next(), line("ORD-1"));
    let output = support::tap(&["--log", folder.0.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).contains("is a directory"), "{}", told(&output));
}

// --- The admin interface ---------------------------------------------------------------------------------------------

#[test]
fn the_log_level_is_raised_and_restored_at_the_end_of_the_input() {
    let admin = FakeAdmin::start("warning");
    let mut tap = Running::start(&["--admin", &admin.address]);
    assert_eq!(admin.change(), "debug");
    tap.type_in(&format!("record {}\n", record("ORD-1")));
    assert_eq!(tap.stdout.next(), line("ORD-1"));
    tap.stdin = None;
    assert!(tap.ends_well());
    assert_eq!(admin.level(), "warning");
}

#[test]
fn ctrl_c_and_its_like_restore_the_log_level_and_the_end_is_told() {
    for signal in ["INT", "TERM", "HUP"] {
        let admin = FakeAdmin::start("error");
        let mut tap = Running::start(&["--admin", &format!("http://{}/", admin.address)]);
        assert_eq!(admin.change(), "debug");
        tap.type_in(&format!("other\n{}\n", record("ORD-1")));
        assert_eq!(tap.stdout.next(), line("ORD-1"));
        tap.signal(signal);
        assert_eq!(admin.change(), "error", "{signal}");
        assert!(tap.ends_well(), "{signal}");
        assert_eq!(tap.stderr.next(), "tap: passed over 1 line without a record");
    }
}

#[test]
fn ctrl_c_restores_the_log_level_in_a_flood_too_and_so_does_a_reader_that_goes_away() {
    let flood = |mut stdin: std::process::ChildStdin| {
        std::thread::spawn(
            move || while stdin.write_all(format!("{}\n", record("ORD-1")).as_bytes()).is_ok() {},
        )
    };
    let admin = FakeAdmin::start("info");
    let mut tap = Running::start(&["--admin", &admin.address]);
    let flooding = flood(tap.stdin.take().unwrap());
    assert_eq!(tap.stdout.next(), line("ORD-1"));
    tap.signal("INT");
    assert!(tap.ends_well());
    flooding.join().unwrap();
    assert_eq!((admin.change(), admin.change()), ("debug".into(), "info".into()));

    let mut child = command(&["--admin", &admin.address]).spawn().unwrap();
    let flooding = flood(child.stdin.take().unwrap());
    child.stdout.take().unwrap().read_exact(&mut [0; 10]).unwrap();
    assert!(child.wait().unwrap().success());
    flooding.join().unwrap();
    assert_eq!((admin.change(), admin.change()), ("debug".into(), "info".into()));
}

#[test]
fn a_log_level_that_is_enough_is_left_alone() {
    for level in ["debug", "trace"] {
        let admin = FakeAdmin::start(level);
        shown(&["--admin", &admin.address], records());
        assert!(admin.is_untouched(), "{level}");
    }
}

#[test]
fn an_envoy_that_is_only_starting_is_waited_for() {
    // A port that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut tap = Running::start(&["--admin", &address]);
    assert_eq!(tap.stderr.next(), format!("tap: waiting for Envoy's admin interface at {address}"));
    let admin = FakeAdmin::at(TcpListener::bind(&address).unwrap(), "info");
    assert_eq!(admin.change(), "debug");
    tap.stdin = None;
    assert!(tap.ends_well());
    assert_eq!(admin.change(), "info");
}

#[test]
fn an_admin_interface_that_is_none_is_an_error() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            _ = stream.read(&mut [0; 1024]);
            _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\n\x1b[2J\n");
        }
    });
    let output = tap(&["--admin", &address], "");
    assert_eq!(output.status.code(), Some(1));
    let expected = format!(
        "Envoy's admin interface at {address}: POST /logging was answered 404 Not Found: \\u{{1b}}[2J\n"
    );
    assert_eq!(told(&output), expected);
}

// --- The cluster -----------------------------------------------------------------------------------------------------

/// A tap that listens, and its address.
fn listening(arguments: &[&str]) -> (Running, String) {
    let tap = Running::start(&[arguments, &["--listen", "0"]].concat());
    let told = tap.stderr.next();
    let address =
        told.strip_prefix("tap: listening on http://").and_then(|url| url.strip_suffix("/v1/records"));
    let address = address.unwrap_or_else(|| panic!("{told}")).to_owned();
    (tap, address)
}

#[test]
fn gateways_send_records_over_several_connections_that_stay_open() {
    let (mut tap, address) = listening(&[]);
    let mut clients = [Client::connect(&address), Client::connect(&address), Client::connect(&address)];
    for round in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            let orders = [format!("O-{round}{number}a"), format!("O-{round}{number}b")];
            let body: String = orders.iter().map(|order| record(order) + "\n").collect();
            assert_eq!(client.send("POST", "/v1/records", body), 200);
            for order in orders {
                assert_eq!(tap.stdout.next(), line(&order));
            }
        }
    }
    tap.signal("INT");
    assert!(tap.ends_well());
}

#[test]
fn what_is_no_delivery_of_records_is_answered_so() {
    let (mut tap, address) = listening(&[]);
    let send = |method, path, body: &str| Client::connect(&address).send(method, path, body);
    assert_eq!(send("GET", "/v1/records", ""), 404);
    assert_eq!(send("POST", "/", &record("ORD-0")), 404);
    assert_eq!(send("POST", "/v1/records", "no record\n"), 400);
    assert_eq!(send("POST", "/v1/records", &"x".repeat(1024 * 1024 + 1)), 413);
    let chunks = format!("10000\r\n{}\r\n", "x".repeat(0x10000)).repeat(17);
    let head = "POST /v1/records HTTP/1.1\r\nhost: tap\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(Client::connect(&address).raw((head.to_owned() + &chunks).as_bytes()), 413);
    assert_eq!(Client::connect(&address).raw(b"nonsense\r\n\r\n"), 400);
    assert_eq!(send("POST", "/v1/records", ""), 200, "a batch of none");

    let mixed = format!("no record\n{}\n\n{}", record("ORD-1"), &record("ORD-2")[..50]);
    assert_eq!(send("POST", "/v1/records", &mixed), 200, "what can be read of a batch is taken");
    assert_eq!(tap.stdout.next(), line("ORD-1"));
    tap.signal("INT");
    assert!(tap.ends_well());
    let told = tap.stderr.until_end().join("\n");
    assert!(told.contains("passed over 2 lines") && told.contains("could not read 1 line"), "{told}");
}

#[test]
fn a_request_that_breaks_off_leaves_no_record_and_the_next_one_is_taken() {
    let (tap, address) = listening(&[]);
    let mut broken = std::net::TcpStream::connect(&address).unwrap();
    let body = record("ORD-0");
    write!(
        broken,
        "POST /v1/records HTTP/1.1\r\nhost: tap\r\ncontent-length: {}\r\n\r\n{body}",
        body.len() + 1
    )
    .unwrap();
    drop(broken);
    assert_eq!(Client::connect(&address).send("POST", "/v1/records", record("ORD-1")), 200);
    assert_eq!(tap.stdout.next(), line("ORD-1"));
}

#[test]
fn an_address_that_is_taken_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let output = tap(&["--listen", &taken.local_addr().unwrap().to_string()], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(told(&output).starts_with("cannot listen on 127.0.0.1:"), "{}", told(&output));
}

// --- Beside make run -------------------------------------------------------------------------------------------------

#[test]
fn on_a_terminal_it_follows_the_gateway_of_make_run_without_an_option() {
    let folder = TempFolder::new("run");
    let (log, admin) = (folder.0.join("envoy.log"), FakeAdmin::start("warning"));
    append(&log, "");
    std::fs::write(folder.0.join("ready"), format!("gateway=x admin={} control=y\n", admin.address)).unwrap();
    let tap = env!("CARGO_BIN_EXE_conversion-relay");
    let mut script = Command::new("script");
    // The shell tells on the same terminal how its command ended: the status of `script` itself says too little. The trap lets the
    // shell outlive the signal that is meant for its command.
    let command = format!("trap : INT; {tap} tap --color never; echo ended with $?");
    script.env("RUN_DIR", &folder.0).env("SHELL", "/bin/sh").args(["-q", "-c", &command, "/dev/null"]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tap = Running::of(script);
    assert_eq!(admin.change(), "debug");
    append(&log, &format!("{}\n", record("ORD-1")));
    assert!(tap.stdout.next().starts_with("tap: following "));
    assert_eq!(tap.stdout.next().trim_end(), line("ORD-1"));
    tap.type_in("\u{3}"); // the terminal makes a signal of it
    let told = tap.stdout.until_end().join("\n");
    assert!(told.contains("ended with 0"), "{told}");
    assert_eq!(admin.change(), "warning");
}
