//! A machine whose wall clock is set forwards and back, by hours, while the filter runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::orders::{PS, added_to_cart, configuration, dropped, orders, podsights, settled};
use support::{Gateway, LIMIT, Options, Podsights, Request, TempDir, root, wait_until};

const HOUR: i64 = 3600;

/// Compiles tests/clock/shift.c, once for all tests. The set-up has seen to a C compiler: Rust links by it.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shift-{}.so", std::process::id()));
        let source = root().join("tests/clock/shift.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .args([&library, &source])
            .status()
            .expect("cannot run cc");
        assert!(compiled.success(), "cc: {compiled}");
        library
    })
}

/// A gateway whose wall clock can be set.
struct Machine {
    gateway: Gateway,
    shift: PathBuf,
    _dir: TempDir,
}

impl Machine {
    fn start(delivery: Value) -> Self {
        let dir = TempDir::new();
        let shift = dir.0.join("shift");
        std::fs::write(&shift, "0").unwrap();
        let options = Options::new()
            .configuration(configuration(&[podsights()], delivery))
            .process_env("LD_PRELOAD", library().to_str().unwrap())
            .process_env("CLOCK_SHIFT_FILE", shift.to_str().unwrap());
        Self { gateway: Gateway::start(options), shift, _dir: dir }
    }

    /// Sets the clock this many seconds ahead of what is right.
    fn set_clock(&self, ahead: i64) {
        let beside = self.shift.with_extension("new");
        std::fs::write(&beside, ahead.to_string()).unwrap();
        std::fs::rename(beside, &self.shift).unwrap();
    }

    /// Waits until Podsights has these many deliveries and these many were dropped for `reason`.
    fn books(&self, delivered: u64, lost: u64, reason: &str) {
        let books = settled(&self.gateway, PS, delivered + lost);
        assert_eq!((books.delivered, dropped(&self.gateway, PS, reason)), (delivered, lost));
    }
}

#[test]
fn what_is_pending_grows_neither_old_nor_late_when_the_clock_is_set() {
    let machine = Machine::start(json!({"max_attempts": 1000, "max_age": "10m"}));
    let gateway = &machine.gateway;
    gateway.behave(Podsights, json!({"status": 503}));
    gateway.send(orders(0..10));
    let attempts = || gateway.tally(Podsights)["requests"].as_u64().unwrap();
    for ahead in [5 * HOUR, -5 * HOUR, 0] {
        machine.set_clock(ahead);
        let before = attempts();
        assert!(wait_until(LIMIT, || attempts() > before + 3), "no further attempt, {ahead} s ahead");
    }
    machine.set_clock(-5 * HOUR);

    gateway.behave(Podsights, json!({}));

    machine.books(10, 0, "expired");
}

#[test]
fn a_retry_after_as_a_date_holds_no_longer_than_the_longest_wait_though_our_clock_is_hours_behind() {
    let machine = Machine::start(json!({"backoff": {"base": "10ms", "max": "500ms"}}));
    machine.set_clock(-5 * HOUR);
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(1));
    let behaviour = json!({"status": 503, "headers": {"retry-after": date}, "times": 1});
    machine.gateway.behave(Podsights, behaviour);

    machine.gateway.send(orders(0..1));

    machine.books(1, 0, "expired");
}

#[test]
fn a_message_is_known_for_its_window_to_either_side_and_not_for_ever() {
    let machine = Machine::start(json!({}));
    let (mut delivered, mut repeated) = (0, 0);
    let minutes = |minutes: i64| 60 * minutes;
    for (ahead, is_news) in [
        (0, true),
        (minutes(5), false),
        (minutes(-5), false),
        (minutes(-60), true), // forgotten: it is delivered once more
        (minutes(-60), false),
        (0, false), // known since the beginning
        (minutes(60), true),
        (0, false),
    ] {
        machine.set_clock(ahead);
        machine.gateway.send(added_to_cart(1));
        *(if is_news { &mut delivered } else { &mut repeated }) += 1;
        machine.books(delivered, repeated, "duplicate");
    }
}

#[test]
fn an_order_is_known_though_the_clock_is_set_by_hours() {
    let machine = Machine::start(json!({}));
    machine.gateway.send(orders(1..2));
    machine.books(1, 0, "duplicate_order");
    for (ahead, repeated) in [(-5 * HOUR, 1), (5 * HOUR, 2)] {
        machine.set_clock(ahead);
        machine.gateway.send(orders(1..2));
        machine.books(1, repeated, "duplicate_order");
    }
}

/// The time by the clients' clock, which is right, as they write it.
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = time::OffsetDateTime::from_unix_timestamp(since.as_secs().cast_signed()).unwrap();
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second) = now.to_hms();
    format!("{year}-{:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z", u8::from(month))
}

#[test]
fn an_event_is_as_old_as_its_own_two_times_say_and_only_one_without_sent_at_is_measured_by_our_clock() {
    let machine = Machine::start(json!({}));
    let now = now();
    let event = |id: &str, sent_at: bool| {
        let mut event = json!({"event": "Order Completed", "properties": {"order_id": id}, "messageId": id});
        event["timestamp"] = json!(now);
        if sent_at {
            event["sentAt"] = json!(now);
        }
        Request::post("/v1/t", event.to_string())
    };
    machine.gateway.send(event("without, in time", false));
    machine.books(1, 0, "stale");
    machine.set_clock(48 * HOUR);

    machine.gateway.send(event("with", true));
    machine.gateway.send(event("without", false));

    machine.books(2, 1, "stale");
}
