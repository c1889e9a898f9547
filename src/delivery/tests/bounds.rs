//! The limits of a lane, and which deliveries are displaced.

use super::*;

const FULL: Outcome = Outcome::Dropped(DropReason::QueueFull);

fn small(max_deliveries: usize) -> Limits {
    Limits { max_deliveries, ..limits() }
}

#[test]
fn the_newest_delivery_is_dropped_when_the_share_is_full() {
    let mut world = World::new(small(6), &["a", "b"]);
    let taken: Vec<bool> = (0..5).map(|_| world.offer_to(0, "page", Rank::Ordinary)).collect();
    assert_eq!(taken, [true, true, true, false, false]);
    assert_eq!(world.outcomes(), [FULL, FULL]);
    assert!(world.offer_to(1, "page", Rank::Ordinary), "the other lane has its own share");
}

#[test]
fn the_share_is_one_of_bytes_too() {
    let mut world = World::new(Limits { max_bytes: 250, ..limits() }, &["a"]);
    assert_eq!([world.offer("1"), world.offer("2"), world.offer("3")], [true, true, false]);
    assert_eq!(world.engine.bytes(), 200);
}

#[test]
fn what_is_in_flight_takes_up_its_share_until_it_is_settled() {
    let mut world = World::new(small(1), &["a"]);
    world.offer("first");
    world.step();
    assert!(!world.offer("second"));
    world.answer_last(Answer::status(200));
    assert!(world.offer("third"));
}

#[test]
fn the_newest_queued_ordinary_delivery_makes_way_for_a_conversion() {
    let mut world = World::new(small(3), &["a"]);
    world.offer_to(0, "old page", Rank::Ordinary);
    world.offer_to(0, "new page", Rank::Ordinary);
    world.offer_to(0, "purchase 1", Rank::Conversion);
    assert!(world.offer_to(0, "purchase 2", Rank::Conversion));
    assert_eq!(world.outcomes(), [FULL]);
    world.step();
    assert_eq!(world.sent(), ["old page", "purchase 1", "purchase 2"]);
}

#[test]
fn what_is_in_flight_and_what_is_a_conversion_never_makes_way() {
    let mut world = World::new(small(2), &["a"]);
    world.offer_to(0, "page in flight", Rank::Ordinary);
    world.step();
    world.offer_to(0, "purchase 1", Rank::Conversion);
    assert!(!world.offer_to(0, "purchase 2", Rank::Conversion));
    assert_eq!((world.outcomes(), world.engine.pending(LaneId(0))), (vec![FULL], 2));
}

#[test]
fn as_many_make_way_as_the_bytes_need_and_none_in_vain() {
    let mut world = World::new(Limits { max_bytes: 400, ..limits() }, &["a"]);
    for name in ["page 1", "page 2", "page 3", "page 4"] {
        world.offer_to(0, name, Rank::Ordinary);
    }
    let mut offer = |bytes| {
        let parcel = Named { name: "purchase", bytes };
        let offer = Offer { parcel, rank: Rank::Conversion, waits_until: None };
        world.engine.offer(LaneId(0), offer, world.now, &mut world.books)
    };
    assert_eq!(offer(401), Err(OfferRejected::QueueFull));
    assert_eq!(offer(150), Ok(()));
    assert_eq!(offer(300), Err(OfferRejected::QueueFull));
    assert_eq!(
        world.outcomes(),
        [FULL, FULL, FULL, FULL],
        "two newcomers, and two that made way for the other"
    );
    assert_eq!((world.engine.pending(LaneId(0)), world.engine.bytes()), (3, 350));
}

#[test]
fn a_share_that_shrinks_drops_nothing_and_takes_nothing_until_there_is_room() {
    let mut world = World::new(small(100), &["a"]);
    for _ in 0..8 {
        world.offer_to(0, "page", Rank::Ordinary);
    }
    world.configure(Limits { max_bytes: 400, ..small(4) }, &["a"]);
    assert_eq!((world.engine.pending(LaneId(0)), world.outcomes()), (8, vec![]));
    assert!(!world.offer_to(0, "page", Rank::Ordinary));
    assert!(world.offer_to(0, "purchase", Rank::Conversion), "for one that makes way");
    assert_eq!((world.engine.pending(LaneId(0)), world.outcomes()), (8, vec![FULL, FULL]));
    world.step();
    (0..5).for_each(|token| assert!(world.answer(token, Answer::status(200))));
    assert!(world.offer_to(0, "page", Rank::Ordinary));
}

#[test]
fn no_more_than_the_limit_is_in_flight_and_the_rest_waits_for_an_answer() {
    let mut world = World::new(limits(), &["a"]);
    (0..20).for_each(|_| assert!(world.offer("purchase")));
    world.step();
    assert_eq!(world.engine.in_flight(), 8);
    assert_eq!(world.engine.next_due(), Some(world.now + 6 * SECOND), "no busy loop");
    world.answer(3, Answer::status(200));
    world.step();
    assert_eq!((world.engine.in_flight(), world.sent().len()), (8, 9));
}

#[test]
fn one_step_dispatches_no_more_than_its_budget_and_the_lanes_take_turns() {
    let mut world = World::new(limits(), &["a", "b", "c"]);
    for lane in [0, 0, 0, 0, 1, 2, 2] {
        world.offer_to(lane, "purchase", Rank::Conversion);
    }
    for _ in 0..2 {
        world.engine.step(world.now, &mut world.rng, &mut Both(&mut world.host, &mut world.books), 3);
        assert!(world.engine.next_due().unwrap() <= world.now, "the rest is due at once");
    }
    let lanes: Vec<usize> = world.host.sent.iter().map(|(lane, _)| lane.0).collect();
    assert_eq!(lanes, [0, 1, 2, 0, 2, 0]);
}

#[test]
fn an_offer_to_a_lane_of_an_older_configuration_is_refused_and_not_booked() {
    let mut world = World::new(limits(), &["a"]);
    assert!(!world.offer_to(1, "purchase", Rank::Conversion));
    assert_eq!(world.outcomes(), []);
}
