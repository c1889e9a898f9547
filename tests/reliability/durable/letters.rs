//! A long outage that outlasts the limits of a delivery: what is lost becomes dead letters, which are posted again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::outcome::Outcome;
use crate::load::Pace;
use crate::report::Report;
use crate::rows::{SETTLE, Say};
use crate::support::engine::DELIVER_KEY;
use crate::support::ledger::Ledger;
use crate::support::orders::{DELIVERIES, FT, PS, configuration, flashtalking, order, podsights};
use crate::support::senders::Senders;
use crate::support::{Flashtalking, Gateway, Options, Request, Webhook, wait_until};

const OUTAGE: Duration = Duration::from_secs(600);
/// Conversions a second: in ten minutes that makes some thousands of letters.
const RATE: u64 = 10;
/// What the outage is divided by to get `delivery.max_age`.
const AGES: u32 = 20;
/// The integration that gets the letters, as metrics name it.
const LETTERS: &str = "Lost_conversions";
const SHOP_KEY: &str = "wk_shop";

fn configured(max_age: Duration) -> Value {
    let letters = json!({
        "name": "Lost conversions", "vendor": "webhook", "preset": "cloudevents",
        "config": {"cluster": "webhook", "authority": "letters.internal", "path": "/letters", "purpose": "own"},
    });
    let backoff = json!({"base": "1s", "max": "5s"});
    let max_age = format!("{}ms", max_age.as_millis());
    // One attempt: what is tried in the outage ends as retries_exhausted, and what never gets its turn as expired.
    let delivery = json!({"max_age": max_age, "max_attempts": 1, "timeout": "5s", "backoff": backoff});
    let mut file = configuration(&[flashtalking(), podsights(), letters], delivery);
    file["dead_letters"] =
        json!({"integration": "Lost conversions", "secrets": ["a secret of the letters, for tests alone"]});
    file["endpoints"] = json!({"deliver": {}});
    file["sources"] = json!([
        {"id": "shop", "keys": [SHOP_KEY]},
        {"id": "replay", "keys": [DELIVER_KEY], "deliver": true},
    ]);
    file
}

pub fn replayed(name: &'static str, pace: &Pace, say: Say) -> Report {
    let outage = OUTAGE.min(pace.longest_outage);
    let max_age = (outage / AGES).max(Duration::from_secs(1));
    let options = Options::new().configuration(configured(max_age)).with_webhook();
    let gateway = Gateway::start(options.filter_log_level("info").log_level("warning"));
    let senders = Senders {
        address: gateway.address(),
        request: &|id| order(id).header("x-write-key", SHOP_KEY),
        rate: RATE,
        least: 0,
        again: false,
    };
    let (sent, up) = senders.send(|| {
        std::thread::sleep(pace.healthy);
        say("Flashtalking goes down");
        gateway.behave(Flashtalking, json!({"status": 503})); // a connection that is refused is no attempt
        std::thread::sleep(outage);
        gateway.behave(Flashtalking, json!({}));
        say("Flashtalking is up again");
        let up = Instant::now();
        std::thread::sleep(pace.healthy);
        up
    });
    let ledgers = || [LETTERS, FT, PS].map(|integration| Ledger::of(&gateway, integration));
    let settled = wait_until(SETTLE, || ledgers().iter().all(|ledger| ledger.pending() == 0));
    let recovery = settled.then(|| up.elapsed());
    let letters: Vec<String> = gateway.requests(Webhook).iter().map(|request| request.text()).collect();
    let count = |label, value| gateway.counter(DELIVERIES, &[("integration", FT), (label, value)]);
    let (expired, exhausted) = (count("reason", "expired"), count("reason", "retries_exhausted"));
    let dead_lettered = count("outcome", "dead_lettered");
    let [of_letters, of_flashtalking, _] = ledgers();
    say(&format!("{} letters are posted", letters.len()));
    let refused = post(&gateway, &letters);
    let refused_again = post(&gateway, &letters);

    let accepted = sent.accepted();
    let outcome = Outcome::of(&gateway, &accepted);
    let mut report = outcome.report(name, "lost", recovery, gateway.peak_rss());
    report.claim(settled, format!("{:?}", ledgers()));
    let dropped = of_flashtalking.dropped;
    report.claim(
        expired > 0 && exhausted > 0 && dropped == expired + exhausted,
        format!("of {dropped} dropped {expired} expired and {exhausted} retries_exhausted"),
    );
    let distinct = letters.iter().map(|letter| id_of(letter)).collect::<HashSet<_>>().len() as u64;
    report.claim(
        [letters.len() as u64, distinct, dead_lettered] == [dropped; 3],
        format!(
            "{dropped} dropped, {dead_lettered} dead-lettered, {} letters, {distinct} ids",
            letters.len()
        ),
    );
    report.claim(of_letters.dropped == 0, format!("{of_letters:?}"));
    report.claim(refused.is_empty(), format!("letters that were posted were answered {refused:?}"));
    report.claim(refused_again.is_empty(), format!("the second time: {refused_again:?}"));
    outcome.claim_complete(&mut report);
    report.claim(outcome.twice() == 0, format!("{} second hits", outcome.twice()));
    report.remark = Some(format!(
        "Flashtalking answered 503 for {} s, with one attempt for each delivery and delivery.max_age at {} s: {expired} deliveries \
         ended as expired and {exhausted} as retries_exhausted. Each was a dead letter. All letters were then posted to \
         /v1/deliver, twice, and each order was delivered once. At {RATE} conversions a second.",
        outage.as_secs(),
        max_age.as_secs_f64(),
    ));
    report
}

fn id_of(letter: &str) -> String {
    let letter: Value = serde_json::from_str(letter).expect("a letter is a CloudEvent");
    letter["id"].as_str().expect("it has an id").to_owned()
}

/// Posts the letters one by one, each until its answer is not 503, and gives the statuses that were not 200.
fn post(gateway: &Gateway, letters: &[String]) -> Vec<u16> {
    let mut connection = gateway.connect();
    let mut refused = Vec::new();
    for letter in letters {
        let request = Request::post("/v1/deliver", letter)
            .header("content-type", "application/cloudevents+json")
            .header("x-write-key", DELIVER_KEY);
        let mut status = 503;
        wait_until(SETTLE, || {
            status = connection.send(&request).status;
            status != 503
        });
        if status != 200 {
            refused.push(status);
        }
    }
    refused
}
