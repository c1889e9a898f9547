//! The gateway is killed ten times under load.

use std::time::{Duration, Instant};

use serde_json::json;

use super::outcome::Outcome;
use crate::load::Pace;
use crate::report::Report;
use crate::rows::{SETTLE, Say, behave, options};
use crate::support::engine::WORKERS;
use crate::support::hand_off::{self, answering_when_accepted, handing_off};
use crate::support::ledger::Ledger;
use crate::support::orders::{FT, PS, order};
use crate::support::senders::Senders;
use crate::support::{Gateway, Options, wait_until};

const KILLS: u32 = 10;

/// What the books of both integrations said when a process was last looked at.
struct LastLook([Ledger; 2]);

impl LastLook {
    fn at(gateway: &Gateway) -> Self {
        let page = gateway.prometheus();
        Self([FT, PS].map(|integration| Ledger::on(&page, integration)))
    }

    fn total(&self, of: impl Fn(&Ledger) -> u64) -> u64 {
        self.0.iter().map(of).sum()
    }
}

/// The queue in memory is lost with its process. How much is lost can be told from the books: what was accepted and not
/// booked as delivered.
pub fn without_hand_off(name: &'static str, pace: &Pace, say: Say) -> Report {
    let mut gateway = Gateway::start(options(json!({})).fixed_port());
    behave(&gateway, &json!({"status": 503, "share": 0.3}));
    let (mut looks, mut peak_bytes) = (Vec::new(), 0);
    let (rate, least) = (pace.rate, pace.least);
    let senders = Senders { address: gateway.address(), request: &|id| order(id), rate, least, again: false };
    let (sent, ()) = senders.send(|| {
        std::thread::sleep(pace.healthy);
        for _ in 0..KILLS {
            peak_bytes = gateway.peak_rss().max(peak_bytes);
            looks.push(LastLook::at(&gateway));
            gateway.kill();
            gateway.restart();
            std::thread::sleep(pace.fault / KILLS);
        }
    });
    let accepted = sent.accepted();
    say(&format!("{} conversions were accepted; waiting for what is pending", accepted.len()));
    behave(&gateway, &json!({}));
    let at_kills: u64 = looks.iter().map(|look| look.total(|ledger| ledger.pending())).sum();
    let settled = wait_until(SETTLE, || {
        std::thread::sleep(Duration::from_millis(50));
        LastLook::at(&gateway).total(|ledger| ledger.pending()) == 0
    });
    looks.push(LastLook::at(&gateway));

    let outcome = Outcome::of(&gateway, &accepted);
    let (lost, twice) = (outcome.lost(), outcome.twice());
    let booked = |of: fn(&Ledger) -> u64| looks.iter().map(|look| look.total(of)).sum::<u64>();
    // A delivery that is booked may be of a request whose answer never came, so those count as well.
    let not_delivered = 2 * (accepted.len() as u64 + sent.unanswered) - booked(|ledger| ledger.delivered);
    let mut report = outcome.report(name, "in memory", None, gateway.peak_rss().max(peak_bytes));
    report.remark = Some(format!(
        "three of ten answers are 503, so that some deliveries wait for their next attempt. {lost} deliveries of accepted \
         requests never arrived; {at_kills} were pending when the books were read just before each kill, and at most {} \
         came in between that and the kill.",
        not_delivered.saturating_sub(at_kills)
    ));
    report.claim(settled, "the last process has pending deliveries".into());
    report.claim(lost > 0, "nothing was lost: no kill found a delivery".into());
    report.claim(lost <= not_delivered, format!("{lost} lost, the books miss {not_delivered}"));
    report
        .claim(booked(|ledger| ledger.dropped) == 0, format!("{} dropped", booked(|ledger| ledger.dropped)));
    let unanswered = booked(|ledger| ledger.unanswered);
    report.claim(twice <= unanswered, format!("{twice} second hits after {unanswered} timeouts and resets"));
    report
}

/// A client is answered 200 once the engine has its event on disk, so there is nothing in the gateway that a kill could lose.
pub fn with_hand_off(name: &'static str, pace: &Pace, say: Say) -> Report {
    // Tried again within the request, so that an event holds up its lane of the engine for a moment only.
    let file = handing_off(answering_when_accepted(), json!({"timeout": "5s"}));
    let options =
        Options::new().configuration(file).fixed_port().filter_log_level("info").log_level("warning");
    let (mut gateway, engine) = hand_off::start(options);
    behave(&gateway, &json!({"status": 503, "share": 0.3}));
    let (mut unanswered, mut peak_bytes) = (0, 0);
    let request = |id| hand_off::order(id);
    let senders = Senders {
        address: gateway.address(),
        request: &request,
        rate: pace.rate,
        least: pace.least,
        again: true,
    };
    let (sent, last_kill) = senders.send(|| {
        std::thread::sleep(pace.healthy);
        for _ in 0..KILLS {
            peak_bytes = gateway.peak_rss().max(peak_bytes);
            unanswered += LastLook::at(&gateway).total(|ledger| ledger.unanswered);
            gateway.kill();
            gateway.restart();
            std::thread::sleep(pace.fault / KILLS);
        }
        Instant::now()
    });
    say(&format!("{} conversions were accepted; {} are queued", sent.accepted().len(), engine.queued()));
    let drained = wait_until(SETTLE, || {
        std::thread::sleep(Duration::from_millis(50));
        engine.queued() == 0 && LastLook::at(&gateway).total(|ledger| ledger.pending()) == 0
    });
    let recovery = drained.then(|| last_kill.elapsed());
    unanswered += LastLook::at(&gateway).total(|ledger| ledger.unanswered);

    let outcome = Outcome::of(&gateway, &sent.accepted());
    let mut report = outcome.report(name, "lost", recovery, gateway.peak_rss().max(peak_bytes));
    // At a kill each lane of the engine has a request at the gateway; an order whose answer was lost, or was 503, is sent again.
    let pushed_again = (WORKERS as u64) * u64::from(KILLS);
    let bound = 2 * (pushed_again + sent.unanswered + sent.refused()) + unanswered;
    report.remark = Some(format!(
        "clients are answered 200 once syslog-ng has the event, and send again what is not answered 200. Three of ten of the \
         vendors' answers are 503. At the kills the engine had at most {pushed_again} events at the gateway, and {} requests \
         of clients were not answered: that bounds the second hits.",
        sent.unanswered,
    ));
    report.claim(
        drained && engine.dropped() == 0,
        format!("{} queued, {} dropped", engine.queued(), engine.dropped()),
    );
    outcome.claim_complete(&mut report);
    report.claim(
        outcome.twice() <= bound,
        format!("{} second hits, at most {bound} were in flight", outcome.twice()),
    );
    report
}
