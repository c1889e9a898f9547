//! Deliveries whose sender waits for their end.

use super::*;

const WAIT: Duration = Duration::from_secs(8);

fn given_back(attempts: u32, last_status: Option<CalloutStatus>) -> End {
    End { outcome: Outcome::GivenBack, attempts, last_status }
}

#[test]
fn a_delivery_that_is_waited_for_ends_like_any_other_where_the_vendor_answers_for_good() {
    let ends = [
        (200, DELIVERED, CalloutStatus::Success),
        (404, dropped(DropReason::Rejected), CalloutStatus::ClientError),
    ];
    for (status, outcome, last) in ends {
        let mut world = World::new(limits(), &["a"]);
        world.offer_waiting("purchase", WAIT);
        world.step();
        world.answer_last(Answer::status(status));
        assert_eq!(world.books.ends, [("purchase", End { outcome, attempts: 1, last_status: Some(last) })]);
    }
}

#[test]
fn it_is_tried_again_until_its_sender_stops_waiting_however_many_attempts_that_takes() {
    let mut world = World::new(limits(), &["a"]);
    let begin = world.now;
    world.offer_waiting("purchase", WAIT);
    let limits = Limits { backoff: Backoff::try_new(100 * MS, 100 * MS).unwrap(), ..limits() };
    world.configure(limits, &["a"]);
    while !world.engine.is_idle() {
        world.wait();
        world.now += 100 * MS;
        if world.engine.in_flight() > 0 {
            world.answer_last(Answer::status(503));
        }
    }
    let attempts = world.sent().len() as u32;
    assert_eq!(world.books.ends, [("purchase", given_back(attempts, Some(CalloutStatus::ServerError)))]);
    assert!(attempts > 20 && world.now - begin <= WAIT + 100 * MS, "{attempts} in {:?}", world.now - begin);
    assert_eq!(world.notices("Lost"), 0, "its sender has it");
}

#[test]
fn no_callout_of_it_is_open_when_its_sender_stops_waiting() {
    let mut world = World::new(limits(), &["a"]);
    world.offer_waiting("purchase", 3 * SECOND);
    world.offer("another");
    world.step();
    assert_eq!(world.host.timeouts, [3 * SECOND, 5 * SECOND]);
    world.now += 3 * SECOND;
    world.answer(0, Answer::Timeout);
    assert_eq!(world.books.ends, [("purchase", given_back(1, Some(CalloutStatus::Timeout)))]);
}

#[test]
fn an_answer_that_never_comes_gives_it_back_a_second_later() {
    let mut world = World::new(limits(), &["a"]);
    world.offer_waiting("purchase", 3 * SECOND);
    world.step();
    assert_eq!(world.wait(), 4 * SECOND);
    assert_eq!(world.books.ends, [("purchase", given_back(1, Some(CalloutStatus::Transport)))]);
}

#[test]
fn a_lane_that_is_paused_for_longer_gives_back_at_once_what_it_holds_and_what_comes() {
    let mut world = World::new(limits(), &["a"]);
    world.offer("first");
    world.step();
    world.offer_waiting("queued", WAIT);
    world.offer_waiting("patient", 60 * SECOND);
    let pause = Answer::Status { code: 429, retry_after: Some(30 * SECOND), location_host: None };
    world.answer_last(pause);
    world.offer_waiting("too late", WAIT);
    assert_eq!(world.wait(), Duration::ZERO);
    assert_eq!(world.books.ends, [("queued", given_back(0, None)), ("too late", given_back(0, None))]);
    assert_eq!(world.engine.pause(LaneId(0), world.now), 30 * SECOND);
    assert_eq!(world.engine.pending(LaneId(0)), 2, "the first, and the patient sender's");
    assert_eq!(world.wait(), 30 * SECOND);
    assert_eq!(world.sent().len(), 3);
}

#[test]
fn a_full_lane_and_one_that_is_removed_give_back_too() {
    let mut world = World::new(Limits { max_deliveries: 1, ..limits() }, &["a"]);
    world.offer_waiting("held", WAIT);
    assert!(!world.offer_waiting("no room", WAIT));
    world.step();
    world.configure(limits(), &["b"]);
    assert_eq!(world.engine.in_flight(), 1);
    world.answer_last(Answer::status(503));
    assert_eq!(
        world.books.ends,
        [("no room", given_back(0, None)), ("held", given_back(1, Some(CalloutStatus::ServerError)))]
    );
    assert!(world.engine.is_idle());
}

#[test]
fn a_conversion_displaces_an_ordinary_delivery_which_is_given_back_to_its_sender() {
    let mut world = World::new(Limits { max_deliveries: 1, ..limits() }, &["a"]);
    let page = Offer {
        parcel: Named { name: "page", bytes: 1 },
        rank: Rank::Ordinary,
        waits_until: Some(world.now + WAIT),
    };
    world.engine.offer(LaneId(0), page, world.now, &mut world.books).unwrap();
    assert!(world.offer("purchase"));
    assert_eq!(world.books.ends, [("page", given_back(0, None))]);
}
