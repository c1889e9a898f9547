//! More requests at once than the acknowledged route holds, on a worker that has other traffic too.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::load::Pace;
use crate::others::{KINDS, Others, Slowest, median};
use crate::report::{Claims, Report};
use crate::rows::{Row, SETTLE, Say, VENDORS, behave, row};
use crate::support::held::{Pushed, acknowledging};
use crate::support::orders::{Books, DELIVERIES, FT, PS};
use crate::support::{Gateway, Options, Response, wait_until_every};

pub const ROWS: &[Row] = &[
    row("300 requests held, vendors late", |name, pace, say| run(name, pace, say, Vendors::Late)),
    row("300 requests held, vendors silent", |name, pace, say| run(name, pace, say, Vendors::Silent)),
];

/// Requests that are pushed at once.
const REQUESTS: u64 = 300;
/// Those of them that are held. The others are told 429.
const MAX_OPEN: usize = 256;
/// Held requests whose senders go away without an answer.
const LEAVE: usize = 64;
/// Orders that were given back and are pushed again at once: few enough that a busy machine delivers them in time.
const AGAIN: usize = 32;
/// Callouts to each vendor at the same time.
const MAX_IN_FLIGHT: u64 = 64;
/// How often the books are looked at. Each look costs the gateway some time.
const POLL: Duration = Duration::from_millis(50);
/// The 99th percentile of other requests may be this many times as large while requests are held.
const MOST_TIMES_AS_LONG: f64 = 3.0;
/// The memory that Envoy may need to hold the requests, in bytes: 64 KiB for each of them, with its connection and its stream.
const MOST_TO_HOLD: u64 = 256 * 64 * 1024;
/// What memory may grow by from the second round to the last, in bytes. Deduplication's grows until it is full. Held requests and
/// what is mapped of them have two megabytes in each round, so those that stay behind show.
const MOST_GROWTH: u64 = 4 << 20;
/// Order ids of pushed requests begin here, those of the other traffic at 0.
const FIRST_PUSHED: u64 = 1_000_000;

/// What the vendors do while requests are held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Vendors {
    /// They answer after a while, so that every request is answered 200.
    Late,
    /// They don't answer before the time is over, so that every request is answered 503.
    Silent,
}

/// Rounds without and with held requests in turn, so that whatever slows the machine for a moment meets both.
fn run(name: &'static str, pace: &Pace, say: Say, vendors: Vendors) -> Report {
    let span = (pace.fault / 5).max(Duration::from_secs(1));
    let rounds = pace.fault.as_secs().clamp(3, 8);
    let gateway = gateway(vendors, span);
    let mut others = Others::of(&gateway);
    let mut held = Held { gateway: &gateway, vendors, span, rounds: Vec::new(), broken: Vec::new() };
    others.during(|| std::thread::sleep(span)); // opens connections to the collector and the vendors
    let before = gateway.rss();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // The vendors answer nothing here either: what held requests do to the other traffic is all that differs.
        behave(&gateway, &json!({"hold": true}));
        without.push(others.during(|| std::thread::sleep(span)).0);
        held.recover();
        let pushed = held.push(FIRST_PUSHED + round * REQUESTS);
        let (slowest, mut hold) = others.during(|| held.hold(pushed));
        with.push(slowest);
        let recovery = held.release(&mut hold);
        held.rounds.push(Round { while_held: hold.while_held, afterwards: gateway.rss(), recovery });
        say(&format!("round {} of {rounds} done", round + 1));
    }
    let recovery = held.rounds.iter().map(|round| round.recovery).max();
    let claims = if vendors == Vendors::Late { Claims::STRICT } else { Claims::LOSES_ANSWERS };
    let conversions = others.accepted + rounds * MAX_OPEN as u64;
    let mut report = Report::of(name, &gateway, conversions, recovery, claims);
    let waits = held.waits(&without, &with);
    let memory = held.memory(before);
    report.remark = Some(format!(
        "{rounds} times {REQUESTS} requests at once, of which {MAX_OPEN} were held and {LEAVE} of these left by their senders. {waits} {memory}"
    ));
    held.claim(others.refused == 0, format!("{} other requests were not answered 200", others.refused));
    held.claim(gateway.vm_restarts() == 0, format!("the VM was replaced {} times", gateway.vm_restarts()));
    report.broken = held.broken;
    report
}

fn gateway(vendors: Vendors, span: Duration) -> Gateway {
    // Longer than anything takes here, unless what is to be seen is what happens when it is over.
    let enough = "1m".to_owned();
    let within =
        if vendors == Vendors::Late { enough.clone() } else { format!("{}ms", 2 * span.as_millis()) };
    let backoff = json!({"base": "100ms", "max": "1s"});
    let file = acknowledging(
        json!({"max_open": MAX_OPEN, "within": within}),
        json!({"timeout": enough, "backoff": backoff, "max_in_flight": MAX_IN_FLIGHT}),
    );
    Gateway::start(Options::new().configuration(file).filter_log_level("info").log_level("warning"))
}

/// Deliveries that have not ended.
fn pending(gateway: &Gateway) -> u64 {
    let of = |name| {
        let given_back = gateway.counter(DELIVERIES, &[("integration", name), ("outcome", "given_back")]);
        Books::of(gateway, name).pending().saturating_sub(given_back)
    };
    [FT, PS].into_iter().map(of).sum()
}

/// Callouts that the vendors have got so far.
fn received(gateway: &Gateway) -> u64 {
    VENDORS.iter().map(|vendor| gateway.tally(*vendor)["requests"].as_u64().unwrap_or_default()).sum()
}

/// A row at work.
struct Held<'r> {
    gateway: &'r Gateway,
    vendors: Vendors,
    /// How long requests are held.
    span: Duration,
    rounds: Vec<Round>,
    /// What does not hold.
    broken: Vec<String>,
}

/// What comes of holding requests.
struct Hold {
    /// The requests that are still held.
    pushed: Pushed,
    /// Ids of the orders that their senders own again.
    given_back: Vec<u64>,
    /// Resident memory of Envoy while requests were held, in bytes.
    while_held: u64,
}

/// What a round has shown.
struct Round {
    /// Resident memory of Envoy while requests are held, in bytes.
    while_held: u64,
    /// The same when all of them have been answered and delivered.
    afterwards: u64,
    /// From the moment in which the vendors answer again until nothing was pending or to be pushed again.
    recovery: Duration,
}

impl Held<'_> {
    fn claim(&mut self, holds: bool, text: String) {
        if !holds {
            self.broken.push(text);
        }
    }

    /// Pushes the requests of a round. Returns once those that are too many are told so, all others have been read, and the vendors have as
    /// many callouts as they get at once: the work that comes of so many requests at the same moment is over.
    fn push(&mut self, first: u64) -> Pushed {
        behave(self.gateway, &json!({"hold": true}));
        let deliveries = pending(self.gateway) + 2 * MAX_OPEN as u64;
        let callouts = received(self.gateway) + 2 * MAX_IN_FLIGHT;
        let mut pushed = Pushed::all_at_once(self.gateway, first..first + REQUESTS);
        self.expect(429, &mut pushed, REQUESTS as usize - MAX_OPEN);
        let held = wait_until_every(POLL, SETTLE, || {
            pending(self.gateway) == deliveries && received(self.gateway) == callouts
        });
        self.claim(held, format!("{} deliveries are pending, not {deliveries}", pending(self.gateway)));
        pushed
    }

    /// Holds requests until the span or the time that a request may wait is over. In the middle some senders leave.
    fn hold(&mut self, mut pushed: Pushed) -> Hold {
        let begun = Instant::now();
        let early = pushed.take_answered().len();
        self.claim(early == 0, format!("{early} of {MAX_OPEN} held requests were answered at once"));
        let while_held = self.gateway.rss();
        std::thread::sleep(self.span / 2);
        let left = pushed.leave(LEAVE);
        let given_back = match self.vendors {
            Vendors::Late => {
                std::thread::sleep(self.span.saturating_sub(begun.elapsed()));
                Vec::new()
            }
            Vendors::Silent => {
                let waiting = pushed.len();
                [left, self.expect(503, &mut pushed, waiting)].concat()
            }
        };
        Hold { pushed, given_back, while_held }
    }

    /// Waits until so many of the requests are answered, which should be with this status. Returns their order ids.
    fn expect(&mut self, status: u16, pushed: &mut Pushed, count: usize) -> Vec<u64> {
        let answered = pushed.wait_for(count, SETTLE);
        let is_right = |response: &Response| {
            response.status == status && (status == 200 || response.header("retry-after").is_some())
        };
        let right = answered.iter().filter(|(_, response)| is_right(response)).count();
        let all = answered.len();
        self.claim(
            right == count && all == count,
            format!("{all} of {count} requests were answered, {right} of them {status}"),
        );
        answered.into_iter().map(|(id, _)| id).collect()
    }

    /// Lets the vendors answer again and waits until nothing is pending.
    fn recover(&self) {
        behave(self.gateway, &json!({}));
        wait_until_every(POLL, SETTLE, || pending(self.gateway) == 0);
    }

    /// Lets the vendors answer again. Waits until all held requests are answered and nothing is pending, and pushes again what was given
    /// back. Returns how long that took.
    fn release(&mut self, hold: &mut Hold) -> Duration {
        let begun = Instant::now();
        self.recover();
        let waiting = hold.pushed.len();
        self.expect(200, &mut hold.pushed, waiting);
        for ids in hold.given_back.chunks(AGAIN) {
            let mut again = Pushed::all_at_once(self.gateway, ids.iter().copied());
            self.expect(200, &mut again, ids.len());
        }
        self.recover();
        begun.elapsed()
    }

    /// Holds the other traffic's latencies against their bound, and says what they were.
    fn waits(&mut self, without: &[Slowest], with: &[Slowest]) -> String {
        let sentences = KINDS.iter().enumerate().map(|(kind, name)| {
            let of = |rounds: &[Slowest]| median(rounds.iter().map(|slowest| slowest[kind]).collect());
            let (without, with) = (of(without), of(with));
            let ratio = with / without;
            self.claim(
                (0.0..=MOST_TIMES_AS_LONG).contains(&ratio),
                format!("{name}: {ratio:.2} times as long while requests are held"),
            );
            format!(
                "The 99th percentile of {name} was {:.2} ms with requests held and {:.2} ms without: {ratio:.2} of it.",
                with / 1e3,
                without / 1e3,
            )
        });
        sentences.collect::<Vec<_>>().join(" ")
    }

    /// Holds Envoy's memory against its bounds, and says what it was. `before`: without any held request so far.
    fn memory(&mut self, before: u64) -> String {
        let mega = |bytes: u64| bytes as f64 / 1e6;
        let most = self.rounds.iter().map(|round| round.while_held).max().unwrap_or_default();
        let needed = most.saturating_sub(before);
        self.claim(needed <= MOST_TO_HOLD, format!("{:.1} MB more with requests held", mega(needed)));
        for (when, of) in [
            ("with requests held", (|round| round.while_held) as fn(&Round) -> u64),
            ("without", |round| round.afterwards),
        ] {
            let growth = self.rounds.last().map_or(0, of).saturating_sub(self.rounds.get(1).map_or(0, of));
            self.claim(growth <= MOST_GROWTH, format!("memory {when} grew by {:.2} MB", mega(growth)));
        }
        let at = |round: Option<&Round>, of: fn(&Round) -> u64| mega(round.map_or(0, of));
        format!(
            "Memory was {:.1} MB before the first round; in the second {:.1} MB with requests held and {:.1} MB afterwards, in the last \
             {:.1} MB and {:.1} MB.",
            mega(before),
            at(self.rounds.get(1), |round| round.while_held),
            at(self.rounds.get(1), |round| round.afterwards),
            at(self.rounds.last(), |round| round.while_held),
            at(self.rounds.last(), |round| round.afterwards),
        )
    }
}
