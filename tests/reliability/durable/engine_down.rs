//! The engine that a gateway hands off to is killed, and comes back.

use std::ops::Range;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::outcome::Outcome;
use crate::load::Pace;
use crate::report::Report;
use crate::rows::{SETTLE, Say};
use crate::support::hand_off::{
    self, QUEUE, answered_by_the_collector, answering_when_accepted, handing_off,
};
use crate::support::ledger::Ledger;
use crate::support::orders::{FT, PS};
use crate::support::senders::{Senders, Sent};
use crate::support::{DurableEngine, Gateway, Options, wait_until};

/// What a browser's answer may take longer by: less than any limit that a callout of the filter's has.
const SLOWER: Duration = Duration::from_millis(500);
/// The shortest outage that clients notice who wait for `hand_off.within`.
const OUTAGE: Duration = Duration::from_secs(5);
/// `hand_off.within` of [`answering_when_accepted`], and a second.
const TOLD_WITHIN: Duration = Duration::from_secs(4);

/// A gateway and its engine, and what became of them.
struct Run {
    gateway: Gateway,
    engine: DurableEngine,
    sent: Sent,
    outage: Range<Instant>,
    /// Deliveries to the queue that waited when the outage ended.
    waiting: u64,
    /// From the outage's end until no more was on its way than comes in a tenth of a second.
    recovery: Option<Duration>,
    drained: bool,
}

impl Run {
    fn new(endpoints: Value, again: bool, pace: &Pace, say: Say) -> Self {
        let mut file = handing_off(endpoints, json!({}));
        file["delivery"] = json!({}); // as shipped
        let options = Options::new().configuration(file).filter_log_level("info").log_level("warning");
        let (gateway, mut engine) = hand_off::start(options);
        let senders = Senders {
            address: gateway.address(),
            request: &|id| hand_off::order(id),
            rate: pace.rate,
            least: pace.least,
            again,
        };
        let (sent, (outage, waiting, recovery)) = senders.send(|| {
            std::thread::sleep(pace.healthy);
            say("the engine is killed");
            let down = Instant::now();
            engine.kill();
            std::thread::sleep(pace.fault.max(OUTAGE));
            let (up, waiting) = (Instant::now(), Ledger::of(&gateway, QUEUE).pending());
            say(&format!("the engine starts again, {waiting} wait for it"));
            engine.restart();
            let recovered = recovered(&gateway, &engine, pace.rate / 10);
            let recovery = recovered.then(|| up.elapsed());
            std::thread::sleep(pace.healthy.saturating_sub(up.elapsed()));
            (down..up, waiting, recovery)
        });
        say(&format!("{} conversions were accepted; waiting for what is pending", sent.accepted().len()));
        let drained = recovered(&gateway, &engine, 0);
        Self { gateway, engine, sent, outage, waiting, recovery, drained }
    }

    /// The answers to what was sent in the outage, or before it.
    fn took(&self, during: bool) -> Vec<Duration> {
        let wanted = |at: &Instant| if during { self.outage.contains(at) } else { *at < self.outage.start };
        let answers = self.sent.answers.iter().filter(|answer| wanted(&answer.sent));
        let mut took: Vec<Duration> = answers.map(|answer| answer.took).collect();
        took.sort_unstable();
        took
    }

    /// A report with the claims that hold however the clients are answered.
    fn report(&self, name: &'static str) -> Report {
        let outcome = Outcome::of(&self.gateway, &self.sent.accepted());
        let mut report = outcome.report(name, "lost", self.recovery, self.gateway.peak_rss());
        let (queued, dropped) = (self.engine.queued(), self.engine.dropped());
        report.claim(self.drained && dropped == 0, format!("{queued} queued, {dropped} dropped"));
        outcome.claim_complete(&mut report);
        let vendors = [FT, PS].map(|integration| Ledger::of(&self.gateway, integration));
        let unanswered: u64 = vendors.iter().map(|ledger| ledger.unanswered).sum();
        let twice = outcome.twice();
        report.claim(
            twice <= unanswered,
            format!("{twice} second hits after {unanswered} timeouts and resets"),
        );
        report
            .claim(self.sent.unanswered == 0, format!("{} clients were not answered", self.sent.unanswered));
        report
    }
}

fn recovered(gateway: &Gateway, engine: &DurableEngine, few: u64) -> bool {
    wait_until(SETTLE, || {
        std::thread::sleep(Duration::from_millis(50));
        let page = gateway.prometheus();
        let pending = |integration: &&str| Ledger::on(&page, integration).pending();
        [QUEUE, FT, PS].iter().map(pending).sum::<u64>() + engine.queued() <= few
    })
}

/// With `reply: upstream` browsers are answered by the collector, and what is to be handed off waits in the gateway.
pub fn collector_answers(name: &'static str, pace: &Pace, say: Say) -> Report {
    let run = Run::new(answered_by_the_collector(), false, pace, say);
    let mut report = run.report(name);
    let (refused, accepted) = (run.sent.refused(), run.sent.accepted().len() as u64);
    report.claim(refused == 0, format!("{refused} requests were not answered by the collector"));
    report.claim(run.waiting > 0, "nothing waited for the engine: the outage did not happen".into());
    let ledger = Ledger::of(&run.gateway, QUEUE);
    report.claim(
        (ledger.matched, ledger.delivered, ledger.dropped) == (accepted, accepted, 0),
        format!("of {accepted} accepted: {ledger:?}"),
    );
    let [before, during] = [false, true].map(|during| run.took(during));
    let [median_before, median] = [&before, &during].map(|took| took.get(took.len() / 2).copied());
    let [slowest_before, slowest] = [&before, &during].map(|took| took.last().copied());
    let millis = |time: Option<Duration>| time.unwrap_or(Duration::MAX).as_secs_f64() * 1000.0;
    for (what, before, during) in [("median", median_before, median), ("slowest", slowest_before, slowest)] {
        let holds = during.is_some_and(|during| before.is_some_and(|before| during <= before + SLOWER));
        report.claim(holds, format!("the browsers' {what} answer went from {before:?} to {during:?}"));
    }
    report.remark = Some(format!(
        "the browsers' answers took {:.1} ms with the engine down and {:.1} ms without (medians; the slowest {:.0} and {:.0} \
         ms). {} deliveries waited in the gateway when the engine came back.",
        millis(median),
        millis(median_before),
        millis(slowest),
        millis(slowest_before),
        run.waiting,
    ));
    report
}

/// With `answer_when: accepted` clients are told that their event was not taken, and send it again.
pub fn clients_wait(name: &'static str, pace: &Pace, say: Say) -> Report {
    let run = Run::new(answering_when_accepted(), true, pace, say);
    let mut report = run.report(name);
    let refused: Vec<_> = run.sent.answers.iter().filter(|answer| !answer.accepts()).collect();
    let slowest = refused.iter().map(|answer| answer.took).max().unwrap_or_default();
    report.claim(!refused.is_empty(), "nobody was refused: the outage did not happen".into());
    report.claim(
        refused.iter().all(|answer| answer.status == 503),
        "a client was refused with another status than 503".into(),
    );
    report.claim(slowest <= TOLD_WITHIN, format!("a client waited {slowest:?} for its 503"));
    report.remark = Some(format!(
        "{} answers were 503, the slowest after {:.1} s. Each of these orders was sent again until it was answered 200.",
        refused.len(),
        slowest.as_secs_f64()
    ));
    report
}
