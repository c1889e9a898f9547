//! Who an event is about: the two cookies that the filter sets, and whose IP address and User-Agent an event carries.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use support::{
    Collector, Connection, Flashtalking, Gateway, Options, Podsights, Received, Request, Response,
};

const NOTES: &str = "conversion_relay_notes_total";
/// sha256("jane.doe@example.com")
const EMAIL_HASH: &str = "86e0b9e56c17cc4d12387e1949b85053fbe73bc3ce5a1188713a9d300cc6133d";
const SECRET: &str = "a secret of thirty-two bytes, yes";
const NEW_SECRET: &str = "the newer secret, as long as that";

fn configuration(mut more: Value) -> Value {
    more["integrations"] = json!([
        {"name": "FT", "vendor": "flashtalking",
         "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
        {"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}},
    ]);
    more
}

fn issuing(endpoints: Value) -> Value {
    let issue = json!({"domain": ".example.com", "max_age": "400d", "requires": ["marketing"]});
    configuration(json!({"endpoints": endpoints, "identity": {"issue_anonymous_id": issue}}))
}

fn with_remembered_email(secrets: Value, max_age: &str) -> Value {
    let remember = json!({"cookie": "_cr_em", "secrets": secrets, "max_age": max_age});
    configuration(json!({"identity": {"remember_email": remember}}))
}

fn consenting() -> Value {
    json!({"consent": {"marketing": true}})
}

fn purchase(order: &str, context: &Value) -> Value {
    json!({"type": "track", "event": "Order Completed", "properties": {"order_id": order}, "context": context})
}

fn identify(context: &Value) -> Value {
    json!({"type": "identify", "traits": {"email": " Jane.Doe@example.com "}, "context": context})
}

fn post(event: &Value) -> Request {
    Request::post("/v1/t", event.to_string())
}

fn set_cookies(response: &Response) -> Vec<&str> {
    response
        .headers
        .iter()
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.as_str())
        .collect()
}

/// `name=value` of a `set-cookie` line, as the browser sends it back.
fn pair(line: &str) -> &str {
    line.split(';').next().unwrap()
}

/// What Podsights got for this order.
fn delivered(gateway: &Gateway, order: &str) -> Value {
    let mut found = None;
    support::wait_until(support::LIMIT, || {
        let bodies = gateway.requests(Podsights);
        found = bodies.iter().map(Received::json).find(|body| body["order_id"] == order);
        found.is_some()
    });
    found.unwrap_or_else(|| panic!("{order} did not reach Podsights"))
}

fn is_uuid_v4(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    lengths == [8, 4, 4, 4, 12]
        && parts[2].starts_with('4')
        && parts.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[test]
fn a_visitor_without_an_anonymous_id_is_given_one_that_its_own_events_carry_at_once() {
    let gateway = Gateway::start(Options::new().configuration(issuing(json!({}))));
    gateway.behave(Collector, json!({"headers": {"set-cookie": "session=abc; Path=/"}}));

    let batch = json!([purchase("I-1", &consenting()), purchase("I-2", &consenting())]).to_string();
    let response = gateway.post("/v1/batch", &batch);

    let [own, issued] = set_cookies(&response)[..] else { panic!("{response:?}") };
    assert_eq!(own, "session=abc; Path=/", "the collector's own cookie stays");
    let (id, attributes) = issued.strip_prefix("_dfid=").unwrap().split_once("; ").unwrap();
    assert!(is_uuid_v4(id), "{id}");
    let expected = "Path=/; Domain=.example.com; Max-Age=34560000; HttpOnly; Secure; SameSite=Lax";
    assert_eq!(attributes, expected);
    assert_eq!(
        [delivered(&gateway, "I-1")["id"].as_str(), delivered(&gateway, "I-2")["id"].as_str()],
        [Some(id); 2]
    );
    assert_eq!(gateway.requests(Collector)[0].text(), batch);

    gateway.behave(Collector, json!({}));
    let mut own_id = purchase("I-3", &consenting());
    own_id["anonymousId"] = json!("own");
    let library = json!({"consent": {"marketing": true}, "library": {"name": "analytics-node"}});
    let none = [
        post(&purchase("I-4", &consenting())).header("cookie", pair(issued)),
        post(&purchase("I-5", &consenting())).header("cookie", "ajs_anonymous_id=other"),
        post(&own_id),
        post(&purchase("I-6", &json!({"consent": {"marketing": false}}))),
        post(&purchase("I-7", &json!({}))),
        post(&purchase("I-8", &consenting())).header("sec-gpc", "1"),
        post(&purchase("I-9", &library)),
        Request::post("/v1/events", purchase("I-10", &consenting()).to_string()),
        Request::post("/v1/t", "{"),
    ];
    for request in none {
        assert_eq!(set_cookies(&gateway.send(request.clone())), [""; 0], "{request:?}");
    }
    gateway.behave(Collector, json!({"status": 401}));
    assert_eq!(set_cookies(&gateway.send(post(&purchase("I-11", &consenting())))), [""; 0]);
    assert_eq!(delivered(&gateway, "I-4")["id"], id);
    assert_eq!(delivered(&gateway, "I-9")["id"], Value::Null, "a server is no visitor");

    assert!(gateway.reconfigure(issuing(json!({"relay_when": "always"}))));
    assert_eq!(set_cookies(&gateway.send(post(&purchase("I-12", &consenting())))), [""; 0]);
    gateway.behave(Collector, json!({}));
    let pixel = "/v1/pixel/track?e=Order+Completed&p.order_id=I-13";
    let granted = Request::get(pixel).header("cookie", "OptanonConsent=groups=C0004%3A1");
    let response = gateway.send(granted);
    let id = pair(set_cookies(&response)[0]).strip_prefix("_dfid=").unwrap();
    assert_eq!(delivered(&gateway, "I-13")["id"], id);
    assert_eq!(delivered(&gateway, "I-12")["id"], Value::Null);
    assert_eq!(gateway.vm_restarts(), 0);
}

#[test]
fn a_local_reply_carries_both_cookies_and_the_later_event_of_a_batch_the_email_of_the_earlier() {
    let mut both = with_remembered_email(json!(["${COOKIE_SECRET}"]), "30d");
    both["endpoints"] = json!({"reply": "local"});
    both["identity"]["issue_anonymous_id"] = json!({});
    let gateway = Gateway::start(Options::new().env("COOKIE_SECRET", SECRET).configuration(both));

    let batch =
        json!([purchase("L-0", &consenting()), identify(&consenting()), purchase("L-1", &consenting())]);
    let response = gateway.post("/v1/batch", batch.to_string());

    assert_eq!((response.status, response.text().as_str()), (200, r#"{"success":true}"#));
    let [id, email] = set_cookies(&response)[..] else { panic!("{response:?}") };
    assert!(id.starts_with("_dfid=") && !id.contains("Domain"), "{id}");
    assert!(
        email.starts_with("_cr_em=") && email.ends_with("; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax")
    );
    assert_eq!(delivered(&gateway, "L-0")["em"], Value::Null, "before the identify");
    assert_eq!(delivered(&gateway, "L-1")["em"], EMAIL_HASH);

    let cookies = format!("{}; {}", pair(id), pair(email));
    let response = gateway.send(post(&purchase("L-2", &consenting())).header("cookie", cookies));
    assert_eq!(set_cookies(&response), [""; 0]);
    assert_eq!(delivered(&gateway, "L-2")["em"], EMAIL_HASH);
    assert_eq!(set_cookies(&gateway.send(Request::post("/v1/t", "{"))), [""; 0]);
}

#[test]
fn an_email_is_remembered_across_gateways_and_rotated_secrets_for_its_own_visitor_only() {
    let options = || Options::new().env("COOKIE_SECRET", SECRET).env("NEW_SECRET", NEW_SECRET);
    let start =
        || Gateway::start(options().configuration(with_remembered_email(json!(["${COOKIE_SECRET}"]), "30d")));
    let (one, two) = (start(), start());
    let sealed_by = |gateway: &Gateway| {
        let response = gateway.send(post(&identify(&consenting())).header("cookie", "_dfid=v1"));
        let [line] = set_cookies(&response)[..] else { panic!("{response:?}") };
        pair(line).to_owned()
    };
    let em = |gateway: &Gateway, order: &str, cookies: &str, context: &Value| {
        gateway.send(post(&purchase(order, context)).header("cookie", cookies));
        delivered(gateway, order)["em"].clone()
    };
    let sealed = sealed_by(&one);
    assert!(!sealed.contains(EMAIL_HASH));
    assert_ne!(sealed, sealed_by(&one), "each has a nonce of its own");

    let own = format!("_dfid=v1; {sealed}");
    assert_eq!(em(&two, "R-1", &own, &consenting()), EMAIL_HASH);
    assert_eq!(em(&two, "R-2", &own, &json!({})), EMAIL_HASH, "nothing is said against it");
    let mut tampered = own.clone().into_bytes();
    let middle = own.len() - 40;
    tampered[middle] = if tampered[middle] == b'A' { b'B' } else { b'A' };
    let none = [
        format!("_dfid=v2; {sealed}"),
        sealed.clone(),
        String::from_utf8(tampered).unwrap(),
        "_dfid=v1; _cr_em=%00".to_owned(),
        "_dfid=v1; _cr_em=".to_owned(),
        format!("_dfid=v1; {}", &sealed[..sealed.len() - 1]),
        format!("_dfid=v1; _cr_em={}", "A".repeat(5000)),
    ];
    for (nth, cookies) in none.iter().enumerate() {
        assert_eq!(em(&two, &format!("N-{nth}"), cookies, &consenting()), Value::Null, "{cookies}");
    }

    assert!(two.reconfigure(with_remembered_email(json!(["${NEW_SECRET}", "${COOKIE_SECRET}"]), "1s")));
    assert_eq!(em(&two, "R-3", &own, &consenting()), EMAIL_HASH, "the older secret still opens");
    let newly = format!("_dfid=v1; {}", sealed_by(&two));
    let began = std::time::Instant::now();
    assert_eq!(
        em(&one, "R-4", &newly, &consenting()),
        Value::Null,
        "a secret that this gateway doesn't have"
    );
    std::thread::sleep(Duration::from_millis(2100).saturating_sub(began.elapsed()));
    assert_eq!(em(&two, "R-5", &newly, &consenting()), Value::Null, "expired");
    assert!(two.reconfigure(with_remembered_email(json!(["${NEW_SECRET}"]), "30d")));
    assert_eq!(em(&two, "R-6", &own, &consenting()), Value::Null, "its secret was taken away");

    let denial = json!({"consent": {"marketing": false}});
    let deletion = "_cr_em=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax";
    let denied = post(&purchase("D-1", &denial)).header("cookie", &own);
    assert_eq!(set_cookies(&one.send(denied)), [deletion]);
    assert_eq!(delivered(&one, "D-1")["em"], Value::Null, "nor is it used, whatever else may be sent");
    let gpc = post(&identify(&consenting())).header("cookie", &own).header("sec-gpc", "1");
    assert_eq!(set_cookies(&one.send(gpc)), [deletion]);
    for (event, cookie) in [
        (purchase("D-2", &denial), "_dfid=v1"),
        (identify(&denial), "_dfid=v1"),
        (identify(&json!({})), &own),
        (identify(&consenting()), "no_id=1"),
        (json!({"type": "identify", "traits": {"email": "jane"}, "context": consenting()}), "_dfid=v1"),
    ] {
        assert_eq!(set_cookies(&one.send(post(&event).header("cookie", cookie))), [""; 0], "{event}");
    }
    assert_eq!(one.vm_restarts() + two.vm_restarts(), 0);
}

#[test]
fn the_visitor_s_address_is_that_of_the_connection_in_ipv4_ipv6_or_mapped_and_no_forged_header_changes_it() {
    let gateway =
        Gateway::start(Options::new().configuration(configuration(json!({}))).edit_envoy(|envoy| {
            let address = envoy.pointer_mut("/static_resources/listeners/0/address/socket_address").unwrap();
            address["address"] = json!("::");
            address["ipv4_compat"] = json!(true);
        }));
    let listeners = gateway.admin("/listeners?format=json").json();
    let port = &listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"];
    let port = u16::try_from(port.as_u64().unwrap()).unwrap();
    for (order, host, expected) in [("A-4", "127.0.0.1", "127.0.0.1"), ("A-6", "::1", "::1")] {
        let address = SocketAddr::new(host.parse().unwrap(), port);
        let forged = post(&purchase(order, &json!({})))
            .header("x-forwarded-for", "203.0.113.99")
            .header("x-real-ip", "203.0.113.98")
            .header("forwarded", "for=203.0.113.97");
        Connection::open(address).unwrap().send(&forged);
        assert_eq!(delivered(&gateway, order)["ip"], expected);
    }
    gateway.wait_for_counter(NOTES, &[("kind", "private_client_ip")], 2);
    gateway.wait_for_log("xff_num_trusted_hops");

    let gateway = Gateway::start(Options::new().configuration(configuration(json!({}))).trusted_hops(1));
    for (order, forwarded, expected) in [
        ("A-7", "198.51.100.1, 203.0.113.50", "203.0.113.50"),
        ("A-8", "2001:db8::7", "2001:db8::7"),
        ("A-9", "::ffff:203.0.113.9", "203.0.113.9"),
    ] {
        gateway.send(post(&purchase(order, &json!({}))).header("x-forwarded-for", forwarded));
        assert_eq!(delivered(&gateway, order)["ip"], expected);
        let callout = gateway.wait_for(Flashtalking, 1).pop().unwrap();
        assert_eq!(callout.header("x-forwarded-for"), Some(expected));
        gateway.forget_requests();
    }
    assert_eq!(gateway.counter(NOTES, &[]), 0);
}

#[test]
fn a_server_s_word_on_its_visitor_is_believed_as_its_source_says_and_never_replaced_by_the_server_s_own() {
    let sources = json!([
        {"id": "signed", "keys": ["k_signed"], "signing_secret": "${SIGNING}"},
        {"id": "always", "keys": ["k_always"], "client_from_context": "always"},
        {"id": "never", "keys": ["k_never"], "client_from_context": "never", "signing_secret": "${SIGNING}2"},
    ]);
    let options = Options::new().trusted_hops(1).env("SIGNING", "signing secret");
    let gateway = Gateway::start(options.configuration(configuration(json!({"sources": sources}))));
    let context = |library: &str, ip: &str| json!({"library": {"name": library}, "ip": ip, "userAgent": "Visitor/1", "consent": {"marketing": true}});
    let (server, browser, visitor) = ("analytics-python", "analytics.js", "198.51.100.9");
    let signed = |request: Request, body: &str, secret: &str| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{now}.{body}").as_bytes());
        let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        request.header("x-timestamp", now).header("x-signature", format!("sha256={hex}"))
    };
    // (order, key or secret, library, context.ip) -> (ip, User-Agent) that Podsights gets; the request's own are these:
    let (own_ip, own_agent) = ("203.0.113.50", "Own/1");
    let table = [
        ("C-0", "k_signed", browser, visitor, Some(own_ip), Some(own_agent)),
        ("C-1", "k_signed", server, visitor, None, None),
        ("C-2", "k_never", server, visitor, None, None),
        ("C-3", "k_never", browser, visitor, Some(own_ip), Some(own_agent)),
        ("C-4", "k_always", server, visitor, Some(visitor), Some("Visitor/1")),
        ("C-5", "k_always", server, "0.0.0.0", None, Some("Visitor/1")),
        ("C-6", "k_always", server, "not an address", None, Some("Visitor/1")),
        ("C-7", "signing secret", browser, visitor, Some(visitor), Some("Visitor/1")),
        ("C-8", "signing secret", server, "2001:DB8::9", Some("2001:db8::9"), Some("Visitor/1")),
        ("C-9", "signing secret2", server, visitor, None, None),
    ];
    for (order, key, library, ip, expected_ip, expected_agent) in table {
        let body = purchase(order, &context(library, ip)).to_string();
        let request = if key.starts_with("signing") {
            signed(Request::post("/v1/events", &body), &body, key)
        } else {
            Request::post("/v1/t", &body).header("x-write-key", key)
        };
        gateway.send(request.header("x-forwarded-for", own_ip).header("user-agent", own_agent));
        let body = delivered(&gateway, order);
        assert_eq!(
            (body["ip"].as_str(), body["user_agent"].as_str()),
            (expected_ip, expected_agent),
            "{order}"
        );
    }
    gateway.wait_for_counter(NOTES, &[("kind", "client_untrusted")], 3);
}
