//! `conversion-relay tap`: what it shows of records, wherever they come from, and what it never lets through to a terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "tap/support.rs"]
mod support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Client, FakeAdmin, Running, TempFolder, command, line, record, records, shown, tap, told};

/// The order ids of the lines, or `-`.
fn orders(lines: &str) -> Vec<&str> {
    lines
        .lines()
        .filter_map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).nth(4))
        .collect()
}

// --- What is shown ---------------------------------------------------------------------------------------------------

/// `UPDATE_GOLDEN=1` writes tests/tap/shown.txt anew, for a change that is meant to be seen.
#[test]
fn the_records_of_a_day_are_shown_as_they_were_when_the_golden_set_was_frozen() {
    let mut text = String::new();
    for arguments in
        [&["--color", "always"][..], &["-v"], &["--outcome", "delivered", "-v", "--color", "always"]]
    {
        text += &format!("=== tap {}\n{}", arguments.join(" "), shown(arguments, records()));
    }
    let text = text.replace('\u{1b}', "<ESC>");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tap/shown.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&file).unwrap());
}

#[test]
fn every_outcome_has_its_word_and_colour() {
    let text = shown(&["--color", "always"], records());
    for (line, word) in text.lines().zip([
        "\u{1b}[32mdelivered ",
        "\u{1b}[33mretry     ",
        "\u{1b}[32mdelivered ",
        "\u{1b}[2mnot wanted",
        "\u{1b}[2mnot wanted",
        "\u{1b}[1m\u{1b}[31mlost      ",
        "\u{1b}[2mignored   ",
        "\u{1b}[33mgiven back",
        "  dry run   ",
        "\u{1b}[33mignored   ",
    ]) {
        assert!(line.contains(word), "{word:?} {line:?}");
    }
    assert_eq!(text.lines().count(), records().lines().count());
}

#[test]
fn the_filters_each_narrow_what_is_shown_and_values_of_one_filter_widen_it() {
    let cases: [(&[&str], usize); 12] = [
        (&[], 10),
        (&["--integration", "Podsights Production"], 5),
        (&["--integration", "Podsights_Production"], 5),
        (&["--integration", "Podsights_Production", "--integration", "To the queue"], 6),
        (&["--event", "order_completed"], 7),
        (&["--event", "Signed Up", "--event", "productViewed"], 2),
        (&["--order", "ORD-001"], 4),
        (&["--order", "ORD-001", "--outcome", "delivered"], 2),
        (&["--outcome", "consent_denied"], 1),
        (&["--outcome", "lost", "--outcome", "retry"], 2),
        (&["--outcome", "dropped"], 3),
        (&["--integration", "nobody"], 0),
    ];
    for (arguments, count) in cases {
        assert_eq!(shown(arguments, records()).lines().count(), count, "{arguments:?}");
    }
}

#[test]
fn json_is_passed_through_as_it_came_and_filters_hold_for_it_too() {
    assert_eq!(shown(&["--json"], records()), records());
    let of_order: String = records()
        .lines()
        .filter(|line| line.contains("ORD-003"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_eq!(shown(&["--json", "--order", "ORD-003"], records()), of_order);
    let odd = r#"{"version":1,  "what":"ended","n":1.50,"new":{"a":[]}}"#;
    assert_eq!(shown(&["--json"], format!("x record {odd}\n")), format!("{odd}\n"));
}

// --- What reaches the terminal ---------------------------------------------------------------------------------------

/// A record in which every text is hostile.
fn hostile() -> String {
    let evil = "\\u001b[2J\\u001b]0;owned\\u0007\\u009b31m\u{9b}31m\u{7f}\\r\\n\\u202e\u{202e}\\u0000";
    let texts = [
        ("time", evil),
        ("gateway", evil),
        ("plugin", evil),
        ("source", evil),
        ("integration", evil),
        ("vendor", evil),
        ("consent", evil),
        ("outcome", evil),
        ("reason", evil),
        ("explanation", evil),
    ];
    let texts: String = texts.iter().map(|(key, text)| format!("\"{key}\":\"{text}\",")).collect();
    format!(
        "{{\"version\":1,\"what\":\"ended\",{texts}\"event\":{{\"type\":\"{evil}\",\"name\":\"{evil}\",\"message_id\":\"{evil}\",\
         \"order_id\":\"{evil}\"}},\"identity\":{{\"{evil}\":true}},\"left_out\":[\"{evil}\"],\"request\":{{\"method\":\"{evil}\",\
         \"authority\":\"{evil}\",\"path\":\"{evil}?{evil}&{evil}\",\"headers\":{{\"{evil}\":\"{evil}\"}},\"body\":{{\"{evil}\":\
         \"{evil}\"}}}},\"attempts\":[{{\"status\":\"{evil}\",\"answer\":\"{evil}\"}}]}}\n"
    )
}

#[test]
fn no_escape_sequence_of_an_event_reaches_the_terminal() {
    for arguments in [&[][..], &["-v"], &["--json"]] {
        let text = shown(arguments, hostile());
        assert!(text.contains("owned") || arguments.is_empty(), "{arguments:?} {text}");
        let controls = text.chars().filter(|character| character.is_control() && *character != '\n');
        assert_eq!(controls.count(), 0, "{arguments:?} {text:?}");
        assert!(!text.contains(['\u{202e}', '\u{9b}']), "{arguments:?} {text:?}");
        let lines = text.lines().count();
        assert!(if arguments == ["-v"] { lines < 30 } else { lines == 1 }, "{arguments:?} {text}");
    }
}

#[test]
fn the_only_escape_sequences_in_coloured_output_are_colours_of_ours() {
    let text = shown(&["-v", "--color", "always"], hostile());
    for sequence in text.split('\u{1b}').skip(1) {
        let code = sequence.strip_prefix('[').and_then(|rest| rest.split_once('m')).unwrap().0;
        assert!(["0", "1", "2", "31", "32", "33"].contains(&code), "{code:?}");
    }
}

#[test]
fn what_an_unreadable_record_says_does_not_reach_the_terminal_either() {
    let output = tap(&[], "{\"version\":1,\"what\":\"\\u001b[2J\"}\n");
    assert!(told(&output).contains("could not read 1 line"), "{}", told(&output));
    assert!(!told(&output).contains('\u{1b}'), "{:?}", told(&output));
}

#[test]
fn colours_come_on_a_terminal_only_and_not_where_they_are_unwanted() {
    let folder = TempFolder::new("colours");
    let file = folder.0.join("records");
    std::fs::write(&file, records()).unwrap();
    // `script` runs a command with a terminal as its output.
    let on_terminal = |options: &str, environment: &str| {
        let tap = env!("CARGO_BIN_EXE_conversion-relay");
        let line = format!("{environment} {tap} tap {options} < {}", file.display());
        let mut script = Command::new("script");
        script.env_remove("NO_COLOR").args(["-q", "-e", "-c", &line, "/dev/null"]).stdin(Stdio::null());
        String::from_utf8(script.output().expect("script, of util-linux").stdout).unwrap()
    };
    assert!(on_terminal("", "").contains("\u{1b}[32mdelivered"));
    assert!(on_terminal("", "NO_COLOR=").contains("\u{1b}[32mdelivered"));
    for (options, environment) in [("", "NO_COLOR=1"), ("--color never", "")] {
        let text = on_terminal(options, environment);
        assert!(text.contains("delivered") && !text.contains('\u{1b}'), "{text:?}");
    }
    assert!(!shown(&[], records()).contains('\u{1b}'));
    assert!(!shown(&["--color=auto"], records()).contains('\u{1b}'));
}

// --- Lines that are no records ---------------------------------------------------------------------------------------

#[test]
fn lines_without_a_record_are_passed_over_and_told_at_the_end() {
    let half = record("ORD-1");
    let input = format!(
        "[info] starting\n\n{}\n{}\nrecord {}\nwasm log: record {}\n\u{fffd}\n",
        record("ORD-1"),
        &half[..40],
        r#"{"version":2,"what":"ended"}"#,
        record("ORD-2"),
    );
    let output = tap(&[], [input.as_bytes(), b"\xff\xfe\n"].concat());
    assert!(output.status.success());
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        [line("ORD-1"), line("ORD-2"), String::new()].join("\n")
    );
    let told = told(&output);
    assert!(told.contains("tap: passed over 4 lines without a record"), "{told}");
    assert!(told.contains("tap: could not read 2 lines, the first one because: EOF while parsing"), "{told}");
}

#[test]
fn a_line_that_never_ends_is_counted_and_the_next_record_is_shown() {
    let output = tap(&[], format!("record {}\n{}\n", "x{".repeat(2_000_000), record("ORD-1")));
    assert_eq!(String::from_utf8_lossy(&output.stdout), line("ORD-1") + "\n");
    assert!(
        told(&output).contains("could not read 1 line, the first one because: the line is longer than 1 MB")
    );
}

#[test]
fn a_record_that_comes_in_parts_is_shown_once_it_is_whole_and_the_last_needs_no_line_break() {
    let mut tap = Running::start(&[]);
    let first = format!("wasm log: record {}\n", record("ORD-1"));
    for part in first.as_bytes().chunks(7) {
        tap.type_in(std::str::from_utf8(part).unwrap());
    }
    assert_eq!(tap.stdout.next(), line("ORD-1"));
    tap.type_in(&record("ORD-2"));
    tap.stdin = None;
    assert_eq!(tap.stdout.next(), line("ORD-2"));
    assert!(tap.ends_well());
}

#[test]
fn every_record_of_a_flood_is_shown_in_order() {
    let input: String = (0..50_000)
        .map(|number| format!("[debug] wasm log: record {}\n", record(&format!("{number:05}"))))
        .collect();
    let text = shown(&[], input);
    let shown = orders(&text);
    assert_eq!(shown.len(), 50_000);
    assert!(shown.iter().enumerate().all(|(number, order)| *order == format!("{number:05}")));
}

#[test]
fn a_reader_that_goes_away_ends_it_silently() {
    let mut child = command(&[]).spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    // It ends by itself, although its input doesn't.
    while stdin.write_all(format!("{}\n", record("ORD-1")).as_bytes()).is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(told(&output), "");
}

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

// --- How it is called ------------------------------------------------------------------------------------------------

#[test]
fn incorrect_usage_is_told_and_exits_with_2() {
    let cases: [(&[&str], &str); 8] = [
        (&["--outcome", "deliverd"], "unknown outcome \"deliverd\", did you mean \"delivered\"?"),
        (&["--json", "-v"], "--json prints whole records"),
        (&["--listen", "0", "--log", "x"], "choose one"),
        (&["--listen", "0", "--admin", "0"], "needs no log level"),
        (&["--color", "blue"], "auto, always or never"),
        (&["--order"], "--order"),
        (&["--nonsense"], "--nonsense"),
        (&["x"], "\"x\""),
    ];
    for (arguments, expected) in cases {
        let output = tap(arguments, "");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(told(&output).contains(expected), "{arguments:?} {}", told(&output));
    }
}

#[test]
fn help_lists_every_option_and_says_where_the_log_comes_from() {
    for option in ["--help", "-h"] {
        let help = shown(&[option], "");
        for option in [
            "--log",
            "--admin",
            "--listen",
            "--integration",
            "--outcome",
            "--event",
            "--order",
            "-v",
            "--json",
            "--color",
        ] {
            assert!(help.contains(&format!("  {option}")), "{option}");
        }
        assert!(help.contains("the log still has to come from standard input or from --log"));
    }
}

#[test]
fn on_a_terminal_it_follows_the_gateway_of_make_run_without_an_option() {
    let folder = TempFolder::new("run");
    let (log, admin) = (folder.0.join("envoy.log"), FakeAdmin::start("warning"));
    append(&log, "");
    std::fs::write(folder.0.join("ready"), format!("gateway=x admin={} control=y\n", admin.address)).unwrap();
    let tap = env!("CARGO_BIN_EXE_conversion-relay");
    let mut script = Command::new("script");
    script.env("RUN_DIR", &folder.0).args([
        "-q",
        "-e",
        "-c",
        &format!("{tap} tap --color never"),
        "/dev/null",
    ]);
    script.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tap = Running::of(script);
    assert_eq!(admin.change(), "debug");
    append(&log, &format!("{}\n", record("ORD-1")));
    assert!(tap.stdout.next().starts_with("tap: following "));
    assert_eq!(tap.stdout.next().trim_end(), line("ORD-1"));
    tap.type_in("\u{3}"); // the terminal makes a signal of it
    assert!(tap.ends_well());
    assert_eq!(admin.change(), "warning");
}
