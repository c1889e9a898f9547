//! Bounded counts, however long the stand-in runs: answers by status, and how often each order was seen, which shows lost and
//! duplicated conversions.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::{Value, json};

use crate::orders;
use crate::received::{Ending, Received};

/// Distinct order ids that are told apart; later ones are counted together.
const MAX_IDS: usize = 2_000_000;
/// Longer ids are cut, so that the bound on their number bounds memory.
const MAX_ID_CHARS: usize = 64;

/// The requests that one destination received, and its answers.
#[derive(Default, Serialize)]
pub struct Tally {
    requests: u64,
    /// Requests that broke off before their end.
    aborted: u64,
    answers: BTreeMap<u16, u64>,
    /// Answers that were broken off on purpose.
    resets: u64,
    /// Requests whose client left before the answer.
    unanswered: u64,
    /// Order ids that were not told apart, being too many.
    ids_beyond_bound: u64,
    #[serde(skip)]
    ids: HashMap<String, Hits>,
}

#[derive(Default, Serialize)]
struct Hits {
    received: u32,
    accepted: u32,
    /// Received and not refused: accepted, or the answer was lost on its way.
    counted: u32,
}

impl Tally {
    /// Counts a request and gives the order id in it, if there is one, for [`Tally::settle`].
    pub fn receive(&mut self, request: &Received) -> Option<String> {
        self.requests += 1;
        let id: String = orders::of_callout(request)?.chars().take(MAX_ID_CHARS).collect();
        if self.ids.len() >= MAX_IDS && !self.ids.contains_key(&id) {
            self.ids_beyond_bound += 1;
            return None;
        }
        self.ids.entry(id.clone()).or_default().received += 1;
        Some(id)
    }

    pub fn abort(&mut self) {
        self.aborted += 1;
    }

    pub fn settle(&mut self, order_id: Option<&str>, ending: Ending) {
        match ending {
            Ending::Reset => self.resets += 1,
            Ending::Unanswered => self.unanswered += 1,
            Ending::Answered(status) => *self.answers.entry(status).or_default() += 1,
        }
        let Some(hits) = order_id.and_then(|id| self.ids.get_mut(id)) else { return };
        match ending {
            Ending::Answered(200..400) => {
                hits.accepted += 1;
                hits.counted += 1;
            }
            Ending::Answered(_) => {}
            Ending::Reset | Ending::Unanswered => hits.counted += 1,
        }
    }

    /// The counts; with `ids` also how often each order id was received, accepted and counted.
    pub fn json(&self, ids: bool) -> Value {
        let count = |wanted: fn(&Hits) -> bool| self.ids.values().filter(|hits| wanted(hits)).count();
        let mut json = json!(self);
        json["orders"] = json!({
            "distinct": self.ids.len(),
            "repeated": count(|hits| hits.received > 1),
            "max_hits": self.ids.values().map(|hits| hits.received).max().unwrap_or(0),
            "accepted": count(|hits| hits.accepted > 0),
            "accepted_repeatedly": count(|hits| hits.accepted > 1),
            "counted_repeatedly": count(|hits| hits.counted > 1),
        });
        if ids {
            json["ids"] = self.ids.iter().map(|(id, hits)| (id.clone(), json!(hits))).collect();
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::destination::Destination;
    use crate::received::tests::received;

    #[test]
    fn an_order_sent_twice_is_counted_as_repeated() {
        let mut tally = Tally::default();
        for path in
            ["/container/1;2;3;num/?cachebuster=1&ftXRef=A%20%26", "/?ftXRef=A%20%26", "/?ftXRef=B", "/?U1=x"]
        {
            let id = tally.receive(&received(Destination::Flashtalking, path, ""));
            tally.settle(id.as_deref(), Ending::Answered(200));
        }
        let json = tally.json(true);
        assert_eq!(json["requests"], 4);
        assert_eq!(json["answers"], json!({"200": 4}));
        assert_eq!(json["orders"]["distinct"], 2);
        assert_eq!(json["orders"]["repeated"], 1);
        assert_eq!(json["orders"]["accepted_repeatedly"], 1);
        let hits = |count: u32| json!({"received": count, "accepted": count, "counted": count});
        assert_eq!(json["ids"], json!({"A &": hits(2), "B": hits(1)}));
    }

    #[test]
    fn a_retry_of_what_failed_is_no_repeated_acceptance_and_one_of_what_got_no_answer_may_count_twice() {
        let mut tally = Tally::default();
        for ending in [Ending::Answered(503), Ending::Reset, Ending::Unanswered, Ending::Answered(200)] {
            let id = tally.receive(&received(Destination::Podsights, "/v1/server", r#"{"order_id": 7}"#));
            assert_eq!(id.as_deref(), Some("7"));
            tally.settle(id.as_deref(), ending);
        }
        let orders = tally.json(false)["orders"].clone();
        let expected = json!({
            "distinct": 1, "repeated": 1, "max_hits": 4, "accepted": 1, "accepted_repeatedly": 0,
            "counted_repeatedly": 1
        });
        assert_eq!(orders, expected);
    }
}
