//! When the timer is armed, for what, and when it is stopped.

use super::*;
use crate::accounting::Refusal;

#[test]
fn the_timer_is_armed_for_the_earliest_thing_due() {
    let mut world = World::new();
    let _waits = world.expect_body(1, 1);
    world.ignore(1);
    world.hand_over(1);
    assert_eq!(world.envoy.take_periods(), [(1, 5_000), (1, 100), (1, 5)], "a body, counts, a request");
    world.wait(5 * MS);
    assert_eq!(world.callouts(), [1, 1]);
    assert_eq!(world.envoy.take_periods(), [(1, 1_000)], "the counts are flushed: the heartbeat is next");
}

#[test]
fn a_timer_that_is_armed_for_something_earlier_stays() {
    let mut world = World::new();
    world.hand_over(1);
    world.hand_over(1);
    world.ignore(1);
    let _waits = world.expect_body(1, 1);
    assert_eq!(world.envoy.take_periods(), [(1, 5)]);
}

#[test]
fn a_wait_is_rounded_up_so_that_the_timer_finds_something_to_do() {
    let mut world = World::new();
    world.hand_over(1);
    world.stall(Duration::from_micros(4_300));
    world.configure(2, &["FT", "Pod"]);
    assert_eq!(world.envoy.take_periods(), [(1, 5), (2, 1)], "0.7 ms are left");
    world.wait(MS);
    assert_eq!(world.callouts(), [2, 2]);
}

#[test]
fn an_idle_plugin_switches_its_timer_off() {
    let mut world = World::new();
    world.hand_over(1);
    world.wait(5 * MS);
    world.settle_all(Answer::status(200));
    world.wait(200 * MS);
    assert_eq!(world.envoy.take_periods(), [(1, 5), (1, 1_000), (1, 100), (1, 0)]);
    assert_eq!(world.next_alarm(), None);
}

#[test]
fn what_envoy_refuses_is_tried_again_by_the_timer() {
    let mut world = World::new();
    world.envoy.refusal.set(Some(Refusal::NoHost));
    world.hand_over(1);
    world.wait(5 * MS);
    assert_eq!((world.callouts().len(), world.pending()), (0, 2));
    world.envoy.refusal.set(None);
    world.wait_for_callouts(2);
    assert_eq!(world.callouts(), [1, 1]);
}

#[test]
fn a_body_that_does_not_come_is_answered_500_once_in_its_stream() {
    let mut world = World::new();
    let (stream, _waits) = world.expect_body(1, 1);
    world.wait(5 * SECOND - MS);
    assert_eq!(*world.envoy.replies.borrow(), []);
    world.wait(MS);
    assert_eq!(*world.envoy.replies.borrow(), [(stream, 500)]);
    world.wait(60 * SECOND);
    assert_eq!(world.envoy.replies.borrow().len(), 1);
    assert!(world.envoy.lines.borrow()[0].starts_with("ERROR a POST's body was held back for 5 s"));
}

#[test]
fn a_client_that_has_sent_nothing_of_its_body_is_waited_for_until_something_is_held_back() {
    let mut world = World::new();
    let (stream, _waits) = world.expect_body(1, 0);
    let (_, said_nothing) = world.expect_body(1, 0);
    world.envoy.request_bytes.borrow_mut().remove(&(stream + 1));
    world.wait(60 * SECOND);
    assert_eq!(world.envoy.replies.borrow().len(), 0);
    assert_eq!(world.envoy.lines.borrow().len(), 0);
    drop(said_nothing);
    world.envoy.request_bytes.borrow_mut().insert(stream, HEAD_BYTES + 1);
    world.wait(5 * SECOND);
    assert_eq!(*world.envoy.replies.borrow(), [(stream, 500)]);
}

#[test]
fn no_answer_is_made_up_for_a_body_that_came_or_a_stream_that_is_gone() {
    let mut world = World::new();
    let (_, seen) = world.expect_body(1, 1);
    let (_, dropped) = world.expect_body(1, 1);
    let (ended, _held) = world.expect_body(1, 1);
    seen.set();
    drop(dropped);
    world.envoy.gone.borrow_mut().insert(ended);
    world.wait(60 * SECOND);
    assert_eq!(*world.envoy.replies.borrow(), []);
    assert_eq!(world.next_alarm(), None);
}

#[test]
fn a_tick_looks_at_a_few_of_many_slow_streams_and_the_next_one_follows_at_once() {
    let mut world = World::new();
    let bodies: Vec<_> = (0..100).map(|_| world.expect_body(1, 1)).collect();
    let mut answered = Vec::new();
    world.wait(5 * SECOND);
    for _ in 0..4 {
        answered.push(world.envoy.replies.borrow().len());
        world.wait(MS);
    }
    assert_eq!(answered, [32, 64, 96, 100]);
    drop(bodies);
}
