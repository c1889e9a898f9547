//! What comes again: a duplicate while the first is on its way or has arrived, and news where it hasn't.

use super::*;
use crate::accounting::DropReason;
use crate::testing::Recorded;

/// A shop whose only vendor answers as it is told.
struct Shop {
    host: FakeHost,
    relay: Relay,
}

impl Shop {
    fn open() -> Self {
        let mut host = host();
        let mut configuration = configuration(json!({}), &[]);
        configuration["integrations"] =
            json!([{"name": "Pod", "vendor": "podsights", "config": {"key": "k"}}]);
        let relay = relay(&configuration, &mut host);
        Self { host, relay }
    }

    fn send(&mut self) {
        let event = json!({"event": "Order Completed", "messageId": "m", "properties": {"order_id": "1"}});
        self.relay.hand_over(request(&self.relay, "/v1/t", &[], &event.to_string()), &self.host);
        work(&mut self.relay, &mut self.host);
    }

    fn answer(&mut self, status: u16) {
        self.host.settle_all(&mut self.relay, Answer::status(status));
        self.host.now += CONCLUDE_INTERVAL;
        self.relay.work(&mut self.host);
    }

    fn duplicates(&self) -> usize {
        let is_one = |recorded: &&Recorded| {
            let reasons = [DropReason::Duplicate, DropReason::DuplicateOrder];
            matches!(recorded, Recorded::Delivery { outcome: Outcome::Dropped(why), .. } if reasons.contains(why))
        };
        self.host.record().iter().filter(is_one).count()
    }
}

#[test]
fn what_comes_again_while_the_first_is_on_its_way_or_has_arrived_is_a_duplicate() {
    let mut shop = Shop::open();
    shop.send();
    shop.send();
    assert_eq!(shop.duplicates(), 1, "the first is in flight");
    shop.answer(200);
    shop.send();
    assert_eq!((shop.duplicates(), shop.host.counts("Pod").delivered), (2, 1));
}

#[test]
fn what_comes_again_after_the_vendor_has_refused_the_first_is_tried_again() {
    let mut shop = Shop::open();
    for refused in 1..=3 {
        shop.send();
        shop.answer(400);
        assert_eq!((shop.duplicates(), shop.host.counts("Pod").dropped), (0, refused));
    }
    shop.send();
    shop.answer(200);
    assert_eq!((shop.duplicates(), shop.host.counts("Pod").delivered), (0, 1));
}

#[test]
fn what_a_vm_held_when_it_died_may_come_again_once_its_lease_is_over() {
    let mut shop = Shop::open();
    shop.send();
    // A VM that died tells nobody; what all VMs share is still there.
    let config = Rc::clone(shop.relay.config());
    shop.relay = Relay::new("test".to_owned(), config, 8, &mut shop.host);
    shop.send();
    assert_eq!(shop.duplicates(), 1);
    let lease = shop.relay.config().delivery.lease();
    shop.host.wall_clock += i64::try_from(lease.as_millis()).unwrap();
    shop.send();
    assert_eq!(shop.duplicates(), 1, "it is sent");
}

#[test]
fn the_ends_of_an_events_deliveries_are_written_once_for_the_message_and_once_for_the_order() {
    let mut host = host();
    let mut configuration = configuration(json!({}), &[]);
    configuration["integrations"].as_array_mut().unwrap().truncate(2);
    let mut relay = relay(&configuration, &mut host);
    let event = json!({"event": "Order Completed", "messageId": "m", "properties": {"order_id": "1"}});
    relay.hand_over(request(&relay, "/v1/t", &[], &event.to_string()), &host);
    work(&mut relay, &mut host);
    host.settle_all(&mut relay, Answer::status(200));
    let writes = host.writes();
    host.now += CONCLUDE_INTERVAL;
    relay.work(&mut host);
    assert_eq!(host.writes() - writes, 2);
    assert_eq!(relay.next_due(), None);
}
