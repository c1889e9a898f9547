//! What an event costs on its whole way through the relay, from the captured request to the vendors' answers, without
//! Envoy, by Criterion: `cargo bench --bench relay`, half a minute. What Envoy adds is measured by `make bench`.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may panic")]
#![allow(missing_docs, reason = "criterion_group! writes a public function")]

use std::hint::black_box;
use std::rc::Rc;

use conversion_relay::config::Compiled;
use conversion_relay::delivery::Answer;
use conversion_relay::relay::Relay;
use conversion_relay::request::{Budget, Request};
use conversion_relay::testing::FakeHost;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

criterion_group!(benches, relay);
criterion_main!(benches);

/// What is sent: its name, its path, its number of events, its body by a number of its own, and whether records are made of it.
type Sent = (&'static str, &'static str, u64, fn(usize) -> String, bool);

/// From the captured request to the vendors' answers.
fn relay(criterion: &mut Criterion) {
    let bodies: [Sent; 5] = [
        ("a purchase to both vendors", "/v1/track", 1, purchase, false),
        ("with records, a purchase to both vendors", "/v1/track", 1, purchase, true),
        ("a page view to one vendor", "/v1/p", 1, page, false),
        ("an event that nobody wants", "/v1/track", 1, unwanted, false),
        ("a batch of 20 purchases", "/v1/batch", 20, batch, false),
    ];
    let mut group = criterion.benchmark_group("the whole way, by event");
    for (name, path, events, body, with_records) in bodies {
        let mut host = FakeHost::new(1_767_225_700_000).with_random(7);
        host.forgetful = true;
        host.wants_records = with_records;
        let mut nth = 0;
        let mut relay = Relay::new("bench".to_owned(), config(), 1, &mut host);
        let budget = relay.budget().clone();
        let config = Rc::clone(relay.config());
        group.throughput(Throughput::Elements(events));
        group.bench_function(name, |bencher| {
            bencher.iter_batched(
                || {
                    nth += 1;
                    request(&config, &budget, path, body(nth))
                },
                |request| {
                    relay.hand_over(black_box(request), &host);
                    while !relay.is_idle() {
                        relay.work(&mut host);
                        settle(&mut host, &mut relay);
                    }
                },
                BatchSize::SmallInput,
            );
        });
        // None has run where the command line asks for others.
        assert_eq!(host.callouts() > 0, nth > 0 && !name.contains("nobody"), "{name}");
    }
    group.finish();
}

/// Every callout is answered as Podsights does. Not inlined, because `make profile` counts what it takes.
#[inline(never)]
fn settle(host: &mut FakeHost, relay: &mut Relay) {
    while let Some(token) = host.next_unanswered() {
        relay.settle_with(token, Answer::status(200), br#"{"success":true}"#, host);
    }
}

fn config() -> Rc<Compiled> {
    let config = r#"{"integrations":[
        {"name":"Flashtalking purchases","vendor":"flashtalking","events":["Order Completed"],"consent_categories":["advertising"],
         "config":{"advertiser_id":1234567,"spotlight_id":987654,"spotlight_group_id":5}},
        {"name":"Flashtalking pages","vendor":"flashtalking","events":["page"],"consent_categories":["advertising"],
         "config":{"advertiser_id":1234567,"spotlight_id":987655,"spotlight_group_id":5}},
        {"name":"Podsights Production","vendor":"podsights","consent_categories":["marketing"],"config":{"key":"k"}}]}"#;
    Rc::new(Compiled::load(config.as_bytes(), &|_| None).expect("a good configuration"))
}

fn request(config: &Compiled, budget: &Budget, path: &str, body: String) -> Request {
    let header = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    Request {
        endpoint: config.endpoints.find(path.as_bytes()).expect("a tracking path"),
        path: path.as_bytes().to_vec(),
        source_address: b"203.0.113.50:4711".to_vec(),
        headers: vec![
            header("content-type", "application/json"),
            header(
                "user-agent",
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko)",
            ),
            header("cookie", "_ga=GA1.1.1234567890.1700000000; theme=dark; session=0123456789abcdef"),
            header("referer", "https://shop.example.com/checkout/done?step=3"),
        ],
        body: body.into_bytes(),
        lease: budget.lease(),
    }
}

fn purchase(nth: usize) -> String {
    format!(
        r#"{{"type":"track","event":"Order Completed","messageId":"ajs-next-1700000000000-{nth:08}","anonymousId":"1f0e6a3c-6c39-4a3d-9a55-{nth:012}","timestamp":"2026-01-01T00:00:00.000Z","properties":{{"order_id":"ORD-{nth:05}","revenue":129.99,"currency":"EUR","coupon":"SPRING","email":"jane.doe@example.com","products":[{{"product_id":"p1","sku":"BS-42","name":"Blue shoes","price":99.99,"quantity":1}}]}},"context":{{"page":{{"url":"https://shop.example.com/checkout/done?step=3","path":"/checkout/done","title":"Thank you"}},"library":{{"name":"analytics.js","version":"next-1.70.0"}},"consent":{{"advertising":true,"marketing":true}}}}}}"#
    )
}

fn unwanted(nth: usize) -> String {
    purchase(nth).replace("Order Completed", "Video Played")
}

fn batch(nth: usize) -> String {
    let items: Vec<String> = (0..20).map(|at| purchase(nth * 20 + at)).collect();
    format!(r#"{{"batch":[{}]}}"#, items.join(","))
}

fn page(nth: usize) -> String {
    format!(
        r#"{{"type":"page","name":"Home","messageId":"ajs-next-1700000000000-{nth:08}","anonymousId":"1f0e6a3c-6c39-4a3d-9a55-{nth:012}","timestamp":"2026-01-01T00:00:00.000Z","properties":{{"url":"https://shop.example.com/","path":"/","title":"Home"}},"context":{{"page":{{"url":"https://shop.example.com/","path":"/","title":"Home"}},"consent":{{"advertising":true,"marketing":true}}}}}}"#
    )
}
