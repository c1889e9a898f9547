//! Requests that are answered once all of their deliveries have ended: those of queues, on the acknowledged route, and those of
//! clients that wait until their events are handed off.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use super::host::Host;
use super::story::Story;
use crate::accounting::{DropReason, EventIgnored, IntegrationRef, Outcome};
use crate::deduplication::Id;
use crate::delivery::{End, Instant};
use crate::reply::{Acknowledgement, Reply, Settled, SettledDelivery};

/// The requests that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    requests: HashMap<u64, Open>,
    /// How many of them are clients'.
    clients: usize,
    /// Those that all is known of, in that order.
    settled: VecDeque<u64>,
    joined: Vec<Joined>,
    next: u64,
}

/// Who waits.
#[derive(Debug)]
pub enum Waiter {
    /// A queue, which is told what became of each delivery.
    Queue {
        /// Whether it takes a body for an event of ours, so that the status alone has to tell.
        takes_events: bool,
    },
    /// A client, which is told whether its events were accepted.
    Client {
        /// The values of the `set-cookie` lines, if they were.
        cookies: Vec<String>,
        /// The request's signature, which is used once they were.
        signature: Option<Id>,
    },
}

/// An answer to a request that nobody else answers.
#[derive(Debug, PartialEq, Eq)]
pub enum Answered {
    /// As to any tracking request.
    Reply {
        /// The answer.
        reply: Reply,
        /// The values of its `set-cookie` lines.
        cookies: Vec<String>,
    },
    /// As on the acknowledged route.
    Acknowledgement(Acknowledgement),
}

/// A request that is settled.
#[derive(Debug)]
pub struct SettledRequest {
    /// `None`: whoever waited has left.
    pub stream: Option<u32>,
    pub answered: Answered,
    /// The signature of a client's request, and whether it is used now.
    pub signature: Option<(Id, bool)>,
}

/// A delivery of a waiting request.
#[derive(Clone, Debug)]
pub struct Place {
    pub request: u64,
    /// Its event's index in the request.
    pub event: usize,
    /// The integration's name.
    pub integration: Rc<str>,
    /// The name of its vendor.
    pub vendor: &'static str,
}

/// A delivery that is not sent, because the same is on its way already: it ends as that one does.
#[derive(Debug)]
struct Joined {
    id: Id,
    reason: DropReason,
    place: Place,
    story: Option<Box<Story>>,
}

#[derive(Debug)]
struct Open {
    waiter: Waiter,
    /// The stream on which it waits; `None`: it has left.
    stream: Option<u32>,
    until: Instant,
    /// The parts of the request whose events have not all been read yet.
    unread: usize,
    /// Deliveries that have not ended.
    pending: usize,
    settled: Vec<SettledDelivery>,
    /// How long the sender should pause before it sends again what is given back.
    pause: Duration,
}

impl Place {
    fn reference(&self) -> IntegrationRef<'_> {
        IntegrationRef { name: &self.integration, vendor: self.vendor }
    }
}

impl Waiting {
    /// The number of queues' requests that wait.
    pub fn queues(&self) -> usize {
        self.requests.len().saturating_sub(self.clients)
    }

    /// The number of clients' requests that wait.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// Returns the deliveries to an integration that wait for another one.
    pub fn joined(&self, integration: IntegrationRef<'_>) -> usize {
        self.joined.iter().filter(|joined| joined.place.reference() == integration).count()
    }

    /// A request of the stream, in so many parts, waits until then. Returns its number.
    pub fn begin(&mut self, waiter: Waiter, stream: u32, until: Instant, parts: usize) -> u64 {
        self.next = self.next.wrapping_add(1);
        self.clients = self.clients.saturating_add(usize::from(matches!(waiter, Waiter::Client { .. })));
        let open = Open {
            waiter,
            stream: Some(stream),
            until,
            unread: parts,
            pending: 0,
            settled: Vec::new(),
            pause: Duration::ZERO,
        };
        self.requests.insert(self.next, open);
        if parts == 0 {
            self.settled.push_back(self.next);
        }
        self.next
    }

    /// All events of a part of the request were read.
    pub fn was_read(&mut self, request: u64) {
        if let Some(open) = self.requests.get_mut(&request) {
            open.unread = open.unread.saturating_sub(1);
            if open.unread == 0 && open.pending == 0 {
                self.settled.push_back(request);
            }
        }
    }

    /// Sets the cookies of the answer to a client.
    pub fn set_cookies(&mut self, request: u64, lines: Vec<String>) {
        if let Some(Open { waiter: Waiter::Client { cookies, .. }, .. }) = self.requests.get_mut(&request) {
            *cookies = lines;
        }
    }

    /// A request does not wait after all: it is answered now.
    pub fn forget(&mut self, request: u64) {
        self.remove(request);
    }

    fn remove(&mut self, request: u64) -> Option<Open> {
        let open = self.requests.remove(&request)?;
        self.clients = self.clients.saturating_sub(usize::from(matches!(open.waiter, Waiter::Client { .. })));
        Some(open)
    }

    /// The client of a stream has left. Its deliveries go on, and what isn't settled in time is given back all the same.
    pub fn abandon(&mut self, stream: u32) {
        for open in self.requests.values_mut().filter(|open| open.stream == Some(stream)) {
            open.stream = None;
        }
    }

    /// An event of a request was ignored.
    pub fn ignored(&mut self, request: u64, event: usize, reason: EventIgnored) {
        if let Some(open) = self.requests.get_mut(&request) {
            let settled = Settled::Ignored(reason);
            open.settled.push(SettledDelivery { event, integration: None, settled, attempts: 0 });
        }
    }

    /// A delivery is given back that was not even matched, since no integration here is the one of this name that it is for.
    pub fn given_back(&mut self, request: u64, event: usize, integration: &str, pause: Duration) {
        let Some(open) = self.requests.get_mut(&request) else { return };
        open.pause = open.pause.max(pause);
        let settled = Settled::Delivery(Outcome::GivenBack);
        let integration = Some(integration.into());
        open.settled.push(SettledDelivery { event, integration, settled, attempts: 0 });
    }

    /// A delivery ended without having been on its way.
    pub fn settled(&mut self, place: &Place, outcome: Outcome, pause: Duration) {
        self.settle(place, outcome, 0, pause);
    }

    /// A delivery is on its way.
    pub fn started(&mut self, place: &Place) {
        if let Some(open) = self.requests.get_mut(&place.request) {
            open.pending = open.pending.saturating_add(1);
        }
    }

    /// A delivery that was on its way has ended. `pause`: how long its integration sends nothing.
    pub fn ended(&mut self, place: &Place, end: End, pause: Duration) {
        self.settle(place, end.outcome, end.attempts, pause);
        self.finish(place);
    }

    /// A delivery waits for another one, which is on its way under this id. `reason`: what it is if that one is delivered.
    pub fn join(&mut self, id: Id, reason: DropReason, place: Place, story: Option<Box<Story>>) {
        self.started(&place);
        self.joined.push(Joined { id, reason, place, story });
    }

    /// A delivery that was on its way under this id has ended, and with it those that wait for it.
    pub fn end_joined(&mut self, id: Id, is_delivered: bool, host: &mut impl Host) {
        if self.joined.is_empty() {
            return;
        }
        let (ended, others) = std::mem::take(&mut self.joined).into_iter().partition(|one| one.id == id);
        self.joined = others;
        for joined in ended {
            let outcome = if is_delivered { Outcome::Dropped(joined.reason) } else { Outcome::GivenBack };
            self.count(&joined, outcome, host);
        }
    }

    /// Gives back what waits for another delivery that has not ended in time.
    pub fn give_up(&mut self, now: Instant, host: &mut impl Host) {
        let requests = &self.requests;
        let is_late = |place: &Place| requests.get(&place.request).is_none_or(|open| open.until <= now);
        let (late, others) =
            std::mem::take(&mut self.joined).into_iter().partition(|joined: &Joined| is_late(&joined.place));
        self.joined = others;
        for joined in late {
            self.count(&joined, Outcome::GivenBack, host);
        }
    }

    /// Returns when [`Waiting::give_up`] has something to do.
    pub fn next_due(&self) -> Option<Instant> {
        let until = |joined: &Joined| self.requests.get(&joined.place.request).map(|open| open.until);
        self.joined.iter().filter_map(until).min()
    }

    /// Removes a request that all is known of.
    pub fn take_settled(&mut self) -> Option<SettledRequest> {
        loop {
            let request = self.settled.pop_front()?;
            if let Some(Open { waiter, stream, settled, pause, .. }) = self.remove(request) {
                return Some(SettledRequest::of(waiter, stream, settled, pause));
            }
        }
    }

    fn count(&mut self, Joined { place, story, .. }: &Joined, outcome: Outcome, host: &mut impl Host) {
        host.delivery(place.reference(), outcome);
        if let Some(story) = story {
            story.ended(outcome, None, host);
        }
        self.settle(place, outcome, 0, Duration::ZERO);
        self.finish(place);
    }

    fn finish(&mut self, place: &Place) {
        if let Some(open) = self.requests.get_mut(&place.request) {
            open.pending = open.pending.saturating_sub(1);
            if open.unread == 0 && open.pending == 0 {
                self.settled.push_back(place.request);
            }
        }
    }

    fn settle(&mut self, place: &Place, outcome: Outcome, attempts: u32, pause: Duration) {
        let Some(open) = self.requests.get_mut(&place.request) else { return };
        if outcome == Outcome::GivenBack {
            open.pause = open.pause.max(pause);
        }
        let integration = Some(Rc::clone(&place.integration));
        let settled = Settled::Delivery(outcome);
        open.settled.push(SettledDelivery { event: place.event, integration, settled, attempts });
    }
}

impl SettledRequest {
    fn of(waiter: Waiter, stream: Option<u32>, settled: Vec<SettledDelivery>, pause: Duration) -> Self {
        let (cookies, signature) = match waiter {
            Waiter::Client { cookies, signature } => (cookies, signature),
            Waiter::Queue { takes_events } => {
                let mut answer = Acknowledgement::of(settled, pause);
                if takes_events {
                    answer.body.clear();
                }
                return Self { stream, answered: Answered::Acknowledgement(answer), signature: None };
            }
        };
        let is_accepted = !settled.iter().any(|one| one.settled.is_not_accepted());
        let answered = if is_accepted {
            Answered::Reply { reply: Reply::Success, cookies }
        } else {
            Answered::Reply { reply: Reply::unavailable(pause), cookies: Vec::new() }
        };
        Self { stream, answered, signature: signature.map(|signature| (signature, is_accepted)) }
    }
}
