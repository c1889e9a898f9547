//! Bots: by whose User-Agent they are judged, what is counted, and which reason wins.

use super::*;

const BOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Sends one purchase and returns the reason for which it was dropped, or how else it ended, and the notes.
fn end(more: &Value, user_agent: Option<&str>, event: &Value) -> (&'static str, Vec<&'static str>) {
    let mut configuration =
        json!({"integrations": [{"name": "Pod", "vendor": "podsights", "config": {"key": "k"}}]});
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    let mut host = host();
    let mut relay = relay(&configuration, &mut host);
    let mut body = json!({"event": "Order Completed", "properties": {"order_id": "1"}});
    for (key, value) in event.as_object().unwrap() {
        body[key] = value.clone();
    }
    let headers: Vec<_> = user_agent.map(|text| ("user-agent", text.to_owned())).into_iter().collect();
    let request = request(&relay, "/v1/t", &headers, &body.to_string());
    relay.hand_over(request, &host);
    work(&mut relay, &mut host);
    assert_eq!(host.check_counts(&relay), Ok(()));
    let dropped = host.record().iter().find_map(|recorded| match recorded {
        crate::testing::Recorded::Delivery { outcome: Outcome::Dropped(reason), .. } => Some(reason.label()),
        _ => None,
    });
    let notes = host.notes().into_iter().filter(|note| *note == "bot").collect();
    (dropped.unwrap_or(if host.sent().count() == 1 { "sent" } else { "none" }), notes)
}

fn drop_bots() -> Value {
    json!({"bots": {"action": "drop"}})
}

#[test]
fn a_bot_is_delivered_noted_or_dropped_as_the_configuration_says_and_a_browser_always_delivered() {
    for (action, expected) in
        [("off", ("sent", vec![])), ("note", ("sent", vec!["bot"])), ("drop", ("bot", vec![]))]
    {
        let bots = json!({"bots": {"action": action}});
        assert_eq!(end(&bots, Some(BOT), &json!({})), expected, "{action}");
        assert_eq!(end(&bots, Some(BROWSER), &json!({})), ("sent", vec![]), "{action}");
    }
    assert_eq!(end(&json!({}), Some(BOT), &json!({})), ("sent", vec![]), "off is the default");
}

#[test]
fn an_event_is_noted_once_however_many_integrations_want_it() {
    let two = json!([
        {"name": "A", "vendor": "podsights", "config": {"key": "k"}},
        {"name": "B", "vendor": "podsights", "config": {"key": "k"}},
    ]);
    let (_, notes) = end(&json!({"bots": {"action": "note"}, "integrations": two}), Some(BOT), &json!({}));
    assert_eq!(notes, ["bot"]);
}

#[test]
fn a_missing_user_agent_has_an_action_of_its_own() {
    for (bots, expected) in [
        (json!({"action": "drop"}), ("sent", vec![])),
        (json!({"empty_user_agent": "note"}), ("sent", vec!["bot"])),
        (json!({"empty_user_agent": "drop"}), ("bot", vec![])),
    ] {
        for user_agent in [None, Some("")] {
            assert_eq!(
                end(&json!({"bots": bots}), user_agent, &json!({})),
                expected,
                "{bots} {user_agent:?}"
            );
        }
    }
    let empty = json!({"bots": {"empty_user_agent": "drop"}});
    assert_eq!(end(&empty, Some(BOT), &json!({})), ("sent", vec![]));
}

#[test]
fn the_user_agent_of_a_visitor_is_judged_and_not_that_of_the_server_that_sends_the_event() {
    let bots = |policy: &str| {
        let identity = json!({"client_from_context": policy});
        json!({"bots": {"action": "drop", "empty_user_agent": "drop"}, "identity": identity})
    };
    let server = Some("analytics-node/1.0");
    let library = json!({"name": "analytics-node"});
    let of = |user_agent: &str| json!({"context": {"library": library, "userAgent": user_agent}});
    assert_eq!(end(&bots("always"), server, &of(BROWSER)).0, "sent");
    assert_eq!(end(&bots("always"), server, &of(BOT)).0, "bot");
    assert_eq!(
        end(&bots("always"), server, &json!({"context": {"library": library}})).0,
        "sent",
        "it brings none"
    );
    assert_eq!(end(&bots("never"), server, &of(BOT)).0, "sent", "it is not believed");
    // Of a browser it is the header, unless its context is believed.
    let context = json!({"context": {"userAgent": BOT}});
    assert_eq!(end(&bots("never"), Some(BROWSER), &context).0, "sent");
    assert_eq!(end(&bots("always"), Some(BROWSER), &context).0, "bot");
}

#[test]
fn a_refusal_wins_over_a_bot_and_a_bot_over_a_repetition() {
    let marketing = json!([{"name": "Pod", "vendor": "podsights", "consent_categories": ["marketing"], "config": {"key": "k"}}]);
    let mut strict = drop_bots();
    strict["integrations"] = marketing;
    let refused = json!({"context": {"consent": {"marketing": false}}});
    assert_eq!(end(&strict, Some(BOT), &refused).0, "consent_denied");
    assert_eq!(end(&drop_bots(), Some(BOT), &json!({"integrations": {"All": false}})).0, "disabled_by_event");
    assert_eq!(end(&drop_bots(), Some(BOT), &json!({"timestamp": "2020-01-01T00:00:00Z"})).0, "stale");

    let mut host = host();
    let mut relay = relay(
        &json!({"bots": {"action": "drop"}, "integrations": [
        {"name": "Pod", "vendor": "podsights", "config": {"key": "k"}}]}),
        &mut host,
    );
    for user_agent in [BROWSER, BOT, BROWSER] {
        let body = json!({"event": "Order Completed", "messageId": "m", "properties": {"order_id": "1"}})
            .to_string();
        let request = request(&relay, "/v1/t", &[("user-agent", user_agent.to_owned())], &body);
        relay.hand_over(request, &host);
        work(&mut relay, &mut host);
    }
    let dropped = host.record().iter().filter_map(|recorded| match recorded {
        crate::testing::Recorded::Delivery { outcome: Outcome::Dropped(reason), .. } => Some(reason.label()),
        _ => None,
    });
    assert_eq!(dropped.collect::<Vec<_>>(), ["bot", "duplicate"]);
}

#[test]
fn what_a_bot_sent_is_not_remembered() {
    let mut host = host();
    let mut relay = relay(
        &json!({"bots": {"action": "drop"}, "integrations": [
        {"name": "Pod", "vendor": "podsights", "config": {"key": "k"}}]}),
        &mut host,
    );
    for user_agent in [BOT, BROWSER] {
        let body = json!({"event": "Order Completed", "messageId": "m", "properties": {"order_id": "1"}})
            .to_string();
        let request = request(&relay, "/v1/t", &[("user-agent", user_agent.to_owned())], &body);
        relay.hand_over(request, &host);
        work(&mut relay, &mut host);
    }
    assert_eq!(host.sent().count(), 1);
}
