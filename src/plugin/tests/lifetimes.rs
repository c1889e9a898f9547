//! The plugin outlives its roots: which one has the timer and sends, and when a root may end.

use super::*;

#[test]
fn after_a_reconfiguration_callbacks_of_the_old_root_arm_the_new_roots_timer_in_its_context() {
    let mut world = World::new();
    let stream = world.stream(1);
    world.configure(2, &["FT", "Pod"]);
    world.envoy.take_periods();
    world.hand_over_from(&stream);
    assert_eq!(world.envoy.take_periods(), [(2, 5)]);
    world.wait(5 * MS);
    assert_eq!(world.callouts(), [2, 2]);
}

#[test]
fn the_tick_of_an_old_root_sends_nothing_and_switches_itself_off() {
    let mut world = World::new();
    world.hand_over(1);
    world.stall(2 * MS);
    world.configure(2, &["FT", "Pod"]);
    assert_eq!(world.envoy.take_periods(), [(1, 5), (2, 3)]);
    // Both fire at once; the old one is called first.
    world.stall(3 * MS);
    world.on_root(1, Root::tick);
    assert_eq!((world.callouts(), world.envoy.take_periods()), (vec![], vec![(1, 0)]));
    world.on_root(2, Root::tick);
    assert_eq!(world.callouts(), [2, 2]);
}

#[test]
fn a_newest_root_that_is_released_hands_over_to_the_one_that_was_used_last() {
    let mut world = World::new();
    world.configure(2, &["FT"]);
    world.configure(3, &["Pod"]);
    world.stream(1);
    world.envoy.take_periods();
    world.hand_over(3);
    world.stream(1);
    world.release(3);
    assert_eq!(world.envoy.take_periods(), [(3, 5), (1, 5), (3, 0)]);
    assert_eq!(world.plugin().config().integrations.len(), 2, "root 1's configuration is in force again");
    world.wait(5 * MS);
    assert_eq!(world.callouts(), [1, 1]);
}

#[test]
fn the_last_root_stays_until_nothing_is_pending() {
    let mut world = World::new();
    world.hand_over(1);
    world.release(1);
    assert!(world.roots.contains_key(&1), "it has a request to read");
    world.wait(5 * MS);
    world.settle_all(Answer::status(503));
    assert!(world.roots.contains_key(&1), "it has a delivery to try again");
    world.wait_for_callouts(2);
    world.settle_all(Answer::status(200));
    assert!(world.roots.is_empty());
    assert_eq!(world.envoy.told(&["outcome.delivered"]), 2, "what was counted last is flushed");
}

#[test]
fn an_old_root_stays_for_the_answers_to_its_callouts_and_no_longer() {
    let mut world = World::new();
    world.hand_over(1);
    world.wait(5 * MS);
    let stream = world.stream(1);
    world.configure(2, &["FT", "Pod"]);
    world.hand_over_from(&stream);
    world.release(1);
    assert!(world.roots.contains_key(&1), "its two callouts are out");
    world.settle_all(Answer::status(200));
    assert!(!world.roots.contains_key(&1), "the request that came last is the new root's");
    world.wait(5 * MS);
    assert_eq!(world.callouts(), [2, 2]);
}

#[test]
fn plugins_of_different_names_share_nothing() {
    let envoy = FakeEnvoy::default();
    let mut registry = Registry::default();
    let mut configure = |name: &[u8], root| {
        let config = configuration(&["FT"]).to_string();
        let config = Compiled::load(config.as_bytes(), &|_| None).unwrap();
        registry.configure(name.to_vec(), root, config, || envoy.clone())
    };
    let (one, two, again) = (configure(b"one", 1), configure(b"two", 2), configure(b"one", 3));
    assert!(Rc::ptr_eq(&one, &again) && !Rc::ptr_eq(&one, &two));
    assert!(one.borrow().is_newest(3) && two.borrow().is_newest(2));
}

#[test]
fn a_stream_that_comes_to_an_older_root_goes_out_by_that_roots_configuration_and_from_that_root() {
    let mut world = World::new();
    world.configure(2, &["Other"]);
    world.hand_over(1);
    world.hand_over(2);
    world.wait(5 * MS);
    assert_eq!(world.callouts(), [1, 1, 2]);
    world.settle_all(Answer::status(200));
    world.wait(SECOND);
    assert_eq!(world.envoy.told(&["integration.FT", "delivered"]), 1);
    assert_eq!(world.envoy.told(&["integration.Pod", "delivered"]), 1);
    assert_eq!(world.envoy.told(&["integration.Other", "delivered"]), 1);
    assert_eq!(world.next_alarm(), None);
}

#[test]
fn an_older_root_stays_until_what_it_got_itself_is_settled() {
    let mut world = World::new();
    world.configure(2, &["Other"]);
    world.hand_over(1);
    world.release(1);
    world.wait(5 * MS);
    world.settle_all(Answer::status(503));
    assert!(world.roots.contains_key(&1), "it has deliveries to try again");
    world.wait_for_callouts(2);
    world.settle_all(Answer::status(200));
    assert!(!world.roots.contains_key(&1));
}

#[test]
fn what_a_root_got_itself_is_settled_though_envoy_throws_the_root_away() {
    let mut world = World::new();
    world.configure(2, &["Other"]);
    world.hand_over(1);
    world.wait(5 * MS);
    assert_eq!(world.callouts(), [1, 1]);
    world.throw_away(1);
    world.envoy.callouts.borrow_mut().clear();
    world.hand_over(2);
    world.wait(5 * MS);
    world.settle_all(Answer::status(200));
    // Their answers are given up after the timeout, and a second later the newest root looks after them.
    world.wait_for_callouts(2);
    assert_eq!(world.callouts(), [2, 2]);
    world.settle_all(Answer::status(200));
    world.wait(3 * SECOND);
    for integration in ["integration.FT", "integration.Pod", "integration.Other"] {
        assert_eq!(world.envoy.told(&[integration, "delivered"]), 1, "{integration}");
    }
    assert_eq!((world.told_pending(), world.next_alarm()), (0, None));
}

#[test]
fn a_root_that_is_in_force_again_still_sends_what_it_got_before() {
    let mut world = World::new();
    world.configure(2, &["Other"]);
    world.envoy.refusal.set(Some(crate::accounting::Refusal::NoHost));
    world.hand_over(1);
    world.hand_over(2);
    world.wait(10 * MS);
    world.release(2);
    world.hand_over(1);
    world.envoy.refusal.set(None);
    world.wait_for_callouts(4);
    assert_eq!(world.callouts(), [1; 4], "root 2's integration is gone");
}

#[test]
fn two_filters_of_one_name_are_told_from_a_change_of_configuration_and_the_log_names_them() {
    let mut world = World::new();
    world.configure(2, &["Other"]);
    for connection in 0..10 {
        world.envoy.connection.set(connection);
        world.stream(1 + u32::try_from(connection % 2).unwrap());
        world.wait(SECOND);
    }
    assert!(world.envoy.lines.borrow()[0].starts_with(r#"ERROR "plugin": another filter has the same name"#));
    assert_eq!(world.envoy.told(&["notes_total.kind.shared_name"]), 6);

    world.envoy.lines.borrow_mut().clear();
    world.configure(3, &["FT"]);
    world.release(1);
    world.release(2);
    for connection in 10..20 {
        world.envoy.connection.set(connection);
        world.stream(3);
        world.wait(SECOND);
    }
    assert_eq!(world.envoy.lines.borrow().len(), 0);
}

#[test]
fn a_redirect_that_no_stream_follows_is_handed_over_after_five_seconds_and_its_root_stays_until_then() {
    let mut world = World::new();
    world.redirect(1);
    world.release(1);
    assert!(world.roots.contains_key(&1));
    world.wait(5 * SECOND - MS);
    assert_eq!((world.callouts().len(), world.envoy.told(&["redirect_lost"])), (0, 0));
    world.wait(10 * MS);
    assert_eq!((world.callouts(), world.envoy.told(&["redirect_lost"])), (vec![1, 1], 1));
    world.settle_all(Answer::status(200));
    assert!(world.roots.is_empty());
}

#[test]
fn a_redirect_that_a_stream_follows_is_that_streams() {
    let mut world = World::new();
    let first = world.redirect(1);
    assert!(first.plugin.borrow().expects_redirects());
    let next = world.stream(1);
    let request = next.plugin.borrow_mut().follow_redirect(&redirect_key(&first)).flatten();
    assert!(request.is_some() && !next.plugin.borrow().expects_redirects());
    world.wait(60 * SECOND);
    assert_eq!((world.callouts().len(), world.envoy.told(&["redirect_lost"])), (0, 0));
    assert_eq!(world.next_alarm(), None);
}
