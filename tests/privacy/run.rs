//! Sends generated requests through the filter and holds what leaves to the oracle.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::rc::Rc;
use std::time::{Duration, Instant};

use conversion_relay::accounting::Outcome;
use conversion_relay::config::Compiled;
use conversion_relay::delivery::Answer;
use conversion_relay::relay::Relay;
use conversion_relay::request::Request;
use conversion_relay::testing::{FakeHost, Recorded, SentCallout};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::bodies::Event;
use crate::dice::Rng;
use crate::emails::readings;
use crate::oracle::{Vendor, drop_reason};
use crate::requests::{self, Sent};
use crate::site::{self, Site};

/// Configurations in one run.
const SITES: usize = 64;
/// Violations that are printed in full.
const PRINTED: usize = 3;
/// Between two lines that tell how far the run is.
const PROGRESS: Duration = Duration::from_secs(3);

/// What was counted.
#[derive(Debug, Default)]
pub struct Summary {
    pub requests: u64,
    pub events: u64,
    /// What the filter sent.
    pub deliveries: u64,
    /// What it dropped, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Violations, by their kind.
    pub violations: BTreeMap<Violation, u64>,
}

/// A way in which the filter may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Violation {
    /// A delivery that the oracle does not allow, or one too many.
    AgainstRefusal,
    /// An address that can be read in a request to a vendor.
    RawEmail,
    /// A delivery that is allowed and was not sent.
    Missing,
    /// A digest that is not the one of the event's email, or any at Flashtalking.
    WrongDigest,
    /// A delivery that was dropped for another reason than the first that applies.
    OtherReason,
}

impl Violation {
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::AgainstRefusal, "against a refusal"),
        (Self::RawEmail, "raw emails"),
        (Self::Missing, "missing"),
        (Self::WrongDigest, "wrong digests"),
        (Self::OtherReason, "dropped for another reason"),
    ];
}

/// A configuration with the filter that runs it.
struct World {
    site: Site,
    config: Rc<Compiled>,
    relay: Relay,
    host: FakeHost,
}

impl World {
    fn new(site: Site) -> Self {
        let json = site.configuration().to_string();
        let config = Compiled::load(json.as_bytes(), &|_| None);
        let config = Rc::new(config.unwrap_or_else(|invalid| panic!("{invalid}\n{json}")));
        let mut host = FakeHost::new(1_767_225_700_000).with_random(7);
        let relay = Relay::new("privacy".to_owned(), Rc::clone(&config), 1, &mut host);
        Self { site, config, relay, host }
    }

    /// Returns what the filter does because of a request.
    fn relay(&mut self, sent: &Sent) -> Vec<Recorded> {
        let path = sent.path.clone().into_bytes();
        let endpoint = self.config.endpoints.find(&path);
        let request = Request {
            endpoint: endpoint.unwrap_or_else(|| panic!("{} is no tracking request", sent.path)),
            path,
            source_address: b"203.0.113.50:4711".to_vec(),
            headers: sent.headers.clone(),
            body: packed(&sent.body, sent.encoding),
            lease: self.relay.budget().lease(),
        };
        self.relay.hand_over(request, &self.host);
        while !self.relay.is_idle() {
            self.relay.work(&mut self.host);
            self.host.settle_all(&mut self.relay, Answer::status(200));
            self.host.now += Duration::from_millis(1);
        }
        self.host.take_record()
    }
}

fn packed(body: &str, encoding: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    match encoding {
        "gzip" => GzEncoder::new(&mut packed, Compression::fast()).write_all(body.as_bytes()).unwrap(),
        "deflate" => ZlibEncoder::new(&mut packed, Compression::fast()).write_all(body.as_bytes()).unwrap(),
        _ => packed.extend(body.bytes()),
    }
    packed
}

/// Sends requests with this many events, or a few more, and prints how far it is and the first violations.
pub fn run(seed: u64, events: u64) -> Summary {
    let mut worlds: Vec<World> =
        (0..SITES).map(|nth| World::new(Site::any(&mut Rng::with_seed(seed ^ nth as u64)))).collect();
    let (mut summary, mut printed) = (Summary::default(), 0);
    let (begun, mut told) = (Instant::now(), Instant::now());
    while summary.events < events {
        let number = summary.requests;
        let world = &mut worlds[number as usize % SITES];
        // A request depends on the seed and its number alone.
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(number));
        let sent = requests::any(&mut rng, &world.site, number);
        let record = world.relay(&sent);
        summary.requests += 1;
        summary.events += sent.events.len() as u64;
        let violations = check(&world.site, &sent, &record, &mut summary);
        if !violations.is_empty() && printed < PRINTED {
            printed += 1;
            print(seed, number, &world.site, &sent, &record, &violations);
        }
        for (violation, _) in violations {
            *summary.violations.entry(violation).or_default() += 1;
        }
        if told.elapsed() > PROGRESS {
            told = Instant::now();
            let rate = summary.events as f64 / begun.elapsed().as_secs_f64();
            let left = events.saturating_sub(summary.events) as f64 / rate;
            println!("{} of {events} events, {rate:.0} per second, {left:.0} s left", summary.events);
        }
    }
    summary
}

/// Compares what the filter did with a request to what it should have done.
pub fn check(
    site: &Site,
    sent: &Sent,
    record: &[Recorded],
    summary: &mut Summary,
) -> Vec<(Violation, String)> {
    let mut violations = Vec::new();
    let mut expected: HashMap<(&str, usize), &Event> = HashMap::new();
    let mut reasons: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for event in &sent.events {
        for (nth, integration) in site.integrations.iter().enumerate() {
            if !event.is_wanted(integration.vendor) {
                continue;
            }
            match drop_reason(site.policy, integration, &sent.visit, &event.told) {
                Some(reason) => *reasons.entry((integration.name, reason)).or_default() += 1,
                None => _ = expected.insert((&event.mark, nth), event),
            }
        }
    }
    for recorded in record {
        match recorded {
            Recorded::Delivery { integration, outcome: Outcome::Dropped(reason) } => {
                *summary.dropped.entry(reason.label()).or_default() += 1;
                *reasons.entry((integration, reason.label())).or_default() -= 1;
            }
            Recorded::Sent { cluster, callout, .. } => {
                summary.deliveries += 1;
                let nth = (0..site.integrations.len()).find(|nth| site::cluster(*nth) == *cluster).unwrap();
                let vendor = site.integrations[nth].vendor;
                let mark = mark(vendor, callout);
                let event = sent.events.iter().find(|event| event.mark == mark);
                match event.and_then(|event| expected.remove(&(event.mark.as_str(), nth))) {
                    Some(event) => violations.extend(digest(vendor, callout, event)),
                    None => violations.push((Violation::AgainstRefusal, format!("{cluster}: {callout:?}"))),
                }
                violations.extend(raw_emails(sent, callout));
            }
            _ => {}
        }
    }
    for (mark, nth) in expected.keys() {
        violations.push((Violation::Missing, format!("{mark} to {}", site.integrations[*nth].name)));
    }
    // What was sent or is missing has been told; the rest was dropped, and for a reason.
    if violations.is_empty() {
        let others = reasons.into_iter().filter(|(_, difference)| *difference != 0);
        violations.extend(others.map(|(reason, difference)| {
            (Violation::OtherReason, format!("{reason:?}: expected {difference:+} more"))
        }));
    }
    violations
}

/// The mark of the event that a callout is of.
fn mark(vendor: Vendor, callout: &SentCallout) -> String {
    let marked = match vendor {
        Vendor::Flashtalking => {
            callout.path.split(['?', '&']).find_map(|pair| pair.strip_prefix("U20=")).map(str::to_owned)
        }
        Vendor::Podsights => body(callout)["custom"]["mark"].as_str().map(str::to_owned),
        Vendor::Webhook => body(callout)["data"]["properties"]["mark"].as_str().map(str::to_owned),
    };
    marked.unwrap_or_default()
}

fn body(callout: &SentCallout) -> serde_json::Value {
    serde_json::from_str(callout.body.as_deref().unwrap_or_default()).unwrap_or_default()
}

fn digest(vendor: Vendor, callout: &SentCallout, event: &Event) -> Option<(Violation, String)> {
    let wrong = match vendor {
        Vendor::Flashtalking => {
            let leaving = leaving(callout).to_lowercase();
            leaving.contains(&event.email.digest())
                || event.em.as_ref().is_some_and(|em| leaving.contains(em))
        }
        Vendor::Podsights => body(callout)["em"].as_str() != event.em.as_deref(),
        // A digest may come in uppercase, and then leaves as it came.
        Vendor::Webhook => {
            let leaving = leaving(callout).to_lowercase();
            event.em.as_ref().is_some_and(|em| !leaving.contains(em))
        }
    };
    wrong.then(|| (Violation::WrongDigest, format!("expected {:?}: {callout:?}", event.em)))
}

/// Everything that leaves, as one text. JSON is written without the escapes that could hide something.
fn leaving(callout: &SentCallout) -> String {
    let headers = callout.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let body = callout.body.as_ref().map(|_| body(callout).to_string()).unwrap_or_default();
    format!("{} {}\n{}\n{body}", callout.method, callout.path, headers.collect::<String>())
}

fn raw_emails(sent: &Sent, callout: &SentCallout) -> Vec<(Violation, String)> {
    let readings = readings(&leaving(callout));
    let emails = sent.events.iter().map(|event| &event.email).chain([&sent.email]);
    emails
        .filter(|email| email.is_in(&readings))
        .map(|email| (Violation::RawEmail, format!("{}: {callout:?}", email.address)))
        .collect()
}

fn print(
    seed: u64,
    number: u64,
    site: &Site,
    sent: &Sent,
    record: &[Recorded],
    violations: &[(Violation, String)],
) {
    println!("\nSEED={seed}, request {number}");
    for (violation, what) in violations {
        println!("  {violation:?}: {what}");
    }
    println!("  configuration: {}", site.configuration());
    println!("  path: {}", sent.path);
    for (name, value) in &sent.headers {
        println!("  {name}: {}", String::from_utf8_lossy(value));
    }
    println!("  body ({}): {}", sent.encoding, sent.body);
    println!("  the visit as the oracle sees it: {:?}", sent.visit);
    for event in &sent.events {
        println!("  event {}: {:?}, em {:?}", event.mark, event.told, event.em);
    }
    let outcomes = record
        .iter()
        .filter(|recorded| !matches!(recorded, Recorded::Sent { .. } | Recorded::Callout { .. }));
    outcomes.for_each(|recorded| println!("  {recorded:?}"));
}
