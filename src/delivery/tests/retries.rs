//! The outcome of one delivery.

use super::*;

#[test]
fn a_delivery_is_sent_at_the_next_step_and_booked_once_the_vendor_has_it() {
    let mut world = World::new(limits(), &["a"]);
    assert!(world.offer("purchase"));
    assert_eq!(world.wait(), Duration::ZERO);
    assert_eq!((world.sent(), world.outcomes()), (vec!["purchase"], vec![]));
    world.answer_last(Answer::status(204));
    assert_eq!((world.outcomes(), world.books.callouts), (vec![DELIVERED], vec![CalloutStatus::Success]));
    assert_eq!((world.engine.is_idle(), world.engine.next_due()), (true, None));
}

#[test]
fn a_final_answer_is_never_tried_again() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.step();
    world.answer_last(Answer::status(404));
    assert_eq!(world.outcomes(), [dropped(DropReason::Rejected)]);
    assert_eq!(world.books.notices, ["Rejected { status: 404 }"]);
    assert_eq!(world.engine.next_due(), None);
}

#[test]
fn an_end_says_what_the_last_callout_came_to_even_one_that_was_not_sent() {
    let mut world = World::new(Limits { max_age: 5 * SECOND, ..limits() }, &["a"]);
    world.offer("purchase");
    world.step();
    world.answer_last(Answer::status(503));
    world.host.refusal = Some(Refusal::NoHost);
    while !world.engine.is_idle() {
        world.wait();
    }
    let expired =
        End { outcome: dropped(DropReason::Expired), attempts: 1, last_status: Some(CalloutStatus::Refused) };
    assert_eq!(world.books.ends, [("purchase", expired)]);
}

#[test]
fn a_rejecting_redirect_is_reported_with_the_host_it_points_to() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.step();
    let location_host = Some("new.example.com");
    world.answer_last(Answer::Status { code: 301, retry_after: None, location_host });
    assert_eq!(world.outcomes(), [dropped(DropReason::Rejected)]);
    assert_eq!(world.books.notices, [r#"Redirected { host: Some("new.example.com") }"#]);
}

#[test]
fn each_delay_is_within_the_doubled_ceiling_and_the_last_attempt_exhausts_the_delivery() {
    for seed in 0..200 {
        let mut world = World::new(limits(), &["a"]);
        world.rng = Rng::with_seed(seed);
        world.offer("purchase");
        world.step();
        world.answer_last(Answer::status(500));
        assert!(world.wait_for_callout() <= SECOND);
        world.answer_last(Answer::Timeout);
        assert!(world.wait_for_callout() <= 2 * SECOND);
        world.answer_last(Answer::Transport);
        assert_eq!(world.outcomes(), [dropped(DropReason::RetriesExhausted)]);
        assert_eq!(world.sent().len(), 3);
    }
}

#[test]
fn a_delivery_that_is_due_again_goes_before_younger_ones() {
    let mut world = World::new(Limits { max_in_flight: NonZeroUsize::MIN, ..limits() }, &["a"]);
    world.offer("first");
    world.step();
    world.answer_last(Answer::status(503));
    world.now += SECOND;
    world.offer("second");
    world.step();
    assert_eq!(world.sent(), ["first", "first"]);
}

#[test]
fn what_is_too_old_is_dropped_instead_of_sent_or_tried_again() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("in flight");
    world.step();
    world.now += 598 * SECOND;
    world.offer("young");
    world.now += 2 * SECOND;
    world.answer(0, Answer::status(503));
    assert_eq!(world.outcomes(), [dropped(DropReason::Expired)]);
    world.step();
    assert_eq!(world.sent(), ["in flight", "young"]);
}

#[test]
fn a_delivery_expires_while_it_waits_even_if_nothing_else_happens() {
    let mut world = World::new(limits(), &["a"]);
    let begin = world.now;
    world.offer("purchase");
    world.host.refusal = Some(Refusal::NoHost);
    while !world.engine.is_idle() {
        world.wait();
    }
    assert_eq!((world.now - begin, world.outcomes()), (600 * SECOND, vec![dropped(DropReason::Expired)]));
}

#[test]
fn a_delivery_that_arrives_too_late_is_still_delivered() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.now += 599 * SECOND;
    world.step();
    world.now += 4 * SECOND;
    world.answer_last(Answer::status(200));
    assert_eq!(world.outcomes(), [DELIVERED]);
}

#[test]
fn an_answer_that_never_comes_is_a_transport_failure_one_second_after_the_timeout() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.step();
    assert_eq!(world.wait(), 6 * SECOND);
    assert_eq!(world.books.callouts, [CalloutStatus::Transport]);
    assert!(!world.answer(0, Answer::status(200)), "the late answer belongs to nothing any more");
    world.wait_for_callout();
    world.answer_last(Answer::status(200));
    assert_eq!(world.outcomes(), [DELIVERED]);
}

#[test]
fn an_answer_to_somebody_elses_callout_changes_nothing() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.step();
    assert!(!world.answer(4711, Answer::status(200)));
    assert!(world.answer(0, Answer::status(200)));
    assert!(!world.answer(0, Answer::status(200)), "answered twice");
    assert_eq!(world.outcomes(), [DELIVERED]);
}

#[test]
fn a_token_that_the_host_gives_twice_costs_no_delivery() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("first");
    world.step();
    world.host.reuse = Some(Token(0));
    world.offer("second");
    world.step();
    assert_eq!(
        (world.books.callouts.as_slice(), world.engine.in_flight()),
        ([CalloutStatus::Transport].as_slice(), 1)
    );
    assert!(world.answer(0, Answer::status(200)));
    world.wait_for_callout();
    world.answer_last(Answer::status(200));
    assert_eq!(world.sent(), ["first", "second", "first"]);
    assert_eq!(world.outcomes(), [DELIVERED, DELIVERED]);
}

#[test]
fn a_clock_that_goes_back_neither_holds_up_nor_revives_a_delivery() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("first");
    world.now -= 50 * SECOND;
    world.offer("second");
    world.step();
    assert_eq!((world.sent(), world.engine.next_due()), (vec!["first", "second"], Some(106 * SECOND)));
}

#[test]
fn a_refusal_is_no_attempt_and_delays_the_next_one_by_the_backoff() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.host.refusal = Some(Refusal::NoHost);
    world.step();
    for ceiling in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert!(world.wait() <= ceiling * SECOND);
    }
    assert_eq!(world.books.callouts, [CalloutStatus::Refused; 9]);
    world.host.refusal = None;
    for _ in 0..3 {
        world.wait_for_callout();
        world.answer_last(Answer::status(200));
        world.offer("purchase");
    }
    assert_eq!(world.outcomes(), [DELIVERED; 3]);
}

#[test]
fn an_unknown_cluster_is_reported_once_and_costs_the_delivery_only_at_max_age() {
    let mut world = World::new(limits(), &["a"]);
    let begin = world.now;
    world.offer("purchase");
    world.host.refusal = Some(Refusal::UnknownCluster);
    while !world.engine.is_idle() {
        world.wait();
    }
    assert_eq!(
        (world.now - begin, world.outcomes()),
        (600 * SECOND, vec![dropped(DropReason::Misconfigured)])
    );
    assert_eq!(world.notices("UnknownCluster"), 1);
}

#[test]
fn a_cluster_that_was_known_in_between_is_reported_anew_and_no_reason_to_drop_anything() {
    let mut world = World::new(limits(), &["a"]);
    for reports in 1..=2 {
        world.offer("purchase");
        world.host.refusal = Some(Refusal::UnknownCluster);
        world.step();
        assert_eq!(world.notices("UnknownCluster"), reports);
        world.host.refusal = None;
        world.wait_for_callout();
        world.answer_last(Answer::status(200));
    }
    world.offer("too old");
    for refusal in [Refusal::UnknownCluster, Refusal::NoHost] {
        world.host.refusal = Some(refusal);
        world.wait();
    }
    world.now += 600 * SECOND;
    world.step();
    assert_eq!(world.outcomes(), [DELIVERED, DELIVERED, dropped(DropReason::Expired)]);
}

#[test]
fn a_new_configuration_tries_an_unknown_cluster_at_once_and_reports_it_anew() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.host.refusal = Some(Refusal::UnknownCluster);
    for _ in 0..8 {
        world.wait();
    }
    world.configure(limits(), &["a"]);
    assert_eq!(world.wait(), Duration::ZERO);
    assert_eq!(world.notices("UnknownCluster"), 2);
    world.host.refusal = None;
    world.configure(limits(), &["a"]);
    assert_eq!(world.wait(), Duration::ZERO);
    assert_eq!(world.sent(), ["purchase"]);
}
