//! The lane of one integration: its deliveries, its sending rate, and the outcome of each delivery.

use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;

use super::answer::{Answer, Redirects, Verdict};
use super::flights::Flight;
use super::limits::{Limits, Share};
use super::pace::Pace;
use super::queue::{Delivery, Queue};
use super::terms::{End, Ends, Instant, LaneId};
use crate::accounting::{
    CalloutStatus, DeliveryLedger, DropReason, IntegrationRef, Notice, Outcome, Refusal, RetryReason,
};
use crate::rank::Rank;

/// An enabled integration, as the engine needs to know it.
#[derive(Debug, Clone)]
pub struct LaneConfig {
    /// The integration's name in the configuration.
    pub name: Rc<str>,
    /// Identifies the integration, together with its vendor, even if its name changes. `None`: name and vendor identify it.
    pub id: Option<Rc<str>>,
    /// The name of its vendor.
    pub vendor: &'static str,
    /// What a 3xx means to the vendor.
    pub redirects: Redirects,
}

/// The number and size of a lane's deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Queued and in flight.
    pub deliveries: usize,
    /// Callouts that have been sent and not answered yet.
    pub in_flight: usize,
    /// Of the parcels, queued and in flight.
    pub bytes: usize,
}

/// What every operation of a lane needs.
pub(super) struct Context<'a, L> {
    pub now: Instant,
    pub limits: &'a Limits,
    pub rng: &'a mut Rng,
    pub ledger: &'a mut L,
}

/// Whether Envoy knows the integration's cluster, as far as its last answer to a dispatch tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cluster {
    Known,
    Unknown { reported: bool },
}

#[derive(Debug)]
pub(super) struct Lane<P> {
    spec: LaneConfig,
    /// `None`: retired. Its integration is no longer configured, and only deliveries in flight are left.
    id: Option<LaneId>,
    queue: Queue<P>,
    pace: Pace,
    in_flight_bytes: usize,
    cluster: Cluster,
}

impl<P> Lane<P> {
    pub fn new(spec: LaneConfig) -> Self {
        Self {
            spec,
            id: None,
            queue: Queue::default(),
            pace: Pace::default(),
            in_flight_bytes: 0,
            cluster: Cluster::Known,
        }
    }

    pub fn reference(&self) -> IntegrationRef<'_> {
        IntegrationRef { name: &self.spec.name, vendor: self.spec.vendor }
    }

    /// Returns the name that the next delivery is counted under.
    pub fn name(&self) -> Rc<str> {
        Rc::clone(&self.spec.name)
    }

    /// Whether the lane is that of this integration.
    pub fn is(&self, spec: &LaneConfig) -> bool {
        let same = match (&self.spec.id, &spec.id) {
            (Some(known), Some(id)) => known == id,
            _ => self.spec.name == spec.name,
        };
        same && self.spec.vendor == spec.vendor
    }

    pub fn is_retired(&self) -> bool {
        self.id.is_none()
    }

    pub fn held(&self) -> Usage {
        Usage {
            deliveries: self.queue.len().saturating_add(self.pace.in_flight()),
            in_flight: self.pace.in_flight(),
            bytes: self.queue.bytes().saturating_add(self.in_flight_bytes),
        }
    }

    /// Sets the lane's position in a new configuration, and revives it if it was retired.
    pub fn activate(&mut self, id: LaneId, spec: LaneConfig, limits: &Limits, now: Instant) {
        self.id = Some(id);
        self.spec = spec;
        self.pace.wait_at_most_until(now.saturating_add(limits.backoff.max()));
        if self.cluster != Cluster::Known {
            // The new configuration may be what mends it: try at once, and report it anew if it is not.
            self.cluster = Cluster::Unknown { reported: false };
            self.pace.end_hold();
        }
    }

    pub fn retire(&mut self) {
        self.id = None;
    }

    /// Ends what is queued because the integration is no longer configured.
    pub fn drop_queue<E: Ends<P>>(&mut self, ends: &mut E) {
        while let Some(delivery) = self.queue.pop_oldest().or_else(|| self.queue.pop_first_wait()) {
            self.end_undelivered(delivery, DropReason::Removed, ends);
        }
    }

    /// Queues a delivery, or drops it as `queue_full`. Returns whether it was queued.
    pub fn offer<E: Ends<P>>(
        &mut self,
        delivery: Delivery<P>,
        share: Share,
        now: Instant,
        ends: &mut E,
    ) -> bool {
        let room = self.make_room(delivery.rank, delivery.bytes, share, ends);
        if room {
            self.queue.push(delivery, now);
        } else {
            self.lose(delivery, DropReason::QueueFull, ends);
        }
        room
    }

    /// Drops the newest ordinary deliveries to make room for a conversion: as few as possible, and none if that isn't enough.
    fn make_room<E: Ends<P>>(&mut self, rank: Rank, bytes: usize, share: Share, ends: &mut E) -> bool {
        let held = self.held();
        if fits(held, bytes, share) {
            return true;
        }
        if rank == Rank::Ordinary {
            return false;
        }
        // A lane that holds more than its share, because that has shrunk, must not grow; neither is it cut back.
        let bound =
            Share { deliveries: share.deliveries.max(held.deliveries), bytes: share.bytes.max(held.bytes) };
        let (ordinary, ordinary_bytes) = self.queue.ordinary();
        let without_ordinary = Usage {
            deliveries: held.deliveries.saturating_sub(ordinary),
            bytes: held.bytes.saturating_sub(ordinary_bytes),
            ..held
        };
        if !fits(without_ordinary, bytes, bound) {
            return false;
        }
        while !fits(self.held(), bytes, bound)
            && let Some(delivery) = self.queue.pop_newest_ordinary()
        {
            self.lose(delivery, DropReason::QueueFull, ends);
        }
        true
    }

    /// Returns when the next delivery may be dispatched; `None` if there is none, or if an answer has to come first.
    pub fn next_dispatch(&self, limits: &Limits) -> Option<Instant> {
        let (due, _) = self.queue.next(self.pace.is_failing())?;
        Some(self.pace.opens_at(limits.max_in_flight.get())?.max(due))
    }

    /// Returns what is queued, in no order.
    pub fn parcels(&self) -> impl Iterator<Item = &P> {
        self.queue.parcels()
    }

    /// Returns how long the lane sends nothing, as far as is known.
    pub fn pause(&self, now: Instant) -> Duration {
        self.pace.paused_until().saturating_sub(now)
    }

    /// Returns when the next queued delivery ends without being sent again: it is too old, or its sender will not wait for the
    /// lane to open.
    pub fn next_expiry(&self, limits: &Limits) -> Option<Instant> {
        let aged = self.queue.oldest().map(|delivery| delivery.offered_at.saturating_add(limits.max_age));
        let waited = self.queue.first_wait().map(|until| {
            let opens_at = self.pace.opens_at(limits.max_in_flight.get());
            if opens_at.is_some_and(|opens_at| opens_at >= until) { Instant::ZERO } else { until }
        });
        aged.into_iter().chain(waited).min()
    }

    /// Ends what has expired, at most `budget` deliveries.
    pub fn expire<E: Ends<P>>(&mut self, limits: &Limits, now: Instant, budget: usize, ends: &mut E) {
        for _ in 0..budget {
            if self.next_expiry(limits).is_none_or(|at| at > now) {
                return;
            }
            let is_aged = |oldest: &Delivery<P>| oldest.offered_at.saturating_add(limits.max_age) <= now;
            if self.queue.oldest().is_some_and(is_aged) {
                let Some(delivery) = self.queue.pop_oldest() else { return };
                let known = self.cluster == Cluster::Known;
                let reason = if known { DropReason::Expired } else { DropReason::Misconfigured };
                self.lose(delivery, reason, ends);
            } else {
                let Some(delivery) = self.queue.pop_first_wait() else { return };
                self.end(delivery, Outcome::GivenBack, ends);
            }
        }
    }

    /// Returns the delivery to dispatch now and the timeout of its callout, if there is one. What has expired has to be ended first.
    pub fn due(&self, limits: &Limits, now: Instant) -> Option<(&P, Duration)> {
        let due = self.next_dispatch(limits)? <= now && self.next_expiry(limits)? > now;
        let (_, delivery) = self.queue.next(self.pace.is_failing()).filter(|_| due)?;
        Some((&delivery.parcel, limits.timeout(delivery.waits_until, now)))
    }

    /// The delivery that was due has been dispatched: takes it out of the queue.
    pub fn start_flight(&mut self, key: u64, limits: &Limits, now: Instant) -> Option<Flight<P>> {
        let delivery = self.queue.pop_next(self.pace.is_failing())?;
        self.cluster = Cluster::Known;
        self.in_flight_bytes = self.in_flight_bytes.saturating_add(delivery.bytes);
        let probe = self.pace.started();
        let timeout = limits.timeout(delivery.waits_until, now);
        Some(Flight { lane: key, delivery, started: now, timeout, probe })
    }

    /// The host refused to dispatch the delivery that was due: the lane waits, and the delivery is queued behind the others
    /// that are due, in case it is the cause.
    pub fn refuse<L: DeliveryLedger>(&mut self, refusal: Refusal, cx: &mut Context<'_, L>) {
        cx.ledger.callout(self.reference(), CalloutStatus::Refused, Instant::ZERO);
        self.cluster = match (refusal, self.cluster) {
            (Refusal::NoHost, _) => Cluster::Known,
            (Refusal::UnknownCluster, Cluster::Unknown { reported: true }) => self.cluster,
            (Refusal::UnknownCluster, _) => {
                cx.ledger.notice(self.reference(), Notice::UnknownCluster);
                Cluster::Unknown { reported: true }
            }
        };
        let delivery = self.queue.pop_next(self.pace.is_failing());
        if self.pace.refused(&cx.limits.backoff, cx.now, cx.rng) {
            cx.ledger.notice(self.reference(), Notice::Failing(RetryReason::Refused(refusal)));
        }
        if let Some(delivery) = delivery {
            let last_status = Some(CalloutStatus::Refused);
            self.queue.push(Delivery { last_status, ..delivery }, cx.now);
        }
    }

    /// Settles a flight of this lane.
    pub fn settle<E: Ends<P>>(&mut self, mut flight: Flight<P>, answer: Answer<'_>, cx: &mut Context<'_, E>) {
        self.pace.ended(flight.probe);
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(flight.delivery.bytes);
        let took = cx.now.saturating_sub(flight.started);
        let answer = answer.after(took, flight.timeout);
        flight.delivery.last_status = Some(answer.callout_status());
        cx.ledger.callout(self.reference(), answer.callout_status(), took);
        let verdict = answer.verdict(self.spec.redirects);
        if !matches!(verdict, Verdict::Retry(_)) || self.is_retired() {
            cx.ledger.attempted(&flight.delivery.parcel, &answer, took, false);
        }
        match verdict {
            Verdict::Delivered => {
                self.answered(cx);
                self.end(flight.attempted(), Outcome::Delivered, cx.ledger);
            }
            _ if self.is_retired() => {
                self.end_undelivered(flight.counting(answer), DropReason::Removed, cx.ledger);
            }
            Verdict::Rejected => {
                self.answered(cx);
                self.end(flight.attempted(), Outcome::Dropped(DropReason::Rejected), cx.ledger);
                self.report_rejection(answer, cx.ledger);
            }
            Verdict::Retry(reason) => self.retry(flight, reason, (answer, took), cx),
        }
    }

    fn answered<L: DeliveryLedger>(&mut self, cx: &mut Context<'_, L>) {
        if self.pace.answered(cx.limits.max_in_flight.get()) {
            cx.ledger.notice(self.reference(), Notice::Recovered);
        }
    }

    fn report_rejection<L: DeliveryLedger>(&self, answer: Answer<'_>, ledger: &mut L) {
        if let Answer::Status { code, location_host, .. } = answer {
            let redirect = (300..=399).contains(&code);
            let notice = if redirect {
                Notice::Redirected { host: location_host }
            } else {
                Notice::Rejected { status: code }
            };
            ledger.notice(self.reference(), notice);
        }
    }

    fn retry<E: Ends<P>>(
        &mut self,
        flight: Flight<P>,
        reason: RetryReason,
        (answer, took): (Answer<'_>, Duration),
        cx: &mut Context<'_, E>,
    ) {
        let (probe, is_hit) = (flight.probe, answer.may_be_a_hit());
        let backoff = &cx.limits.backoff;
        if self.pace.failed(probe, backoff, cx.now, cx.rng) {
            cx.ledger.notice(self.reference(), Notice::Failing(reason));
        }
        if let Some(pause) = answer.retry_after() {
            self.pace.pause(cx.now.saturating_add(pause.min(backoff.max())));
        }
        let delivery = flight.counting(answer);
        // Whoever waits knows best how long to go on.
        let left = match delivery.waits_until {
            Some(_) => u32::MAX,
            None => cx.limits.max_attempts.get().saturating_sub(delivery.attempts),
        };
        let delay = match (is_hit, left) {
            // The lane's hold is all the delay there is: the delivery goes behind the others that are due.
            (false, _) if probe => Duration::ZERO,
            // A failing vendor gets the last attempt as late as possible.
            (_, ..=1) if self.pace.is_failing() => backoff.max(),
            _ => backoff.delay(delivery.attempts, cx.rng),
        };
        let due = cx.now.saturating_add(delay);
        // One that somebody waits for is given back, whatever the reason.
        let end = match delivery.waits_until {
            Some(until) => (due >= until).then_some(DropReason::Expired),
            None if left == 0 => Some(DropReason::RetriesExhausted),
            None => {
                let is_aged = delivery.offered_at.saturating_add(cx.limits.max_age) <= cx.now;
                is_aged.then_some(DropReason::Expired)
            }
        };
        cx.ledger.attempted(&delivery.parcel, &answer, took, end.is_none());
        match end {
            Some(reason) => self.lose(delivery, reason, cx.ledger),
            None => self.queue.push(delivery, due),
        }
    }

    /// Ends a delivery without the vendor having it. That is a loss, unless its sender waits and will send it again.
    fn lose<E: Ends<P>>(&self, delivery: Delivery<P>, reason: DropReason, ends: &mut E) {
        let is_lost = delivery.waits_until.is_none();
        self.end_undelivered(delivery, reason, ends);
        if is_lost {
            ends.notice(self.reference(), Notice::Lost(reason));
        }
    }

    /// Gives a delivery back to its sender if that waits, or else drops it.
    fn end_undelivered<E: Ends<P>>(&self, delivery: Delivery<P>, reason: DropReason, ends: &mut E) {
        let outcome = match delivery.waits_until {
            Some(_) => Outcome::GivenBack,
            None => Outcome::Dropped(reason),
        };
        self.end(delivery, outcome, ends);
    }

    /// Counts the end of a delivery, and lets go of it.
    fn end<E: Ends<P>>(&self, delivery: Delivery<P>, outcome: Outcome, ends: &mut E) {
        let counted_as = IntegrationRef { name: &delivery.counted_as, vendor: self.spec.vendor };
        ends.delivery(counted_as, outcome);
        let Delivery { attempts, last_status, parcel, .. } = delivery;
        ends.ended(counted_as, parcel, End { outcome, attempts, last_status });
    }
}

fn fits(held: Usage, bytes: usize, bound: Share) -> bool {
    held.deliveries < bound.deliveries && held.bytes.saturating_add(bytes) <= bound.bytes
}
