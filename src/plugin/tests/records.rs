//! Records that nobody reads ask nothing of Envoy.

use super::*;

/// How often each call is made for one purchase to both vendors, from its request until its counts are told.
fn calls_of_a_purchase(records: &Value) -> BTreeMap<&'static str, usize> {
    let mut file = configuration(&["FT", "Pod"]);
    if !records.is_null() {
        file["records"] = records.clone();
    }
    let mut world = World::of(&file);
    let purchase = |world: &mut World| {
        world.hand_over(1);
        world.wait_for_callouts(2);
        world.settle_all(Answer::status(200));
        world.wait(SECOND);
    };
    // The first one warns of what is warned of once.
    purchase(&mut world);
    world.envoy.calls.take();
    purchase(&mut world);
    assert_eq!(world.told_pending(), 0);
    world.envoy.calls.take()
}

#[test]
fn records_that_are_off_ask_nothing_of_envoy() {
    let usual = [
        ("clock", 6),
        ("dispatch", 2),
        ("get", 2),
        ("increment_metric", 7),
        ("read_log_level", 1),
        ("record_metric", 2),
        ("set", 2),
        ("set_tick_period", 4),
        ("wall_clock", 2),
    ];
    let off = calls_of_a_purchase(&Value::Null);
    assert_eq!(off, usual.into(), "a purchase asks something else of Envoy: is it needed?");
    assert_eq!(
        calls_of_a_purchase(&json!({"log": true})),
        off,
        "the log level is info, so nobody reads them"
    );
    let on = calls_of_a_purchase(&json!({"cluster": "console"}));
    assert_eq!(
        (on["dispatch"], on["wall_clock"]),
        (off["dispatch"] + 1, off["wall_clock"] + 2),
        "this can tell"
    );
}

#[test]
fn answers_are_read_for_records_only_where_somebody_wants_them() {
    let wants = |records: Value| {
        let mut file = configuration(&["FT", "Pod"]);
        file["records"] = records;
        World::of(&file).plugin().wants_answers()
    };
    assert!(!World::new().plugin().wants_answers());
    assert!(!wants(json!({"log": true})), "at the level info");
    assert!(wants(json!({"cluster": "console"})));
}
