//! An authorization service (ext_authz) before the filter, where it belongs, and behind it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::orders::{PS, configuration, order, podsights, settled};
use support::{Collector, Gateway, LIMIT, Options, Podsights, wait_until};

const FILTERS: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters";
const REQUESTS_IGNORED: &str = "conversion_relay_requests_ignored_total";
/// How long the service may take.
const TIMEOUT: &str = "0.5s";

/// A service that answers each request with a status, after some milliseconds, until it is told otherwise.
struct Service {
    address: SocketAddr,
    says: Arc<(AtomicU64, AtomicU64)>,
}

impl Service {
    fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let says = Arc::new((AtomicU64::new(200), AtomicU64::new(0)));
        let service = Self { address, says: Arc::clone(&says) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let says = Arc::clone(&says);
                thread::spawn(move || serve(stream, &says));
            }
        });
        service
    }

    fn say(&self, status: u64, after_ms: u64) {
        self.says.0.store(status, Ordering::Relaxed);
        self.says.1.store(after_ms, Ordering::Relaxed);
    }
}

/// Answers whatever ends with an empty line: the checks have no body.
fn serve(mut stream: TcpStream, says: &(AtomicU64, AtomicU64)) {
    let reader = BufReader::new(stream.try_clone().unwrap());
    for line in reader.lines().map_while(Result::ok) {
        if line.is_empty() {
            thread::sleep(Duration::from_millis(says.1.load(Ordering::Relaxed)));
            let answer =
                format!("HTTP/1.1 {} Said\r\ncontent-length: 0\r\n\r\n", says.0.load(Ordering::Relaxed));
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

/// A gateway with the service before the filter (place 0) or behind it (1).
fn gateway(service: &Service, place: usize, endpoints: Value, lets_pass_without: bool) -> Gateway {
    let mut configuration = configuration(&[podsights()], json!({}));
    configuration["endpoints"] = endpoints;
    let address = service.address;
    Gateway::start(Options::new().configuration(configuration).edit_envoy(move |envoy| {
        let socket = json!({"address": address.ip().to_string(), "port_value": address.port()});
        let endpoint = json!({"endpoint": {"address": {"socket_address": socket}}});
        let endpoints = json!({"cluster_name": "authz", "endpoints": [{"lb_endpoints": [endpoint]}]});
        let clusters = envoy.pointer_mut("/static_resources/clusters").unwrap().as_array_mut().unwrap();
        clusters.push(json!({"name": "authz", "type": "STATIC", "load_assignment": endpoints}));
        let filter = json!({
            "name": "envoy.filters.http.ext_authz",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
                "http_service": {
                    "server_uri": {"uri": "http://authz", "cluster": "authz", "timeout": TIMEOUT},
                },
                "failure_mode_allow": lets_pass_without,
            },
        });
        envoy.pointer_mut(FILTERS).unwrap().as_array_mut().unwrap().insert(place, filter);
    }))
}

fn ignored(gateway: &Gateway, reason: &str) -> u64 {
    gateway.counter(REQUESTS_IGNORED, &[("reason", reason)])
}

#[test]
fn on_either_side_only_what_the_service_allows_is_delivered_however_long_it_takes() {
    let service = Service::start();
    for (place, not_accepted) in [(0, 0), (1, 1)] {
        let gateway = gateway(&service, place, json!({}), false);
        service.say(200, 0);
        assert_eq!(gateway.send(order("allowed")).status, 200);
        service.say(403, 0);
        assert_eq!(gateway.send(order("denied")).status, 403);
        service.say(200, 200);
        let begun = Instant::now();
        assert_eq!(gateway.send(order("slow")).status, 200);
        assert!(begun.elapsed() >= Duration::from_millis(200), "the service was not asked");

        assert_eq!(settled(&gateway, PS, 2).delivered, 2);
        let ids: Vec<Value> =
            gateway.requests(Podsights).iter().map(|request| request.json()["order_id"].clone()).collect();
        assert_eq!(ids, ["allowed", "slow"], "at place {place}");
        assert_eq!(ignored(&gateway, "not_accepted"), not_accepted, "at place {place}");
        assert_eq!(gateway.requests(Collector).len(), 2);
        assert_eq!(gateway.vm_restarts(), 0);
    }
}

#[test]
fn a_service_that_fails_stops_requests_or_lets_them_pass_as_its_filter_says_and_the_relay_follows() {
    let service = Service::start();
    for (lets_pass_without, answer, delivered) in [(false, 403, 0), (true, 200, 2)] {
        let gateway = gateway(&service, 0, json!({}), lets_pass_without);
        for (status, after_ms) in [(500, 0), (200, 2000)] {
            service.say(status, after_ms);
            assert_eq!(gateway.send(order(status)).status, answer);
        }
        assert_eq!(settled(&gateway, PS, delivered).delivered, delivered);
    }
}

/// Sends an order to a gateway whose service takes its time, and leaves meanwhile. What is delivered then, besides an order
/// that stayed.
fn delivered_of_one_that_left(service: &Service, place: usize) -> u64 {
    let gateway = gateway(service, place, json!({}), false);
    service.say(403, 300);
    let mut client = gateway.connect();
    client.write(order("left").bytes());
    let asked = || gateway.stat("cluster.authz.upstream_rq_active") == Some(1);
    assert!(wait_until(LIMIT, asked));
    drop(client);
    assert!(wait_until(LIMIT, || gateway.stat("http.gateway.downstream_rq_active") == Some(0)));
    service.say(200, 0);
    assert_eq!(gateway.send(order("stayed")).status, 200);
    gateway.wait_for(Podsights, 1);
    let left = gateway.counter("conversion_relay_notes_total", &[("kind", "client_gone")]);
    assert_eq!(settled(&gateway, PS, 1 + left).delivered, 1 + left);
    left
}

#[test]
fn a_client_that_leaves_before_the_service_has_denied_it_is_relayed_if_the_service_stands_behind_the_filter()
{
    let service = Service::start();
    assert_eq!(delivered_of_one_that_left(&service, 0), 0);
    assert_eq!(delivered_of_one_that_left(&service, 1), 1);
}

#[test]
fn behind_the_filter_the_service_is_too_late_for_relay_when_always_and_never_asked_for_local_replies() {
    let service = Service::start();
    service.say(403, 0);
    let always = json!({"relay_when": "always"});
    for (place, answer_of_local, delivered) in [(0, 403, 0), (1, 200, 1)] {
        let gateway = gateway(&service, place, always.clone(), false);
        assert_eq!(gateway.send(order("always")).status, 403);
        assert_eq!(settled(&gateway, PS, delivered).delivered, delivered, "always, at place {place}");

        let mut local = configuration(&[podsights()], json!({}));
        local["endpoints"] = json!({"reply": "local"});
        assert!(gateway.reconfigure(local));
        assert_eq!(gateway.send(order("local")).status, answer_of_local);
        assert_eq!(settled(&gateway, PS, 2 * delivered).delivered, 2 * delivered, "local, at place {place}");
        assert_eq!(gateway.requests(Collector).len(), 0);
    }
}
