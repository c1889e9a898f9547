//! A vendor whose name can't be resolved for a while, or resolves to another address.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::json;
use support::orders::{Books, FT, PS, callouts, configuration, flashtalking, orders, podsights, settled};
use support::{Gateway, LIMIT, Options, Podsights, wait_until};

const VENDOR: &str = "collector.vendor.test";
const HERE: Says = Says::Address(Ipv4Addr::new(127, 0, 0, 1));
/// This machine too, but nothing listens there.
const ELSEWHERE: Says = Says::Address(Ipv4Addr::new(127, 0, 0, 2));

#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    Address(Ipv4Addr),
    /// A DNS response code other than 0, with no address.
    Error(u8),
    Nothing,
}

const SERVER_FAILURE: Says = Says::Error(2);
const NO_SUCH_NAME: Says = Says::Error(3);

/// A name server that says the same whatever it is asked.
struct NameServer {
    address: SocketAddr,
    says: Arc<Mutex<Says>>,
}

impl NameServer {
    fn start(first: Says) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let says = Arc::new(Mutex::new(first));
        let server = Self { address, says: Arc::clone(&says) };
        thread::spawn(move || {
            let mut query = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut query) {
                if let Some(answer) = answer(&query[..length], *says.lock().unwrap()) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        server
    }

    fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }
}

/// The answer to a query with one question (RFC 1035, section 4). An address is given to questions for an A record.
fn answer(query: &[u8], says: Says) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let name = query[HEADER..].iter().position(|byte| *byte == 0)?;
    let question = &query[HEADER..HEADER + name + 1 + 4]; // a zero, two bytes of type and two of class
    let asks_for_a = question[question.len() - 4..] == [0, 1, 0, 1];
    let (code, addresses) = match says {
        Says::Address(address) if asks_for_a => (0, vec![address]),
        Says::Address(_) => (0, vec![]),
        Says::Error(code) => (code, vec![]),
        Says::Nothing => return None,
    };
    let count = u8::try_from(addresses.len()).unwrap();
    // The query's id; a response, recursion desired and available; how many there are of each section.
    let mut answer = vec![query[0], query[1], 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0];
    answer.extend(question);
    for address in addresses {
        // The name: that of the question. An A record of class IN, valid for one second, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}

/// A gateway whose cluster for Podsights, else as shipped, gets its address from this server, and asks often.
fn gateway(server: &NameServer) -> Gateway {
    let delivery = json!({"max_attempts": 20});
    let configuration = configuration(&[flashtalking(), podsights()], delivery);
    let port = server.address.port();
    Gateway::start(Options::new().configuration(configuration).edit_envoy(move |envoy| {
        let clusters = envoy.pointer_mut("/static_resources/clusters").unwrap().as_array_mut().unwrap();
        let podsights = clusters.iter_mut().find(|cluster| cluster["name"] == "podsights").unwrap();
        let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address";
        *podsights.pointer_mut(address).unwrap() = json!(VENDOR);
        podsights["dns_refresh_rate"] = json!("0.05s");
        podsights["dns_failure_refresh_rate"] = json!({"base_interval": "0.05s", "max_interval": "0.1s"});
        podsights["typed_dns_resolver_config"] = json!({
            "name": "envoy.network.dns_resolver.cares",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
                "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": port}}],
                "query_timeout_seconds": 1,
                "query_tries": 1,
            },
        });
    }))
}

fn of_cluster(gateway: &Gateway, stat: &str) -> u64 {
    gateway.stat(&format!("cluster.podsights.{stat}")).unwrap_or_default()
}

#[test]
fn a_vendor_without_an_address_gets_everything_once_its_name_resolves() {
    for failure in [SERVER_FAILURE, NO_SUCH_NAME, Says::Nothing] {
        let server = NameServer::start(failure);
        let gateway = gateway(&server);
        gateway.send(orders(0..10));
        assert_eq!(settled(&gateway, FT, 10).delivered, 10, "the other vendor does not wait");
        assert!(wait_until(LIMIT, || callouts(&gateway, PS, "refused") > 0));
        assert_eq!(Books::of(&gateway, PS), Books { matched: 10, delivered: 0, dropped: 0 });

        server.say(HERE);

        assert_eq!(settled(&gateway, PS, 10).delivered, 10, "{failure:?}");
        assert_eq!(gateway.tally(Podsights)["requests"], 10, "{failure:?}");
        assert_eq!(callouts(&gateway, PS, "transport"), 0, "no attempt was lost");
    }
}

#[test]
fn a_name_that_stops_resolving_leaves_the_vendor_where_it_was() {
    let server = NameServer::start(HERE);
    let gateway = gateway(&server);
    let mut sent = 0;
    for failure in [SERVER_FAILURE, NO_SUCH_NAME] {
        let noticed = || of_cluster(&gateway, "update_failure") + of_cluster(&gateway, "update_empty");
        let before = noticed();
        server.say(failure);
        assert!(wait_until(LIMIT, || noticed() > before + 2), "Envoy has not asked again");
        gateway.send(orders(sent..sent + 3));
        sent += 3;
        assert_eq!(settled(&gateway, PS, sent).delivered, sent, "{failure:?}");
        assert_eq!(callouts(&gateway, PS, "refused"), 0, "{failure:?}");
        server.say(HERE);
    }
}

#[test]
fn a_vendor_that_moves_to_another_address_is_followed() {
    let server = NameServer::start(ELSEWHERE);
    let gateway = gateway(&server);
    gateway.send(orders(0..10));
    assert!(wait_until(LIMIT, || callouts(&gateway, PS, "transport") > 0), "somebody listens there");

    server.say(HERE);

    assert_eq!(settled(&gateway, PS, 10).delivered, 10);
    assert_eq!(gateway.tally(Podsights)["requests"], 10);
}
