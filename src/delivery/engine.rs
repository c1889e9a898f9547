//! The engine: the lanes of the newest configuration, and the callouts in flight.

use std::time::Duration;

use fastrand::Rng;

use super::answer::Answer;
use super::flights::{Flight, Flights};
use super::lane::{Context, Lane, LaneConfig, Usage};
use super::limits::Limits;
use super::queue::Delivery;
use super::terms::{Callouts, Ends, Instant, LaneId, Offer, OfferRejected, Parcel, Token};
use crate::accounting::IntegrationRef;

/// The delivery engine of one VM. See the [module](super).
#[derive(Debug)]
pub struct Engine<P> {
    limits: Limits,
    /// Each with a key that is never reused. Those not in `order` are retired, and removed once their last flight is settled.
    /// There are few, so a list is enough.
    lanes: Vec<(u64, Lane<P>)>,
    /// The lanes of the newest configuration, in its order.
    order: Vec<u64>,
    flights: Flights<P>,
    /// The latest time seen. Time never goes back here, so that deliveries expire in the order in which they were offered.
    clock: Instant,
    next_lane: u64,
    next_delivery: u64,
    /// The lane whose turn it is to dispatch.
    turn: usize,
}

impl<P> Default for Engine<P> {
    /// No lanes yet, and the default limits.
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            lanes: Vec::new(),
            order: Vec::new(),
            flights: Flights::default(),
            clock: Instant::ZERO,
            next_lane: 0,
            next_delivery: 0,
            turn: 0,
        }
    }
}

impl<P: Parcel> Engine<P> {
    /// Puts a new configuration in force: its limits, and its enabled integrations in its order. No two of them may
    /// have the same name and vendor.
    ///
    /// Lanes keep their deliveries. If an integration is no longer configured, its queued deliveries are dropped as `removed`;
    /// those in flight end as `delivered` or `removed` when they are settled, unless the integration is configured again by
    /// then. Nothing is dropped because a limit was lowered.
    pub fn configure<E: Ends<P>>(
        &mut self,
        limits: Limits,
        specs: Vec<LaneConfig>,
        now: Instant,
        ends: &mut E,
    ) {
        let now = self.advance(now);
        self.limits = limits;
        self.turn = 0;
        for (_, lane) in &mut self.lanes {
            lane.retire();
        }
        self.order.clear();
        for (index, spec) in specs.into_iter().enumerate() {
            self.activate(LaneId(index), spec, now);
        }
        self.order.shrink_to_fit();
        self.lanes.retain_mut(|(_, lane)| {
            if lane.is_retired() {
                lane.drop_queue(ends);
            }
            !lane.is_retired() || lane.held().in_flight > 0
        });
    }

    fn activate(&mut self, id: LaneId, spec: LaneConfig, now: Instant) {
        if let Some((key, lane)) = self.lanes.iter_mut().find(|(_, lane)| lane.is(&spec)) {
            lane.activate(id, spec, &self.limits, now);
            self.order.push(*key);
            return;
        }
        self.next_lane = self.next_lane.saturating_add(1);
        let mut lane = Lane::new(spec.clone());
        lane.activate(id, spec, &self.limits, now);
        self.lanes.push((self.next_lane, lane));
        self.order.push(self.next_lane);
    }

    /// Queues a delivery. In a full lane a conversion replaces the newest queued ordinary delivery; any other new delivery
    /// is dropped. Either drop is counted as `queue_full`, or given back if its sender waits.
    pub fn offer<E: Ends<P>>(
        &mut self,
        lane: LaneId,
        Offer { parcel, rank, waits_until }: Offer<P>,
        now: Instant,
        ends: &mut E,
    ) -> Result<(), OfferRejected> {
        let now = self.advance(now);
        let share = self.limits.share(self.order.len());
        let lane = self
            .order
            .get(lane.0)
            .and_then(|key| find(&mut self.lanes, *key))
            .ok_or(OfferRejected::NoSuchLane)?;
        self.next_delivery = self.next_delivery.saturating_add(1);
        let bytes = parcel.bytes();
        let delivery = Delivery {
            counted_as: lane.name(),
            seq: self.next_delivery,
            rank,
            bytes,
            offered_at: now,
            waits_until,
            attempts: 0,
            tried: false,
            last_status: None,
            parcel,
        };
        if lane.offer(delivery, share, now, ends) { Ok(()) } else { Err(OfferRejected::QueueFull) }
    }

    /// Does what is due: gives up on at most `budget` lost callouts, drops at most `budget` deliveries of each lane
    /// that are too old, and dispatches at most `budget` deliveries, the lanes taking turns. If work remains,
    /// [`next_due`](Self::next_due) is a time that has passed.
    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    pub fn step<H: Callouts<P> + Ends<P>>(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        host: &mut H,
        budget: usize,
    ) {
        let now = self.advance(now);
        for _ in 0..budget {
            let Some(flight) = self.flights.pop_overdue(now) else { break };
            self.conclude(flight, Answer::Transport, now, rng, host);
        }
        for (_, lane) in &mut self.lanes {
            lane.expire(&self.limits, now, budget, host);
        }
        let (mut dispatched, mut idle) = (0, 0);
        while dispatched < budget && idle < self.order.len() {
            let id = LaneId(self.turn);
            self.turn = self.turn.saturating_add(1).checked_rem(self.order.len()).unwrap_or(0);
            match self.dispatch(id, now, rng, host) {
                Some(()) => (dispatched, idle) = (dispatched.saturating_add(1), 0),
                None => idle = idle.saturating_add(1),
            }
        }
    }

    /// Dispatches one delivery of the lane; none if nothing is due.
    fn dispatch<H: Callouts<P> + Ends<P>>(
        &mut self,
        id: LaneId,
        now: Instant,
        rng: &mut Rng,
        host: &mut H,
    ) -> Option<()> {
        let key = *self.order.get(id.0)?;
        let lane = find(&mut self.lanes, key)?;
        let (parcel, timeout) = lane.due(&self.limits, now)?;
        match host.dispatch(id, parcel, timeout) {
            Ok(token) => {
                let flight = lane.start_flight(key, &self.limits, now)?;
                if let Some(displaced) = self.flights.insert(token, flight) {
                    self.conclude(displaced, Answer::Transport, now, rng, host);
                }
            }
            Err(refusal) => {
                lane.refuse(refusal, &mut Context { now, limits: &self.limits, rng, ledger: host })
            }
        }
        Some(())
    }

    /// Settles the callout that the host answers. Returns `false` if the token is not in flight here, because it is another
    /// engine's, or because the answer comes later than [`Limits::timeout`] + 1 s and is no longer awaited.
    pub fn settle<E: Ends<P>>(
        &mut self,
        token: Token,
        answer: Answer<'_>,
        now: Instant,
        rng: &mut Rng,
        ends: &mut E,
    ) -> bool {
        let now = self.advance(now);
        let flight = self.flights.remove(token);
        let known = flight.is_some();
        if let Some(flight) = flight {
            self.conclude(flight, answer, now, rng, ends);
        }
        known
    }

    #[inline(never)] // V8 compiles small functions with less memory: docs/performance.md
    fn conclude<E: Ends<P>>(
        &mut self,
        flight: Flight<P>,
        answer: Answer<'_>,
        now: Instant,
        rng: &mut Rng,
        ends: &mut E,
    ) {
        let key = flight.lane;
        // Always there: a lane stays for as long as one of its deliveries is in flight.
        let Some(lane) = find(&mut self.lanes, key) else { return };
        lane.settle(flight, answer, &mut Context { now, limits: &self.limits, rng, ledger: ends });
        if lane.is_retired() && lane.held().in_flight == 0 {
            self.lanes.retain(|(known, _)| *known != key);
        }
    }

    /// When to call [`step`](Self::step) next: at once if that time has passed, never if there is nothing to do.
    pub fn next_due(&self) -> Option<Instant> {
        let of_lane = |(_, lane): &(u64, Lane<P>)| {
            let times = [lane.next_dispatch(&self.limits), lane.next_expiry(&self.limits)];
            times.into_iter().flatten().min()
        };
        self.lanes.iter().filter_map(of_lane).chain(self.flights.next_deadline()).min()
    }

    /// The limits in force.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the deliveries of every lane, including retired ones, whose deliveries in flight are still pending.
    pub fn lanes(&self) -> impl Iterator<Item = (IntegrationRef<'_>, Usage)> {
        self.lanes.iter().map(|(_, lane)| (lane.reference(), lane.held()))
    }

    /// Whether the lane has its full share of deliveries, so that its next one could be dropped.
    pub fn is_lane_full(&self, lane: LaneId) -> bool {
        self.pending(lane) >= self.limits.share(self.order.len()).deliveries
    }

    /// Whether any delivery that is queued or in flight is such a one.
    pub fn any(&self, mut is_it: impl FnMut(&P) -> bool) -> bool {
        self.lanes.iter().any(|(_, lane)| lane.parcels().any(&mut is_it)) || self.flights.parcels().any(is_it)
    }

    /// Deliveries that the lane holds, queued and in flight.
    pub fn pending(&self, lane: LaneId) -> usize {
        let key = self.order.get(lane.0);
        let lane = key.and_then(|key| self.lanes.iter().find(|(known, _)| known == key));
        lane.map_or(0, |(_, lane)| lane.held().deliveries)
    }

    /// Returns how long the lane sends nothing, as far as is known: because its vendor is failing, or has asked for a pause.
    pub fn pause(&self, lane: LaneId, now: Instant) -> Duration {
        let key = self.order.get(lane.0);
        let lane = key.and_then(|key| self.lanes.iter().find(|(known, _)| known == key));
        lane.map_or(Duration::ZERO, |(_, lane)| lane.pause(now))
    }

    /// Callouts whose answers are awaited, of all lanes.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Bytes of all parcels held.
    pub fn bytes(&self) -> usize {
        self.lanes().fold(0, |sum, (_, held)| sum.saturating_add(held.bytes))
    }

    /// Whether nothing is pending.
    pub fn is_idle(&self) -> bool {
        self.lanes().all(|(_, held)| held.deliveries == 0)
    }

    fn advance(&mut self, now: Instant) -> Instant {
        self.clock = self.clock.max(now);
        self.clock
    }
}

/// The lane with this key.
fn find<P>(lanes: &mut [(u64, Lane<P>)], key: u64) -> Option<&mut Lane<P>> {
    lanes.iter_mut().find(|(known, _)| *known == key).map(|(_, lane)| lane)
}
