//! Records: the whole story of each delivery, in which nothing stands that is not on a vendor's list.

use super::*;

const KEY: &str = "ps_pixel_key_abc123";
const SECRETS: [&str; 9] = [
    KEY,
    "jane@example.com",
    "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d",
    "visitor-4711",
    "203.0.113.50",
    "ft-cookie-9",
    "Gecko/20100101",
    "c0ffee-path-id",
    "Jane Doe",
];

struct Shop {
    host: FakeHost,
    relay: Relay,
}

fn configuration_of() -> Value {
    json!({
        "consent": {"when_absent": "allow"},
        "delivery": {"backoff": {"base": "1s", "max": "10s"}, "max_attempts": 2},
        "integrations": [
            {"name": "FT", "vendor": "flashtalking", "consent_categories": ["marketing"],
             "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3},
             "field_mappings": {"version": 2, "events": {"Order Completed": {"mappings": [
                {"source": "properties.customer", "target": "U1"}]}}}},
            {"name": "Pod", "vendor": "podsights", "consent_categories": ["marketing"], "config": {"key": KEY}},
        ],
    })
}

fn purchase() -> Value {
    json!({
        "event": "Order Completed", "messageId": "m-1", "anonymousId": "visitor-4711",
        "properties": {"order_id": "ORD-1", "total": "1,299.00", "value": 49.90, "currency": "EUR",
                       "email": "jane@example.com", "customer": "Jane Doe", "coupon": "Jane Doe"},
        "context": {"page": {"url": "https://shop.example/orders/c0ffee-path-id-0123456789?mail=jane@example.com"}},
    })
}

impl Shop {
    fn open() -> Self {
        let mut host = host();
        host.wants_records = true;
        let relay = relay(&configuration_of(), &mut host);
        Self { host, relay }
    }

    fn send(&mut self, headers: &[(&str, &str)], event: &Value) {
        let own = [
            ("user-agent", "Mozilla/5.0 (X11; rv:1) Gecko/20100101 Firefox/140.0"),
            ("cookie", "FTrack=ft-cookie-9"),
        ];
        let headers: Vec<_> =
            own.iter().chain(headers).map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.relay.hand_over(request(&self.relay, "/v1/t", &headers, &event.to_string()), &self.host);
        work(&mut self.relay, &mut self.host);
    }

    /// Every callout is answered so.
    fn answer(&mut self, status: u16, body: &str) {
        while let Some(token) = self.host.next_unanswered() {
            self.relay.settle_with(token, Answer::status(status), body.as_bytes(), &mut self.host);
        }
        work(&mut self.relay, &mut self.host);
    }

    /// Every callout is answered with what it holds, from an offset on, as a vendor's error page may do.
    fn echo(&mut self, status: u16, from: usize) {
        let sent: Vec<(Token, String)> = self
            .host
            .sent()
            .map(|(token, callout)| {
                let headers: Vec<&str> = callout.headers.iter().map(|(_, value)| value.as_str()).collect();
                let body = callout.body.as_deref().unwrap_or_default();
                let path =
                    percent_encoding::percent_decode_str(&callout.path).decode_utf8_lossy().into_owned();
                (token, format!("{body} {path} {} {}", headers.join(" "), callout.path))
            })
            .collect();
        while let Some(token) = self.host.next_unanswered() {
            let (_, text) = sent.iter().find(|(known, _)| *known == token).unwrap();
            let from = (0..=from.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            self.relay.settle_with(token, Answer::status(status), &text.as_bytes()[from..], &mut self.host);
        }
        work(&mut self.relay, &mut self.host);
    }

    fn record(&self, integration: &str, what: &str) -> Value {
        let is_it = |record: &&Value| record["integration"] == integration && record["what"] == what;
        self.host
            .records
            .iter()
            .find(is_it)
            .unwrap_or_else(|| panic!("{integration} {what}: {:#?}", self.host.records))
            .clone()
    }
}

impl Shop {
    fn count(&self, integration: &str, what: &str) -> usize {
        let records = self.host.records.iter();
        records.filter(|record| record["integration"] == integration && record["what"] == what).count()
    }
}

fn assert_nothing_private(records: &[Value]) {
    let text = serde_json::to_string(records).unwrap();
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[test]
fn a_purchase_that_is_delivered_has_one_record_for_each_vendor_with_the_request_as_it_was_built() {
    let mut shop = Shop::open();
    shop.send(&[], &purchase());
    shop.answer(200, "ok");
    assert_eq!(shop.host.records.len(), 2);
    let flashtalking = shop.record("FT", "ended");
    assert_eq!(
        (&flashtalking["outcome"], &flashtalking["attempts"][0]["status"]),
        (&json!("delivered"), &json!(200))
    );
    let expected =
        json!({"type": "track", "name": "Order Completed", "message_id": "m-1", "order_id": "ORD-1"});
    assert_eq!(flashtalking["event"], expected);
    let path = flashtalking["request"]["path"].as_str().unwrap();
    assert!(
        path.starts_with("/container/1;2;3;num/?cachebuster=")
            && path.contains("ftXRef=ORD-1&ftXValue=49.9&"),
        "{path}"
    );
    assert!(path.contains("U1=<text, 8 characters>"), "{path}");
    let headers = &flashtalking["request"]["headers"];
    assert_eq!(
        (&headers["x-forwarded-for"], &headers["cookie"]),
        (&json!("203.0.x.x"), &json!("<text, 18 characters>"))
    );
    assert!(headers["user-agent"].as_str().unwrap().starts_with("Firefox"));
    let podsights = shop.record("Pod", "ended");
    let body = &podsights["request"]["body"];
    assert_eq!(
        (&body["key"], &body["event"], &body["value"]),
        (&json!("<text, 19 characters>"), &json!("purchase"), &json!(49.90))
    );
    assert_eq!(
        (&body["url"], &body["ip"]),
        (&json!("https://shop.example/orders/<...>"), &json!("203.0.x.x"))
    );
    let identity =
        json!({"anonymous_id": true, "email": true, "ip": true, "user_agent": true, "vendor_cookie": false});
    assert_eq!(podsights["identity"], identity);
    assert_eq!(podsights["left_out"][0], r#"value passed over: "1,299.00" is not a number"#);
    assert_nothing_private(&shop.host.records);
}

#[test]
fn each_attempt_that_is_to_be_repeated_has_a_record_and_what_the_vendor_echoes_is_masked() {
    let mut shop = Shop::open();
    shop.send(&[], &purchase());
    let pod = shop.host.sent().find(|(_, callout)| callout.path == "/v1/server").unwrap().0;
    let echo = format!(
        "no: key={KEY} for JANE@example.com (jane%40example.com), visitor-4711 of 203.0.113.50, \
         8C87B489CE35CF2E2F39F80E282CB2E804932A56A213983EEEB428407D43B52D, Jane%20Doe"
    );
    shop.relay.settle_with(pod, Answer::status(503), echo.as_bytes(), &mut shop.host);
    let attempt = shop.record("Pod", "attempt");
    let told = attempt["attempts"][0]["answer"].as_str().unwrap();
    assert_eq!(told, "no: key=*** for *** (***), *** of ***, ***, ***");
    while let Some(token) = shop.host.next_unanswered() {
        shop.relay.settle_with(token, Answer::status(503), b"", &mut shop.host);
    }
    shop.host.now += Duration::from_secs(20);
    work(&mut shop.relay, &mut shop.host);
    shop.answer(503, "");
    let ended = shop.record("Pod", "ended");
    assert_eq!((&ended["outcome"], &ended["reason"]), (&json!("dropped"), &json!("retries_exhausted")));
    assert_eq!(ended["attempts"].as_array().unwrap().len(), 2);
    assert_eq!(shop.count("Pod", "attempt"), 1, "the second attempt was the last");
    assert_nothing_private(&shop.host.records);
}

#[test]
fn an_answer_that_ends_a_delivery_is_in_the_record_of_its_end_alone() {
    let mut shop = Shop::open();
    shop.send(&[], &purchase());
    shop.answer(400, "unknown");
    let ended = shop.record("Pod", "ended");
    assert_eq!((&ended["reason"], &ended["attempts"][0]["status"]), (&json!("rejected"), &json!(400)));
    assert_eq!(shop.count("Pod", "attempt"), 0);
}

#[test]
fn what_is_not_sent_says_why_and_what_decided() {
    let mut shop = Shop::open();
    let mut refused = purchase();
    refused["context"]["consent"] = json!({"marketing": false});
    shop.send(&[], &refused);
    let record = shop.record("FT", "ended");
    assert_eq!((&record["reason"], record.get("request")), (&json!("consent_denied"), None));
    assert_eq!(record["event"]["order_id"], "ORD-1", "whoever looks for an order finds why it is not there");
    assert_eq!(record["consent"], "the event's context.consent refuses marketing");
    assert_eq!(record["explanation"], record["consent"]);
    shop.send(&[("sec-gpc", "1")], &purchase());
    assert_eq!(shop.host.records.last().unwrap()["reason"], "gpc");
    shop.send(&[], &json!({"event": "Nobody Wants This", "messageId": "m-9"}));
    let ignored = shop.host.records.last().unwrap().clone();
    assert_eq!(
        (&ignored["what"], &ignored["reason"], &ignored["event"]["message_id"]),
        (&json!("ignored"), &json!("unmapped"), &json!("m-9"))
    );
    shop.send(&[], &purchase());
    shop.send(&[], &purchase());
    let repeated = shop.host.records.last().unwrap();
    assert_eq!((&repeated["reason"], &repeated["event"]["order_id"]), (&json!("duplicate"), &json!("ORD-1")));
    assert_nothing_private(&shop.host.records);
}

#[test]
fn a_delivery_from_before_records_were_made_says_so() {
    let mut shop = Shop::open();
    shop.host.wants_records = false;
    shop.send(&[], &purchase());
    assert!(shop.host.records.is_empty());
    shop.host.wants_records = true;
    shop.answer(200, "");
    let record = shop.record("Pod", "ended");
    assert!(record["left_out"][0].as_str().unwrap().starts_with("nothing was noted"), "{record}");
    assert_eq!((record.get("event"), &record["outcome"]), (None, &json!("delivered")));
}

proptest! {
    #[test]
    fn whatever_an_event_holds_nothing_private_is_in_a_record(
        at in select(vec!["name", "coupon", "customer", "note", "order_id", "currency", "total", "products", "email", "phone"]),
        secret in select(vec!["jane@example.com", "+49 170 1234567", "Jane Doe", "visitor-4711"]),
        wrap in 0..4_usize, status in select(vec![200_u16, 400, 503]), from in 0..400_usize,
    ) {
        let mut shop = Shop::open();
        let mut event = purchase();
        let value = match wrap {
            0 => json!(secret),
            1 => json!({"value": secret}),
            2 => json!([{"name": secret, "sku": secret, "price": 1}]),
            _ => json!(format!("for {secret}")),
        };
        event["properties"][at] = value;
        shop.send(&[], &event);
        shop.echo(status, from);
        let text = serde_json::to_string(&shop.host.records).unwrap();
        // An order id and what stands where amounts do may be shown, whatever it is, unless it is an address.
        let may_be_shown = ["order_id", "currency", "total", "products"].contains(&at) && !secret.contains('@');
        for secret in SECRETS.into_iter().chain([secret]).filter(|known| !(may_be_shown && *known == secret)) {
            prop_assert!(!text.contains(secret), "{secret} at {at}: {text}");
        }
    }
}
