//! The acknowledged route: requests that are answered once all of their deliveries have ended.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::accounting::{DropReason, EventIgnored, IntegrationRef, Ledger, Outcome};
use crate::deduplication::Id;
use crate::delivery::{End, Instant};
use crate::reply::{Acknowledgement, Settled, SettledDelivery};

/// The requests that wait.
#[derive(Debug, Default)]
pub struct Waiting {
    requests: HashMap<u64, Open>,
    joined: Vec<Joined>,
    next: u64,
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
}

#[derive(Debug)]
struct Open {
    /// The stream whose client waits; `None`: it has left.
    stream: Option<u32>,
    until: Instant,
    /// Whether events of it have not been read yet.
    is_unread: bool,
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
    /// The number of requests that wait.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Returns the deliveries to an integration that wait for another one.
    pub fn joined(&self, integration: IntegrationRef<'_>) -> usize {
        self.joined.iter().filter(|joined| joined.place.reference() == integration).count()
    }

    /// A request of the stream waits until then. Returns its number.
    pub fn begin(&mut self, stream: u32, until: Instant) -> u64 {
        self.next = self.next.wrapping_add(1);
        let open = Open {
            stream: Some(stream),
            until,
            is_unread: true,
            pending: 0,
            settled: Vec::new(),
            pause: Duration::ZERO,
        };
        self.requests.insert(self.next, open);
        self.next
    }

    /// All events of the request were read.
    pub fn was_read(&mut self, request: u64) {
        if let Some(open) = self.requests.get_mut(&request) {
            open.is_unread = false;
        }
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
        self.finish(place);
        self.settle(place, end.outcome, end.attempts, pause);
    }

    /// A delivery waits for another one, which is on its way under this id. `reason`: what it is if that one is delivered.
    pub fn join(&mut self, id: Id, reason: DropReason, place: Place) {
        self.started(&place);
        self.joined.push(Joined { id, reason, place });
    }

    /// A delivery that was on its way under this id has ended, and with it those that wait for it.
    pub fn end_joined(&mut self, id: Id, is_delivered: bool, ledger: &mut impl Ledger) {
        if self.joined.is_empty() {
            return;
        }
        let (ended, others) = std::mem::take(&mut self.joined).into_iter().partition(|one| one.id == id);
        self.joined = others;
        for Joined { reason, place, .. } in ended {
            let outcome = if is_delivered { Outcome::Dropped(reason) } else { Outcome::GivenBack };
            self.count(&place, outcome, ledger);
        }
    }

    /// Gives back what waits for another delivery that has not ended in time.
    pub fn give_up(&mut self, now: Instant, ledger: &mut impl Ledger) {
        let requests = &self.requests;
        let is_late = |place: &Place| requests.get(&place.request).is_none_or(|open| open.until <= now);
        let (late, others) =
            std::mem::take(&mut self.joined).into_iter().partition(|joined: &Joined| is_late(&joined.place));
        self.joined = others;
        for Joined { place, .. } in late {
            self.count(&place, Outcome::GivenBack, ledger);
        }
    }

    /// Returns when [`Waiting::give_up`] has something to do.
    pub fn next_due(&self) -> Option<Instant> {
        let until = |joined: &Joined| self.requests.get(&joined.place.request).map(|open| open.until);
        self.joined.iter().filter_map(until).min()
    }

    /// Removes a request that all is known of, and returns its stream and the answer. A stream whose client has left gets none.
    pub fn take_settled(&mut self) -> Option<(u32, Acknowledgement)> {
        loop {
            let is_settled = |open: &Open| !open.is_unread && open.pending == 0;
            let request =
                self.requests.iter().find(|(_, open)| is_settled(open)).map(|(request, _)| *request)?;
            let open = self.requests.remove(&request)?;
            if let Some(stream) = open.stream {
                return Some((stream, Acknowledgement::of(open.settled, open.pause)));
            }
        }
    }

    fn count(&mut self, place: &Place, outcome: Outcome, ledger: &mut impl Ledger) {
        ledger.delivery(place.reference(), outcome);
        self.finish(place);
        self.settle(place, outcome, 0, Duration::ZERO);
    }

    fn finish(&mut self, place: &Place) {
        if let Some(open) = self.requests.get_mut(&place.request) {
            open.pending = open.pending.saturating_sub(1);
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
