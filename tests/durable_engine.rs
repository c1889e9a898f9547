//! The durable engine by itself: syslog-ng with the shipped configuration, in front of a receiver that fails. What it answered
//! 2xx must arrive, whenever it is killed. That is what docs/durability.md promises of it, and what a gateway relies on that
//! hands its events off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "durable_engine/receiver.rs"]
mod receiver;
mod support;

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use receiver::Receiver;
use support::engine::{DELIVER_KEY, QUEUE_TOKEN, WORKERS};
use support::{Connection, DurableEngine, EngineOptions, LIMIT, Request, TempDir, wait_until};

/// Longer than the pause of the engine's after a 503.
const PUSH_LIMIT: Duration = Duration::from_secs(10);
const SENDERS: usize = 3;
const KILLS: usize = 6;

fn start(receiver: &Receiver) -> (DurableEngine, TempDir) {
    let dir = TempDir::new();
    (DurableEngine::start(&dir.0, &receiver.url()), dir)
}

fn always(_: usize, _: &str, _: &str) -> u16 {
    200
}

fn never(_: usize, _: &str, _: &str) -> u16 {
    503
}

fn three_of_ten_fail(count: usize, _: &str, _: &str) -> u16 {
    if count % 10 < 3 { 503 } else { 200 }
}

#[test]
fn an_event_is_pushed_byte_for_byte_with_the_key_and_type_that_the_route_asks_for() {
    let receiver = Receiver::start(always);
    let (engine, _dir) = start(&receiver);
    let events = [
        r#"{"specversion":"1.0","data":{"city":"Zürich","emoji":"🛒","zero":"\u0000","template":"${HOST} $MSG `listen`"}}"#,
        "{\n  \"pretty\": true\n}\n",
        "<13>Oct 11 22:14:15 host app: {\"looks\": \"like syslog\"}",
        "  {}  ",
    ];

    for event in events {
        assert_eq!(engine.post(event).unwrap().status, 202, "{event}");
    }

    assert!(wait_until(PUSH_LIMIT, || receiver.pushes().len() == events.len()));
    let bodies: HashSet<String> = receiver.pushes().into_iter().map(|push| push.body).collect();
    assert_eq!(bodies, events.map(str::to_owned).into());
    for push in receiver.pushes() {
        assert_eq!(push.headers["x-write-key"], DELIVER_KEY);
        assert_eq!(push.headers["content-type"], "application/cloudevents+json");
    }
    assert!(wait_until(LIMIT, || engine.queued() == 0));
}

#[test]
fn an_event_that_is_answered_503_stays_in_the_buffer_through_a_kill_and_is_pushed_until_it_is_taken() {
    let receiver = Receiver::start(never);
    let (mut engine, _dir) = start(&receiver);
    for id in 0..10 {
        assert_eq!(engine.post(&format!(r#"{{"id":{id}}}"#)).unwrap().status, 202);
    }
    assert!(wait_until(PUSH_LIMIT, || !receiver.pushes().is_empty()));

    engine.kill();
    engine.restart();
    assert_eq!(engine.queued(), 10);
    receiver.behave(always);

    assert!(wait_until(PUSH_LIMIT, || receiver.accepted().len() == 10));
    assert!(wait_until(LIMIT, || engine.queued() == 0));
}

#[test]
fn nothing_that_was_answered_2xx_is_lost_across_sigkills_at_random_moments() {
    let receiver = Receiver::start(three_of_ten_fail);
    let (engine, _dir) = start(&receiver);
    let address = engine.address();
    let (accepted, unanswered, over) =
        (Mutex::new(HashSet::new()), Mutex::new(0_usize), AtomicBool::new(false));
    // Sends each event until it is answered 202, as a gateway does that gives a delivery back to its client.
    let send = |sender: usize| {
        for id in 0.. {
            let event = format!(r#"{{"sender":{sender},"id":{id}}}"#);
            loop {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(mut connection) = Connection::open(address) else { continue };
                match connection.try_send(&DurableEngine::request(&event)) {
                    Ok(answer) if answer.status == 202 => break,
                    Ok(answer) => assert_eq!(answer.status, 503),
                    Err(_) => *unanswered.lock().unwrap() += 1,
                }
            }
            accepted.lock().unwrap().insert(event);
        }
    };
    let mut engine = engine;
    thread::scope(|scope| {
        (0..SENDERS).for_each(|sender| drop(scope.spawn(move || send(sender))));
        for _ in 0..KILLS {
            // The one thing here that is no condition: a moment that nothing in the engine depends on.
            thread::sleep(Duration::from_millis(random_below(400)));
            engine.kill();
            engine.restart();
        }
        over.store(true, Ordering::Relaxed);
    });
    receiver.behave(always);

    assert!(wait_until(PUSH_LIMIT, || engine.queued() == 0));
    let (accepted, arrived) = (accepted.into_inner().unwrap(), receiver.accepted());
    let lost = accepted.iter().filter(|event| !arrived.contains_key(*event)).count();
    let repeated: usize = arrived.values().map(|count| count - 1).sum();
    println!("{} events answered 202, {repeated} pushed more than once, {lost} lost", accepted.len());
    assert!(accepted.len() > 100, "the senders hardly got through: {}", accepted.len());
    assert_eq!(lost, 0);
    // At each kill: what the workers had in flight, and what was on disk but whose 202 was lost.
    let bound = KILLS * WORKERS + unanswered.into_inner().unwrap();
    assert!(repeated <= bound, "{repeated} of at most {bound} were pushed more than once");
}

#[test]
fn an_event_that_is_refused_for_good_is_pushed_once_and_holds_nobody_up() {
    let receiver = Receiver::start(|_, _, body| match body {
        "malformed" => 400,
        "too large" => 413,
        "refused" => 422,
        _ => 200,
    });
    let (engine, _dir) = start(&receiver);

    for event in ["malformed", "too large", "refused"] {
        assert_eq!(engine.post(event).unwrap().status, 202);
    }
    for id in 0..2 * WORKERS {
        assert_eq!(engine.post(&format!("{id}")).unwrap().status, 202);
    }

    assert!(wait_until(PUSH_LIMIT, || receiver.accepted().len() == 2 * WORKERS));
    assert!(wait_until(LIMIT, || (engine.queued(), engine.dropped()) == (0, 3)));
    assert_eq!(receiver.pushes().len(), 2 * WORKERS + 3);
}

#[test]
fn an_integration_that_is_down_neither_holds_up_nor_repeats_what_goes_to_another_with_a_destination_of_its_own()
 {
    let receiver =
        Receiver::start(|_, target, _| if target.ends_with("?integration=Down") { 503 } else { 200 });
    let dir = TempDir::new();
    let engine = EngineOptions::new().one_destination_each(["Down", "Up"]).start(&dir.0, &receiver.url());
    let events = 5 * WORKERS;

    for id in 0..events {
        assert_eq!(engine.post(&format!("{id}")).unwrap().status, 202);
    }

    let at_up = || {
        let pushes = receiver.pushes();
        pushes.iter().filter(|push| push.target.ends_with("?integration=Up")).count()
    };
    let only_down_is_left = || engine.queued() == events as u64 && at_up() == events;
    assert!(wait_until(PUSH_LIMIT, only_down_is_left), "{} left, {} at Up", engine.queued(), at_up());

    receiver.behave(always);
    assert!(wait_until(PUSH_LIMIT, || engine.queued() == 0));
    assert_eq!(at_up(), events, "none of them twice");
}

#[test]
fn events_that_do_not_fit_into_the_buffer_are_not_answered_2xx_and_none_of_the_others_is_lost() {
    let receiver = Receiver::start(never);
    let (engine, _dir) = start(&receiver);
    let large = "x".repeat(900_000);
    let post = |id: usize| (id, engine.post(&format!("{id} {large}")).unwrap().status);

    // Some 4 MiB for each worker: half of these fit. Those that don't take two seconds for their answer, hence all at once.
    let answers: Vec<(usize, u16)> = thread::scope(|scope| {
        let posts: Vec<_> = (0..40).map(|id| scope.spawn(move || post(id))).collect();
        posts.into_iter().map(|post| post.join().unwrap()).collect()
    });
    receiver.behave(always);

    let ids_with =
        |status: u16| answers.iter().filter(move |(_, other)| *other == status).map(|(id, _)| id.to_string());
    assert!(ids_with(202).count() > 0 && ids_with(503).count() > 0, "{answers:?}");
    assert_eq!(ids_with(202).count() + ids_with(503).count(), answers.len(), "{answers:?}");
    let arrived = || -> HashSet<String> {
        receiver.accepted().into_keys().map(|body| body.split(' ').next().unwrap().to_owned()).collect()
    };
    assert!(wait_until(PUSH_LIMIT, || arrived().is_superset(&ids_with(202).collect())));
    assert_eq!(engine.dropped(), 0);
    assert!(wait_until(PUSH_LIMIT, || engine.post("{}").unwrap().status == 202), "it takes events again");
}

#[test]
fn the_engine_takes_events_from_those_with_its_token_only_and_only_what_it_can_store() {
    let receiver = Receiver::start(always);
    let (engine, _dir) = start(&receiver);
    let status =
        |request: &Request| Connection::open(engine.address()).unwrap().try_send(request).unwrap().status;
    let with_token =
        |body: &[u8]| Request::post("/events", body).header("authorization", format!("Bearer {QUEUE_TOKEN}"));

    assert_eq!(status(&Request::post("/events", "{}")), 401);
    assert_eq!(status(&Request::post("/events", "{}").header("authorization", "Bearer guessed")), 401);
    assert_eq!(status(&Request::post("/events", "{}").header("authorization", b"Bearer \xff")), 401);
    assert_eq!(status(&with_token(b"")), 400);
    assert_eq!(status(&with_token(b"\xff")), 400);
    assert_eq!(status(&with_token(b"{\0}")), 400);
    assert_eq!(status(&with_token(b"").header("content-length", "1048577")), 413);
    assert_eq!(status(&with_token(b"").header("content-length", "-1")), 411);
    assert_eq!(
        status(&with_token(b"").header("transfer-encoding", "chunked").header("content-length", "")),
        411
    );

    assert_eq!(status(&with_token(b"{}")), 202);
    assert!(wait_until(PUSH_LIMIT, || receiver.pushes().len() == 1));
}

#[test]
fn every_document_of_the_page_about_durability_can_be_read() {
    let page = include_str!("../docs/durability.md");
    let blocks = page.split("\n```").skip(1).step_by(2);
    let mut count = 0;
    for (language, text) in blocks.filter_map(|block| block.split_once('\n')) {
        match language {
            "yaml" => text.split("\n---\n").for_each(|document| {
                let read: Result<serde_json::Value, _> = serde_saphyr::from_str(document);
                assert!(read.is_ok_and(|value| !value.is_null()), "{document}");
            }),
            "json" => drop(serde_json::from_str::<serde_json::Value>(text).unwrap()),
            other => assert!(["text", "sh"].contains(&other), "{other}"),
        }
        count += 1;
    }
    assert!(count >= 10, "the page has {count} blocks");
}

fn random_below(limit: u64) -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() % limit
}
