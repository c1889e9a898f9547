//! Orders that come again in another message: which of their deliveries are dropped, and which are not.

use super::*;
use crate::testing::Recorded;

fn configuration(more: Value) -> Value {
    let mut configuration = json!({
        "integrations": [
            {"name": "FT", "vendor": "flashtalking",
             "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
            {"name": "Pod", "vendor": "podsights", "config": {"key": "k"}},
            {"name": "Dry", "vendor": "podsights", "dry_run": true, "config": {"key": "k"}},
        ],
    });
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}

/// A shop with visitors, who always accept everything.
struct Shop {
    host: FakeHost,
    relay: Relay,
    messages: u32,
}

impl Shop {
    fn open(more: Value) -> Self {
        let mut host = host();
        let relay = relay(&configuration(more), &mut host);
        Self { host, relay, messages: 0 }
    }

    /// Sends an event in a message of its own, and returns what became of it for an integration.
    fn send_event(&mut self, event: Value) -> Vec<(String, &'static str)> {
        self.messages += 1;
        let mut event = event;
        if event.get("messageId").is_none() {
            event["messageId"] = json!(format!("m-{}", self.messages));
        }
        self.host.take_record();
        let request = request(&self.relay, "/v1/t", &[], &event.to_string());
        self.relay.hand_over(request, &self.host);
        work(&mut self.relay, &mut self.host);
        self.host.settle_all(
            &mut self.relay,
            Answer::Status { code: 200, retry_after: None, location_host: None },
        );
        self.relay.record_concluded(&self.host);
        let mut ends = Vec::new();
        for recorded in self.host.record() {
            if let Recorded::Delivery { integration, outcome } = recorded {
                match outcome {
                    Outcome::Matched | Outcome::DeadLettered => {}
                    Outcome::Delivered => ends.push((integration.clone(), "delivered")),
                    Outcome::GivenBack => ends.push((integration.clone(), "given_back")),
                    Outcome::DryRun => ends.push((integration.clone(), "dry_run")),
                    Outcome::Dropped(reason) => ends.push((integration.clone(), reason.label())),
                }
            }
        }
        ends.sort();
        ends
    }

    /// Sends an event with an order id, and returns what became of it for Podsights.
    fn send(&mut self, event: &str, order: Value) -> &'static str {
        let ends = self.send_event(json!({"event": event, "properties": {"order_id": order}}));
        ends.iter().find(|(name, _)| name == "Pod").map_or("unmapped", |(_, end)| end)
    }
}

fn ends(all: [&'static str; 3]) -> Vec<(String, &'static str)> {
    ["Dry", "FT", "Pod"].into_iter().map(str::to_owned).zip(all).collect()
}

fn order(id: &str) -> Value {
    json!({"event": "Order Completed", "properties": {"order_id": id}})
}

#[test]
fn a_thank_you_page_that_is_loaded_again_counts_once_for_each_integration_and_a_dry_run_remembers_nothing() {
    let mut shop = Shop::open(json!({}));
    assert_eq!(shop.send_event(order("ORD-1")), ends(["dry_run", "delivered", "delivered"]));
    assert_eq!(shop.send_event(order("ORD-1")), ends(["dry_run", "duplicate_order", "duplicate_order"]));
    assert_eq!(shop.send_event(order("ORD-2")), ends(["dry_run", "delivered", "delivered"]));
    assert_eq!(shop.host.check_counts(&shop.relay), Ok(()));
}

#[test]
fn the_same_order_in_the_same_message_is_a_duplicate() {
    let mut shop = Shop::open(json!({}));
    let mut event = order("ORD-1");
    event["messageId"] = json!("m");
    shop.send_event(event.clone());
    assert_eq!(shop.send_event(event), ends(["dry_run", "duplicate", "duplicate"]));
}

#[test]
fn an_order_is_known_for_the_window_and_0s_turns_it_off() {
    for (window, after, end) in [
        ("24h", 86_399_000, "duplicate_order"),
        ("24h", 86_400_000, "delivered"),
        ("1h", 3_600_000, "delivered"),
        ("0s", 0, "delivered"),
    ] {
        let mut shop = Shop::open(json!({"deduplication": {"order_window": window}}));
        shop.send("Order Completed", json!("ORD-1"));
        shop.host.wall_clock += after;
        assert_eq!(shop.send("Order Completed", json!("ORD-1")), end, "{window}, {after} ms");
    }
}

#[test]
fn two_shops_with_one_order_number_are_two_and_one_shop_with_two_keys_is_one() {
    let sources = json!([{"id": "a", "keys": ["a1", "a2"]}, {"id": "b", "keys": ["b1"]}]);
    let mut shop = Shop::open(json!({"sources": sources}));
    let mut send = |key: &str| {
        let mut event = order("1001");
        event["writeKey"] = json!(key);
        shop.send_event(event)
    };
    send("a1");
    assert_eq!(send("b1"), ends(["dry_run", "delivered", "delivered"]));
    assert_eq!(send("a2"), ends(["dry_run", "duplicate_order", "duplicate_order"]));
}

#[test]
fn what_sites_write_for_no_order_id_identifies_no_order() {
    for placeholder in [
        json!("null"),
        json!("Undefined"),
        json!(0),
        json!("0"),
        json!(" n/a "),
        json!("-"),
        json!("TEST"),
        Value::Null,
    ] {
        let mut shop = Shop::open(json!({}));
        shop.send("Order Completed", placeholder.clone());
        assert_eq!(shop.send("Order Completed", placeholder.clone()), "delivered", "{placeholder}");
    }
}

#[test]
fn a_number_and_a_text_are_one_order_and_so_is_an_order_in_the_words_of_ga4() {
    let mut shop = Shop::open(json!({}));
    shop.send("Order Completed", json!(1001));
    assert_eq!(shop.send("purchase", json!("1001")), "duplicate_order");
    assert_eq!(shop.send("Order Completed", json!(" 1001 ")), "duplicate_order");
}

#[test]
fn an_order_that_is_a_lead_too_is_two_conversions_and_what_is_no_conversion_has_no_order() {
    let mapping = json!({"source": "properties.order_id", "target": "order_id"});
    let viewed = json!({"vendor_event_name": "product", "mappings": [mapping]});
    let mappings = json!({
        "version": 2,
        "events": {"Lead Submitted": {"mappings": [mapping]}, "Product Viewed": viewed},
    });
    let pod =
        json!({"name": "Pod", "vendor": "podsights", "config": {"key": "k"}, "field_mappings": mappings});
    let mut shop = Shop::open(json!({"integrations": [pod]}));
    for (event, again) in [
        ("Order Completed", "duplicate_order"),
        ("Lead Submitted", "duplicate_order"),
        ("Product Viewed", "delivered"),
        ("Product Added", "delivered"),
    ] {
        assert_eq!(shop.send(event, json!("ORD-1")), "delivered", "{event}");
        assert_eq!(shop.send(event, json!("ORD-1")), again, "{event}");
    }
}

#[test]
fn a_users_own_mapping_decides_what_an_order_is() {
    let mapping = json!({"source": "properties.cart", "target": "order_id", "transform": "lowercase"});
    let mappings = json!({"version": 2, "events": {"Order Completed": {"mappings": [mapping]}}});
    let pod =
        json!({"name": "Pod", "vendor": "podsights", "config": {"key": "k"}, "field_mappings": mappings});
    let mut shop = Shop::open(json!({"integrations": [pod]}));
    let mut send = |order: &str, cart: &str| {
        let properties = json!({"order_id": order, "cart": cart});
        shop.send_event(json!({"event": "Order Completed", "properties": properties})).remove(0).1
    };
    assert_eq!(send("1", "Cart-7"), "delivered");
    assert_eq!(send("2", "CART-7"), "duplicate_order");
    assert_eq!(send("1", "cart-8"), "delivered");
}

#[test]
fn an_order_that_the_queue_did_not_take_is_none_when_it_comes_again() {
    let delivery = json!({"queue": {"max_deliveries": 3}, "backoff": {"base": "1s", "max": "10s"}});
    let mut shop = Shop::open(json!({"delivery": delivery}));
    shop.host.refusal = Some(Refusal::NoHost);
    assert!(shop.send_event(order("ORD-1")).iter().all(|(_, end)| *end == "dry_run"), "they wait");
    assert_eq!(shop.send_event(order("ORD-2")), ends(["dry_run", "queue_full", "queue_full"]));
    assert_eq!(shop.send_event(order("ORD-1")), ends(["dry_run", "duplicate_order", "duplicate_order"]));
    shop.host.refusal = None;
    shop.host.now += Duration::from_secs(60);
    work(&mut shop.relay, &mut shop.host);
    shop.host
        .settle_all(&mut shop.relay, Answer::Status { code: 200, retry_after: None, location_host: None });
    assert_eq!(shop.send_event(order("ORD-2")), ends(["dry_run", "delivered", "delivered"]));
}

#[test]
fn all_integrations_of_an_event_share_one_entry_of_the_shared_data_and_it_holds_no_order_in_the_clear() {
    let mut shop = Shop::open(json!({}));
    shop.send_event(order("ORD-12345678"));
    let shared = shop.host.shared.borrow();
    let orders: Vec<_> = shared.iter().filter(|(key, _)| key.contains(".orders.")).collect();
    assert_eq!(orders.len(), 1, "{:?}", shared.keys());
    assert!(shared.iter().all(|(_, value)| !value.windows(12).any(|part| part == b"ORD-12345678")));
    drop(shared);
    let mut shop = Shop::open(json!({}));
    shop.send("Order Completed", Value::Null);
    assert!(!shop.host.shared.borrow().keys().any(|key| key.contains(".orders.")), "nothing to remember");
}
