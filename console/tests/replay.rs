//! Replays of dead letters to a gateway that answers as a test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "fleet/kit.rs"]
mod kit;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use conversion_relay_console::configuration::Collection;
use conversion_relay_console::fleet::Sender;
use conversion_relay_console::options::Options;
use conversion_relay_console::replay;
use conversion_relay_console::store::{LetterQuery, Outcome, Rejection, Replay, StoredLetter};
use kit::{Running, post_letter};
use serde_json::{Value, json};
use support::wait_until;

/// A gateway's `/v1/deliver`, which answers with the next of some answers to each request; an empty one hangs up.
struct Deliver {
    address: SocketAddr,
    requests: Receiver<String>,
}

impl Deliver {
    fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        let answers: Vec<String> = answers.iter().map(ToString::to_string).collect();
        std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let request = read(&stream);
                stream.write_all(answer.as_bytes()).unwrap();
                drop(stream);
                if sender.send(request).is_err() {
                    return;
                }
            }
        });
        Self { address, requests }
    }
}

fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let at = head.len();
        reader.read_line(&mut head).unwrap();
        if let Some(value) = head[at..].to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn start(deliver: SocketAddr, key: &str) -> Running {
    let url = format!("http://{deliver}/v1/deliver?integration=PS");
    let console = Running::start(Options { deliver_url: Some(url), ..Options::default() });
    console.change(|document| {
        let source = json!({"id": "operator", "keys": [key], "deliver": true});
        document.put(Collection::Sources, "operator", source.as_object().unwrap().clone());
    });
    console
}

fn keep(console: &Running, ids: &[&str]) {
    for id in ids {
        assert_eq!(console.send(&post_letter(id)).status, 204);
    }
}

fn replay_one(console: &Running, id: &str) -> Result<StoredLetter, Rejection> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(replay::one(&console.console, id.to_owned(), "alice".to_owned()))
}

fn end(letter: &StoredLetter) -> (Outcome, &str) {
    let Some(Replay { outcome, detail, .. }) = &letter.replay else { panic!("{letter:?}") };
    (*outcome, detail)
}

#[test]
fn a_letter_goes_as_it_came_with_the_key_of_the_source_that_may_deliver() {
    let deliveries = json!({"deliveries": [{"event": 0, "integration": "PS", "outcome": "delivered"}]});
    let deliver = Deliver::start(&[&answer("200 OK", &deliveries.to_string())]);
    let console = start(deliver.address, "k_operator");
    keep(&console, &["a-1"]);
    let letter = replay_one(&console, "a-1").unwrap();
    assert_eq!(end(&letter), (Outcome::Delivered, "200 delivered"));
    assert!(!letter.is_waiting);
    let request = deliver.requests.recv().unwrap();
    assert!(request.starts_with("POST /v1/deliver?integration=PS HTTP/1.1\r\n"), "{request}");
    for line in ["authorization: Bearer k_operator\r\n", "content-type: application/cloudevents+json\r\n"] {
        assert!(request.contains(line), "{request}");
    }
    assert_eq!(request.split("\r\n\r\n").nth(1).unwrap(), kit::letter("a-1").to_string());
}

#[test]
fn what_the_gateway_answers_is_kept_and_no_redirect_is_followed() {
    let refused = json!({"deliveries": [{"event": 0, "integration": "PS", "outcome": "dropped", "reason": "rejected"}]});
    let answers = [
        (answer("503 Service Unavailable", "{}"), Outcome::GivenBack, "503"),
        (answer("422 Unprocessable Content", &refused.to_string()), Outcome::Refused, "422 dropped rejected"),
        (answer("302 Found", ""), Outcome::Refused, "302"),
        (answer("400 Bad Request", "no JSON"), Outcome::Refused, "400: no secret"),
        (answer("401 Unauthorized", ""), Outcome::Refused, "401: the gateways don't know"),
        (answer("200 OK", &"x".repeat(1 << 20)), Outcome::Delivered, "200"),
        (String::new(), Outcome::Unreachable, ""),
    ];
    let texts: Vec<&str> = answers.iter().map(|(answer, ..)| answer.as_str()).collect();
    let deliver = Deliver::start(&texts);
    let console = start(deliver.address, "k_operator");
    keep(&console, &["a-1"]);
    for (text, outcome, detail) in &answers {
        let letter = replay_one(&console, "a-1").unwrap();
        let found = end(&letter);
        assert_eq!(found.0, *outcome, "{text}");
        assert!(found.1.starts_with(detail), "{}", found.1);
    }
}

#[test]
fn all_letters_like_these_are_replayed_one_after_the_other_and_wait_while_no_gateway_answers() {
    let good = answer("200 OK", "{}");
    let deliver = Deliver::start(&[&good, "", &good, &good]);
    let console = start(deliver.address, "k_operator");
    keep(&console, &["a-1", "a-2", "a-3"]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let query = LetterQuery { integration: Some("PS".into()), ..LetterQuery::default() };
    let count = runtime.block_on(replay::all(&console.console, query, "alice".into())).unwrap();
    assert_eq!(count, 3);
    let ids: Vec<Value> = (0..4)
        .map(|_| {
            let request = deliver.requests.recv_timeout(kit::LIMIT).unwrap();
            let letter: Value = serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap();
            letter["id"].clone()
        })
        .collect();
    assert_eq!(ids, ["a-1", "a-2", "a-2", "a-3"]);
    assert!(wait_until(kit::LIMIT, || console.console.store.replays_wanted().unwrap() == 0));
    assert_eq!(console.console.store.letter("a-2").unwrap().replays, 2);
}

#[test]
fn a_replay_that_cannot_be_sent_is_refused_with_what_is_missing() {
    let console = Running::start(Options::default());
    keep(&console, &["a-1"]);
    let problem = |console: &Running| replay_one(console, "a-1").unwrap_err().to_string();
    assert!(problem(&console).contains("--deliver-url"));
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
    let url = format!("http://{nowhere}/v1/deliver");
    let console = Running::start(Options { deliver_url: Some(url), ..Options::default() });
    keep(&console, &["a-1"]);
    assert!(problem(&console).contains("a source that may deliver"));
    let console = start(nowhere, "${PODSIGHTS_KEY}");
    keep(&console, &["a-1"]);
    assert!(problem(&console).contains("set PODSIGHTS_KEY for the console"));
    let console = start(nowhere, "k_operator");
    assert!(matches!(replay_one(&console, "unknown"), Err(Rejection::NotFound(_))));
    keep(&console, &["a-1"]);
    assert_eq!(end(&replay_one(&console, "a-1").unwrap()).0, Outcome::Unreachable);
}

#[test]
fn only_an_http_url_with_a_host_and_without_credentials_is_taken() {
    for url in
        ["ftp://gateway/v1/deliver", "/v1/deliver", "gateway:10000", "http://user:pass@gateway/", "http://"]
    {
        assert!(Sender::new(url).is_err(), "{url}");
    }
    assert!(Sender::new("https://gateway.internal/v1/deliver").is_ok());
}
