//! What each station costs an event, by Criterion: `cargo bench --bench stations`, two minutes. Natively: in Envoy's VM it is
//! more. What Envoy adds is measured by `make bench`.
//!
//! Fails where an event of a 500-event, 500 KB batch costs more than 1.2 times what one of a 10-event batch does: parsing
//! must stay linear.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "criterion_group! writes a public function")]

use std::cell::RefCell;
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

use conversion_relay::bots::{BotAction, BotSettings};
use conversion_relay::consent::{
    BySource, ConsentRules, CookieNames, CookieSources, Require, Requirement, Vocabulary, WhenAbsent,
};
use conversion_relay::deduplication::{Id, SeenIds, Store};
use conversion_relay::endpoints::Endpoints;
use conversion_relay::event::envelope::{Envelope, Form};
use conversion_relay::event::projection::Projection;
use conversion_relay::event::{Event, Fields};
use conversion_relay::identity::{Client, CookieName, Cookies, anonymous_id, email, remember};
use conversion_relay::json::Json;
use conversion_relay::privacy::scrub;
use conversion_relay::settings::Secret;
use conversion_relay::{decode, pixel};
use criterion::{Criterion, Throughput, criterion_group};
use flate2::Compression;
use flate2::write::GzEncoder;

/// The most that an event may cost in a batch of 500, as a multiple of one in a batch of 10.
const MOST: f64 = 1.2;
const ROUNDS: usize = 155;
criterion_group!(benches, reading, requests, bots, consent, identity);

fn main() {
    benches();
    Criterion::default().configure_from_args().final_summary();
    stays_linear();
}

/// From a body to events.
fn reading(criterion: &mut Criterion) {
    let mut projection = Projection::new();
    let fields = Fields::compile(&mut projection);
    let mut group = criterion.benchmark_group("parse, by event");
    for events in [1, 10, 100, 500] {
        let body = batch(events);
        group.throughput(Throughput::Elements(events as u64));
        group.bench_function(format!("batch of {events}"), |bencher| {
            bencher.iter(|| parse(&body, events, &projection, &fields));
        });
    }
    group.finish();

    let packed = gzip(batch(500).as_bytes());
    criterion.bench_function("gunzip 500 events", |bencher| {
        bencher.iter(|| decode::body(packed.clone(), Some(b"gzip"), 512_000).map(|text| text.len()));
    });
    let query =
        b"/v1/pixel/track?wk=k&e=Order+Completed&aid=a1&p.order_id=ORD-001&p.revenue=129.99&p.currency=USD";
    criterion.bench_function("pixel", |bencher| {
        bencher.iter(|| pixel::event(black_box(query), None, 8000).is_ok());
    });
}

/// Whether it is a tracking request, and whether it came before.
fn requests(criterion: &mut Criterion) {
    let endpoints = Endpoints::new("").expect("no base path");
    for (name, path) in [("untracked", "/products/blue-shoes?size=42"), ("tracked", "/v1/batch")] {
        criterion.bench_function(&format!("endpoint of an {name} path"), |bencher| {
            bencher.iter(|| endpoints.find(black_box(path.as_bytes())).is_some());
        });
    }
    let (memory, store) = (
        SeenIds::new("messages", "bench", Duration::from_secs(600), Duration::from_secs(3606)),
        OneShard::full(),
    );
    criterion.bench_function("duplicate? in a full shard", |bencher| {
        bencher.iter(|| {
            let id = Id::of(black_box(&[b"src_abc123", b"ajs-next-1700000000000-0f8a"]));
            memory.recall(id, 1_700_000_000, &store).state(id.for_integration("Podsights Production"))
        });
    });
}

/// Whether a visitor is a bot. A browser's User-Agent is compared with the whole list.
fn bots(criterion: &mut Criterion) {
    let settings = BotSettings { action: BotAction::Drop, ..BotSettings::default() };
    let bots = settings.compile().expect("a section").expect("it is on");
    let browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
    let longest = format!("{browser} {}", "c".repeat(4000));
    for (name, user_agent) in [("a browser", browser), ("the longest User-Agent", &longest)] {
        assert_eq!(bots.judge(user_agent), BotAction::Off, "{name}");
        criterion.bench_function(&format!("bot? {name}"), |bencher| {
            bencher.iter(|| bots.judge(black_box(user_agent)) == BotAction::Drop);
        });
    }
}

/// What they allow, from each place that can say it.
fn consent(criterion: &mut Criterion) {
    let rules = ConsentRules {
        when_absent: WhenAbsent::Deny,
        require: Require::All,
        respect_gpc: true,
        cookies: CookieSources::new(&CookieNames::default(), Vec::new()),
        vocabulary: Vocabulary::new([("marketing", ["my_ads"])]).expect("a vocabulary"),
    };
    let decide = |cookies: &str, event: Option<&str>| {
        let cookies: Cookies = [cookies.as_bytes()].into_iter().collect();
        let request = rules.request(std::iter::empty(), cookies.iter());
        let is_consent = |keys: &&[&str]| keys.contains(&"consent");
        let members = BySource::of(|source| source.location().context().filter(is_consent).and(event));
        request.event(&members).for_delivery(Requirement::MARKETING, Some(78)).is_permitted()
    };
    let places = [
        ("the event", "a=b", Some(r#"{"categoryPreferences":{"Advertising":true,"Analytics":false}}"#)),
        ("OneTrust", "OptanonConsent=isGpcEnabled=0&groups=C0001%3A1%2CC0002%3A1%2CC0004%3A1", None),
        ("Cookiebot", "CookieConsent={stamp:%27x%27%2Cstatistics:false%2Cmarketing:true}", None),
        ("TCF", "euconsent-v2=CAAAAAAAAAAAAAAAAAAAAAAAAPOAAAAAAAAAAyAAAAAAAAAAAAAQAAAAAAAA", None),
    ];
    for (place, cookies, event) in places {
        assert!(decide(cookies, event), "{place}");
        criterion.bench_function(&format!("consent by {place}"), |bencher| {
            bencher.iter(|| decide(black_box(cookies), black_box(event)));
        });
    }
}

/// Whom it is about.
fn identity(criterion: &mut Criterion) {
    let mut bench = |name: &str, station: &mut dyn FnMut()| {
        criterion.bench_function(name, |bencher| bencher.iter(&mut *station));
    };
    let id = "0bd5bf03-b9dd-442d-bab9-3f4f59a02173";
    let line = format!("theme=dark; session=0123456789abcdef; _ga=GA1.1.1234567890.1700000000; _dfid={id}");
    let names = [CookieName::parse("_dfid").expect("a name")];
    bench("anonymous id from a cookie", &mut || {
        let cookies: Cookies = [black_box(line.as_bytes())].into_iter().collect();
        black_box(anonymous_id::of_cookies(&cookies, &names));
    });
    bench("client of a request", &mut || {
        let agent = b"Mozilla/5.0 (X11; Linux x86_64)";
        black_box(Client::of_request(black_box(b"203.0.113.7:50412"), Some(agent)));
    });
    let digest = email::hash("jane.doe@example.com").expect("an email");
    bench("digest of an email", &mut || _ = black_box(email::hash(black_box("Jane.Doe@example.com"))));
    let url = "https://shop.example.com/checkout/done?step=3&utm_source=newsletter";
    bench("no email in a URL", &mut || _ = black_box(scrub(black_box(url))));
    let keys = remember::keys(&[Secret::new("a secret of thirty-two bytes, yes")]).expect("a secret");
    let seal = || remember::seal(&keys, id, &digest, 2_000_000_000, [7; 24]);
    bench("an email sealed in a cookie", &mut || _ = black_box(seal()));
    let sealed = seal().expect("sealed");
    let open = || remember::open(&keys, id, black_box(sealed.as_bytes()), 1_700_000_000).is_some();
    assert!(open());
    bench("... and opened", &mut || _ = black_box(open()));
}

/// Compares the fastest of many runs of each: what else the machine does can only make them slower. In turn, so that a busy
/// machine is as busy for both.
fn stays_linear() {
    let mut projection = Projection::new();
    let fields = Fields::compile(&mut projection);
    let (ten, full) = (batch(10), batch(500));
    let mut fastest = [Duration::MAX; 2];
    for _ in 0..ROUNDS {
        for (fastest, (body, events)) in fastest.iter_mut().zip([(&ten, 10), (&full, 500)]) {
            let began = Instant::now();
            for _ in 0..500 / events {
                black_box(parse(body, events, &projection, &fields));
            }
            *fastest = began.elapsed().min(*fastest);
        }
    }
    let [ten, full] = fastest.map(|time| time.as_secs_f64());
    println!("an event of a batch of 500 costs {:.2} of one of 10; at most {MOST} is right", full / ten);
    if full / ten > MOST {
        std::process::exit(1);
    }
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
        let memory = SeenIds::new("messages", "bench", Duration::from_secs(600), Duration::from_secs(3606));
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
