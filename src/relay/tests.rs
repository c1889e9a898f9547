//! The relay as a whole, in a host of its own: from a request to the callouts and the books.

mod bots;
mod clients;
mod dead_letters;
mod fleet;
mod handed_off;
mod loops;
mod orders;
mod passed_on;
mod records;
mod repeated;
mod runs;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;
use crate::accounting::{EventIgnored, Refusal};
use crate::endpoints::Endpoints;
use crate::reply::Reply;
use crate::testing::FakeHost;

/// A host on 2026-01-01.
fn host() -> FakeHost {
    FakeHost::new(1_767_225_600_000).with_random(1)
}

fn configuration(consent: Value, categories: &[&str]) -> Value {
    json!({
        "consent": consent,
        "identity": {
            "issue_anonymous_id": {},
            "remember_email": {"secrets": ["a secret of thirty-two bytes, yes"]},
        },
        "delivery": {"backoff": {"base": "1s", "max": "10s"}, "max_attempts": 3, "max_age": "60s",
                     "queue": {"max_deliveries": 24}},
        "integrations": [
            {"name": "FT", "vendor": "flashtalking", "consent_categories": categories,
             "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
            {"name": "Pod", "vendor": "podsights", "consent_categories": categories, "config": {"key": "k"}},
            {"name": "Dry", "vendor": "podsights", "dry_run": true, "config": {"key": "k"}},
        ],
    })
}

fn relay(configuration: &Value, host: &mut FakeHost) -> Relay {
    let config = Compiled::load(configuration.to_string().as_bytes(), &|_| None).unwrap();
    Relay::new("test".to_owned(), Rc::new(config), 7, host)
}

fn request(relay: &Relay, path: &str, headers: &[(&str, String)], body: &str) -> Request {
    Request {
        endpoint: Endpoints::new("").unwrap().find(path.as_bytes()).unwrap(),
        path: path.as_bytes().to_vec(),
        source_address: b"203.0.113.50:1234".to_vec(),
        headers: headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes()))
            .collect(),
        body: body.as_bytes().to_vec(),
        lease: relay.budget().lease(),
    }
}

fn work(relay: &mut Relay, host: &mut FakeHost) {
    // What is in the inbox waits a moment for company.
    while let Some(due) = relay.next_due().filter(|due| *due <= host.now + COLLECT_INTERVAL) {
        host.now = host.now.max(due);
        relay.work(host);
    }
}

/// Lets time pass, and the relay do what falls due in it.
fn wait(relay: &mut Relay, host: &mut FakeHost, time: Duration) {
    let until = host.now + time;
    while let Some(due) = relay.next_due().filter(|due| *due <= until) {
        host.now = host.now.max(due);
        relay.work(host);
    }
    host.now = until;
}

/// What one place where consent can stand says about marketing and analytics.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Nothing,
    Yes,
    /// To marketing; yes to analytics.
    No,
}

#[derive(Clone, Debug)]
struct Visit {
    /// The event's consent, Rudder's, OneTrust's, Cookiebot's, TCF.
    places: [Says; 5],
    /// Which shape the event's own consent has.
    shape: usize,
    spelling: &'static str,
    sec_gpc: bool,
    onetrust_gpc: bool,
    disabled: bool,
    when_absent: &'static str,
    require: &'static str,
    categories: &'static [&'static str],
    respect_gpc: bool,
    path: &'static str,
    local: bool,
}

fn visit() -> impl Strategy<Value = Visit> {
    let says = || prop_oneof![3 => Just(Says::Nothing), 1 => Just(Says::Yes), 1 => Just(Says::No)];
    let places = [says(), says(), says(), says(), says()];
    let spelling = select(vec!["marketing", "Advertising", "TARGETING", "C0004", "c0005"]);
    let categories: [&'static [&'static str]; 3] =
        [&["marketing"], &["Advertising", "C0002"], &["C0004", "essential"]];
    let switches = (
        select(vec!["deny", "allow"]),
        select(vec!["all", "any"]),
        select(categories.to_vec()),
        prop::bool::weighted(0.8),
        select(vec!["/v1/t", "/v1/i", "/v1/batch"]),
        any::<bool>(),
    );
    let signals = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::bool::weighted(0.1));
    (places, 0..4_usize, spelling, signals, switches).prop_map(
        |(places, shape, spelling, (sec_gpc, onetrust_gpc, disabled), switches)| {
            let (when_absent, require, categories, respect_gpc, path, local) = switches;
            Visit {
                places,
                shape,
                spelling,
                sec_gpc,
                onetrust_gpc,
                disabled,
                when_absent,
                require,
                categories,
                respect_gpc,
                path,
                local,
            }
        },
    )
}

impl Visit {
    /// Whether marketing is granted, as the documentation says it; analytics, where it is asked too, always is.
    fn is_permitted(&self) -> bool {
        if self.disabled
            || (self.respect_gpc && (self.sec_gpc || (self.onetrust_gpc && self.places[2] != Says::Nothing)))
        {
            return false;
        }
        // Essential is always granted, asked or not.
        let any = |category: &str| self.require == "any" && self.categories.contains(&category);
        let granted = match self.marketing() {
            None => self.when_absent == "allow",
            Some(granted) => granted || any("C0002"),
        };
        granted || any("essential")
    }

    /// What all places together say about marketing: any refusal refuses. `None`: none of them says anything.
    fn marketing(&self) -> Option<bool> {
        let says = |what| self.places.contains(&what);
        (says(Says::Yes) || says(Says::No)).then(|| !says(Says::No))
    }

    fn event(&self) -> Value {
        let answers = |says: Says| {
            let mut answers = json!({"analytics": true});
            answers[self.spelling] = json!(says == Says::Yes);
            answers
        };
        let mut event = json!({
            "type": "track", "event": "Order Completed", "context": {}, "traits": {"email": "jane@example.com"},
            "properties": {"order_id": "1"},
        });
        if self.places[0] != Says::Nothing {
            let answers = answers(self.places[0]);
            event["context"]["consent"] = match self.shape {
                0 => answers,
                1 => json!({"canonical": answers}),
                2 => json!({"categories": answers}),
                _ => json!({"categoryPreferences": answers}),
            };
        }
        if self.places[1] != Says::Nothing {
            let (allowed, denied) = match self.places[1] {
                Says::Yes => (vec![self.spelling, "C0002"], vec![]),
                _ => (vec!["C0002"], vec![self.spelling]),
            };
            event["context"]["consentManagement"] =
                json!({"allowedConsentIds": allowed, "deniedConsentIds": denied});
        }
        if self.disabled {
            event["integrations"] = json!({"all": false});
        }
        event
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let bit = |says: Says| u8::from(says == Says::Yes);
        if self.places[2] != Says::Nothing {
            let (gpc, bit) = (u8::from(self.onetrust_gpc), bit(self.places[2]));
            let cookie =
                format!("OptanonConsent=groups=C0002%3A1%2C{}%3A{bit}&isGpcEnabled={gpc}", self.spelling);
            headers.push(("cookie", cookie));
        }
        if self.places[3] != Says::Nothing {
            let granted = self.places[3] == Says::Yes;
            headers
                .push(("cookie", format!("CookieConsent={{stamp:'x',statistics:true,marketing:{granted}}}")));
        }
        if self.places[4] != Says::Nothing {
            // Purposes 1, 2, 3, 4, 7, 8, 9 and vendor 78; the other one lacks purposes 2 and 7.
            let granted = "CAAAAAAAAAAAAAAAAAAAAAAAAPOAAAAAAAAAAyAAAAAAAAAAAAAQAAAAAAAA";
            let denied = "CAAAAAAAAAAAAAAAAAAAAAAAALGAAAAAAAAAAyAAAAAAAAAAAAAQAAAAAAAA";
            headers.push((
                "cookie",
                format!("euconsent-v2={}", if self.places[4] == Says::Yes { granted } else { denied }),
            ));
        }
        if self.sec_gpc {
            headers.push(("sec-gpc", "1".to_owned()));
        }
        headers
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_combination_in_which_a_required_category_is_not_granted_leads_to_a_callout(visit in visit()) {
        let mut host = host();
        let consent = json!({
            "when_absent": visit.when_absent, "require": visit.require, "respect_gpc": visit.respect_gpc,
        });
        let mut relay = relay(&configuration(consent, visit.categories), &mut host);
        let event = visit.event();
        let body = if visit.path == "/v1/batch" { json!([event]).to_string() } else { event.to_string() };
        let request = request(&relay, visit.path, &visit.headers(), &body);
        let cookies = match visit.local {
            true => match relay.answer(request, 1, &mut host) {
                Some(Answered::Reply { cookies, .. }) => cookies,
                other => panic!("{other:?}"),
            },
            false => relay.hand_over_answered(request, &mut host),
        };
        work(&mut relay, &mut host);
        prop_assert_eq!(host.sent().count(), if visit.is_permitted() { 2 } else { 0 });
        let may_issue = visit.marketing().unwrap_or(visit.when_absent == "allow");
        prop_assert!(may_issue || cookies.is_empty(), "{:?}", cookies);
    }
}

#[test]
fn a_consent_that_an_event_or_its_batch_states_twice_denies_whichever_comes_last() {
    let grants = r#"{"consent":{"marketing":true}}"#;
    let refuses = r#"{"consent":{"marketing":false}}"#;
    let item = |context: &str| format!(r#"{{"event":"Order Completed"{context}}}"#);
    let member = |context: &str| format!(r#","context":{context}"#);
    for (body, sent) in [
        (format!(r#"{{"batch":[{}],"context":{grants}}}"#, item("")), 2),
        (format!(r#"{{"context":{refuses},"batch":[{}],"context":{grants}}}"#, item("")), 0),
        (format!(r#"{{"context":{refuses},"batch":[{}]}}"#, item(&member(grants))), 2),
        (format!(r#"{{"context":{refuses},"batch":[{}]}}"#, item(&member(r#"{"consent":null}"#))), 0),
        (format!("[{}]", item(&(member(refuses) + &member(grants)))), 0),
    ] {
        let mut host = host();
        let mut relay = relay(&configuration(json!({}), &["marketing"]), &mut host);
        relay.hand_over(request(&relay, "/v1/batch", &[], &body), &host);
        work(&mut relay, &mut host);
        assert_eq!(host.sent().count(), sent, "{body}");
    }
}

/// A step in the life of a relay.
#[derive(Clone, Debug)]
enum Step {
    Request {
        path: &'static str,
        body: String,
        local: bool,
    },
    Wait(Duration),
    /// Answers the callout sent so many before the last one with this status; 0: the connection was reset.
    Settle {
        before_last: usize,
        status: u16,
    },
    Refuse(Option<Refusal>),
}

fn step() -> impl Strategy<Value = Step> {
    let event = (
        0..6_u8,
        0..8_u8,
        any::<bool>(),
        select(vec!["Order Completed", "page", "Unknown", "Lead Generated"]),
    );
    let event = event.prop_map(|(kind, id, granted, name)| match kind {
        0 => json!(7),
        1 => json!({"type": "page", "context": {"consent": {"marketing": granted}}}),
        2 => json!({"event": name, "timestamp": "2020-01-01T00:00:00Z"}),
        _ => json!({"event": name, "messageId": format!("m-{id}"), "context": {"consent": {"marketing": granted}}}),
    });
    let request = (prop::collection::vec(event, 0..8), any::<bool>()).prop_map(|(events, local)| {
        Step::Request { path: "/v1/batch", body: Value::Array(events).to_string(), local }
    });
    prop_oneof![
        4 => request,
        1 => "[a-z{}\\[\\]\",:]{0,12}".prop_map(|body| Step::Request { path: "/v1/t", body, local: false }),
        3 => (0..20_000_u64).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        4 => (0..40_usize, select(vec![0_u16, 200, 200, 302, 400, 429, 503]))
            .prop_map(|(before_last, status)| Step::Settle { before_last, status }),
        1 => select(vec![None, Some(Refusal::NoHost), Some(Refusal::UnknownCluster)]).prop_map(Step::Refuse),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_each_match_is_delivered_dropped_a_dry_run_or_pending(steps in prop::collection::vec(step(), 1..60)) {
        let mut host = host();
        let mut relay = relay(&configuration(json!({}), &["marketing"]), &mut host);
        for step in steps {
            match step {
                Step::Request { path, body, local } => {
                    let request = request(&relay, path, &[], &body);
                    if local {
                        relay.answer(request, 1, &mut host);
                    } else {
                        relay.hand_over(request, &host);
                    }
                }
                Step::Wait(time) => host.now += time,
                Step::Settle { before_last, status } => {
                    let sent: Vec<_> = host.sent().map(|(token, _)| token).collect();
                    let place = sent.len().checked_sub(before_last + 1);
                    if let Some(token) = place.map(|place| sent[place]) {
                        let answer = match status {
                            0 => Answer::Timeout,
                            code => Answer::Status { code, retry_after: None, location_host: None },
                        };
                        relay.settle(token, answer, &mut host);
                    }
                }
                Step::Refuse(refusal) => host.refusal = refusal,
            }
            work(&mut relay, &mut host);
            prop_assert_eq!(host.check_counts(&relay), Ok(()));
        }
    }
}
