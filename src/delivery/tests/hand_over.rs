//! The effect of a new configuration on pending deliveries.

use super::*;

#[test]
fn lanes_go_on_under_a_new_configuration_whatever_their_place_in_it() {
    let mut world = World::new(limits(), &["a", "b"]);
    world.offer_to(0, "in flight", Rank::Conversion);
    world.step();
    world.offer_to(0, "queued", Rank::Conversion);
    world.configure(limits(), &["new", "b", "a"]);
    assert_eq!((world.engine.pending(LaneId(0)), world.engine.pending(LaneId(2))), (0, 2));
    world.step();
    assert_eq!(world.host.sent, [(LaneId(0), "in flight"), (LaneId(2), "queued")]);
    world.answer(0, Answer::status(200));
    world.answer(1, Answer::status(200));
    assert_eq!(world.books.outcomes, [("a".into(), DELIVERED), ("a".into(), DELIVERED)]);
}

#[test]
fn what_a_removed_lane_has_queued_is_dropped_and_what_is_in_flight_is_settled() {
    let mut world = World::new(limits(), &["a", "b"]);
    (0..3).for_each(|_| assert!(world.offer("in flight")));
    world.step();
    world.offer("queued");
    world.configure(limits(), &["b"]);
    assert_eq!(world.outcomes(), [dropped(DropReason::Removed)]);
    world.answer(0, Answer::status(200));
    world.answer(1, Answer::status(503));
    world.answer(2, Answer::status(404));
    let removed = dropped(DropReason::Removed);
    assert_eq!(world.outcomes(), [removed, DELIVERED, removed, removed]);
    assert!(world.books.outcomes.iter().all(|(name, _)| name == "a"));
    assert_eq!((world.engine.lanes().count(), world.engine.next_due()), (1, None));
}

#[test]
fn a_retired_lane_whose_answer_never_comes_is_gone_after_its_deadline() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.step();
    world.configure(limits(), &[]);
    assert_eq!(world.wait(), 6 * SECOND);
    assert_eq!(world.outcomes(), [dropped(DropReason::Removed)]);
    assert_eq!((world.engine.lanes().count(), world.engine.next_due()), (0, None));
}

#[test]
fn a_lane_that_comes_back_in_time_has_lost_nothing_of_what_is_in_flight() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.step();
    world.configure(limits(), &["b"]);
    world.configure(limits(), &["b", "a"]);
    world.answer(0, Answer::status(503));
    world.wait_for_callout();
    assert_eq!(world.host.sent, [(LaneId(0), "purchase"), (LaneId(1), "purchase")]);
    world.answer_last(Answer::status(200));
    assert_eq!(world.outcomes(), [DELIVERED]);
}

#[test]
fn the_same_name_at_another_vendor_is_another_lane() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    let other = LaneConfig { vendor: "flashtalking", ..lane("a") };
    world.engine.configure(limits(), vec![other], world.now, &mut world.books);
    assert_eq!((world.outcomes(), world.engine.is_idle()), (vec![dropped(DropReason::Removed)], true));
}

#[test]
fn a_lane_that_is_renamed_and_keeps_its_id_keeps_what_it_holds_and_books_it_under_the_old_name() {
    let with_id = |name| LaneConfig { id: Some("int_1".into()), ..lane(name) };
    let mut world = World::new(limits(), &[]);
    world.engine.configure(limits(), vec![with_id("a")], world.now, &mut world.books);
    world.offer("purchase");
    world.engine.configure(limits(), vec![with_id("b")], world.now, &mut world.books);
    world.step();
    world.answer_last(Answer::status(200));
    assert_eq!(world.books.outcomes, [("a".to_owned(), DELIVERED)]);
    world.offer("lead");
    world.step();
    world.answer_last(Answer::status(200));
    assert_eq!(world.books.outcomes.last(), Some(&("b".to_owned(), DELIVERED)));

    let other = LaneConfig { id: Some("int_2".into()), ..lane("b") };
    world.offer("signup");
    world.engine.configure(limits(), vec![other], world.now, &mut world.books);
    assert_eq!(world.books.outcomes.last(), Some(&("b".to_owned(), dropped(DropReason::Removed))));
}

#[test]
fn new_limits_hold_for_what_is_already_queued() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.configure(Limits { max_age: 3 * SECOND, ..limits() }, &["a"]);
    world.now += 3 * SECOND;
    world.step();
    assert_eq!((world.sent(), world.outcomes()), (vec![], vec![dropped(DropReason::Expired)]));
}

#[test]
fn a_shorter_longest_backoff_shortens_a_pause_that_is_on() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.step();
    let retry_after = Some(50 * SECOND);
    world.answer_last(Answer::Status { code: 503, retry_after, location_host: None });
    let backoff = Backoff::try_new(SECOND, 2 * SECOND).unwrap();
    world.configure(Limits { backoff, ..limits() }, &["a"]);
    assert_eq!(world.wait(), 2 * SECOND);
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn a_failing_vendor_is_still_failing_after_a_new_configuration() {
    let mut world = World::new(limits(), &["a"]);
    world.fail();
    world.configure(limits(), &["a"]);
    world.wait_for_callout();
    assert_eq!(world.engine.in_flight(), 1);
}
