//! The program is killed at random moments: whatever it answered with 2xx is there afterwards.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "fleet/kit.rs"]
mod kit;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use conversion_relay::settings::Secret;
use conversion_relay_console::configuration::{Collection, Environment};
use conversion_relay_console::store::Store;
use kit::{ADMIN_TOKEN, CONSOLE_SECRET, Program, RELAY_KEY, post_letter, with_token};
use serde_json::json;
use support::{Connection, Request, TempDir};

fn open(dir: &Path) -> Store {
    let environment = Environment::new([("RELAY_KEY".to_owned(), Secret::new(RELAY_KEY))]);
    Store::open(&dir.join("console.db"), &Secret::new(CONSOLE_SECRET), environment, Some("RELAY_KEY"))
        .unwrap()
}

/// Sends letters until nobody answers any more. Returns the ids of those that were answered with 2xx.
fn send(address: SocketAddr, prefix: &str) -> Vec<String> {
    let mut taken = Vec::new();
    let Ok(mut connection) = Connection::open(address) else { return taken };
    for number in 0.. {
        let id = format!("{prefix}-{number}");
        match connection.try_send(&post_letter(&id)) {
            Ok(answer) if answer.status == 204 => taken.push(id),
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => break,
        }
    }
    taken
}

#[test]
fn every_dead_letter_that_was_answered_is_kept_however_the_program_ends() {
    let dir = TempDir::new();
    let mut taken: Vec<String> = Vec::new();
    for round in 0..8_u32 {
        let program = Program::start(&dir.0);
        let address = program.address;
        let senders: Vec<_> = (0..3)
            .map(|sender| std::thread::spawn(move || send(address, &format!("{round}-{sender}"))))
            .collect();
        let [random] = conversion_relay_console::random::bytes::<1>().unwrap();
        std::thread::sleep(Duration::from_millis(50 + u64::from(random)));
        program.kill();
        taken.extend(senders.into_iter().flat_map(|sender| sender.join().unwrap()));
    }
    assert!(taken.len() > 50, "{}", taken.len());
    let store = open(&dir.0);
    for id in &taken {
        assert!(store.letter(id).is_ok(), "{id} of {} is lost", taken.len());
    }
}

/// Adds integrations until nobody answers any more. Returns the ids of those that were answered with 2xx.
fn add(address: SocketAddr, prefix: &str) -> Vec<String> {
    let mut added = Vec::new();
    let Ok(mut connection) = Connection::open(address) else { return added };
    for number in 0.. {
        let integration = json!({"name": format!("{prefix}-{number}"), "vendor": "podsights",
            "config": {"key": format!("a-literal-key-of-{number}")}, "events": ["Order Completed"]});
        let request = Request::post("/v1/admin/integrations", integration.to_string());
        let request = request.header("content-type", "application/json");
        match connection.try_send(&with_token(request, ADMIN_TOKEN)) {
            Ok(answer) if answer.status == 201 => {
                added.push(answer.json()["id"].as_str().unwrap().to_owned())
            }
            Ok(answer) if answer.status == 429 => break,
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => break,
        }
    }
    added
}

#[test]
fn every_change_that_was_answered_is_in_force_however_the_program_ends() {
    let dir = TempDir::new();
    let mut added: Vec<String> = Vec::new();
    for round in 0..6_u32 {
        let program = Program::start(&dir.0);
        let address = program.address;
        let sender = std::thread::spawn(move || add(address, &format!("Pod {round}")));
        let [random] = conversion_relay_console::random::bytes::<1>().unwrap();
        std::thread::sleep(Duration::from_millis(30 + u64::from(random)));
        program.kill();
        added.extend(sender.join().unwrap());
    }
    assert!(added.len() > 6, "{}", added.len());
    let store = open(&dir.0);
    let current = store.current();
    for id in &added {
        assert!(current.document.find(Collection::Integrations, id).is_some(), "{id} is lost");
        let place = format!("integrations[id={id}].config.key");
        assert!(store.secret(&place).unwrap().is_some(), "the key of {id} is lost");
    }
    let revisions = store.revisions(None, 1).unwrap();
    assert_eq!(revisions[0].number, current.revision);
    assert!(!kit::holds(&dir.0, "a-literal-key-of"));
}
