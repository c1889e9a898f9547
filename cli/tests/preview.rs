//! `conversion-relay preview` and the real gateway make the same requests of the same events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{Flashtalking, Gateway, Options, PODSIGHTS_KEY, Podsights, Received, Request};

const USER_AGENT: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
const COOKIES: &str = "FTrack=ft-77; _dfid=0b8f; plan=gold";
const CLIENT_IP: &str = "203.0.113.50";

const CONFIGURATION: &str = r#"
consent: {when_absent: allow}
integrations:
  - name: Flashtalking
    vendor: flashtalking
    config: {advertiser_id: 1234567, spotlight_id: 987654, spotlight_group_id: 5}
    field_mappings:
      version: 2
      global: {mappings: [{source: context.campaign.source, target: U5}]}
      events:
        Order Completed:
          mappings:
            - {source: properties.coupon, target: U3, transform: uppercase}
            - {source: request.cookie.plan, target: U4, value_map: {gold: G}}
            - {source: "properties.products[*].quantity", target: ftXNumItems, transform: sum}
  - name: Podsights
    vendor: podsights
    config: {key: "${PODSIGHTS_KEY}"}
    consent_categories: [marketing]
"#;

/// The vendors' public examples, every event of both presets in several dialects, and values that break things.
fn golden_set() -> Value {
    let track =
        |event: &str, properties: Value| json!({"type": "track", "event": event, "properties": properties});
    json!([
        track("Order Completed", json!({"order_id": "ORD-001", "revenue": 129.99, "currency": "USD", "email": "jane.doe@example.com"})),
        track("purchase", json!({"transaction_id": "T 1&=?", "value": "12.50", "currency": "eur", "coupon": "spring", "new_customer": true,
            "items": [{"item_id": "a", "item_name": "Cap", "price": 1e1, "quantity": 2}, {"item_id": "b", "quantity": 1}]})),
        track("orderCompleted", json!({"orderId": 7, "total": 1e2, "products": [{"sku": "x", "quantity": 2}, {"sku": "y", "quantity": 3}]})),
        track("Lead Generated", json!({"value": 10, "currency": "gbp"})),
        track("Lead Submitted", json!({"value": "0.10", "type": "demo", "category": "b2b"})),
        track("generate_lead", json!({"value": -1, "currency": "pounds"})),
        track("add_to_cart", json!({"currency": "USD", "items": [{"item_id": "p", "price": 3, "quantity": 2}]})),
        track("Signed Up", json!({"method": "a\r\nX-Evil: 1\u{0}\u{7f} \u{1f600} \u{5e9}\u{5dc}\u{5d5}\u{5dd}"})),
        track("sign_up", json!({"method": "x".repeat(9_000)})),
        track("Order Completed", json!({"order_id": "o@example.com", "revenue": "1,299.00", "currency": "us"})),
        {"type": "page", "properties": {}, "context": {"page": {"url": "https://shop.example/a/b?c=d", "path": "/a/b"}, "campaign": {"source": "pod"}}},
        track("Order Completed", json!({"order_id": "no"})),
        track("Unknown", json!({})),
    ])
}

/// The last purchase is denied, so that the preview's decision is compared, too.
fn denied(mut events: Value) -> Value {
    events[11]["context"] = json!({"consent": {"marketing": false}});
    events
}

/// What is compared of a request: the path without the cachebuster, the headers that are ours, the body without the key.
fn canonical(path: &str, headers: &[(String, String)], body: &str) -> String {
    let (before, after) = path.split_once("cachebuster=").unwrap_or((path, ""));
    let after = after.trim_start_matches(|character: char| character.is_ascii_digit());
    let ours = ["x-forwarded-for", "user-agent", "cookie", "content-type"];
    let mut headers: Vec<String> = headers
        .iter()
        .filter(|(name, _)| ours.contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    headers.sort();
    format!("{before}{after} {headers:?} {}", body.replacen(PODSIGHTS_KEY, "***", 1))
}

fn received(request: &Received) -> String {
    canonical(&request.path, &request.headers, &request.text())
}

/// The requests of a preview, those to Flashtalking first.
fn previewed(printed: &str) -> Vec<String> {
    let mut requests = Vec::new();
    let mut lines = printed.lines().peekable();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        let Some((_, path)) = line
            .strip_prefix("GET ")
            .or_else(|| line.strip_prefix("POST "))
            .and_then(|url| url.strip_prefix("https://")?.split_once('/'))
        else {
            continue;
        };
        let (mut headers, mut body) = (Vec::new(), String::new());
        while let Some(line) = lines.next_if(|line| line.starts_with("    ")) {
            match (line.trim_start().split_once(": "), line.trim_start().starts_with('{')) {
                (_, true) => body = line.trim_start().to_owned(),
                (Some((name, value)), _) => headers.push((name.to_owned(), value.to_owned())),
                (None, _) => {}
            }
        }
        requests.push(canonical(&format!("/{path}"), &headers, &body));
    }
    requests.sort();
    requests
}

fn preview(events: &str) -> String {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("preview-{}.yaml", std::process::id()));
    std::fs::write(&file, CONFIGURATION).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_conversion-relay"))
        .args(["preview", file.to_str().unwrap(), "-", "--client-ip", CLIENT_IP])
        .args(["-H", &format!("User-Agent: {USER_AGENT}"), "-H", &format!("Cookie: {COOKIES}")])
        .env("PODSIGHTS_KEY", PODSIGHTS_KEY)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(events.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_preview_shows_the_very_requests_that_the_gateway_makes() {
    let events = denied(golden_set()).to_string();
    let printed = preview(&events);
    let expected = previewed(&printed);
    let to_flashtalking = expected.iter().filter(|request| request.starts_with("/container/")).count();
    assert_eq!((to_flashtalking, expected.len() - to_flashtalking), (10, 9), "{printed}");
    let refusal = "Podsights: not sent, consent_denied: the event's context.consent refuses marketing";
    assert!(printed.contains(refusal), "{printed}");

    let gateway = Gateway::start(Options::new().trusted_hops(1).configuration(CONFIGURATION));
    let request = Request::post("/v1/batch", &events)
        .header("x-forwarded-for", CLIENT_IP)
        .header("user-agent", USER_AGENT)
        .header("cookie", COOKIES);
    assert_eq!(gateway.send(request).status, 200);
    let flashtalking = gateway.wait_for(Flashtalking, to_flashtalking);
    let podsights = gateway.wait_for(Podsights, expected.len() - to_flashtalking);

    let mut made: Vec<String> = flashtalking.iter().chain(&podsights).map(received).collect();
    made.sort();
    assert_eq!(made, expected);
}
