//! Vendors whose answers Envoy can't use, or that give none: what each is called, and how often they are sent a purchase.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::orders::{PS, callouts, configuration, dropped, order, podsights, settled};
use support::{Gateway, LIMIT, Options, wait_until};

/// What a vendor does once it has a request.
#[derive(Clone, Copy)]
enum Odd {
    /// Sends these bytes and closes the connection.
    Sends(&'static str),
    /// Sends these bytes and nothing more.
    SendsAndWaits(&'static str),
}

/// A vendor that speaks plain TCP, so that it can answer with any bytes.
struct Vendor {
    address: SocketAddr,
    hits: Arc<AtomicUsize>,
}

impl Vendor {
    fn start(odd: Odd) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, hits) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&hits);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hits = Arc::clone(&counted);
                std::thread::spawn(move || serve(stream, odd, &hits));
            }
        });
        Self { address, hits }
    }

    fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, odd: Odd, hits: &AtomicUsize) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    // Podsights' requests end with the brace of their JSON.
    while !request.ends_with(b"}") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(size) => request.extend_from_slice(&buffer[..size]),
        }
    }
    hits.fetch_add(1, Ordering::SeqCst);
    match odd {
        Odd::Sends(bytes) => drop(stream.write_all(bytes.as_bytes())),
        Odd::SendsAndWaits(bytes) => {
            let _ = stream.write_all(bytes.as_bytes());
            let _ = stream.read(&mut buffer); // until Envoy closes the connection
        }
    }
}

/// A gateway whose Podsights is at `address`, without TLS.
fn gateway(address: SocketAddr, delivery: Value) -> Gateway {
    gateway_with(address, delivery, json!({"explicit_http_config": {"http_protocol_options": {}}}))
}

/// The same, with these HttpProtocolOptions of its cluster.
fn gateway_with(address: SocketAddr, delivery: Value, mut protocol: Value) -> Gateway {
    const PROTOCOL: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    protocol["@type"] = json!(format!("type.googleapis.com/{PROTOCOL}"));
    let options = Options::new().configuration(configuration(&[podsights()], delivery));
    Gateway::start(options.edit_envoy(move |envoy| {
        let clusters = envoy["static_resources"]["clusters"].as_array_mut().unwrap();
        let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == "podsights").unwrap();
        let endpoint = json!({"address": address.ip().to_string(), "port_value": address.port()});
        *cluster = json!({
            "name": "podsights",
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {PROTOCOL: protocol},
            "load_assignment": {"cluster_name": "podsights", "endpoints": [
                {"lb_endpoints": [{"endpoint": {"address": {"socket_address": endpoint}}}]}
            ]},
        });
    }))
}

const HEADERS: &str = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense";

fn with_150_headers() -> &'static str {
    let headers: String = (0..150).map(|number| format!("x-{number}: a\r\n")).collect();
    Box::leak(format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n").into())
}

#[test]
fn a_vendor_whose_answers_envoy_cannot_use_is_told_from_one_that_is_down() {
    let table = [
        ("nothing of HTTP", Odd::Sends("SSH-2.0-OpenSSH_9.2\r\n\r\n"), "unusable"),
        ("150 headers", Odd::Sends(with_150_headers()), "unusable"),
        ("a body that is not chunked as it says", Odd::Sends(CHUNKED), "unusable"),
        ("half a body", Odd::Sends(HEADERS), "unusable"),
        ("half a body, and then nothing", Odd::SendsAndWaits(HEADERS), "timeout"),
        ("nothing", Odd::SendsAndWaits(""), "timeout"),
        ("the end of the connection", Odd::Sends(""), "transport"),
        ("a 502 of its own", Odd::Sends("HTTP/1.1 502 X\r\ncontent-length: 0\r\n\r\n"), "5xx"),
        ("a 504 of its own", Odd::Sends("HTTP/1.1 504 X\r\ncontent-length: 0\r\n\r\n"), "5xx"),
    ];
    for (name, odd, status) in table {
        let vendor = Vendor::start(odd);
        let gateway = gateway(vendor.address, json!({"max_attempts": 2, "timeout": "300ms"}));
        gateway.send(order(1));
        settled(&gateway, PS, 1);
        assert_eq!(callouts(&gateway, PS, status), 2, "{name}:\n{}", gateway.prometheus());
        assert_eq!((vendor.hits(), dropped(&gateway, PS, "retries_exhausted")), (2, 1), "{name}");
    }
}

#[test]
fn a_vendor_that_counts_hits_and_whose_answers_envoy_cannot_use_counts_a_purchase_max_attempts_times() {
    let vendor = Vendor::start(Odd::Sends(with_150_headers()));
    let gateway = gateway(vendor.address, json!({"max_attempts": 8}));
    gateway.send(order(1));
    settled(&gateway, PS, 1);
    assert_eq!((vendor.hits(), dropped(&gateway, PS, "retries_exhausted")), (8, 1));
    let line = gateway.wait_for_log("five failures in a row");
    assert!(line.contains("an answer that Envoy cannot use"), "{line}");
}

#[test]
fn a_cluster_that_is_told_to_takes_as_many_headers_as_the_vendor_sends() {
    let documented = include_str!("../docs/operations.md")
        .lines()
        .find_map(|line| line.trim().strip_prefix("common_http_protocol_options: "))
        .expect("an example");
    let protocol = json!({
        "common_http_protocol_options": serde_saphyr::from_str::<Value>(documented).unwrap(),
        "explicit_http_config": {"http_protocol_options": {}},
    });
    let vendor = Vendor::start(Odd::Sends(with_150_headers()));
    let gateway = gateway_with(vendor.address, json!({}), protocol);
    gateway.send(order(1));
    assert_eq!((settled(&gateway, PS, 1).delivered, vendor.hits()), (1, 1));
}

#[test]
fn a_vendor_that_refuses_connections_uses_up_no_attempt_however_long_it_is_down() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let gateway = gateway(address, json!({"max_attempts": 1, "max_age": "1m"}));
    gateway.send(order(1));
    assert!(wait_until(LIMIT, || callouts(&gateway, PS, "transport") > 10), "{}", gateway.prometheus());
    assert_eq!(dropped(&gateway, PS, "retries_exhausted"), 0);

    let listener = TcpListener::bind(address).unwrap();
    let answered = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let answer = Odd::Sends("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        serve(stream, answer, &AtomicUsize::new(0));
    });
    assert_eq!(settled(&gateway, PS, 1).delivered, 1);
    answered.join().unwrap();
}
