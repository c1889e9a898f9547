//! Clients, two workers that hand events off, a durable queue and two vendors, simulated from a seed: answers fail and get lost, a
//! worker or the whole process dies, clients leave, and clients and queue send again. Whatever a client was told is accepted reaches
//! both vendors, and twice only where nobody could know of the first time.
//!
//! `SIMULATION_RUNS=10000 cargo test --release fleet` runs that many seeds; `SIMULATION_SEED=n` repeats one.

mod surroundings;

use std::collections::BTreeMap;

use fastrand::Rng;

use super::*;
use crate::testing::{Recorded, SentCallout};
use surroundings::{Client, Queue, Vendors, Way};

const ORDERS: u32 = 12;
/// How long things go wrong.
const TROUBLE: Duration = Duration::from_secs(20);
/// By then all has come to rest: leases of what died are over, and so are pauses.
const REST: Duration = Duration::from_secs(600);

/// A worker of the gateway.
struct Worker {
    host: FakeHost,
    relay: Relay,
    flights: Vec<Flight>,
}

/// A callout that is not answered yet.
struct Flight {
    token: Token,
    answered_at: Instant,
    /// `None`: the answer is lost.
    status: Option<u16>,
    /// The hit at a vendor that it is, by its index.
    hit: Option<usize>,
}

struct Fleet {
    rng: Rng,
    now: Instant,
    config: Rc<Compiled>,
    workers: Vec<Worker>,
    clients: Vec<Client>,
    queue: Queue,
    vendors: Vendors,
    next_stream: u32,
    seen: BTreeMap<&'static str, u32>,
}

fn configuration_of() -> Value {
    json!({
        "secrets": ["a secret of thirty-two bytes, yes"],
        "endpoints": {
            "reply": "local", "hand_off": {"integration": "Queue", "within": "2s", "max_open": 2},
            "deliver": {"within": "3s", "max_open": 2},
        },
        "sources": [{"id": "shop", "keys": ["k_shop"]}, {"id": "queue", "keys": ["k_queue"], "deliver": true}],
        "delivery": {"timeout": "1s", "backoff": {"base": "200ms", "max": "5s"}},
        "integrations": [
            {"name": "FT", "vendor": "flashtalking",
             "config": {"advertiser_id": 1, "spotlight_id": 2, "spotlight_group_id": 3}},
            {"name": "Pod", "vendor": "podsights", "config": {"key": "k"}},
            {"name": "Queue", "vendor": "webhook", "preset": "cloudevents",
             "config": {"cluster": "queue", "authority": "queue", "path": "/events", "purpose": "own"}},
        ],
    })
}

impl Fleet {
    fn new(seed: u64) -> Self {
        let config = Compiled::load(configuration_of().to_string().as_bytes(), &|_| None).unwrap();
        let (mut rng, config) = (Rng::with_seed(seed), Rc::new(config));
        let clients = (1..=ORDERS).map(|order| Client::new(order, Duration::from_millis(rng.u64(0..15_000))));
        let clients = clients.collect();
        let first = Worker::start(&config, rng.u64(..), None);
        let second = Worker::start(&config, rng.u64(..), Some(&first));
        Self {
            rng,
            now: Duration::ZERO,
            config,
            workers: vec![first, second],
            clients,
            queue: Queue::default(),
            vendors: Vendors::default(),
            next_stream: 0,
            seen: BTreeMap::new(),
        }
    }

    fn run(&mut self) {
        while self.now < REST && !self.is_at_rest() {
            self.now += Duration::from_millis(self.rng.u64(1..40));
            for worker in &mut self.workers {
                worker.host.now = self.now;
                worker.host.wall_clock = host().wall_clock + i64::try_from(self.now.as_millis()).unwrap();
            }
            if self.is_in_trouble() && self.rng.u32(0..300) == 0 {
                self.kill();
            }
            self.clients_send();
            self.queue_pushes();
            (0..self.workers.len()).for_each(|at| self.works(at));
        }
    }

    fn is_in_trouble(&self) -> bool {
        self.now < TROUBLE
    }

    fn is_at_rest(&self) -> bool {
        self.clients.iter().all(Client::is_accepted)
            && self.queue.is_empty()
            && self.workers.iter().all(|worker| worker.flights.is_empty() && worker.relay.is_idle())
    }

    fn saw(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    /// A worker dies, or the whole process with what its workers remember.
    fn kill(&mut self) {
        let whole = self.rng.bool();
        self.saw(if whole { "the process died" } else { "a worker died" });
        let dead = if whole { vec![0, 1] } else { vec![self.rng.usize(0..2)] };
        for at in dead {
            let survivor = self.workers.get(1 - at).filter(|_| !whole || at == 1);
            let worker = Worker::start(&self.config, self.rng.u64(..), survivor);
            for flight in std::mem::replace(&mut self.workers[at], worker).flights {
                self.vendors.nobody_knows(flight.hit);
            }
            let recorded_until = self.now.saturating_sub(CONCLUDE_INTERVAL + Duration::from_millis(40));
            self.vendors.forget(|worker, when| whole || (worker == at && when >= recorded_until));
            self.clients.iter_mut().for_each(|client| client.disconnected_from(at, self.now));
            self.queue.disconnected_from(at, self.now);
        }
    }

    fn stream(&mut self) -> u32 {
        self.next_stream += 1;
        self.next_stream
    }

    fn clients_send(&mut self) {
        for index in 0..self.clients.len() {
            if self.is_in_trouble()
                && self.rng.u32(0..400) == 0
                && let Some((worker, stream)) = self.clients[index].leave(self.now)
            {
                self.workers[worker].relay.abandon(stream);
                self.saw("a client left");
            }
            if !self.clients[index].is_due(self.now) {
                continue;
            }
            let (at, stream) = (self.rng.usize(0..2), self.stream());
            let worker = &mut self.workers[at];
            let request = worker.request("/v1/t", "k_shop", &self.clients[index].event());
            match worker.relay.answer(request, stream, &mut worker.host) {
                None => self.clients[index].waits_on(at, stream),
                Some(answered) => self.tell_client(index, &answered),
            }
        }
    }

    fn tell_client(&mut self, index: usize, answered: &Answered) {
        let Answered::Reply { reply, .. } = answered else { panic!("{answered:?}") };
        match reply {
            Reply::Success => {
                let order = self.clients[index].order;
                assert!(
                    self.queue.has_had(order),
                    "order {order} is accepted, and the queue has never had it"
                );
                self.clients[index].accepted();
            }
            Reply::Unavailable { retry_after } => {
                self.saw("a client was told 503");
                self.clients[index].again(self.now + Duration::from_secs(*retry_after));
            }
            Reply::Overloaded => {
                self.saw("a client was told 429");
                self.clients[index].again(self.now + Duration::from_secs(1));
            }
            other => panic!("{other:?}"),
        }
    }

    fn queue_pushes(&mut self) {
        self.queue.time_out(self.now);
        while let Some(entry) = self.queue.next_due(self.now) {
            let (at, stream) = (self.rng.usize(0..2), self.stream());
            let worker = &mut self.workers[at];
            let request = worker.request("/v1/deliver", "k_queue", &self.queue.body(entry));
            match worker.relay.deliver(request, stream, &mut worker.host) {
                None => self.queue.pushed(entry, at, stream, self.now),
                Some(_) => self.queue.again(entry, self.now + Duration::from_secs(1)),
            }
        }
    }

    fn works(&mut self, at: usize) {
        self.answers(at);
        let worker = &mut self.workers[at];
        if worker.relay.next_due().is_some_and(|due| due <= self.now) {
            worker.relay.work(&mut worker.host);
        }
        for recorded in worker.host.take_record() {
            if let Recorded::Sent { token, cluster, callout, timeout, .. } = recorded {
                self.sent(at, token, (&cluster, &callout), timeout);
            }
        }
        while self.workers[at].host.next_unanswered().is_some() {}
        while let Some((stream, answered)) = self.workers[at].relay.take_settled() {
            let index = self.clients.iter().position(|client| client.is_on(at, stream));
            match (index, answered) {
                (Some(index), answered) => self.tell_client(index, &answered),
                (None, Answered::Acknowledgement(answer)) => match answer.status {
                    200 => self.queue.acknowledged(at, stream),
                    503 => {
                        self.saw("the queue was told 503");
                        let pause = Duration::from_secs(answer.retry_after.unwrap());
                        self.queue.given_back(at, stream, self.now + pause);
                    }
                    other => panic!("{other}: {}", answer.body),
                },
                (None, _) => {}
            }
        }
        self.workers[at].host.check_counts(&self.workers[at].relay).unwrap();
    }

    /// The answers that have come to a worker.
    fn answers(&mut self, at: usize) {
        let worker = &mut self.workers[at];
        let (come, others) =
            std::mem::take(&mut worker.flights).into_iter().partition(|one| one.answered_at <= self.now);
        worker.flights = others;
        let come: Vec<Flight> = come;
        for Flight { token, status, hit, .. } in come {
            let answer = match status {
                Some(status) => Answer::status(status),
                None => Answer::Transport,
            };
            let is_known = worker.relay.settle(token, answer, &mut worker.host) && status == Some(200);
            match (hit, is_known) {
                (Some(hit), true) => self.vendors.is_known_to(hit, at, self.now),
                (hit, _) => self.vendors.nobody_knows(hit),
            }
        }
    }

    /// A callout has left a worker.
    fn sent(&mut self, at: usize, token: Token, (cluster, callout): (&str, &SentCallout), timeout: Duration) {
        let mut way = if self.is_in_trouble() { Way::random(&mut self.rng) } else { Way::Good };
        let takes = Duration::from_millis(self.rng.u64(5..600));
        if way == Way::Good && takes >= timeout {
            way = Way::AnswerLost;
        }
        let mut hit = None;
        if way.arrives() {
            match cluster {
                "queue" => self.queue.take(callout.body.as_deref().unwrap(), self.now),
                vendor => hit = Some(self.vendors.hit(vendor, callout)),
            }
        }
        if way == Way::AnswerLost {
            self.saw("an answer was lost");
        }
        let answered_at = self.now + takes.min(timeout);
        self.workers[at].flights.push(Flight { token, answered_at, status: way.status(cluster), hit });
    }

    fn check(&self) {
        for order in 1..=ORDERS {
            for vendor in ["flashtalking", "podsights"] {
                let (hits, unknown) = self.vendors.hits(vendor, order);
                assert!(hits >= 1, "{vendor} never got order {order}, which was accepted");
                assert!(
                    hits <= 1 + unknown,
                    "{vendor} got order {order} {hits} times, {unknown} of which nobody knew"
                );
            }
        }
        assert!(self.is_at_rest(), "at {:?} something is still on its way", self.now);
    }
}

impl Worker {
    /// Starts one that remembers what `other` does.
    fn start(config: &Rc<Compiled>, seed: u64, other: Option<&Worker>) -> Self {
        let mut host = host();
        if let Some(other) = other {
            host.shared = Rc::clone(&other.host.shared);
            (host.now, host.wall_clock) = (other.host.now, other.host.wall_clock);
        }
        let relay = Relay::new("test".to_owned(), Rc::clone(config), seed, &mut host);
        Self { host, relay, flights: Vec::new() }
    }

    fn request(&self, path: &str, key: &str, body: &str) -> Request {
        let endpoint = self.relay.config().endpoints.find(path.as_bytes()).unwrap();
        Request {
            path: path.as_bytes().to_vec(),
            source_address: b"198.51.100.9:1".to_vec(),
            headers: vec![("x-write-key".to_owned(), key.as_bytes().to_vec())],
            body: body.as_bytes().to_vec(),
            ..Request::empty(endpoint, self.relay.budget().lease())
        }
    }
}

#[test]
fn whatever_is_accepted_reaches_both_vendors_and_twice_only_where_nobody_could_know_of_the_first_time() {
    let number = |name| std::env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_RUNS").unwrap_or(40),
    };
    let mut seen = BTreeMap::<&str, u32>::new();
    for seed in seeds.clone() {
        let mut fleet = Fleet::new(seed);
        let run = std::panic::AssertUnwindSafe(|| {
            fleet.run();
            fleet.check();
        });
        if std::panic::catch_unwind(run).is_err() {
            panic!("repeat it with SIMULATION_SEED={seed}");
        }
        let twice = (1..=ORDERS).filter(|order| fleet.vendors.hits("podsights", *order).0 > 1).count();
        *seen.entry("an order arrived twice").or_default() += u32::try_from(twice).unwrap();
        fleet.seen.iter().for_each(|(what, count)| *seen.entry(what).or_default() += count);
    }
    println!("{} seeds, seen: {seen:#?}", seeds.clone().count());
    if seeds.count() >= 40 {
        // A simulation in which something never happens proves nothing about it.
        for what in EXPECTED {
            assert!(seen.get(what).is_some_and(|count| *count > 0), "{what}: never happened");
        }
    }
}

const EXPECTED: [&str; 8] = [
    "a worker died",
    "the process died",
    "a client left",
    "a client was told 503",
    "a client was told 429",
    "the queue was told 503",
    "an answer was lost",
    "an order arrived twice",
];
