//! The acknowledged route: what its sender is told, and when.

use super::*;

const STREAM: u32 = 7;

struct Queue {
    host: FakeHost,
    relay: Relay,
}

fn configuration_with(more: Value) -> Value {
    let mut configuration = configuration(json!({}), &[]);
    configuration["endpoints"] = json!({"deliver": {"within": "8s", "max_open": 2}});
    configuration["sources"] = json!([
        {"id": "shop", "keys": ["k_shop"]},
        {"id": "queue", "keys": ["k_queue"], "deliver": true, "client_from_context": "always"},
    ]);
    configuration["integrations"].as_array_mut().unwrap().truncate(2);
    for (key, value) in more.as_object().unwrap() {
        configuration[key] = value.clone();
    }
    configuration
}

fn purchase(order: u32) -> Value {
    json!({
        "event": "Order Completed", "messageId": format!("m-{order}"), "writeKey": "k_shop", "anonymousId": "a",
        "timestamp": "2020-01-01T00:00:00Z",
        "properties": {"order_id": order.to_string()},
        "context": {"ip": "198.51.100.9", "userAgent": "Visitor/1"},
    })
}

impl Queue {
    fn open() -> Self {
        Self::with(json!({}))
    }

    fn with(more: Value) -> Self {
        let mut host = host();
        let relay = relay(&configuration_with(more), &mut host);
        Self { host, relay }
    }

    /// Pushes a body. Returns the answer if there is one at once.
    fn push_as(&mut self, key: &str, path: &str, body: &str, stream: u32) -> Option<Answered> {
        let answered = self.receive(key, path, body, stream);
        work(&mut self.relay, &mut self.host);
        answered
    }

    /// Takes a body in, without reading its events yet.
    fn receive(&mut self, key: &str, path: &str, body: &str, stream: u32) -> Option<Answered> {
        let endpoints = &self.relay.config().endpoints;
        let request = Request {
            endpoint: endpoints.find(path.as_bytes()).unwrap(),
            path: path.as_bytes().to_vec(),
            source_address: b"10.0.0.9:1".to_vec(),
            headers: vec![
                ("x-write-key".to_owned(), key.as_bytes().to_vec()),
                ("user-agent".to_owned(), b"queue/1".to_vec()),
                ("sec-gpc".to_owned(), b"1".to_vec()),
                ("cookie".to_owned(), b"FTrack=queue".to_vec()),
            ],
            body: body.as_bytes().to_vec(),
            lease: self.relay.budget().lease(),
        };
        self.relay.deliver(request, stream, &mut self.host)
    }

    fn push(&mut self, body: &Value) {
        assert!(self.push_as("k_queue", "/v1/deliver", &body.to_string(), STREAM).is_none());
    }

    fn settle(&mut self, answer: Answer<'_>) {
        self.host.settle_all(&mut self.relay, answer);
        work(&mut self.relay, &mut self.host);
    }

    fn wait(&mut self, time: Duration) {
        wait(&mut self.relay, &mut self.host, time);
    }

    /// The status, Retry-After, and the outcomes of the deliveries.
    fn answer(&mut self) -> Option<(u32, Option<u64>, Vec<String>)> {
        let (stream, Answered::Acknowledgement(answer)) = self.relay.take_settled()? else {
            panic!("not the answer of this route")
        };
        assert_eq!(stream, STREAM);
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let outcomes = body["deliveries"].as_array().unwrap().iter();
        let outcomes = outcomes.map(|one| one["outcome"].as_str().unwrap().to_owned()).collect();
        self.host.check_counts(&self.relay).unwrap();
        Some((answer.status, answer.retry_after, outcomes))
    }
}

fn outcomes(outcomes: &[&str]) -> Vec<String> {
    outcomes.iter().map(|one| (*one).to_owned()).collect()
}

#[test]
fn a_request_is_answered_once_all_of_its_deliveries_have_ended() {
    let mut queue = Queue::open();
    queue.push(&purchase(1));
    assert_eq!(queue.answer(), None);
    let first = queue.host.next_unanswered().unwrap();
    queue.relay.settle(first, Answer::status(200), &mut queue.host);
    assert_eq!(queue.answer(), None);
    queue.settle(Answer::status(200));
    assert_eq!(queue.answer(), Some((200, None, outcomes(&["delivered", "delivered"]))));
}

#[test]
fn what_is_delivered_between_a_requests_arrival_and_its_reading_is_a_duplicate() {
    let mut queue = Queue::open();
    queue.push(&purchase(1));
    let body = purchase(1).to_string();
    assert!(queue.receive("k_queue", "/v1/deliver", &body, STREAM).is_none());
    queue.settle(Answer::status(200));
    assert_eq!(queue.answer(), Some((200, None, outcomes(&["delivered", "delivered"]))));
    assert_eq!(queue.answer(), Some((200, None, outcomes(&["duplicate", "duplicate"]))));
}

#[test]
fn nothing_of_the_queues_own_request_is_taken_for_a_visitors_and_no_event_is_stale() {
    let mut queue = Queue::open();
    queue.push(&purchase(1));
    let sent: Vec<_> = queue.host.sent().map(|(_, callout)| callout.clone()).collect();
    assert_eq!(sent.len(), 2, "neither its Sec-GPC nor the age of the event stops a delivery");
    let all = format!("{sent:?}");
    assert!(all.contains("198.51.100.9") && all.contains("Visitor/1"), "{all}");
    assert!(!all.contains("10.0.0.9") && !all.contains("queue"), "{all}");
}

#[test]
fn without_a_believed_context_an_event_has_no_client_rather_than_the_queues() {
    let mut queue = Queue::with(json!({"sources": [{"id": "queue", "keys": ["k_queue"], "deliver": true}]}));
    queue.push(&purchase(1));
    let all = format!("{:?}", queue.host.sent().collect::<Vec<_>>());
    assert!(!all.contains("10.0.0.9") && !all.contains("198.51.100.9") && !all.contains("queue/1"), "{all}");
}

#[test]
fn only_a_source_that_may_deliver_is_let_in_whatever_the_events_say() {
    let mut queue = Queue::open();
    for key in ["k_shop", "wrong"] {
        let answered = queue.push_as(key, "/v1/deliver", &purchase(1).to_string(), STREAM);
        assert!(matches!(answered, Some(Answered::Reply { reply: Reply::Unauthorized, .. })), "{key}");
    }
    assert!(queue.host.sent().next().is_none());
}

#[test]
fn what_cannot_be_read_is_refused_at_once_and_one_bad_event_among_good_ones_changes_nothing() {
    let mut queue = Queue::open();
    let answered = queue.push_as("k_queue", "/v1/deliver", "{", STREAM);
    assert!(matches!(answered, Some(Answered::Reply { reply: Reply::Malformed, .. })));
    queue.push(&json!([7, purchase(1), {"type": "track", "event": "Other"}]));
    queue.settle(Answer::status(200));
    let expected = outcomes(&["malformed", "delivered", "delivered", "unmapped"]);
    assert_eq!(queue.answer(), Some((200, None, expected)));
    queue.push(&json!([7]));
    assert_eq!(queue.answer(), Some((400, None, outcomes(&["malformed"]))));
}

#[test]
fn a_request_can_be_narrowed_to_some_integrations_and_not_to_one_that_is_unknown() {
    let mut queue = Queue::open();
    let path = "/v1/deliver?integration=Pod";
    assert!(queue.push_as("k_queue", path, &purchase(1).to_string(), STREAM).is_none());
    queue.settle(Answer::status(200));
    assert_eq!(queue.answer(), Some((200, None, outcomes(&["delivered"]))));
    assert_eq!(queue.host.counts("FT").matched, 0);
    let path = "/v1/deliver?integration=Pod&integration=Gone";
    let answered = queue.push_as("k_queue", path, &purchase(2).to_string(), STREAM);
    let Some(Answered::Acknowledgement(answer)) = answered else { panic!("{answered:?}") };
    assert_eq!(answer.status, 503, "another configuration may be on its way");
}

#[test]
fn what_is_still_failing_when_the_sender_stops_waiting_is_given_back() {
    let mut queue = Queue::open();
    queue.push(&purchase(1));
    for _ in 0..20 {
        queue.settle(Answer::status(503));
        queue.wait(Duration::from_millis(500));
    }
    let (status, retry_after, ends) = queue.answer().unwrap();
    assert_eq!((status, ends), (503, outcomes(&["given_back", "given_back"])));
    assert!(retry_after.unwrap() >= 1);
}

#[test]
fn a_refusal_for_good_is_422_and_what_was_delivered_is_200_at_once_when_it_comes_again() {
    let mut queue = Queue::open();
    queue.push(&purchase(1));
    queue.settle(Answer::status(400));
    assert_eq!(queue.answer(), Some((422, None, outcomes(&["rejected", "rejected"]))));
    queue.push(&purchase(1));
    queue.settle(Answer::status(200));
    assert_eq!(queue.answer(), Some((200, None, outcomes(&["delivered", "delivered"]))));
    queue.push(&purchase(1));
    assert_eq!(queue.answer(), Some((200, None, outcomes(&["duplicate", "duplicate"]))));
}

#[test]
fn what_is_on_its_way_already_is_waited_for_and_not_sent_twice() {
    for (status, answer) in [(200, (200, "duplicate")), (400, (503, "given_back"))] {
        let mut queue = Queue::open();
        let mut event = purchase(1);
        event["timestamp"] = Value::Null;
        let event = event.to_string();
        let headers = [("x-write-key", "k_queue".to_owned())];
        queue.relay.hand_over(request(&queue.relay, "/v1/t", &headers, &event), &queue.host);
        work(&mut queue.relay, &mut queue.host);
        let sent = queue.host.sent().count();
        queue.push(&purchase(1));
        assert_eq!((queue.host.sent().count(), queue.answer()), (sent, None));
        queue.host.check_counts(&queue.relay).unwrap();
        queue.settle(Answer::status(status));
        let (told, _, ends) = queue.answer().unwrap();
        assert_eq!((told, ends), (answer.0, outcomes(&[answer.1, answer.1])));
    }
}

#[test]
fn what_a_dead_worker_holds_is_503_until_its_lease_is_over() {
    let mut queue = Queue::open();
    queue.push(&purchase(1));
    let config = Rc::clone(queue.relay.config());
    queue.host.lose_vm();
    queue.relay = Relay::new("test".to_owned(), Rc::clone(&config), 8, &mut queue.host);
    queue.push(&purchase(1));
    assert_eq!(queue.answer(), Some((503, Some(1), outcomes(&["given_back", "given_back"]))));
    queue.host.wall_clock +=
        i64::try_from(config.lease(Some(config.deliver.unwrap().within)).as_millis()).unwrap();
    queue.push(&purchase(1));
    queue.settle(Answer::status(200));
    assert_eq!(queue.answer(), Some((200, None, outcomes(&["delivered", "delivered"]))));
}

#[test]
fn more_requests_than_may_wait_are_told_so() {
    let mut queue = Queue::open();
    for order in 1..=2 {
        queue.push(&purchase(order));
    }
    let answered = queue.push_as("k_queue", "/v1/deliver", &purchase(3).to_string(), STREAM);
    assert!(matches!(answered, Some(Answered::Reply { reply: Reply::Overloaded, .. })));
}

#[test]
fn the_deliveries_of_a_sender_that_leaves_go_on_and_end() {
    let mut queue = Queue::open();
    queue.push(&purchase(1));
    queue.relay.abandon(STREAM);
    queue.settle(Answer::status(200));
    assert_eq!(queue.answer(), None);
    assert_eq!((queue.host.counts("FT").delivered, queue.relay.is_idle()), (1, true));
}

#[test]
fn the_route_needs_a_source_that_may_use_it_and_such_a_source_no_page_of_a_browser() {
    let load = |configuration: &Value| Compiled::load(configuration.to_string().as_bytes(), &|_| None).err();
    let mut without = configuration_with(json!({}));
    without["sources"].as_array_mut().unwrap().truncate(1);
    assert_eq!(load(&without).unwrap().path, "endpoints.deliver");
    let mut public = configuration_with(json!({}));
    public["sources"][1]["origins"] = json!(["shop.example"]);
    assert_eq!(load(&public).unwrap().path, "sources[1].deliver");
}

#[test]
fn a_broker_that_takes_a_body_for_an_event_gets_none() {
    let mut queue = Queue::open();
    let mut request =
        request(&queue.relay, "/v1/t", &[("x-write-key", "k_queue".to_owned())], &purchase(1).to_string());
    request.endpoint = queue.relay.config().endpoints.find(b"/v1/deliver").unwrap();
    request.headers.push(("prefer".to_owned(), b"reply".to_vec()));
    assert_eq!(queue.relay.deliver(request, STREAM, &mut queue.host), None);
    work(&mut queue.relay, &mut queue.host);
    queue.settle(Answer::status(200));
    let Some((_, Answered::Acknowledgement(answer))) = queue.relay.take_settled() else { panic!() };
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}
