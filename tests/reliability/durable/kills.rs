//! The gateway is killed ten times under load.

use std::time::Duration;

use serde_json::json;

use super::outcome::Outcome;
use crate::load::Pace;
use crate::report::Report;
use crate::rows::{SETTLE, Say, behave, options};
use crate::support::ledger::Ledger;
use crate::support::orders::{FT, PS, order};
use crate::support::senders::Senders;
use crate::support::{Gateway, wait_until};

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
