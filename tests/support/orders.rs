//! Orders and small configurations for tests that are about delivery, not about what is in an event.

use serde_json::{Value, json};

use super::{Gateway, LIMIT, PODSIGHTS_KEY, Request, sum, wait_until};

pub const DELIVERIES: &str = "conversion_relay_deliveries_total";
pub const CALLOUTS: &str = "conversion_relay_callouts_total";

/// The Flashtalking integration of these tests.
pub const FT: &str = "FT";
/// The Podsights integration of these tests.
pub const PS: &str = "PS";

/// A purchase with this order id.
pub fn order(id: impl std::fmt::Display) -> Request {
    Request::post("/v1/t", order_event(id).to_string())
}

/// Purchases with these order ids, in one request.
pub fn orders(ids: impl IntoIterator<Item = u64>) -> Request {
    let events: Vec<Value> = ids.into_iter().map(order_event).collect();
    Request::post("/v1/batch", json!({"batch": events}).to_string())
}

/// The event of [`order`].
pub fn order_event(id: impl std::fmt::Display) -> Value {
    json!({
        "type": "track",
        "event": "Order Completed",
        "anonymousId": format!("anon-{id}"),
        "properties": {"order_id": id.to_string(), "revenue": 129.99, "currency": "USD"},
        "context": {"page": {"url": "https://shop.example/thanks"}},
        "messageId": format!("m-{id}"),
    })
}

/// Something put into the cart: it makes way for an order in a full queue. Podsights sends it, Flashtalking doesn't.
pub fn added_to_cart(id: impl std::fmt::Display) -> Request {
    let event = json!({
        "type": "track",
        "event": "Product Added",
        "anonymousId": "anon-1",
        "properties": {"product_id": "SKU", "price": 1},
        "messageId": format!("cart-{id}"),
    });
    Request::post("/v1/t", event.to_string())
}

pub fn flashtalking() -> Value {
    json!({
        "name": FT,
        "vendor": "flashtalking",
        "events": ["Order Completed"],
        "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3},
    })
}

pub fn podsights() -> Value {
    json!({"name": PS, "vendor": "podsights", "config": {"key": PODSIGHTS_KEY}})
}

/// A configuration that retries fast unless `delivery` says otherwise.
pub fn configuration(integrations: &[Value], delivery: Value) -> Value {
    let mut quick = json!({
        "timeout": "1s",
        "backoff": {"base": "10ms", "max": "50ms"},
    });
    for (name, value) in delivery.as_object().into_iter().flatten() {
        quick[name] = value.clone();
    }
    json!({"integrations": integrations, "delivery": quick})
}

/// What became of the deliveries of one integration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    pub matched: u64,
    pub delivered: u64,
    pub dropped: u64,
}

impl Books {
    pub fn of(gateway: &Gateway, integration: &str) -> Self {
        let count =
            |outcome| gateway.counter(DELIVERIES, &[("integration", integration), ("outcome", outcome)]);
        Self { matched: count("matched"), delivered: count("delivered"), dropped: count("dropped") }
    }

    /// Envoy reads its counters one after the other: what ends meanwhile may be counted before it began.
    pub fn pending(self) -> u64 {
        self.matched.saturating_sub(self.delivered).saturating_sub(self.dropped)
    }
}

/// Waits until `matched` deliveries of the integration are booked, and none of them is pending any more.
pub fn settled(gateway: &Gateway, integration: &str, matched: u64) -> Books {
    let mut books = Books::default();
    let settled = wait_until(LIMIT, || {
        books = Books::of(gateway, integration);
        books.matched == matched && books.pending() == 0
    });
    assert!(settled, "{integration}: expected {matched} matched and nothing pending, found {books:?}");
    books
}

/// Deliveries of an integration that were dropped for this reason.
pub fn dropped(gateway: &Gateway, integration: &str, reason: &str) -> u64 {
    gateway.counter(DELIVERIES, &[("integration", integration), ("reason", reason)])
}

/// Callouts of an integration with this status.
pub fn callouts(gateway: &Gateway, integration: &str, status: &str) -> u64 {
    gateway.counter(CALLOUTS, &[("integration", integration), ("status", status)])
}
