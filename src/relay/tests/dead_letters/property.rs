//! Whatever happens to deliveries and their letters.

use std::collections::BTreeSet;

use super::*;
use crate::accounting::DropReason;

/// A step in the life of a gateway that keeps dead letters.
#[derive(Clone, Debug)]
enum Step {
    /// A visitor buys something, or puts it into the cart.
    Visit {
        buys: bool,
    },
    /// A queue pushes a purchase.
    Push,
    /// Somebody replays one of the letters that were sent.
    Replay(usize),
    /// Answers the callout that waits longest.
    Answer(u16),
    Wait(Duration),
    Refuse(Option<Refusal>),
    /// Podsights is removed or there again.
    Configure {
        has_podsights: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|buys| Step::Visit { buys }),
        2 => Just(Step::Push),
        2 => (0..8_usize).prop_map(Step::Replay),
        8 => select(vec![200, 200, 400, 429, 503]).prop_map(Step::Answer),
        3 => (0..20_000_u64).prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
        1 => select(vec![None, Some(Refusal::NoHost), Some(Refusal::UnknownCluster)]).prop_map(Step::Refuse),
        1 => any::<bool>().prop_map(|has_podsights| Step::Configure { has_podsights }),
    ]
}

fn configuration(has_podsights: bool) -> Value {
    let integrations = [flashtalking(), podsights("k")];
    let count = if has_podsights { 2 } else { 1 };
    let mut configuration = configured(&integrations[..count], &json!({}));
    configuration["delivery"]["queue"] = json!({"max_deliveries": 9});
    configuration
}

impl Site {
    fn lost(&self) -> usize {
        let is_lost = |recorded: &&Recorded| {
            let Recorded::Delivery { integration, outcome: Outcome::Dropped(reason) } = recorded else {
                return false;
            };
            integration != "Lost" && *reason >= DropReason::QueueFull
        };
        self.host.record().iter().filter(is_lost).count()
    }

    fn take(&mut self, step: &Step, order: u32) {
        match step {
            Step::Visit { buys: true } => self.visit(&purchase(order)),
            Step::Visit { buys: false } => {
                let product = json!({"product_id": "1", "price": 1});
                self.visit(&json!({"event": "Product Added", "messageId": order, "properties": product}));
            }
            Step::Push => self.post(&purchase(order)),
            Step::Replay(which) => {
                if let Some(letter) = self.letters().get(*which).cloned() {
                    self.post(&letter);
                }
            }
            Step::Answer(status) => {
                if let Some(token) = self.host.next_unanswered() {
                    self.relay.settle(token, Answer::status(*status), &mut self.host);
                }
            }
            Step::Wait(time) => self.wait(*time),
            Step::Refuse(refusal) => self.host.refusal = *refusal,
            Step::Configure { has_podsights } => self.configure(&configuration(*has_podsights)),
        }
        work(&mut self.relay, &mut self.host);
        while self.relay.take_settled().is_some() {}
    }
}

proptest! {
    #[test]
    fn the_books_balance_and_each_loss_has_one_letter_but_that_of_a_letter(steps in prop::collection::vec(step(), 1..80)) {
        let mut site = Site::with(&configuration(true));
        let mut has_replayed = false;
        for (order, step) in (0..).zip(&steps) {
            has_replayed |= matches!(step, Step::Replay(_));
            site.take(step, order);
            prop_assert_eq!(site.host.check_counts(&site.relay), Ok(()));
            let (lost, letters) = (site.lost(), site.counts("Lost").matched);
            prop_assert!(letters == lost || has_replayed && letters < lost, "{letters} letters for {lost} losses");
            let kept = site.counts("FT").dead_lettered + site.counts("Pod").dead_lettered;
            prop_assert!(kept <= letters);
        }
        // Each order was in one delivery to each vendor.
        let mut known = BTreeSet::new();
        for letter in site.letters().iter().filter(|letter| letter.get("orderdigest").is_some()) {
            let about = (letter["integration"].to_string(), letter["orderdigest"].to_string());
            prop_assert!(known.insert(about), "two letters about one delivery: {letter}");
        }
    }
}
