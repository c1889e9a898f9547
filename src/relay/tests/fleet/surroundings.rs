//! What is around the gateway: clients, the durable queue and the vendors.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::delivery::Instant;
use crate::testing::SentCallout;

/// How a callout fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Good,
    Refused,
    /// It arrives, and its answer doesn't.
    AnswerLost,
    /// It doesn't arrive.
    Lost,
}

impl Way {
    pub fn random(rng: &mut Rng) -> Self {
        match rng.u32(0..10) {
            0..=4 => Self::Good,
            5..=7 => Self::Refused,
            8 => Self::AnswerLost,
            _ => Self::Lost,
        }
    }

    pub fn arrives(self) -> bool {
        matches!(self, Self::Good | Self::AnswerLost)
    }

    /// The status of the answer; `None`: none comes.
    pub fn status(self, cluster: &str) -> Option<u16> {
        match self {
            Self::Good if cluster == "queue" => Some(202),
            Self::Good => Some(200),
            Self::Refused => Some(503),
            Self::AnswerLost | Self::Lost => None,
        }
    }
}

/// A client with one order, which it sends until it is told that it is accepted.
pub struct Client {
    pub order: u32,
    /// The worker and the stream on which it waits.
    on: Option<(usize, u32)>,
    next_try: Instant,
    is_accepted: bool,
}

impl Client {
    pub fn new(order: u32, begins_at: Instant) -> Self {
        Self { order, on: None, next_try: begins_at, is_accepted: false }
    }

    pub fn event(&self) -> String {
        let order = self.order.to_string();
        let event = json!({
            "event": "Order Completed", "messageId": format!("m-{order}"), "properties": {"order_id": order},
        });
        event.to_string()
    }

    pub fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    pub fn is_due(&self, now: Instant) -> bool {
        !self.is_accepted && self.on.is_none() && self.next_try <= now
    }

    pub fn is_on(&self, worker: usize, stream: u32) -> bool {
        self.on == Some((worker, stream))
    }

    pub fn waits_on(&mut self, worker: usize, stream: u32) {
        self.on = Some((worker, stream));
    }

    pub fn accepted(&mut self) {
        (self.on, self.is_accepted) = (None, true);
    }

    pub fn again(&mut self, at: Instant) {
        (self.on, self.next_try) = (None, at);
    }

    /// It gives up waiting, and will try again. Returns where it waited.
    pub fn leave(&mut self, now: Instant) -> Option<(usize, u32)> {
        let on = self.on?;
        self.again(now + Duration::from_millis(700));
        Some(on)
    }

    pub fn disconnected_from(&mut self, worker: usize, now: Instant) {
        if self.on.is_some_and(|(on, _)| on == worker) {
            self.again(now + Duration::from_millis(300));
        }
    }
}

/// How long the queue waits for an answer.
const PUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// A durable queue: what it has taken it pushes until it is told 200.
#[derive(Default)]
pub struct Queue {
    entries: Vec<Entry>,
    orders: Vec<u32>,
}

struct Entry {
    cloud_event: String,
    due: Instant,
    /// The worker and the stream that it was pushed on, and when.
    on: Option<(usize, u32, Instant)>,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn has_had(&self, order: u32) -> bool {
        self.orders.contains(&order)
    }

    pub fn take(&mut self, cloud_event: &str, now: Instant) {
        let json: Value = serde_json::from_str(cloud_event).unwrap();
        self.orders.push(json["data"]["properties"]["order_id"].as_str().unwrap().parse().unwrap());
        self.entries.push(Entry { cloud_event: cloud_event.to_owned(), due: now, on: None });
    }

    pub fn next_due(&self, now: Instant) -> Option<usize> {
        self.entries.iter().position(|entry| entry.on.is_none() && entry.due <= now)
    }

    pub fn body(&self, entry: usize) -> String {
        self.entries[entry].cloud_event.clone()
    }

    pub fn pushed(&mut self, entry: usize, worker: usize, stream: u32, now: Instant) {
        self.entries[entry].on = Some((worker, stream, now));
    }

    pub fn again(&mut self, entry: usize, at: Instant) {
        (self.entries[entry].on, self.entries[entry].due) = (None, at);
    }

    fn find(&self, worker: usize, stream: u32) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.on.is_some_and(|(on, its, _)| (on, its) == (worker, stream)))
    }

    pub fn acknowledged(&mut self, worker: usize, stream: u32) {
        if let Some(entry) = self.find(worker, stream) {
            self.entries.remove(entry);
        }
    }

    pub fn given_back(&mut self, worker: usize, stream: u32, until: Instant) {
        if let Some(entry) = self.find(worker, stream) {
            self.again(entry, until);
        }
    }

    pub fn disconnected_from(&mut self, worker: usize, now: Instant) {
        for entry in &mut self.entries {
            if entry.on.is_some_and(|(on, ..)| on == worker) {
                (entry.on, entry.due) = (None, now);
            }
        }
    }

    pub fn time_out(&mut self, now: Instant) {
        for entry in &mut self.entries {
            if entry.on.is_some_and(|(.., since)| since + PUSH_TIMEOUT <= now) {
                (entry.on, entry.due) = (None, now);
            }
        }
    }
}

/// What the vendors have got.
#[derive(Default)]
pub struct Vendors(Vec<Hit>);

struct Hit {
    vendor: String,
    order: u32,
    knows: Knows,
}

/// Who knows of a hit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Knows {
    /// Its answer is on its way.
    NotYet,
    /// This worker has had its answer, at that time.
    Worker(usize, Instant),
    /// The answer was lost, or came to a worker that has died since.
    Nobody,
}

impl Vendors {
    /// Returns the hit's index.
    pub fn hit(&mut self, vendor: &str, callout: &SentCallout) -> usize {
        self.0.push(Hit { vendor: vendor.to_owned(), order: order_of(callout), knows: Knows::NotYet });
        self.0.len() - 1
    }

    pub fn is_known_to(&mut self, hit: usize, worker: usize, when: Instant) {
        self.0[hit].knows = Knows::Worker(worker, when);
    }

    pub fn nobody_knows(&mut self, hit: Option<usize>) {
        if let Some(hit) = hit {
            self.0[hit].knows = Knows::Nobody;
        }
    }

    /// What workers knew since a time is not known any more.
    pub fn forget(&mut self, is_forgotten: impl Fn(usize, Instant) -> bool) {
        for hit in &mut self.0 {
            if matches!(hit.knows, Knows::Worker(worker, when) if is_forgotten(worker, when)) {
                hit.knows = Knows::Nobody;
            }
        }
    }

    /// How often a vendor has got an order, and how many of these times nobody knows of.
    pub fn hits(&self, vendor: &str, order: u32) -> (usize, usize) {
        let hits = || self.0.iter().filter(|hit| hit.vendor == vendor && hit.order == order);
        (hits().count(), hits().filter(|hit| hit.knows == Knows::Nobody).count())
    }
}

fn order_of(callout: &SentCallout) -> u32 {
    let of_body = callout.body.as_deref().map(|body| {
        let body: Value = serde_json::from_str(body).unwrap();
        body["order_id"].as_str().unwrap().parse().unwrap()
    });
    of_body.unwrap_or_else(|| {
        let (_, rest) = callout.path.split_once("ftXRef=").unwrap();
        rest.split('&').next().unwrap().parse().unwrap()
    })
}
