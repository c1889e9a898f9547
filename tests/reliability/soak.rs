//! Half a million deliveries with 5 % faults: does memory stay where it is?

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::orders::{Books, FT, PS, configuration, flashtalking, orders, podsights};
use crate::support::{Flashtalking, Gateway, Options, Podsights, documents, wait_until};

/// Orders in one request.
const BATCH: u64 = 10;
const CLIENTS: usize = 4;
/// How many deliveries may be pending before the clients wait: the soak is about memory, not about overflow.
const BACKLOG: u64 = 1_000;
/// How many are made to pend once, at the start: more than at any time later, so that what memory grows by later is not just a
/// larger backlog.
const LARGEST_BACKLOG: u64 = 8_000;
/// What memory may vary by in the last half, in bytes.
const TOLERANCE: u64 = 1 << 20;

/// One look at Envoy.
struct Sample {
    at: f64,
    deliveries: u64,
    rss: u64,
}

/// Runs it, writes the plot and the numbers in docs/reliability.md, and tells whether the claims hold.
pub fn run(quick: bool) -> bool {
    let conversions: u64 = if quick { 5_000 } else { 255_000 };
    let backoff = json!({"base": "100ms", "max": "1s"});
    // Room for more than is made to pend: a look every few milliseconds is late on a busy machine.
    let delivery = json!({"backoff": backoff, "max_attempts": 100, "queue": {"max_deliveries": 50_000}});
    let file = configuration(&[flashtalking(), podsights()], delivery);
    let gateway =
        Gateway::start(Options::new().configuration(file).filter_log_level("warning").log_level("warning"));
    behave(&gateway, json!({"hold": true}));
    let samples = load(&gateway, conversions);
    let books = [FT, PS].map(|name| Books::of(&gateway, name));
    let delivered: u64 = books.iter().map(|books| books.delivered).sum();
    let half = &samples[samples.len() / 2..];
    let (least, most) = half
        .iter()
        .fold((u64::MAX, 0), |(least, most), sample| (least.min(sample.rss), most.max(sample.rss)));
    let seconds = samples.last().map_or(0.0, |sample| sample.at);
    let text = format!(
        "{delivered} deliveries in {seconds:.0} s, of which 5 % were answered 503 at first; none was lost. At the start the vendors answered nothing until 8,000 were pending. \
         Resident memory of \
         Envoy in the last half: {:.2} to {:.2} MB, {:.2} MB apart.\n",
        least as f64 / 1e6,
        most as f64 / 1e6,
        most.saturating_sub(least) as f64 / 1e6,
    );
    println!("{text}");
    let mut holds = true;
    let mut claim = |claim: bool, what: &str| {
        if !claim {
            println!("DOES NOT HOLD  {what}");
            holds = false;
        }
    };
    claim(
        books.iter().all(|books| books.pending() == 0 && books.dropped == 0),
        &format!("all delivered: {books:?}"),
    );
    claim(delivered == 2 * conversions, &format!("{delivered} delivered of {}", 2 * conversions));
    claim(quick || most.saturating_sub(least) <= TOLERANCE, "memory in the last half within 1 MB");
    let beside = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak.svg");
    std::fs::write(&beside, plot(&samples)).expect("cannot write");
    println!("plotted: {}", beside.display());
    if holds && !quick {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        std::fs::write(docs.join("soak.svg"), plot(&samples)).expect("cannot write");
        documents::write(&docs.join("reliability.md"), "soak", &text);
    }
    holds
}

fn behave(gateway: &Gateway, behaviour: serde_json::Value) {
    [Flashtalking, Podsights].into_iter().for_each(|vendor| gateway.behave(vendor, behaviour.clone()));
}

/// Sends them all, as fast as the vendors take them, and waits for the last one.
fn load(gateway: &Gateway, conversions: u64) -> Vec<Sample> {
    let (next, accepted) = (AtomicU64::new(0), AtomicU64::new(0));
    let (done, held) = (AtomicBool::new(false), AtomicBool::new(false));
    let client = || {
        let mut connection = gateway.connect();
        loop {
            while held.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(5));
            }
            let first = next.fetch_add(BATCH, Ordering::Relaxed);
            if first >= conversions || done.load(Ordering::Relaxed) {
                return;
            }
            let last = (first + BATCH).min(conversions);
            assert_eq!(connection.send(&orders(first..last)).status, 200);
            accepted.fetch_add(last - first, Ordering::Relaxed);
        }
    };
    let begun = Instant::now();
    let mut samples: Vec<Sample> = Vec::new();
    let mut withheld = true;
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(client);
        }
        let finished = wait_until(Duration::from_secs(3600), || {
            std::thread::sleep(Duration::from_millis(20));
            let books = [FT, PS].map(|name| Books::of(gateway, name));
            let sum = |of: fn(&Books) -> u64| books.iter().map(of).sum::<u64>();
            let deliveries = sum(|books| books.delivered);
            // Those of requests that the filter has not read yet count too: they take memory as well.
            let pending = (2 * accepted.load(Ordering::Relaxed)).saturating_sub(deliveries);
            if withheld && pending >= LARGEST_BACKLOG.min(conversions) {
                withheld = false;
                behave(gateway, json!({"status": 503, "share": 0.05}));
            }
            held.store(!withheld && pending > BACKLOG, Ordering::Relaxed);
            let at = begun.elapsed().as_secs_f64();
            if samples.last().is_none_or(|last| at - last.at >= 0.5) {
                let rss = gateway.rss();
                samples.push(Sample { at, deliveries, rss });
                if samples.len().is_multiple_of(40) {
                    println!(
                        "[{at:>4.0} s] {deliveries} of {} delivered, {pending} pending, {} MB",
                        2 * conversions,
                        rss / 1_000_000
                    );
                }
            }
            sum(|books| books.matched) == 2 * conversions && pending == 0
        });
        done.store(true, Ordering::Relaxed);
        held.store(false, Ordering::Relaxed);
        assert!(finished, "it takes too long");
    });
    samples
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 30.0;

/// Memory over deliveries, as an SVG of its own.
fn plot(samples: &[Sample]) -> String {
    let last = samples.last().map_or(1, |sample| sample.deliveries.max(1)) as f64;
    let highest = samples.iter().map(|sample| sample.rss).max().unwrap_or(1) as f64 / 1e6;
    let step = if highest > 100.0 { 50.0 } else { 20.0 };
    let top = (highest / step).ceil() * step;
    let x = |deliveries: f64| LEFT + (WIDTH - LEFT - 20.0) * deliveries / last;
    let y = |megabytes: f64| HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * megabytes / top;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"18\">Resident memory of Envoy (MB) over deliveries, 5 % of them answered 503 at first</text>\n"
    );
    let mut megabytes = 0.0;
    while megabytes <= top {
        let at = y(megabytes);
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{megabytes}</text>",
            WIDTH - 20.0,
            LEFT - 8.0,
            at + 4.0
        );
        megabytes += step;
    }
    for part in 0..=5 {
        let deliveries = last * f64::from(part) / 5.0;
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0}k</text>",
            x(deliveries),
            HEIGHT - BOTTOM + 18.0,
            deliveries / 1000.0
        );
    }
    let points: Vec<String> = samples
        .iter()
        .map(|sample| format!("{:.1},{:.1}", x(sample.deliveries as f64), y(sample.rss as f64 / 1e6)))
        .collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#1f5fa8\" stroke-width=\"1.5\"/>\n</svg>",
        points.join(" ")
    );
    svg
}
