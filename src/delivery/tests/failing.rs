//! How a lane treats a vendor that fails.

use super::*;

/// Limits that end nothing in these tests.
fn patient() -> Limits {
    Limits { max_attempts: NonZeroU32::MAX, max_age: 100_000 * SECOND, ..limits() }
}

fn retry_after(seconds: u64) -> Answer<'static> {
    Answer::Status { code: 429, retry_after: Some(Duration::from_secs(seconds)), location_host: None }
}

#[test]
fn after_five_failures_in_a_row_one_probe_at_a_time_goes_out_with_growing_delays() {
    const SEEDS: u32 = 200;
    const CEILINGS: [u32; 8] = [1, 2, 4, 8, 16, 32, 60, 60];
    let mut waited = [Duration::ZERO; CEILINGS.len()];
    for seed in 0..SEEDS {
        let mut world = World::new(limits(), &["a"]);
        world.rng = Rng::with_seed(seed.into());
        world.fail();
        for (sum, ceiling) in waited.iter_mut().zip(CEILINGS) {
            let delay = world.wait_for_callout();
            assert!(delay <= ceiling * SECOND);
            *sum += delay;
            assert_eq!(world.engine.in_flight(), 1);
            assert_eq!(
                world.engine.next_due(),
                Some(world.now + 6 * SECOND),
                "nothing but the probe's deadline"
            );
            world.answer_last(Answer::Unreached);
        }
    }
    for (sum, ceiling) in waited.into_iter().zip(CEILINGS) {
        let mean = sum / SEEDS;
        assert!(mean > ceiling * SECOND * 2 / 5, "{mean:?} on average, up to {ceiling} s");
    }
}

#[test]
fn after_a_recovery_the_delays_start_anew() {
    for seed in 0..50 {
        let mut world = World::new(patient(), &["a"]);
        world.rng = Rng::with_seed(seed);
        world.fail();
        (0..8).for_each(|_| assert_ne!(world.fail_next(), ""));
        world.wait_for_callout();
        world.answer_last(Answer::status(200));
        while world.notices("Failing") < 2 {
            world.fail_next();
        }
        world.offer("new");
        assert!(world.wait_for_callout() <= SECOND);
    }
}

#[test]
fn four_failures_and_a_success_do_not_make_a_failing_vendor() {
    let mut world = World::new(limits(), &["a"]);
    for round in 0..40 {
        world.offer("purchase");
        world.step();
        world.answer_last(Answer::status(if round % 5 == 4 { 200 } else { 503 }));
    }
    assert_eq!(world.notices("Failing"), 0);
}

#[test]
fn a_vendor_that_counts_hits_and_fails_is_sent_no_delivery_more_often_than_max_attempts() {
    for answer in [Answer::status(503), Answer::Timeout, Answer::Transport, Answer::Unusable] {
        let mut world = World::new(limits(), &["a"]);
        (0..4).for_each(|_| assert!(world.offer("purchase")));
        world.offer("another");
        while !world.engine.is_idle() {
            world.wait();
            let unanswered = world.books.callouts.len()..world.sent().len();
            unanswered.for_each(|token| assert!(world.answer(token as u32, answer)));
        }
        let hits = |name| world.sent().into_iter().filter(|sent| *sent == name).count();
        assert_eq!((hits("purchase"), hits("another")), (4 * 3, 3), "{answer:?}");
        assert_eq!(world.outcomes(), [dropped(DropReason::RetriesExhausted); 5]);
    }
}

#[test]
fn a_callout_that_cannot_have_reached_the_vendor_is_no_attempt() {
    let mut world = World::new(patient(), &["a"]);
    world.offer("purchase");
    for _ in 0..50 {
        world.wait_for_callout();
        world.answer_last(Answer::Unreached);
    }
    world.configure(Limits { max_attempts: limits().max_attempts, ..patient() }, &["a"]);
    for _ in 0..3 {
        world.wait_for_callout();
        world.answer_last(Answer::status(503));
    }
    assert_eq!(world.outcomes(), [dropped(DropReason::RetriesExhausted)]);
}

#[test]
fn a_failing_vendor_gets_the_last_attempt_at_a_delivery_only_after_the_longest_delay() {
    let mut world = World::new(Limits { max_attempts: NonZeroU32::new(7).unwrap(), ..limits() }, &["a"]);
    world.offer("purchase");
    for _ in 0..6 {
        assert!(world.wait_for_callout() <= 16 * SECOND);
        world.answer_last(Answer::status(503));
    }
    assert_eq!(world.wait_for_callout(), 60 * SECOND);
    world.answer_last(Answer::status(503));
    assert_eq!(world.outcomes(), [dropped(DropReason::RetriesExhausted)]);
}

#[test]
fn deliveries_that_the_vendor_chokes_on_take_turns_and_let_a_new_one_probe_first() {
    for seed in 0..20 {
        let mut world = World::new(limits(), &["a"]);
        world.rng = Rng::with_seed(seed);
        world.fail();
        world.now += SECOND; // the delays of their first attempts are over
        let mut probes: Vec<_> = (0..5).map(|_| world.fail_next()).collect();
        let again: Vec<_> = (0..5).map(|_| world.fail_next()).collect();
        assert_eq!(probes, again);
        probes.sort_unstable();
        assert_eq!(probes, ["failed 1", "failed 2", "failed 3", "failed 4", "failed 5"]);
        world.offer("new");
        assert_eq!(world.fail_next(), "new");
    }
}

#[test]
fn a_probe_that_fails_after_the_vendor_has_recovered_waits_like_any_other_delivery() {
    let mut world = World::new(limits(), &["a"]);
    (0..6).for_each(|_| assert!(world.offer("purchase")));
    world.step();
    (0..5).for_each(|token| assert!(world.answer(token, Answer::status(503))));
    world.wait_for_callout();
    world.answer(5, Answer::status(200));
    assert_eq!((world.notices("Recovered"), world.engine.in_flight()), (1, 1));
    world.answer_last(Answer::status(503));
    let sent = world.sent().len();
    world.step();
    assert_eq!(world.sent().len(), sent);
}

#[test]
fn a_delivery_that_the_host_always_refuses_does_not_block_the_others() {
    let mut world = World::new(limits(), &["a"]);
    world.host.unsendable = Some("unsendable");
    world.offer("unsendable");
    world.offer("purchase");
    for _ in 0..3 {
        world.wait();
    }
    assert_eq!(world.sent(), ["purchase"]);
}

#[test]
fn a_final_rejection_of_a_probe_shows_that_the_vendor_is_alive() {
    let mut world = World::new(limits(), &["a"]);
    world.fail();
    world.wait_for_callout();
    world.answer_last(Answer::status(400));
    assert_eq!(world.notices("Recovered"), 1);
}

#[test]
fn on_recovery_the_in_flight_limit_doubles_with_every_round_up_to_the_maximum() {
    let mut world = World::new(limits(), &["a"]);
    world.fail();
    for _ in 0..60 {
        world.offer("purchase");
    }
    world.wait_for_callout();
    world.answer_last(Answer::status(200));
    let mut rounds = vec![];
    for _ in 0..5 {
        let first = world.host.sent.len() as u32;
        world.step();
        let last = world.host.sent.len() as u32;
        rounds.push(world.engine.in_flight());
        (first..last).for_each(|token| assert!(world.answer(token, Answer::status(200))));
    }
    assert_eq!(rounds, [1, 2, 4, 8, 8]);
}

#[test]
fn retry_after_pauses_the_whole_lane_and_no_other() {
    let mut world = World::new(limits(), &["paused", "other"]);
    world.offer_to(0, "first", Rank::Conversion);
    world.step();
    world.answer_last(retry_after(30));
    world.offer_to(0, "second", Rank::Conversion);
    world.offer_to(1, "other", Rank::Conversion);
    world.step();
    assert_eq!(world.sent(), ["first", "other"]);
    world.answer_last(Answer::status(200));
    assert_eq!(world.wait(), 30 * SECOND);
    assert_eq!(world.sent().len(), 4);
}

#[test]
fn retry_after_is_believed_up_to_the_longest_backoff() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("purchase");
    world.step();
    world.answer_last(retry_after(u64::MAX));
    assert_eq!(world.wait(), 60 * SECOND);
    assert_eq!(world.sent().len(), 2);
}

#[test]
fn deliveries_expire_during_a_pause() {
    let short = Limits { max_age: 10 * SECOND, ..limits() };
    let mut world = World::new(short, &["a"]);
    world.offer("purchase");
    world.step();
    world.answer_last(retry_after(30));
    assert_eq!(world.wait(), 10 * SECOND);
    assert_eq!(world.outcomes(), [dropped(DropReason::Expired)]);
}

#[test]
fn a_dead_vendor_delays_no_other_lane() {
    let mut world = World::new(limits(), &["dead", "alive"]);
    for _ in 0..45 {
        world.offer_to(0, "dead", Rank::Conversion);
    }
    for _ in 0..40 {
        world.offer_to(1, "alive", Rank::Conversion);
        world.step();
        world.now += 10 * MS;
        let alive: Vec<u32> = (0..)
            .zip(&world.host.sent)
            .filter(|(_, (lane, _))| lane.0 == 1)
            .map(|(token, _)| token)
            .collect();
        assert!(
            world.answer(*alive.last().unwrap(), Answer::status(200)),
            "sent in the step after its offer"
        );
    }
    assert_eq!((world.engine.pending(LaneId(0)), world.engine.pending(LaneId(1))), (45, 0));
}

#[test]
fn a_circuit_breaker_overflow_ends_its_hold_as_soon_as_a_callout_returns() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("first");
    world.step();
    world.offer("second");
    world.host.refusal = Some(Refusal::NoHost);
    world.step();
    world.host.refusal = None;
    world.answer(0, Answer::status(200));
    world.offer("third");
    assert_eq!(world.wait(), Duration::ZERO);
    assert_eq!(world.sent().last(), Some(&"third"));
}
