//! The gateway is killed ten times under load.

use std::time::{Duration, Instant};

use serde_json::json;

use super::outcome::Outcome;
use crate::load::Pace;
use crate::report::Report;
use crate::rows::{SETTLE, Say, behave, options};
use crate::support::engine::WORKERS;
use crate::support::hand_off::{self, QUEUE, answering_when_accepted, handing_off};
use crate::support::ledger::Ledger;
use crate::support::orders::{FT, PS, order};
use crate::support::senders::{Senders, Sent};
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

/// A gateway that was killed ten times, and what it said of itself just before each kill, and at the end.
#[derive(Default)]
struct Kills {
    looks: Vec<LastLook>,
    peak_bytes: u64,
}

impl Kills {
    /// Kills it and starts it again while the clients send. Gives what they sent, and when the last kill was.
    fn under_load(gateway: &mut Gateway, senders: &Senders, pace: &Pace) -> (Self, Sent, Instant) {
        let mut kills = Self::default();
        let (sent, last) = senders.send(|| {
            std::thread::sleep(pace.healthy);
            let mut last = Instant::now();
            for _ in 0..KILLS {
                kills.look(gateway);
                last = Instant::now();
                gateway.kill();
                gateway.restart();
                std::thread::sleep(pace.fault / KILLS);
            }
            last
        });
        (kills, sent, last)
    }

    fn look(&mut self, gateway: &Gateway) {
        self.peak_bytes = gateway.peak_rss().max(self.peak_bytes);
        self.looks.push(LastLook::at(gateway));
    }

    /// The sum of a counter over all processes.
    fn total(&self, of: impl Fn(&Ledger) -> u64) -> u64 {
        self.looks.iter().map(|look| look.total(&of)).sum()
    }
}

fn settled(gateway: &Gateway, also: impl Fn() -> bool) -> bool {
    wait_until(SETTLE, || {
        std::thread::sleep(Duration::from_millis(50));
        also() && LastLook::at(gateway).total(|ledger| ledger.pending()) == 0
    })
}

/// The queue in memory is lost with its process. How much is lost can be told from the books: what was accepted and not
/// booked as delivered.
pub fn without_hand_off(name: &'static str, pace: &Pace, say: Say) -> Report {
    let mut gateway = Gateway::start(options(json!({})).fixed_port());
    behave(&gateway, &json!({"status": 503, "share": 0.3}));
    let (address, rate, least) = (gateway.address(), pace.rate, pace.least);
    let senders = Senders { address, request: &|id| order(id), rate, least, again: false };
    let (mut kills, sent, _) = Kills::under_load(&mut gateway, &senders, pace);
    let accepted = sent.accepted();
    say(&format!("{} conversions were accepted; waiting for what is pending", accepted.len()));
    behave(&gateway, &json!({}));
    let at_kills = kills.total(|ledger| ledger.pending());
    let settled = settled(&gateway, || true);
    kills.look(&gateway);

    let outcome = Outcome::of(&gateway, &accepted);
    let (lost, twice) = (outcome.lost(), outcome.twice());
    // A delivery that is booked may be of a request whose answer never came, so those count as well.
    let begun = 2 * (accepted.len() as u64 + sent.unanswered);
    let not_delivered = begun - kills.total(|ledger| ledger.delivered);
    let mut report = outcome.report(name, "in memory", None, kills.peak_bytes);
    report.claim(settled, "the last process has pending deliveries".into());
    report.claim(lost > 0, "nothing was lost: no kill found a delivery".into());
    report.claim(lost <= not_delivered, format!("{lost} lost, the books miss {not_delivered}"));
    let dropped = kills.total(|ledger| ledger.dropped);
    report.claim(dropped == 0, format!("{dropped} dropped"));
    let unanswered = kills.total(|ledger| ledger.unanswered);
    report.claim(twice <= unanswered, format!("{twice} second hits after {unanswered} timeouts and resets"));
    report.remark = Some(format!(
        "three of ten answers are 503, so that some deliveries wait for their next attempt. {lost} deliveries of accepted \
         requests never arrived; {at_kills} were pending when the books were read just before each kill, and at most {} \
         came in between that and the kill.",
        not_delivered.saturating_sub(at_kills)
    ));
    report
}

/// A client is answered 200 once the engine has its event on disk, so there is nothing in the gateway that a kill could lose.
pub fn with_hand_off(name: &'static str, pace: &Pace, say: Say) -> Report {
    // The first attempts follow each other fast, so that an event doesn't hold up its lane of the engine for long.
    let file = handing_off(answering_when_accepted(), json!({"timeout": "5s"}));
    let options = Options::new().configuration(file).fixed_port();
    let (mut gateway, engine) = hand_off::start(options.filter_log_level("info").log_level("warning"));
    behave(&gateway, &json!({"status": 503, "share": 0.3}));
    let (address, rate, least) = (gateway.address(), pace.rate, pace.least);
    let senders = Senders { address, request: &|id| hand_off::order(id), rate, least, again: true };
    let (mut kills, sent, last_kill) = Kills::under_load(&mut gateway, &senders, pace);
    say(&format!("{} conversions were accepted; {} are queued", sent.accepted().len(), engine.queued()));
    let drained = settled(&gateway, || engine.queued() == 0 && Ledger::of(&gateway, QUEUE).pending() == 0);
    let recovery = drained.then(|| last_kill.elapsed());
    kills.look(&gateway);

    let outcome = Outcome::of(&gateway, &sent.accepted());
    let mut report = outcome.report(name, "lost", recovery, kills.peak_bytes);
    report.claim(
        drained && engine.dropped() == 0,
        format!("{} queued, {} dropped", engine.queued(), engine.dropped()),
    );
    outcome.claim_complete(&mut report);
    // At a kill each lane of the engine has a request at the gateway; an order whose answer was lost, or was 503, is sent again.
    let pushed_again = (WORKERS as u64) * u64::from(KILLS);
    let sent_again = sent.unanswered + sent.refused();
    let (twice, unanswered) = (outcome.twice(), kills.total(|ledger| ledger.unanswered));
    let bound = 2 * (pushed_again + sent_again) + unanswered;
    report.claim(twice <= bound, format!("{twice} second hits, at most {bound} were in flight"));
    report.remark = Some(format!(
        "clients are answered 200 once syslog-ng has the event, and send again what is not answered 200. Three of ten of the \
         vendors' answers are 503, and delivery.backoff is 10 to 50 ms. At the kills the engine had at most {pushed_again} \
         events at the gateway, and {sent_again} orders were sent again: second hits, two for each of these at most, were \
         {twice}."
    ));
    report
}
