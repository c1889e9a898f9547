//! What goes along with an event through the queue, and who believes it.

use super::*;

#[test]
fn opt_outs_that_only_the_clients_request_showed_hold_when_the_queue_passes_the_event_on() {
    // The warehouse may have what no advertiser may.
    let warehouse = json!({"name": "Own", "vendor": "webhook", "field_mappings": {"version": 2, "defaults": {"action": "send"}},
        "config": {"cluster": "w", "authority": "w", "path": "/w", "purpose": "own"}});
    let mut configuration = configuration_of(&json!({}));
    configuration["integrations"].as_array_mut().unwrap().push(warehouse);
    let consent = r#"{"event":"Order Completed","messageId":"m","context":{"consent":{"marketing":true}}}"#;
    for refusal in [
        ("sec-gpc", "1"),
        ("cookie", "usprivacy=1YYN"),
        ("cookie", "OptanonConsent=groups%3DC0004%3A0"),
        ("cookie", "OptanonConsent=\u{fffd}"),
    ] {
        let mut gateway = Gateway::with(&configuration);
        gateway.send("/v1/t", &[refusal, ("x-write-key", "k_shop")], consent);
        let cloud_event = gateway.handed_off().remove(0);
        gateway.told_client();
        gateway.pass_on(&cloud_event);
        let dropped: Vec<_> = gateway.dropped().into_iter().map(|(integration, _)| integration).collect();
        assert_eq!(dropped, ["FT", "Pod"], "{refusal:?}");
        assert_eq!(gateway.settle(200).len(), 1, "{refusal:?}");
    }
}

#[test]
fn an_email_that_was_remembered_or_identified_in_the_same_request_goes_along() {
    let email = json!({"identity": {"remember_email": {"secrets": [SECRET]}, "issue_anonymous_id": {}}});
    let mut gateway = Gateway::with(&email);
    let consent = json!({"consent": {"marketing": true}});
    let batch = json!({"batch": [
        {"type": "identify", "traits": {"email": "jane@example.com"}, "context": consent},
        {"type": "track", "event": "Order Completed", "properties": {"order_id": "1"}, "context": consent},
    ]});
    gateway.send("/v1/batch", &[("x-write-key", "k_shop")], &batch.to_string());
    let cloud_event = gateway.handed_off().remove(0);
    let Some(Answered::Reply { reply: Reply::Success, cookies }) = gateway.told() else { panic!() };
    assert_eq!(cookies.len(), 2, "they are set with the answer: {cookies:?}");
    gateway.pass_on(&cloud_event);
    let sent = gateway.settle(200);
    let podsights: Value = serde_json::from_str(to("/v1/server", &sent).body.as_deref().unwrap()).unwrap();
    assert_eq!(podsights["em"], "8c87b489ce35cf2e2f39f80e282cb2e804932a56a213983eeeb428407d43b52d");
    assert!(
        cookies.iter().any(|cookie| cookie.contains(podsights["id"].as_str().unwrap())),
        "{podsights} {cookies:?}"
    );
}

/// Changes the CloudEvent's `relay`, and what the event says for itself.
fn forged(cloud_event: &str, forge: impl Fn(&mut Value)) -> String {
    let mut json: Value = serde_json::from_str(cloud_event).unwrap();
    forge(&mut json);
    json.to_string()
}

#[test]
fn what_is_sealed_is_believed_for_its_own_event_alone_and_one_that_does_not_open_is_nobodys() {
    let mut gateway = Gateway::open();
    gateway.purchase(1);
    gateway.purchase(2);
    let events = gateway.handed_off();
    let relay_of = |event: &str| serde_json::from_str::<Value>(event).unwrap()["relay"].clone();
    let (first, second) = (events[0].as_str(), events[1].as_str());
    let of_another = forged(first, |event| event["relay"] = relay_of(second));
    let of_a_changed_event = forged(first, |event| event["data"]["properties"]["revenue"] = json!(5000));
    let cut = forged(first, |event| event["relay"] = json!(relay_of(first).as_str().unwrap()[..50]));
    gateway.told_client();
    gateway.told_client();
    for forgery in [of_another, of_a_changed_event, cut] {
        gateway.pass_on(&forgery);
        assert_eq!(gateway.told_queue(), (400, vec!["malformed".into()]), "{forgery}");
    }
    // Under another secret it may be good: it stays with the queue until that is configured.
    let mut other = Gateway::with(&json!({"secrets": ["another secret of 32 bytes or more"]}));
    other.pass_on(first);
    assert_eq!(other.told_queue(), (503, vec!["unauthorized".into()]));
    assert_eq!(other.host.notes(), ["unknown_secret"]);
    let mut rotated = Gateway::with(&json!({"secrets": ["another secret of 32 bytes or more", SECRET]}));
    rotated.pass_on(first);
    assert_eq!((rotated.settle(200).len(), gateway.host.sent().count()), (2, 0));
}

#[test]
fn a_member_of_that_name_that_is_not_ours_counts_as_none() {
    let mut gateway = Gateway::open();
    let mut event = purchase(1);
    event["context"] = json!({"consent": {"marketing": true}, "ip": "203.0.113.7"});
    let of_others = json!({"specversion": "1.0", "type": "shop.order", "relay": "v1.abc", "data": event});
    gateway.pass_on(&of_others.to_string());
    let sent = gateway.settle(200);
    assert_eq!(sent.len(), 1, "FT listens to the shop's own events alone: {sent:?}");
    assert!(sent[0].body.as_deref().unwrap().contains("203.0.113.7"));
}

#[test]
fn the_binary_mode_carries_it_in_a_header() {
    let mut gateway = Gateway::open();
    gateway.purchase(1);
    let cloud_event = gateway.handed_off().remove(0);
    gateway.told_client();
    let sealed = serde_json::from_str::<Value>(&cloud_event).unwrap()["relay"].as_str().unwrap().to_owned();
    let (_, data) = cloud_event.split_once("\"data\":").unwrap();
    let data = data.strip_suffix('}').unwrap();
    gateway.pass_on_with(&[("ce-type", "conversion_relay.event"), ("ce-relay", &sealed)], data);
    assert_eq!(gateway.settle(200).len(), 2);
    assert_eq!(gateway.told_queue().0, 200);
    let otherwise = data.replace(":5}", ": 5}");
    assert_ne!(otherwise, data);
    gateway.pass_on_with(&[("ce-type", "conversion_relay.event"), ("ce-relay", &sealed)], &otherwise);
    assert_eq!(
        gateway.told_queue(),
        (400, vec!["malformed".into()]),
        "it is no longer the text that was sealed"
    );
}

#[test]
fn several_at_once_are_each_read_with_their_own_origin_and_counted_at_their_places() {
    let mut gateway = Gateway::open();
    gateway.purchase(1);
    gateway.send(
        "/v1/t",
        &[
            ("x-write-key", "k_shop"),
            ("user-agent", "Visitor/2"),
            ("cookie", "OptanonConsent=groups%3DC0004%3A1"),
        ],
        &purchase(2).to_string(),
    );
    let events = gateway.handed_off();
    gateway.told_client();
    gateway.told_client();
    let plain =
        json!({"event": "Order Completed", "messageId": "m-3", "context": {"consent": {"marketing": false}}});
    gateway.pass_on(&format!("[{},{plain},7,{}]", events[0], events[1]));
    let sent = gateway.settle(200);
    let all = format!("{sent:?}");
    assert!(sent.len() == 4 && all.contains("Visitor/1") && all.contains("Visitor/2"), "{all}");
    let outcomes = ["delivered", "delivered", "consent_denied", "malformed", "delivered", "delivered"];
    assert_eq!(gateway.told_queue(), (200, outcomes.map(String::from).to_vec()));
}

#[test]
fn an_event_whose_source_is_not_configured_here_stays_with_the_queue() {
    let mut gateway = Gateway::open();
    gateway.purchase(1);
    let cloud_event = gateway.handed_off().remove(0);
    let mut other = Gateway::with(&json!({
        "sources": [{"id": "queue", "keys": ["k_queue"], "deliver": true}, {"id": "other", "keys": ["k_other"]}],
        "integrations": [configuration_of(&json!({}))["integrations"][1], configuration_of(&json!({}))["integrations"][2]],
    }));
    other.pass_on(&cloud_event);
    assert_eq!(other.told_queue(), (503, vec!["unauthorized".into()]));
}
