//! What a visitor allows, from each place that can say it, and that nobody's email address leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use support::{Flashtalking, Gateway, Options, Podsights, Received, Request};

const DELIVERIES: &str = "conversion_relay_deliveries_total";

fn configuration() -> Value {
    json!({"consent": {"custom": [{"cookie": "my_consent", "format": "list", "granted": {"marketing": ["ads"]}}]},
    "integrations": [
        {"name": "FT", "vendor": "flashtalking", "consent_categories": ["advertising"],
         "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
        {"name": "Pod", "vendor": "podsights", "consent_categories": ["marketing"],
         "config": {"key": "${PODSIGHTS_KEY}"}},
    ]})
}

/// A TCF string with these purposes and vendors (IAB TCF v2, core string, vendors as a bit field, none by legitimate interest). The
/// publisher forbids vendor 78 this purpose.
fn tcf(purposes: &[usize], vendors: &[usize], forbidden: Option<usize>) -> String {
    const RESTRICTIONS: usize = 230 + 100 + 16 + 1;
    let mut bits = vec![false; RESTRICTIONS + 12 + forbidden.map_or(0, |_| 6 + 2 + 12 + 1 + 16)];
    let mut write = |at: usize, width: usize, value: usize| {
        for bit in 0..width {
            bits[at + bit] = value >> (width - 1 - bit) & 1 == 1;
        }
    };
    write(0, 6, 2);
    write(213, 16, 100);
    purposes.iter().for_each(|purpose| write(152 + purpose - 1, 1, 1));
    vendors.iter().for_each(|vendor| write(230 + vendor - 1, 1, 1));
    if let Some(purpose) = forbidden {
        // One restriction, its purpose, and one entry: a single vendor. Its type is 0, not allowed.
        write(RESTRICTIONS, 12, 1);
        write(RESTRICTIONS + 12, 6, purpose);
        write(RESTRICTIONS + 20, 12, 1);
        write(RESTRICTIONS + 33, 16, 78);
    }
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let sextet = |bits: &[bool]| (0..6).fold(0, |n, at| n << 1 | usize::from(bits.get(at) == Some(&true)));
    bits.chunks(6).map(|bits| char::from(alphabet[sextet(bits)])).collect()
}

fn onetrust(groups: &str, gpc: u8) -> String {
    format!("OptanonConsent=isGpcEnabled={gpc}&datestamp=x&groups={groups}")
}

fn cookiebot(members: &str) -> String {
    format!("CookieConsent={{stamp:%27x%27%2Cnecessary:true%2C{members}%2Cmethod:%27explicit%27%2Cver:1}}")
}

/// One purchase: what its event and headers say beside the order, and why FT and Pod don't get it; None: they do.
struct Visit {
    event: Value,
    headers: Vec<(&'static str, String)>,
    refused: [Option<&'static str>; 2],
}

fn visits() -> Vec<Visit> {
    let (denied, absent) = (Some("consent_denied"), Some("consent_absent"));
    let (gpc, sale) = (Some("gpc"), Some("sale_opt_out"));
    let granted = json!({"context": {"consent": {"marketing": true}}});
    let cookie =
        |value: String, refused| Visit { event: json!({}), headers: vec![("cookie", value)], refused };
    let event = |event: Value, refused| Visit { event, headers: vec![], refused };
    let tcf_cookie =
        |purposes: &[usize], vendors: &[usize]| format!("euconsent-v2={}", tcf(purposes, vendors, None));
    let integrations =
        |value: Value| json!({"integrations": value, "context": {"consent": {"marketing": true}}});
    let disabled = Some("disabled_by_event");
    vec![
        event(json!({}), [absent; 2]),
        event(granted.clone(), [None; 2]),
        cookie(onetrust("C0001%3A1%2CC0002%3A0%2CC0004%3A1", 0), [None; 2]),
        cookie(onetrust("C0001%3A1%2CC0002%3A1%2CC0004%3A0", 0), [denied; 2]),
        cookie(onetrust("C0001%3A1%2CC0004%3A1", 1), [gpc; 2]),
        cookie(onetrust("C0004%3A1&AwaitingReconsent=true", 0), [denied; 2]),
        cookie(cookiebot("statistics:false%2Cmarketing:true"), [None; 2]),
        cookie(cookiebot("statistics:true%2Cmarketing:false"), [denied; 2]),
        cookie("CookieConsent=-1".into(), [absent; 2]),
        cookie(tcf_cookie(&[1, 2, 3, 4, 7], &[78]), [None; 2]),
        cookie(tcf_cookie(&[1, 2, 3, 4, 7], &[77, 79]), [denied, None]),
        cookie(tcf_cookie(&[1, 2, 3, 4], &[78]), [denied; 2]),
        cookie(format!("euconsent-v2={}", tcf(&[1, 2, 3, 4, 7], &[78], Some(3))), [denied, None]),
        cookie("euconsent-v2=COvFyGBOvFyGBAbAAAENAPCAAOAAAAAAAAAAAEEUACCKAAA".into(), [denied; 2]),
        // A cookie that can't be read refuses, and so does any other refusal, whatever else grants.
        cookie("euconsent-v2=COv".into(), [denied; 2]),
        cookie(format!("{}; CookieConsent={{", onetrust("C0004%3A1", 0)), [denied; 2]),
        Visit { headers: vec![("cookie", onetrust("C0004%3A0", 0))], ..event(granted.clone(), [denied; 2]) },
        cookie(format!("{}; {}", onetrust("C0004%3A1", 0), onetrust("C0004%3A0", 0)), [denied; 2]),
        cookie(onetrust("C0004%3A0%2CC0005%3A1", 0), [denied; 2]),
        // The opt-outs of the US.
        cookie(onetrust("C0004%3A1%2CSSPD_BG%3A0", 0), [sale; 2]),
        cookie(format!("{}; usprivacy=1YYN", onetrust("C0004%3A1", 0)), [sale; 2]),
        cookie(format!("{}; usprivacy=1YNN", onetrust("C0004%3A1", 0)), [None; 2]),
        cookie(format!("{}; __gpp=DBABLA~BVQVAAAAAgA.QA", onetrust("C0004%3A1", 0)), [sale; 2]),
        // Didomi's token: {"purposes":{"enabled":["select_basic_ads"]}} and the same with "disabled".
        cookie("didomi_token=eyJwdXJwb3NlcyI6eyJlbmFibGVkIjpbInNlbGVjdF9iYXNpY19hZHMiXX19".into(), [None; 2]),
        cookie(
            "didomi_token=eyJwdXJwb3NlcyI6eyJkaXNhYmxlZCI6WyJzZWxlY3RfYmFzaWNfYWRzIl19fQ==".into(),
            [denied; 2],
        ),
        cookie("my_consent=ads".into(), [None; 2]),
        cookie("my_consent=stats".into(), [denied; 2]),
        Visit {
            headers: vec![("cookie", onetrust("C0004%3A1", 0))],
            ..event(json!({"context": {"consent": {"marketing": false}}}), [denied; 2])
        },
        cookie(format!("{}; {}", cookiebot("marketing:true"), onetrust("C0004%3A0", 0)), [denied; 2]),
        Visit { headers: vec![("sec-gpc", "1".into())], ..event(granted.clone(), [gpc; 2]) },
        Visit { headers: vec![("sec-gpc", "0".into())], ..event(granted.clone(), [None; 2]) },
        event(integrations(json!({"All": false})), [disabled; 2]),
        event(integrations(json!({"PODSIGHTS": false})), [None, disabled]),
        event(integrations(json!({"All": false, "pod": true})), [disabled, None]),
        Visit {
            headers: vec![("cookie", "flashtalkingad1=\"optout=1\"".into())],
            ..event(granted.clone(), [Some("opted_out"), None])
        },
        Visit {
            headers: vec![("cookie", "FTrack=GUID=1|optout=1".into())],
            ..event(granted, [Some("opted_out"), None])
        },
    ]
}

fn order_of(vendor: support::Destination, received: &Received) -> String {
    match vendor {
        Flashtalking => received.query("ftXRef").unwrap(),
        _ => received.json()["order_id"].as_str().unwrap().to_owned(),
    }
}

#[test]
fn each_source_of_consent_decides_for_each_vendor_and_is_named_as_the_reason() {
    let gateway = Gateway::start(Options::new().configuration(configuration()));
    let mut orders = [BTreeSet::new(), BTreeSet::new()];
    let mut refusals: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut connection = gateway.connect();
    for (nth, visit) in visits().into_iter().enumerate() {
        let mut event = visit.event;
        event["event"] = json!("Order Completed");
        event["properties"] = json!({"order_id": format!("V-{nth}")});
        let request = Request::post("/v1/t", event.to_string());
        let headers = visit.headers.into_iter();
        connection.send(&headers.fold(request, |request, (name, value)| request.header(name, value)));
        for (at, refused) in visit.refused.into_iter().enumerate() {
            match refused {
                None => _ = orders[at].insert(format!("V-{nth}")),
                Some(reason) => *refusals.entry((["FT", "Pod"][at], reason)).or_default() += 1,
            }
        }
    }
    for (expected, vendor) in orders.iter().zip([Flashtalking, Podsights]) {
        let received = gateway.wait_for(vendor, expected.len());
        let received: BTreeSet<_> = received.iter().map(|received| order_of(vendor, received)).collect();
        assert_eq!(received, *expected, "{vendor:?}");
    }
    for ((integration, reason), count) in refusals {
        gateway.wait_for_counter(DELIVERIES, &[("integration", integration), ("reason", reason)], count);
    }
}

/// Mappings that carry whatever the events below hide an email in.
fn curious() -> Value {
    let to = |source: &str, target: &str| json!({"source": source, "target": target});
    let sources = [
        "user_id",
        "properties.note",
        "properties.path",
        "context.page.url",
        "request.header.referer",
        "request.header.x-custom",
        "request.cookie.custom",
        "message_id",
    ];
    let mut configuration = configuration();
    let mappings = |name: &dyn Fn(usize) -> String| -> Vec<Value> {
        sources.iter().enumerate().map(|(nth, source)| to(source, &name(nth))).collect()
    };
    let flashtalking = mappings(&|nth| format!("U{}", nth + 1));
    let mut podsights = mappings(&|nth| format!("custom.field_{nth}"));
    podsights.push(to("properties.products[0].nested", "custom.nested"));
    podsights.push(to("properties.products", "line_items"));
    for (at, mappings) in [flashtalking, podsights].into_iter().enumerate() {
        configuration["integrations"][at]["consent_categories"] = json!([]);
        configuration["integrations"][at]["field_mappings"] =
            json!({"version": 2, "events": {"Order Completed": {"mappings": mappings}}});
    }
    configuration["identity"] = json!({"client_from_context": "always"});
    // Few order ids, many orders: each has to arrive.
    configuration["deduplication"] = json!({"order_window": "0s"});
    // Few order ids, many orders: each has to arrive.
    configuration["deduplication"] = json!({"order_window": "0s"});
    configuration
}

/// An email address in one of the ways in which it can hide.
fn disguised(rng: &mut fastrand::Rng) -> String {
    let local = ["jane", "Jane.Doe+tag", "j_d-1", "\"q\"", "JANE"][rng.usize(..5)];
    let host = ["leak.example.com", "LEAK.Example.com"][rng.usize(..2)];
    let encode =
        |text: String| text.replace('%', "%25").replace('@', "%40").replace('.', "%2e").replace('+', "%2B");
    let mut text = format!("{local}@{host}");
    for _ in 0..rng.usize(..3) {
        text = encode(text);
    }
    let around = [
        "{}",
        "see {} now",
        "mailto:{}",
        "a={}&b=1",
        "https://u.example/{}/x?m={}#{}",
        "/p/{}?q=1&e={}",
        "/x#{}",
    ];
    around[rng.usize(..around.len())].replace("{}", &text)
}

/// Everything that a vendor received, decoded as often as anybody would.
fn all_of(received: &Received) -> String {
    let mut text = format!("{} {:?} {}", received.path, received.headers, received.text());
    for _ in 0..3 {
        text = percent_encoding::percent_decode_str(&text).decode_utf8_lossy().into_owned();
    }
    text.to_lowercase()
}

#[test]
fn no_raw_email_address_leaves_wherever_an_event_or_its_request_hides_one() {
    const EVENTS: usize = 120;
    let gateway = Gateway::start(Options::new().trusted_hops(1).configuration(curious()));
    let mut rng = fastrand::Rng::with_seed(7);
    let mut connection = gateway.connect();
    for nth in 0..EVENTS {
        let mut maybe =
            |otherwise: &str| if rng.u8(..3) > 0 { disguised(&mut rng) } else { otherwise.to_owned() };
        let event = json!({
            "event": "Order Completed", "type": "track",
            "anonymousId": maybe("anon-1"), "userId": maybe("u-1"), "messageId": format!("{nth} {}", maybe("")),
            "properties": {
                "order_id": maybe("order"), "currency": maybe("USD"), "coupon": maybe("SPRING"), "path": maybe("/p"),
                "note": maybe("none"), "email": "jane@leak.example.com",
                "products": [{"product_id": maybe("p"), "name": maybe("n"), "nested": {"deep": [maybe("d")]}}],
            },
            "traits": {"email": "JANE@leak.example.com", "name": maybe("Jane")},
            "context": {"page": {"url": maybe("https://shop.example/thanks")}, "userAgent": maybe("Browser/1")},
        });
        let cookies = format!("FTrack={}; custom={}; _dfid={}", maybe("ft"), maybe("c"), maybe("id"));
        let request = Request::post("/v1/t", event.to_string())
            .header("user-agent", maybe("Browser/1"))
            .header("referer", maybe("https://shop.example/"))
            .header("x-custom", maybe("x"))
            .header("x-forwarded-for", "203.0.113.50")
            .header("cookie", cookies);
        assert_eq!(connection.send(&request).status, 200);
    }
    let mut hashed = 0;
    for vendor in [Flashtalking, Podsights] {
        for received in gateway.wait_for(vendor, EVENTS) {
            let text = all_of(&received);
            assert!(!text.contains("@leak"), "{vendor:?} received {received:?}\n{text}");
            hashed += usize::from(vendor == Podsights && received.json()["em"].is_string());
        }
    }
    assert_eq!(hashed, EVENTS, "the digest is what may leave");
    assert!(gateway.counter("conversion_relay_notes_total", &[("kind", "value_left_out")]) > 500);
    assert_eq!(gateway.vm_restarts(), 0);
}
