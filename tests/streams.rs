//! Streams that end in odd ways: slow clients, clients that leave, and answers that the collector did not make.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Gateway, Options, Podsights, Request};

/// What the filter waits for a body before it looks whether Envoy holds it back, and some time more.
const PAST_BODY_TIMEOUT: Duration = Duration::from_millis(6_500);

fn configuration(endpoints: Value) -> Value {
    json!({
        "endpoints": endpoints,
        "integrations": [{"name": "Pod", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}}]
    })
}

/// A gateway whose filter answers by itself.
fn local() -> Options {
    Options::new().configuration(configuration(json!({"reply": "local"})))
}

/// A purchase without a messageId, which is therefore no `duplicate` if it comes again, and without an order id.
fn purchase() -> String {
    json!({"event": "Order Completed", "properties": {"revenue": 5}}).to_string()
}

#[test]
fn a_local_reply_waits_for_a_client_that_is_slow_to_send_its_body() {
    let gateway = Gateway::start(local());
    let request = Request::post("/v1/t", purchase());
    let mut slow = gateway.connect();
    slow.write(request.head());
    slow.set_read_timeout(PAST_BODY_TIMEOUT);
    let nothing = slow.try_read().map(|answer| answer.status);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock, "the client is not answered yet");

    slow.write(purchase());

    assert_eq!(slow.read().status, 200);
    gateway.wait_for(Podsights, 1);
    assert!(!gateway.envoy_log().contains("allow_on_headers_stop_iteration"));
}

#[test]
fn without_the_flag_a_slow_post_is_answered_500_once_something_of_its_body_has_come() {
    let gateway = Gateway::start(local().edit_filter(|filter| {
        let config = filter.pointer_mut("/resources/0/typed_config/config").unwrap();
        config["allow_on_headers_stop_iteration"] = json!(false);
    }));
    let mut slow = gateway.connect();
    slow.write(Request::post("/v1/t", purchase()).head());
    slow.set_read_timeout(PAST_BODY_TIMEOUT);
    let nothing = slow.try_read().map(|answer| answer.status);
    assert_eq!(nothing.unwrap_err().kind(), ErrorKind::WouldBlock, "nothing can be known yet");

    slow.write("{");

    assert_eq!(slow.read().status, 500);
    gateway.wait_for_log("allow_on_headers_stop_iteration");
}
