//! Calls to Envoy: counters, log lines, and how often the log level is read.

use super::*;

#[test]
fn counts_are_flushed_together_with_the_next_tick_or_within_the_interval() {
    let mut world = World::new();
    world.hand_over(1);
    world.wait(5 * MS);
    let told = |world: &World, outcome: &str| world.envoy.told(&["deliveries_total", outcome]);
    assert_eq!((told(&world, "matched"), told(&world, "delivered")), (2, 0));
    world.settle_all(Answer::status(200));
    assert_eq!((told(&world, "delivered"), world.told_pending()), (0, 2), "not told yet");
    world.wait(99 * MS);
    assert_eq!(told(&world, "delivered"), 0);
    world.wait(MS);
    assert_eq!((told(&world, "delivered"), world.told_pending()), (2, 0));
    assert_eq!(world.envoy.told(&["callouts_total", "status.2xx"]), 2);
}

#[test]
fn counts_of_other_root_contexts_wait_no_longer() {
    let mut world = World::new();
    world.ignore(1);
    world.stall(50 * MS);
    world.configure(2, &["FT", "Pod"]);
    world.wait(49 * MS);
    assert_eq!(world.envoy.told(&["requests_ignored_total.reason.too_large"]), 0);
    world.wait(MS);
    assert_eq!(world.envoy.told(&["requests_ignored_total.reason.too_large"]), 1);
}

#[test]
fn what_is_held_is_counted_once_a_second_for_as_long_as_the_vm_holds_it() {
    let mut world = World::new();
    let seconds = |world: &World, name: &str| world.envoy.told(&["pending_seconds_total", name]);
    world.hand_over(1);
    world.wait(SECOND);
    assert_eq!(seconds(&world, ""), 0, "held for less than a second, since it was read");
    world.hand_over(1);
    world.wait(2 * SECOND);
    assert_eq!((seconds(&world, "integration.FT."), seconds(&world, "integration.Pod.")), (4, 4));

    world.settle_all(Answer::status(200));
    world.wait(60 * SECOND);
    assert_eq!(seconds(&world, ""), 8, "nothing is held any more");
    world.hand_over(1);
    world.wait(SECOND + 5 * MS);
    assert_eq!(seconds(&world, ""), 10, "a second after it was read, whatever was before");
}

#[test]
fn deliveries_that_end_within_a_second_leave_no_trace_in_the_seconds() {
    let mut world = World::new();
    for _ in 0..5 {
        world.hand_over(1);
        world.wait(400 * MS);
        world.settle_all(Answer::status(200));
    }
    assert_eq!(world.envoy.told(&["pending_seconds_total"]), 0);
}

#[test]
fn the_metrics_of_an_integration_that_was_removed_stay_for_its_last_deliveries() {
    let mut world = World::new();
    world.hand_over(1);
    world.wait(5 * MS);
    let defined = world.envoy.definitions.get();
    world.configure(2, &["Pod"]);
    assert_eq!(world.envoy.definitions.get(), defined, "Pod is known");
    world.settle_all(Answer::status(200));
    world.wait(SECOND);
    assert_eq!(world.envoy.told(&["outcome.delivered", "integration.FT."]), 1);
    world.configure(3, &["FT", "Pod", "New"]);
    let metrics = world.envoy.metrics.borrow().len();
    assert_eq!(world.envoy.definitions.get(), metrics, "each metric is defined once");
}

#[test]
fn a_kind_of_log_line_is_written_at_most_once_a_second() {
    let mut world = World::new();
    for _ in 0..25 {
        world.hand_over(1);
        world.wait(100 * MS);
        world.settle_all(Answer::status(404));
    }
    let lines = world.envoy.lines.borrow();
    let rejected = lines.iter().filter(|line| line.ends_with("the vendor answered 404: a delivery is lost"));
    assert_eq!(rejected.count(), 3, "of 50 in two and a half seconds");
    let private =
        lines.iter().filter(|line| line.starts_with("WARN a visitor's IP address is a private one"));
    assert_eq!(private.count(), 1, "said once");
}

#[test]
fn the_log_level_is_asked_for_at_most_once_a_second() {
    let mut world = World::new();
    for _ in 0..25 {
        world.ignore(1);
        world.wait(100 * MS);
    }
    assert_eq!(world.envoy.log_level_reads.get(), 3, "in 25 ticks within two and a half seconds");
}
