//! `conversion-relay tap`: what it shows of records, and what it never lets through to a terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "tap/support.rs"]
mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use support::{Running, TempFolder, command, line, record, records, shown, tap, told};

/// The order ids of the lines.
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
    stdin.write_all(b"no record\n").unwrap();
    // It ends by itself, although its input doesn't.
    while stdin.write_all(format!("{}\n", record("ORD-1")).as_bytes()).is_ok() {}
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(told(&output), "");
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
