//! Dead letters in the real Envoy: what a vendor refuses or doesn't take in time is at a receiver of the company's own, sealed, and
//! reaches the vendor once it is replayed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};
use support::orders::{Books, DELIVERIES, PS, configuration, order, podsights, settled};
use support::{Gateway, LIMIT, Options, Podsights, Received, Request, Response, Webhook, wait_until};

const SECRET: &str = "the first secret, of 32 bytes or more";
const NEXT_SECRET: &str = "the next secret, of 32 bytes or more";
const LETTERS: &str = "Letters";

/// A gateway that sends to Podsights, with `key`, and keeps dead letters under `secrets`.
fn file(key: &str, secrets: &[&str], delivery: Value) -> Value {
    let letters = json!({"name": LETTERS, "vendor": "webhook", "preset": "cloudevents",
        "config": {"cluster": "webhook", "authority": "letters.internal", "path": "/letters", "purpose": "own"}});
    let mut podsights = podsights();
    podsights["config"]["key"] = json!(key);
    let mut file = configuration(&[podsights, letters], delivery);
    file["endpoints"] = json!({"deliver": {"within": "2s"}});
    file["sources"] = json!([
        {"id": "shop", "keys": ["k_shop"]},
        {"id": "operator", "keys": ["k_operator"], "deliver": true},
    ]);
    file["dead_letters"] = json!({"integration": LETTERS, "secrets": secrets});
    file
}

fn gateway(file: Value) -> Gateway {
    Gateway::start(
        Options::new()
            .configuration(file)
            .with_webhook()
            .env("DEAD_LETTER_SECRET", SECRET)
            .env("NEXT_SECRET", NEXT_SECRET)
            .trusted_hops(1),
    )
}

/// Somebody buys something.
fn buy(gateway: &Gateway, id: u64) {
    let response = gateway.send(
        order(id)
            .header("x-write-key", "k_shop")
            .header("x-forwarded-for", "203.0.113.50")
            .header("user-agent", "A browser"),
    );
    assert_eq!(response.status, 200);
}

fn replay(gateway: &Gateway, letter: impl AsRef<[u8]>) -> Response {
    gateway.send(Request::post("/v1/deliver", letter).header("x-write-key", "k_operator"))
}

/// Replays letters by the loop of docs/durability.md, which deletes those that were delivered.
fn replay_as_documented(gateway: &Gateway, letters: &[Received]) {
    let page = include_str!("../docs/durability.md");
    let (_, section) = page.split_once("### Replay\n").unwrap();
    let script = section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let here = gateway.address().to_string();
    assert!(script.contains("gateway.internal:10000"), "{script}");
    let folder = gateway.dir().join("letters");
    std::fs::create_dir(&folder).unwrap();
    for (at, letter) in letters.iter().enumerate() {
        std::fs::write(folder.join(format!("{at}.json")), &letter.body).unwrap();
    }
    let script = script.replace("gateway.internal:10000", &here);
    let mut shell = Command::new("sh");
    shell.args(["-euc", &script]).current_dir(gateway.dir()).env("DELIVER_KEY", "k_operator");
    let output = shell.output().expect("cannot run sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "what was delivered is deleted");
}

fn outcome(response: &Response) -> String {
    response.json()["deliveries"][0]["outcome"].as_str().unwrap_or_default().to_owned()
}

fn dead_lettered(gateway: &Gateway) -> u64 {
    gateway.counter(DELIVERIES, &[("integration", PS), ("outcome", "dead_lettered")])
}

/// The letters about so many lost deliveries, once all of them have arrived.
fn letters(gateway: &Gateway, count: usize) -> Vec<Received> {
    let letters = gateway.wait_for(Webhook, count);
    assert_eq!(letters.len(), count);
    assert_eq!(settled(gateway, LETTERS, count as u64).delivered, count as u64);
    letters
}

#[test]
fn what_a_vendor_refuses_is_kept_sealed_and_reaches_it_once_when_it_is_replayed() {
    let gateway = gateway(file("wrong", &["${DEAD_LETTER_SECRET}"], json!({})));
    gateway.behave(Podsights, json!({"status": 403}));
    for id in 1..=3 {
        buy(&gateway, id);
    }
    let letters = letters(&gateway, 3);
    for letter in &letters {
        assert_eq!(letter.header("content-type"), Some("application/cloudevents+json"));
        let text = letter.text();
        for private in ["203.0.113.50", "A browser", "anon-", "m-"] {
            assert!(!text.contains(private), "{private} is in the clear: {text}");
        }
        let letter = letter.json();
        let told = ["type", "integration", "event", "reason", "laststatus"].map(|name| letter[name].clone());
        assert_eq!(told, ["conversion_relay.delivery.lost", PS, "Order Completed", "rejected", "4xx"]);
    }
    assert!(wait_until(LIMIT, || dead_lettered(&gateway) == 3));
    assert_eq!(Books::of(&gateway, PS), Books { matched: 3, delivered: 0, dropped: 3 });

    // Somebody corrects the key.
    gateway.behave(Podsights, json!({}));
    gateway.forget_requests();
    assert!(gateway.reconfigure(file("right", &["${DEAD_LETTER_SECRET}"], json!({}))));
    replay_as_documented(&gateway, &letters);
    for letter in &letters {
        let response = replay(&gateway, &letter.body);
        assert_eq!((response.status, outcome(&response)), (200, "duplicate".to_owned()));
    }
    let sent = gateway.requests(Podsights);
    assert_eq!(sent.len(), 3);
    for callout in sent {
        let body = callout.json();
        let told = ["key", "event", "ip", "user_agent"].map(|name| body[name].clone());
        assert_eq!(told, ["right", "purchase", "203.0.113.50", "A browser"]);
    }
    let books = Books { matched: 9, delivered: 3, dropped: 6 };
    assert!(wait_until(LIMIT, || Books::of(&gateway, PS) == books), "{:?}", Books::of(&gateway, PS));
    let (code, said) = support::drain(&gateway.admin_address().to_string(), 20, 60);
    assert!(code == Some(0) && said.contains("nothing is pending"), "a dead letter is not pending: {said}");
}

#[test]
fn an_outage_that_outlasts_the_retries_is_replayed_in_any_form_through_another_gateway() {
    let secrets = ["${DEAD_LETTER_SECRET}"];
    let first = gateway(file("k", &secrets, json!({"max_attempts": 2})));
    first.behave(Podsights, json!({"status": 503}));
    for id in 1..=3 {
        buy(&first, id);
    }
    let letters: Vec<_> = letters(&first, 3).iter().map(Received::json).collect();
    for letter in &letters {
        let told = ["reason", "laststatus"].map(|name| letter[name].clone());
        assert_eq!((told, &letter["attempts"]), (["retries_exhausted", "5xx"].map(Value::from), &json!(2)));
    }
    drop(first);

    let rotated = ["${NEXT_SECRET}", "${DEAD_LETTER_SECRET}"];
    let second = gateway(file("k", &rotated, json!({})));
    let sealed = BASE64_STANDARD.decode(letters[0]["data_base64"].as_str().unwrap()).unwrap();
    let binary = Request::post("/v1/deliver", sealed)
        .header("x-write-key", "k_operator")
        .header("ce-type", "conversion_relay.delivery.lost");
    assert_eq!(outcome(&second.send(binary)), "delivered");
    let list = replay(&second, json!(letters).to_string());
    let outcomes: Vec<_> = (0..3).map(|at| list.json()["deliveries"][at]["outcome"].clone()).collect();
    assert_eq!(outcomes, ["duplicate", "delivered", "delivered"]);
    let orders = &second.tally(Podsights)["orders"];
    assert_eq!((&orders["distinct"], &orders["repeated"]), (&json!(3), &json!(0)));
}

#[test]
fn the_documented_configuration_is_accepted() {
    let page = include_str!("../docs/durability.md");
    let (_, section) = page.split_once("## Dead letters\n").unwrap();
    let yaml = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let options =
        Options::new().configuration(yaml).env("DEAD_LETTER_SECRET", SECRET).env("LETTERS_TOKEN", "t");
    let gateway = Gateway::start(options);
    let accepted = "extension_config_discovery.http_filter.conversion-relay.update_success";
    assert!(wait_until(LIMIT, || gateway.stat(accepted) == Some(1)));
}

#[test]
fn a_letter_under_another_secret_stays_with_its_sender_and_a_forged_one_is_refused() {
    let gateway = gateway(file("k", &["${DEAD_LETTER_SECRET}"], json!({})));
    gateway.behave(Podsights, json!({"status": 400}));
    buy(&gateway, 1);
    let letter = letters(&gateway, 1).remove(0);
    gateway.behave(Podsights, json!({}));
    gateway.forget_requests();
    let mut forged = letter.json();
    let mut sealed = BASE64_STANDARD.decode(forged["data_base64"].as_str().unwrap()).unwrap();
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    forged["data_base64"] = json!(BASE64_STANDARD.encode(sealed));
    assert_eq!(replay(&gateway, forged.to_string()).status, 400);
    let with_key = |key: &str| Request::post("/v1/deliver", &letter.body).header("x-write-key", key);
    assert_eq!(gateway.send(with_key("k_shop")).status, 401);

    assert!(gateway.reconfigure(file("k", &["${NEXT_SECRET}"], json!({}))));
    assert_eq!(replay(&gateway, &letter.body).status, 503);
    gateway.wait_for_log("a dead letter, was sealed under a secret that this gateway doesn't have");
    assert!(gateway.requests(Podsights).is_empty());
    assert!(gateway.reconfigure(file("k", &["${NEXT_SECRET}", "${DEAD_LETTER_SECRET}"], json!({}))));
    assert_eq!(outcome(&replay(&gateway, &letter.body)), "delivered");
}
