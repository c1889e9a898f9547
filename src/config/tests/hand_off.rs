//! Hand-off in a configuration: what can't work, or would send an event round, is refused.

use super::*;

fn config() -> Value {
    json!({
        "secrets": ["a secret of thirty-two bytes, yes"],
        "endpoints": {"hand_off": {"integration": "Queue"}},
        "integrations": [
            {"name": "Podsights", "vendor": "podsights", "config": {"key": "${PODSIGHTS_KEY}"}},
            {"name": "Queue", "vendor": "webhook", "preset": "cloudevents", "config": {
                "cluster": "queue", "authority": "queue.internal", "path": "/events", "purpose": "own"}},
        ],
    })
}

fn refusal_of(change: impl FnOnce(&mut Value)) -> String {
    let mut config = config();
    change(&mut config);
    match load(&config) {
        Ok(_) => panic!("it was accepted: {config}"),
        Err(invalid) => invalid.to_string(),
    }
}

#[test]
fn clients_wait_for_the_queue_where_the_filter_answers_them() {
    let hand_off = |change: fn(&mut Value)| {
        let mut config = config();
        change(&mut config);
        load(&config).unwrap().hand_off.unwrap()
    };
    assert!(hand_off(|_| {}).limits.is_none(), "the collector answers");
    let local = hand_off(|config| config["endpoints"]["reply"] = json!("local"));
    let limits = local.limits.unwrap();
    assert_eq!((local.lane, limits.within, limits.max_open), (1, Duration::from_secs(3), 256));
    let queued = hand_off(|config| {
        config["endpoints"]["reply"] = json!("local");
        config["endpoints"]["hand_off"]["answer_when"] = json!("queued");
    });
    assert!(queued.limits.is_none());
}

#[test]
fn an_integration_that_cannot_hand_off_whatever_the_others_want_is_refused() {
    let none = json!({"version": 2, "events": {"page": {"enabled": false}}});
    let table = [
        (
            "/endpoints/hand_off/integration",
            json!("Nobody"),
            "endpoints.hand_off.integration: expected the name of an enabled",
        ),
        (
            "/endpoints/hand_off/integration",
            json!("Podsights"),
            "integrations[0].preset: expected a webhook with preset: cloudevents",
        ),
        (
            "/integrations/1/enabled",
            json!(false),
            "endpoints.hand_off.integration: expected the name of an enabled",
        ),
        (
            "/integrations/1/config/purpose",
            json!("advertising"),
            "integrations[1].config.purpose: expected own",
        ),
        (
            "/integrations/1/consent_categories",
            json!(["marketing"]),
            "integrations[1].consent_categories: expected none",
        ),
        ("/integrations/1/source_id", json!("shop"), "integrations[1].source_id: expected none"),
        ("/integrations/1/field_mappings", none, "integrations[1].field_mappings: expected none"),
        ("/secrets", json!([]), "secrets: expected at least one secret of 32 bytes"),
    ];
    for (pointer, value, expected) in table {
        let told = refusal_of(|config| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            match config.pointer_mut(parent) {
                Some(parent) => parent[key] = value,
                None => config[key] = value,
            }
        });
        assert!(told.starts_with(expected), "{pointer}: {told}");
    }
    let short = refusal_of(|config| config["secrets"] = json!(["short"]));
    assert_eq!(short, "secrets: expected at least 32 bytes in secret 0");
}

#[test]
fn a_second_way_to_the_same_queue_is_refused() {
    let second = |cluster: &str| {
        json!({"name": "Second", "vendor": "webhook", "preset": "cloudevents",
               "config": {"cluster": cluster, "authority": "x", "path": "/other"}})
    };
    let told = refusal_of(|config| config["integrations"].as_array_mut().unwrap().push(second("queue")));
    assert!(
        told.starts_with("endpoints.hand_off: \"Second\" sends events to the same cluster, \"queue\""),
        "{told}"
    );
    let mut other = config();
    other["integrations"].as_array_mut().unwrap().push(second("warehouse"));
    assert!(load(&other).is_ok());
}
