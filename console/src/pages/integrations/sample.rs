//! Events to try a form with.

/// An event that a preview may begin with.
pub struct Sample {
    pub key: &'static str,
    pub label: &'static str,
    /// JSON.
    pub event: &'static str,
}

/// All of them. The first is what a form begins with.
pub const SAMPLES: [Sample; 4] = [
    Sample {
        key: "purchase",
        label: "Purchase",
        event: r#"{
  "type": "track",
  "event": "Order Completed",
  "anonymousId": "5f0c9d1e-3b7a-4a52-9a53-2d3f6f0c1b11",
  "properties": {
    "order_id": "ORD-001",
    "revenue": 129.99,
    "currency": "USD",
    "email": "jane.doe@example.com",
    "products": [{"product_id": "P-1", "quantity": 2, "price": 64.995}]
  },
  "context": {
    "consent": {"marketing": true, "analytics": true},
    "page": {"url": "https://shop.example.com/thanks", "path": "/thanks"}
  }
}"#,
    },
    Sample {
        key: "page",
        label: "Page view",
        event: r#"{
  "type": "page",
  "anonymousId": "5f0c9d1e-3b7a-4a52-9a53-2d3f6f0c1b11",
  "properties": {"url": "https://shop.example.com/pricing", "path": "/pricing"},
  "context": {
    "consent": {"marketing": true, "analytics": true},
    "page": {"url": "https://shop.example.com/pricing", "path": "/pricing"}
  }
}"#,
    },
    Sample {
        key: "lead",
        label: "Lead",
        event: r#"{
  "type": "track",
  "event": "Lead Generated",
  "anonymousId": "5f0c9d1e-3b7a-4a52-9a53-2d3f6f0c1b11",
  "properties": {"value": 40, "currency": "EUR", "email": "jane.doe@example.com"},
  "context": {
    "consent": {"marketing": true, "analytics": true},
    "page": {"url": "https://shop.example.com/contact", "path": "/contact"}
  }
}"#,
    },
    Sample {
        key: "sign-up",
        label: "Sign-up",
        event: r#"{
  "type": "track",
  "event": "Signed Up",
  "anonymousId": "5f0c9d1e-3b7a-4a52-9a53-2d3f6f0c1b11",
  "properties": {"method": "email", "email": "jane.doe@example.com"},
  "context": {
    "consent": {"marketing": true, "analytics": true},
    "page": {"url": "https://shop.example.com/welcome", "path": "/welcome"}
  }
}"#,
    },
];

/// What a browser sends beside the event, unless the form says otherwise.
pub const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
pub const CLIENT_IP: &str = "203.0.113.50";

/// Returns the sample with that key.
pub fn find(key: &str) -> Option<&'static Sample> {
    SAMPLES.iter().find(|sample| sample.key == key)
}
