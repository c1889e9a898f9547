//! What a purchase allocates in the filter while nobody wants records. Its own test program, because it counts every allocation of
//! the process: no other test may run beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use conversion_relay::config::Compiled;
use conversion_relay::delivery::Answer;
use conversion_relay::relay::Relay;
use conversion_relay::request::Request;
use conversion_relay::testing::FakeHost;

/// How often memory was asked for, or asked to grow.
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
struct Counting;

// SAFETY: every call is passed on as it is.
#[allow(unsafe_code, reason = "an allocator can't be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        unsafe { System.dealloc(memory, layout) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Purchases in a row. What grows now and then, such as a table, does not grow with each of them.
const PURCHASES: usize = 20;

/// The allocations of a purchase to both vendors without records, from the captured request to the vendors' answers.
///
/// A change that needs another number writes it here. Records are not such a change: what they need is made where somebody wants
/// them, and nowhere else.
const OF_A_PURCHASE: usize = 42;

#[test]
fn a_purchase_allocates_nothing_for_records_that_nobody_wants() {
    let (off, on) = (of_a_purchase(false), of_a_purchase(true));
    assert!(on > off, "{on} allocations with records, {off} without: records are not counted here");
    assert_eq!(off, OF_A_PURCHASE, "allocations of a purchase without records");
}

/// The fewest of several purchases.
fn of_a_purchase(wants_records: bool) -> usize {
    let mut host = FakeHost::new(1_767_225_700_000).with_random(7);
    host.forgetful = true;
    host.wants_records = wants_records;
    let mut relay = Relay::new("shop".to_owned(), configuration(), 1, &mut host);
    let counted = |nth| {
        let request = request(&relay, nth);
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        relay.hand_over(request, &host);
        while !relay.is_idle() {
            relay.work(&mut host);
            host.settle_all(&mut relay, Answer::status(200));
        }
        ALLOCATIONS.load(Ordering::Relaxed) - before
    };
    let fewest = (0..PURCHASES).map(counted).min().unwrap();
    assert_eq!(host.callouts() as usize, 2 * PURCHASES, "each went to both vendors");
    fewest
}

fn configuration() -> Rc<Compiled> {
    let file = r#"{"integrations": [
        {"name": "FT", "vendor": "flashtalking", "consent_categories": ["advertising"],
         "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
        {"name": "Pod", "vendor": "podsights", "consent_categories": ["advertising"], "config": {"key": "k"}}]}"#;
    Rc::new(Compiled::load(file.as_bytes(), &|_| None).unwrap())
}

fn request(relay: &Relay, nth: usize) -> Request {
    let body = format!(
        r#"{{"type": "track", "event": "Order Completed", "messageId": "m-{nth:04}", "anonymousId": "a visitor",
            "properties": {{"order_id": "ORD-{nth:04}", "revenue": 129.99, "currency": "EUR", "email": "jane@example.com"}},
            "context": {{"consent": {{"advertising": true}}, "page": {{"url": "https://shop.example.com/thanks"}}}}}}"#
    );
    Request {
        endpoint: relay.config().endpoints.find(b"/v1/t").unwrap(),
        path: b"/v1/t".to_vec(),
        source_address: b"203.0.113.50:4711".to_vec(),
        headers: vec![("user-agent".to_owned(), b"Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0".to_vec())],
        body: body.into_bytes(),
        lease: relay.budget().lease(),
    }
}
