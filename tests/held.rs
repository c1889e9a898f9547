//! The acknowledged route at its limit: as many requests at once as it holds, and more.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::json;
use support::held::{Pushed, acknowledging};
use support::orders::{Books, DELIVERIES, FT, PS, settled};
use support::{Flashtalking, Gateway, Options, Podsights, wait_until};

const REQUESTS: u64 = 300;
const MAX_OPEN: u64 = 256;
/// How long the test waits for what must come, on however busy a machine.
const LIMIT: Duration = Duration::from_secs(30);

fn matched(gateway: &Gateway, integration: &str) -> u64 {
    gateway.counter(DELIVERIES, &[("integration", integration), ("outcome", "matched")])
}

#[test]
fn of_300_requests_at_once_256_are_held_until_the_vendors_answer_and_44_are_told_429() {
    // Nothing ends because of the time.
    let file = acknowledging(json!({"max_open": MAX_OPEN, "within": "5m"}), json!({"timeout": "5m"}));
    let gateway = Gateway::start(Options::new().configuration(file).filter_log_level("info"));
    let hold = |hold: bool| {
        for vendor in [Flashtalking, Podsights] {
            gateway.behave(vendor, json!({"hold": hold}));
        }
    };
    hold(true);
    let mut pushed = Pushed::all_at_once(&gateway, 0..REQUESTS);
    let refused = pushed.wait_for(44, LIMIT);
    let statuses: Vec<u16> = refused.iter().map(|(_, response)| response.status).collect();
    assert_eq!(statuses, [429; 44]);
    assert!(refused.iter().all(|(_, response)| response.header("retry-after").is_some()));
    assert!(wait_until(LIMIT, || [FT, PS].iter().all(|name| matched(&gateway, name) == MAX_OPEN)));
    assert_eq!((pushed.take_answered().len(), pushed.len()), (0, 256));

    hold(false);
    let answered = pushed.wait_for(256, LIMIT);
    assert_eq!((answered.len(), pushed.len()), (256, 0));
    for (id, response) in answered {
        assert_eq!(response.status, 200, "{id}: {}", response.text());
        let deliveries = response.json()["deliveries"].as_array().unwrap().clone();
        let outcomes: Vec<_> = deliveries.iter().map(|delivery| &delivery["outcome"]).collect();
        assert_eq!(outcomes, ["delivered", "delivered"], "{id}");
    }
    let expected = Books { matched: MAX_OPEN, delivered: MAX_OPEN, dropped: 0 };
    assert_eq!([FT, PS].map(|name| settled(&gateway, name, MAX_OPEN)), [expected; 2]);
    let told = [("reason", "overloaded")];
    gateway.wait_for_counter("conversion_relay_requests_ignored_total", &told, REQUESTS - MAX_OPEN);

    let mut again = Pushed::all_at_once(&gateway, refused.iter().map(|(id, _)| *id));
    let answered = again.wait_for(44, LIMIT);
    assert!(answered.len() == 44 && answered.iter().all(|(_, response)| response.status == 200));
    assert_eq!([FT, PS].map(|name| settled(&gateway, name, REQUESTS).delivered), [REQUESTS; 2]);
    assert_eq!(gateway.vm_restarts(), 0);
}
