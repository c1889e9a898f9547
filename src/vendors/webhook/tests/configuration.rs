//! What is refused of a webhook's configuration, and that no secret in it is shown.

use serde_json::{Value, json};

use crate::config::Compiled;
use crate::vendors::webhook::Webhook;
use crate::vendors::{Attempt, Parcel, Vendor};

fn refusal(integration: &str) -> String {
    let config: Value = serde_saphyr::from_str(&format!("integrations:\n- {integration}\n")).unwrap();
    let environment = |name: &str| match name {
        "TOKEN" => Some("t0p-s3cret".to_owned()),
        "TWO_LINES" => Some("s3cret\nline".to_owned()),
        _ => None,
    };
    Compiled::load(config.to_string().as_bytes(), &environment)
        .err()
        .map_or("OK".to_owned(), |error| error.to_string())
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_place_and_the_fix() {
    let with = |config: &str| {
        refusal(&format!(
            "{{name: Q, vendor: webhook, preset: cloudevents, config: {{cluster: q, authority: a.b, {config}}}}}"
        ))
    };
    let cases = [
        ("path: events", "config.path: expected a path that begins with /, like /events"),
        ("path: '/a b'", "config.path: expected a path without blanks"),
        ("path: '/a#b'", "config.path: expected a path without blanks"),
        ("path: /a, method: GET", "config.method: "),
        ("path: /a, purpose: other", "config.purpose: "),
        ("path: /a, headers: {':path': /x}", "can't be set here"),
        ("path: /a, headers: {Host: x}", "config.headers.Host: \"Host\" can't be set here"),
        ("path: /a, headers: {Content-Length: x}", "can't be set here"),
        ("path: /a, headers: {transfer-encoding: x}", "can't be set here"),
        ("path: /a, headers: {Connection: x}", "can't be set here"),
        ("path: /a, headers: {X-Envoy-Retry-On: x}", "can't be set here"),
        ("path: /a, headers: {'a b': x}", "expected the name of a header like authorization"),
        ("path: /a, headers: {'': x}", "expected the name of a header like authorization"),
        ("path: /a, headers: {a: x, A: z}", "is there twice"),
        ("path: /a, headers: {a: ''}", "expected a value, got an empty string"),
        ("path: /a, headers: {a: \"x\\r\\ny\"}", "config.headers.a: expected a value without line breaks"),
        ("path: /a, headers: {a: \"x\\u007f\"}", "expected a value without line breaks"),
        ("path: /a, headers: {content-type: \"x\\n y\"}", "expected a value without line breaks"),
        ("path: /a, headers: {a: '${TWO_LINES}'}", "expected a value without line breaks"),
        ("path: /a, headers: {a: 7}", "config.headers.a: "),
        ("path: /a, headers: [a]", "config.headers: "),
        ("path: /a, colour: red", "config.colour: "),
        ("method: PUT", "config: path is missing"),
    ];
    for (config, expected) in cases {
        let problem = with(config);
        assert!(problem.contains(expected) && !problem.contains("s3cret"), "{config}: {problem}");
    }
    for config in [
        "path: /, method: PUT, purpose: own",
        "path: '/a?b=${TOKEN}', headers: {Authorization: 'Bearer ${TOKEN}', a: 'b c'}",
    ] {
        assert_eq!(with(config), "OK", "{config}");
    }
    for authority in ["''", "'a b'", "user@host", "a/b", "\"a\\n\""] {
        let problem = refusal(&format!(
            "{{name: Q, vendor: webhook, config: {{cluster: q, authority: {authority}, path: /}}}}"
        ));
        assert!(problem.contains("config.authority: expected a host like queue.internal"), "{problem}");
    }
}

#[test]
fn mappings_that_cannot_work_are_refused_too() {
    let with = |rest: &str| {
        refusal(&format!(
            "{{name: Q, vendor: webhook, config: {{cluster: q, authority: a, path: /}}, {rest}}}"
        ))
    };
    let cases = [
        ("preset: cloudevent", "preset: unknown preset \"cloudevent\": expected one of json, cloudevents"),
        ("enabled: true", "field_mappings: expected the events to send"),
        (
            "field_mappings: {version: 2, global: {mappings: [{value: 1, target: a}]}}",
            "field_mappings: expected the events",
        ),
        (
            "preset: cloudevents, field_mappings: {version: 2, global: {mappings: [{value: 1, target: a}]}}",
            "field_mappings.global.mappings: this preset sends each event as it came",
        ),
        (
            "preset: cloudevents, field_mappings: {version: 2, events: {Page View: {mappings: [{value: 1, target: a}]}}}",
            "field_mappings.events[\"Page View\"].mappings: this preset",
        ),
        (
            "field_mappings: {version: 2, events: {e: {vendor_event_name: x}}}",
            "vendor_event_name: this vendor has no event names",
        ),
        (
            "field_mappings: {version: 2, events: {e: {mappings: [{value: 1, target: 'a[1]'}]}}}",
            "expected a dotted path of the body",
        ),
        (
            "field_mappings: {version: 2, events: {e: {mappings: [{value: 1, target: 'a[0][0]'}]}}}",
            "expected a dotted path of the body",
        ),
        (
            "field_mappings: {version: 2, events: {e: {mappings: [{value: 1, target: a..b}]}}}",
            "expected a dotted path of the body",
        ),
        (
            "field_mappings: {version: 2, events: {e: {mappings: [{value: 1, target: a}, {value: 2, target: 'a[0]'}]}}}",
            "both a list and something else",
        ),
        (
            "field_mappings: {version: 2, events: {e: {mappings: [{value: 1, target: 'a[0].b'}, {value: 2, target: a.c}]}}}",
            "both a list and something else",
        ),
        (
            "field_mappings: {version: 2, events: {e: {mappings: [{value: 1, target: 'a[0].b'}, {value: 2, target: 'a[0]'}]}}}",
            "both a value and an object",
        ),
        (
            "field_mappings: {version: 2, events: {e: {mappings: [{source: request.header.authorization, target: a}]}}}",
            "source",
        ),
    ];
    for (rest, expected) in cases {
        let problem = with(rest);
        assert!(problem.contains(expected), "{rest}: {problem}");
    }
    assert_eq!(
        with(
            "preset: cloudevents, field_mappings: {version: 2, defaults: {action: drop}, events: {Order Completed: {}}}"
        ),
        "OK"
    );
    assert_eq!(with("preset: cloudevents, events: [Order Completed]"), "OK");
}

#[test]
fn two_webhooks_may_send_the_same_events_to_the_same_place() {
    let one = |name: &str| {
        format!(
            "{{name: {name}, vendor: webhook, preset: cloudevents, config: {{cluster: q, authority: a, path: /}}}}"
        )
    };
    assert_eq!(refusal(&format!("{}\n- {}", one("A"), one("B"))), "OK");
}

#[test]
fn no_secret_is_shown_wherever_it_stands() {
    let config = json!({"integrations": [{"name": "Q", "vendor": "webhook", "preset": "cloudevents", "config": {
        "cluster": "q", "authority": "a", "path": "/in/${TOKEN}/x?access_token=plain-1&query=INSERT&auth=${TOKEN}",
        "headers": {"authorization": "Bearer ${TOKEN}", "x-api-key": "plain-2", "content-type": "text/plain", "accept": "*/*"}}}]});
    let environment = |name: &str| (name == "TOKEN").then(|| "t0p-s3cret".to_owned());
    let config = Compiled::load(config.to_string().as_bytes(), &environment).unwrap();
    assert_eq!(config.plain_secrets, ["integrations[0].config.headers[\"x-api-key\"]"]);
    let destination = &config.integrations[0].destination;
    let parcel = Parcel {
        content: "{\"id\":\"m\"}".into(),
        content_type: "application/json".into(),
        ..Parcel::default()
    };
    let shown = destination.callout(&parcel, &Attempt::shown(1));
    assert_eq!(shown.path, "/in/***/x?access_token=***&query=INSERT&auth=***");
    assert!(shown.headers.iter().all(|(_, value)| *value == "***"), "{:?}", shown.headers);
    assert_eq!(
        shown.log_line(&|member| Webhook.is_personal(member)),
        format!("POST {} {{\"id\":\"***\"}}", shown.path)
    );
    let sent = destination.callout(&parcel, &Attempt::sent(1));
    assert_eq!(sent.path, "/in/t0p-s3cret/x?access_token=plain-1&query=INSERT&auth=t0p-s3cret");
    let headers = [
        ("authorization", "Bearer t0p-s3cret"),
        ("x-api-key", "plain-2"),
        ("content-type", "text/plain"),
        ("accept", "*/*"),
    ];
    assert!(
        headers.iter().all(|header| sent.headers.contains(header)) && sent.headers.len() == 4,
        "{:?}",
        sent.headers
    );
}

#[test]
fn a_literal_token_in_a_query_is_masked_and_warned_of() {
    let config = json!({"integrations": [{"name": "Q", "vendor": "webhook", "preset": "cloudevents", "config": {
        "cluster": "q", "authority": "a", "path": "/in?api_key=plain-1"}}]});
    let config = Compiled::load(config.to_string().as_bytes(), &|_| None).unwrap();
    assert_eq!(config.plain_secrets, ["integrations[0].config.path"]);
    let parcel = Parcel::default();
    assert_eq!(
        config.integrations[0].destination.callout(&parcel, &Attempt::shown(1)).path,
        "/in?api_key=***"
    );
}
