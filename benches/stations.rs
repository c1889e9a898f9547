//! What the stations between a captured body and a decided event cost: `cargo bench --bench stations`, a few seconds.
//!
//! Fails where an event of a 500-event, 500 KB batch costs more than 1.2 times what one of a 10-event batch does: parsing
//! must stay linear. A harness of its own, because all that is asked for is a handful of times and that one ratio.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

use std::cell::RefCell;
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use conversion_relay::consent::{ConsentCookies, ConsentRules, Require, Requirement, Vocabulary, WhenAbsent};
use conversion_relay::deduplication::{Id, Memory, Store};
use conversion_relay::endpoints::Endpoints;
use conversion_relay::event::envelope::{Envelope, Form};
use conversion_relay::event::projection::Projection;
use conversion_relay::event::{Event, Fields};
use conversion_relay::identity::{Client, CookieName, Cookies, Secrets, anonymous_id, email, remember};
use conversion_relay::json::Json;
use conversion_relay::privacy::scrub;
use conversion_relay::{decode, pixel};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The most that an event may cost in a batch of 500, as a multiple of one in a batch of 10.
const MOST: f64 = 1.2;
const ROUNDS: usize = 31;

fn main() {
    let [ten, hundred, full] = [10, 100, 500].map(batch);
    println!("{} bytes for 500 events", full.len());
    let mut projection = Projection::new();
    let fields = Fields::compile(&mut projection);
    let parse = |body: &str, events: usize| {
        fastest(1, 500 / events, || parse(body, events, &projection, &fields)) / 500.0
    };
    // In turn, so that a busy machine is as busy for each of them.
    let (mut of_ten, mut of_hundred, mut of_full) = (f64::MAX, f64::MAX, f64::MAX);
    for _ in 0..5 * ROUNDS {
        of_ten = of_ten.min(parse(&ten, 10));
        of_hundred = of_hundred.min(parse(&hundred, 100));
        of_full = of_full.min(parse(&full, 500));
    }
    let (ten, hundred, full) = (of_ten, of_hundred, of_full);
    show("parse, per event of 10", ten);
    show("parse, per event of 100", hundred);
    show("parse, per event of 500", full);

    let endpoints = Endpoints::new("").expect("no base path");
    let find =
        |path: &'static str| fastest(ROUNDS, 1000, || endpoints.find(black_box(path.as_bytes())).is_some());
    show("endpoint of an untracked path", find("/products/blue-shoes?size=42") / 1000.0);
    show("endpoint of a tracked path", find("/v1/batch") / 1000.0);

    let body = batch(500);
    let packed = gzip(body.as_bytes());
    show(
        "gunzip 500 events",
        fastest(ROUNDS, 1, || decode::body(packed.clone(), Some(b"gzip"), 512_000).map(|text| text.len())),
    );
    let query =
        b"/v1/pixel/track?wk=k&e=Order+Completed&aid=a1&p.order_id=ORD-001&p.revenue=129.99&p.currency=USD";
    show("pixel", fastest(ROUNDS, 100, || pixel::event(black_box(query), None, 8000).is_ok()) / 100.0);

    let (memory, store) = (Memory::new("messages", "bench", Duration::from_secs(600)), OneShard::full());
    let id = || Id::of(&[b"src_abc123", b"ajs-next-1700000000000-0f8a"]);
    let knows = |id: Id| memory.recall(id, 1_700_000_000, &store).knows(id.for_taker("Podsights Production"));
    show("duplicate? in a full shard", fastest(ROUNDS, 100, || knows(black_box(id()))) / 100.0);

    consent_and_identity();

    let ratio = full / ten;
    println!("an event of 500 costs {ratio:.2} of one of 10; at most {MOST} is right");
    if ratio > MOST {
        std::process::exit(1);
    }
}

/// What it costs to know whom an event is about and what they allow, from each place that can say it.
fn consent_and_identity() {
    let rules = ConsentRules {
        when_absent: WhenAbsent::Deny,
        require: Require::All,
        respect_gpc: true,
        cookies: ConsentCookies::default(),
        vocabulary: Vocabulary::new([("marketing", ["my_ads"])]).expect("a vocabulary"),
    };
    let decide = |cookies: &str, event: Option<&str>| {
        let cookies: Cookies = [cookies.as_bytes()].into_iter().collect();
        let request = rules.request(None, |name| cookies.get(name));
        request.event(event, None).for_delivery(Requirement::MARKETING, Some(78)).is_ok()
    };
    let places = [
        ("the event", "a=b", Some(r#"{"categoryPreferences":{"Advertising":true,"Analytics":false}}"#)),
        ("OneTrust", "OptanonConsent=isGpcEnabled=0&groups=C0001%3A1%2CC0002%3A1%2CC0004%3A1", None),
        ("Cookiebot", "CookieConsent={stamp:%27x%27%2Cstatistics:false%2Cmarketing:true}", None),
        ("TCF", "euconsent-v2=CAAAAAAAAAAAAAAAAAAAAAAAAPOAAAAAAAAAAyAAAAAAAAAAAAAQAAA", None),
    ];
    for (place, cookies, event) in places {
        assert!(decide(cookies, event), "{place}");
        let cost = fastest(ROUNDS, 1000, || decide(black_box(cookies), black_box(event))) / 1000.0;
        show(&format!("consent by {place}"), cost);
    }

    let id = "0bd5bf03-b9dd-442d-bab9-3f4f59a02173";
    let line = format!("theme=dark; session=0123456789abcdef; _ga=GA1.1.1234567890.1700000000; _dfid={id}");
    let names = [CookieName::parse("_dfid").expect("a name")];
    let find = || {
        let cookies: Cookies = [black_box(line.as_bytes())].into_iter().collect();
        anonymous_id::of_cookies(&cookies, &names).is_some()
    };
    show("anonymous id from a cookie", fastest(ROUNDS, 1000, find) / 1000.0);
    let client =
        || Client::of_request(black_box(b"203.0.113.7:50412"), Some(b"Mozilla/5.0 (X11; Linux x86_64)"));
    show("client of a request", fastest(ROUNDS, 1000, client) / 1000.0);
    let digest = email::hash("jane.doe@example.com").expect("an email");
    show(
        "digest of an email",
        fastest(ROUNDS, 1000, || email::hash(black_box("Jane.Doe@example.com"))) / 1000.0,
    );
    let url = "https://shop.example.com/checkout/done?step=3&utm_source=newsletter";
    show("no email in a URL", fastest(ROUNDS, 1000, || scrub(black_box(url))) / 1000.0);
    let secrets = Secrets::new(&["a secret of thirty-two bytes, yes"]).expect("a secret");
    let seal = || remember::seal(&secrets, id, &digest, 2_000_000_000, [7; 24]);
    show("an email sealed in a cookie", fastest(ROUNDS, 100, seal) / 100.0);
    let sealed = seal().expect("sealed");
    let open = || remember::open(&secrets, id, black_box(sealed.as_bytes()), 1_700_000_000).is_some();
    assert!(open());
    show("... and opened", fastest(ROUNDS, 100, open) / 100.0);
}

/// A batch as analytics.js sends it, each event about a kilobyte.
fn batch(events: usize) -> String {
    let items: Vec<String> = (0..events).map(event).collect();
    format!(
        r#"{{"batch":[{}],"writeKey":"dk_live_abc123","sentAt":"2026-01-01T00:00:01.000Z"}}"#,
        items.join(",")
    )
}

fn event(nth: usize) -> String {
    format!(
        r#"{{"type":"track","event":"Order Completed","messageId":"ajs-next-1700000000000-{nth:08}","anonymousId":"1f0e6a3c-6c39-4a3d-9a55-{nth:012}","timestamp":"2026-01-01T00:00:00.000Z","properties":{{"order_id":"ORD-{nth:05}","revenue":129.99,"currency":"EUR","coupon":"SPRING","products":[{{"product_id":"p1","sku":"BS-42","name":"Blue shoes","price":99.99,"quantity":1,"brand":"Acme"}},{{"product_id":"p2","sku":"SL-01","name":"Laces \u00e9","price":15.00,"quantity":2,"brand":"Acme"}}]}},"context":{{"page":{{"url":"https://shop.example.com/checkout/done?step=3","path":"/checkout/done","title":"Thank you","referrer":"https://shop.example.com/checkout"}},"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36","locale":"en-GB","timezone":"Europe/Berlin","library":{{"name":"analytics.js","version":"next-1.70.0"}},"consent":{{"categoryPreferences":{{"Advertising":true,"Analytics":false}}}}}}}}"#
    )
}

/// Opens a batch and reads each of its events, as the relay does.
fn parse(body: &str, events: usize, projection: &Projection, fields: &Fields) -> usize {
    let envelope = Envelope::open(black_box(body), Form::Batch, 500).expect("a batch");
    assert_eq!(envelope.items.len(), events);
    let read = envelope.items.into_iter().filter(|place| {
        let item = Json::parse(&body[place.clone()]).expect("an item");
        let event = Event::read(item, projection, fields, projection.empty(), None);
        event.is_ok_and(|event| event.text(fields.anonymous_id).is_some())
    });
    read.count()
}

/// The duration of so many calls in a row, in nanoseconds, in the fastest of the rounds: what else the machine does can
/// only make them slower.
fn fastest<T>(rounds: usize, repeated: usize, mut call: impl FnMut() -> T) -> f64 {
    let round = |_| {
        let began = Instant::now();
        for _ in 0..repeated {
            black_box(call());
        }
        began.elapsed()
    };
    (0..rounds).map(round).min().unwrap_or_default().as_nanos() as f64
}

fn show(what: &str, nanoseconds: f64) {
    println!("{what:32} {:10.3} us", nanoseconds / 1000.0);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).and_then(|()| encoder.finish()).expect("writes to memory don't fail")
}

/// A store of one shard, whatever the key.
#[derive(Default)]
struct OneShard(RefCell<Vec<u8>>);

impl OneShard {
    /// Full of ids that nobody asks for.
    fn full() -> Self {
        let store = OneShard::default();
        let memory = Memory::new("messages", "bench", Duration::from_secs(600));
        for nth in 0..1000u32 {
            memory.remember(Id::of(&[&nth.to_le_bytes()]), 1_700_000_000, &store);
        }
        store
    }
}

impl Store for OneShard {
    fn get(&self, _: &str) -> (Option<Vec<u8>>, Option<u32>) {
        (Some(self.0.borrow().clone()), Some(1))
    }

    fn set(&self, _: &str, value: &[u8], _: Option<u32>) -> bool {
        self.0.replace(value.to_vec());
        true
    }
}
