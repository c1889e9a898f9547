//! A vendor's outage behind an engine that has a destination for each vendor.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::outcome::Outcome;
use crate::load::Pace;
use crate::report::Report;
use crate::rows::Say;
use crate::support::engine::DELIVER_KEY;
use crate::support::ledger::Ledger;
use crate::support::orders::{FT, PS, configuration, flashtalking, order_event, podsights};
use crate::support::senders::{Answer, Senders, Sent};
use crate::support::{
    Collector, DurableEngine, EngineOptions, Flashtalking, Gateway, Options, Podsights, wait_until,
};

const OUTAGE: Duration = Duration::from_secs(60);
/// The filter probes a vendor that was down for a minute at most a minute later.
const SETTLE: Duration = Duration::from_secs(240);
/// What the healthy vendor's deliveries may take longer by: less than the second that an engine's worker pauses.
const SLOWER: Duration = Duration::from_millis(500);

/// A CloudEvent with an order, as a server of the site posts it to the engine.
fn cloud_event(order: u64) -> String {
    let id = format!("event-{order}");
    json!({"specversion": "1.0", "id": id, "source": "shop", "type": "order", "data": order_event(order)})
        .to_string()
}

fn configured() -> Value {
    let mut file = configuration(&[flashtalking(), podsights()], json!({}));
    file["delivery"] = json!({}); // as shipped
    file["endpoints"] = json!({"deliver": {}});
    file["sources"] = json!([{"id": "engine", "keys": [DELIVER_KEY], "deliver": true}]);
    file
}

pub fn one_down(name: &'static str, pace: &Pace, say: Say) -> Report {
    let options = Options::new().configuration(configured()).filter_log_level("info").log_level("warning");
    let gateway = Gateway::start(options);
    let url = format!("http://{}/v1/deliver", gateway.address());
    let engine = EngineOptions::new().one_destination_each([FT, PS]).start(gateway.dir(), &url);
    let zero = clock(&gateway);
    let few = pace.rate / 10;
    let (rate, least) = (pace.rate, pace.least);
    let request = |order| DurableEngine::request(&cloud_event(order));
    let senders = Senders { address: engine.address(), request: &request, rate, least, again: false };
    let (sent, (outage, recovery)) = senders.send(|| {
        std::thread::sleep(pace.healthy);
        say("Flashtalking goes down");
        let down = Instant::now();
        gateway.behave(Flashtalking, json!({"refuse": true}));
        std::thread::sleep(OUTAGE.min(pace.longest_outage));
        let up = Instant::now();
        say(&format!("Flashtalking is up again, {} are queued", engine.queued()));
        gateway.behave(Flashtalking, json!({}));
        let recovered = wait_until(SETTLE, || engine.queued() <= few);
        (down..up, recovered.then(|| up.elapsed()))
    });
    let ledgers = || [FT, PS].map(|integration| Ledger::of(&gateway, integration));
    let drained =
        wait_until(SETTLE, || engine.queued() == 0 && ledgers().iter().all(|ledger| ledger.pending() == 0));

    let outcome = Outcome::of(&gateway, &sent.accepted());
    let mut report = outcome.report(name, "lost", recovery, gateway.peak_rss());
    report.claim(
        drained && engine.dropped() == 0,
        format!("{} queued, {} dropped", engine.queued(), engine.dropped()),
    );
    outcome.claim_complete(&mut report);
    let books = ledgers();
    for (books, arrived) in books.iter().zip(&outcome.vendors) {
        report.claim(books.pending() == 0 && books.dropped == 0, format!("{books:?}"));
        let (twice, unanswered) = (arrived.twice, books.unanswered);
        report.claim(
            twice <= unanswered,
            format!("{twice} second hits after {unanswered} timeouts and resets"),
        );
    }
    let [flashtalking, podsights] = books;
    report.claim(flashtalking.given_back > 0, "nothing was given back: the outage did not happen".into());
    report.claim(podsights.given_back == 0, format!("{} of Podsights were given back", podsights.given_back));
    let most = outcome.vendors[1].most_received;
    report.claim(most == 1, format!("Podsights got an order {most} times"));
    let latencies = compare(
        &mut report,
        &gateway,
        zero,
        [&sent_in(&sent, |at| at < outage.start), &sent_in(&sent, |at| outage.contains(&at))],
    );
    report.remark = Some(format!(
        "syslog-ng pushes with one destination for each vendor. Flashtalking was down for {} s, in which {} deliveries were \
         given back. Podsights got each order once, {latencies}.",
        outage.end.duration_since(outage.start).as_secs(),
        flashtalking.given_back,
    ));
    report
}

/// Claims that Podsights gets the orders during the outage as soon as those before, and says how soon.
fn compare(report: &mut Report, gateway: &Gateway, zero: Instant, orders: [&[Answer]; 2]) -> String {
    let [before, during] = orders.map(|orders| Latency::at_podsights(gateway, zero, orders));
    for (what, before, during) in [("median", before.median, during.median), ("99 %", before.p99, during.p99)]
    {
        report.claim(
            during <= before + SLOWER,
            format!("Podsights' {what} went from {before:?} to {during:?}"),
        );
    }
    format!(
        "{:.1} ms after it was sent to the engine, and {:.1} ms without the outage (medians; 99 %: {:.1} and {:.1} ms)",
        millis(during.median),
        millis(before.median),
        millis(during.p99),
        millis(before.p99),
    )
}

/// The instant that the stand-in counts its time from, to a few milliseconds.
fn clock(gateway: &Gateway) -> Instant {
    let now = Instant::now();
    gateway.get("/a-page");
    let at = Duration::from_micros(gateway.wait_for(Collector, 1)[0].at_us);
    now.checked_sub(at).expect("the stand-in was started by this process")
}

/// The orders that were accepted and sent at such a moment.
fn sent_in(sent: &Sent, wanted: impl Fn(Instant) -> bool) -> Vec<Answer> {
    sent.answers.iter().filter(|answer| answer.accepts() && wanted(answer.sent)).copied().collect()
}

/// From the sending of an order to its arrival at a vendor.
struct Latency {
    median: Duration,
    p99: Duration,
}

impl Latency {
    fn at_podsights(gateway: &Gateway, zero: Instant, orders: &[Answer]) -> Self {
        let sent: HashMap<String, Instant> =
            orders.iter().map(|answer| (answer.order.to_string(), answer.sent)).collect();
        let mut seen = HashSet::new();
        let mut latencies: Vec<Duration> = gateway
            .requests(Podsights)
            .iter()
            .filter_map(|request| {
                let order = request.json()["order_id"].as_str()?.to_owned();
                let sent = sent.get(&order)?;
                let at = zero + Duration::from_micros(request.at_us);
                seen.insert(order).then(|| at.saturating_duration_since(*sent))
            })
            .collect();
        latencies.sort_unstable();
        let at = |share: usize| {
            latencies
                .get(latencies.len() * share / 100)
                .or(latencies.last())
                .copied()
                .unwrap_or(Duration::MAX)
        };
        Self { median: at(50), p99: at(99) }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
