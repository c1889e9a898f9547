use super::*;
use ClientFromContext::{Always, Never, Signed};
use proptest::prelude::*;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64)";

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn request() -> Client<'static> {
    Client::of_request(b"203.0.113.7:50412", Some(BROWSER.as_bytes()))
}

/// An event that a server sent about a visitor.
fn server_event(signed: bool) -> EventContext<'static> {
    EventContext {
        ip: Some("198.51.100.9".into()),
        user_agent: Some("Visitor/1".into()),
        library: Some("analytics-node".into()),
        signed,
    }
}

#[test]
fn the_client_ip_is_the_source_address_without_its_port() {
    let of = |address: &str| Client::of_request(address.as_bytes(), None).ip;
    assert_eq!(of("203.0.113.7:50412"), ip("203.0.113.7"));
    assert_eq!(of("[2001:db8::1]:50412"), ip("2001:db8::1"));
    assert_eq!(of("[::ffff:203.0.113.7]:50412"), ip("203.0.113.7"));
    assert_eq!(of("[fe80::1%eth0]:50412"), ip("fe80::1"));
    assert_eq!(of("203.0.113.7"), ip("203.0.113.7"));
    assert_eq!(of("2001:db8::1"), ip("2001:db8::1"));
}

#[test]
fn a_source_address_that_names_nobody_is_no_client_ip() {
    for address in
        ["", ":", "0.0.0.0:0", "[::]:80", "/var/run/envoy.sock", "@envoy", "[2001:db8::1", "1.2.3.4.5:6"]
    {
        assert_eq!(Client::of_request(address.as_bytes(), None).ip, None, "{address}");
    }
    assert_eq!(Client::of_request(b"\xff\xfe", None).ip, None);
}

#[test]
fn private_loopback_link_local_and_shared_addresses_are_private() {
    for private in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "169.254.1.1",
        "100.64.0.1",
        "100.127.255.255",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
    ] {
        assert!(is_private(private.parse().unwrap()), "{private}");
    }
    for public in
        ["203.0.113.7", "172.32.0.1", "100.63.0.1", "100.128.0.1", "2001:db8::1", "::ffff:203.0.113.7"]
    {
        assert!(!is_private(public.parse().unwrap()), "{public}");
    }
}

#[test]
fn a_private_address_of_the_connection_is_noted_and_one_of_the_context_is_not() {
    let request = Client::of_request(b"10.1.2.3:80", None);
    assert!(request.private_ip);
    assert!(Client::of_event(&EventContext::default(), &request, Signed).private_ip);

    let context = EventContext { ip: Some("10.9.9.9".into()), ..EventContext::default() };
    let client = Client::of_event(&context, &request, Always);
    assert_eq!((client.ip, client.private_ip), (ip("10.9.9.9"), false));
}

#[test]
fn a_browsers_event_carries_the_requests_client() {
    let context = EventContext {
        ip: Some("198.51.100.9".into()),
        user_agent: Some("Forged/1".into()),
        library: Some("analytics.js".into()),
        signed: false,
    };
    for policy in [Signed, Never] {
        assert_eq!(Client::of_event(&context, &request(), policy), request());
    }
}

#[test]
fn a_believed_context_names_the_client() {
    for (event, policy) in
        [(server_event(true), Signed), (server_event(false), Always), (server_event(true), Always)]
    {
        let client = Client::of_event(&event, &request(), policy);
        assert_eq!(client.ip, ip("198.51.100.9"));
        assert_eq!(client.user_agent, Some("Visitor/1"));
        assert!(!client.untrusted);
    }
}

#[test]
fn a_servers_event_that_is_not_believed_goes_without_client_and_is_noted() {
    let signed_without_library = EventContext { library: None, ..server_event(true) };
    for (event, policy) in [
        (server_event(false), Signed),
        (server_event(false), Never),
        (server_event(true), Never),
        (signed_without_library, Never),
    ] {
        let client = Client::of_event(&event, &request(), policy);
        assert_eq!(client, Client { untrusted: true, ..Client::default() });
    }
}

#[test]
fn every_server_library_is_known_whatever_its_case() {
    for library in ["@segment/analytics-node", "ANALYTICS-PYTHON", "analytics.net", "rudderanalytics-ruby"] {
        let event = EventContext { library: Some(library.into()), ..EventContext::default() };
        assert!(Client::of_event(&event, &request(), Signed).untrusted, "{library}");
    }
    for library in
        ["analytics.js", "@segment/analytics-next", "RudderLabs JavaScript SDK", "analytics-kotlin", ""]
    {
        let event = EventContext { library: Some(library.into()), ..EventContext::default() };
        assert_eq!(Client::of_event(&event, &request(), Signed), request(), "{library}");
    }
}

#[test]
fn what_a_servers_believed_context_lacks_is_not_taken_from_the_server() {
    for event in [
        EventContext { ip: None, user_agent: None, ..server_event(true) },
        EventContext { ip: Some("unknown".into()), user_agent: Some(" ".into()), ..server_event(true) },
        EventContext { signed: true, ..EventContext::default() },
    ] {
        let client = Client::of_event(&event, &request(), Signed);
        assert_eq!((client.ip, client.user_agent), (None, None));
    }
}

#[test]
fn what_a_browsers_believed_context_lacks_is_the_requests() {
    let context = EventContext { user_agent: Some("Visitor/1".into()), ..EventContext::default() };
    let client = Client::of_event(&context, &request(), Always);
    assert_eq!((client.ip, client.user_agent), (ip("203.0.113.7"), Some("Visitor/1")));
}

#[test]
fn the_unspecified_address_means_that_no_ip_is_sent_believed_or_not() {
    for unspecified in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
        for policy in [Signed, Always, Never] {
            let context = EventContext { ip: Some(unspecified.into()), ..EventContext::default() };
            let client = Client::of_event(&context, &request(), policy);
            assert_eq!((client.ip, client.user_agent), (None, Some(BROWSER)), "{unspecified} {policy:?}");
        }
    }
}

#[test]
fn a_user_agent_that_no_header_may_hold_is_left_out() {
    let of = |text: &[u8]| Client::of_request(b"", Some(text)).user_agent.is_some();
    assert!(of(&[b'a'; MAX_USER_AGENT]));
    assert!(!of(&[b'a'; MAX_USER_AGENT + 1]));
    assert!(!of(b""));
    assert!(!of(b"\xff"));

    let context = EventContext { user_agent: Some("a\r\nX-Forged: 1".into()), ..EventContext::default() };
    assert_eq!(Client::of_event(&context, &request(), Always).user_agent, Some(BROWSER));
}

#[test]
fn an_ip_and_a_user_agent_that_cannot_be_used_have_a_reason() {
    let reason = |text: &[u8]| Client::of_request(b"", Some(text)).unusable_user_agent;
    assert_eq!(reason(&[b'a'; MAX_USER_AGENT + 1]), Some(Reason::TooLong(4096)));
    assert_eq!(reason(b"\xff"), Some(Reason::NotText));
    assert_eq!(reason(b"a\x07"), Some(Reason::ControlCharacters));
    assert_eq!(reason(b" "), None);

    let context = EventContext {
        ip: Some("unknown".into()),
        user_agent: Some("a\u{7}".into()),
        ..EventContext::default()
    };
    let reasons = |policy| {
        let client = Client::of_event(&context, &request(), policy);
        (client.unusable_ip, client.unusable_user_agent)
    };
    assert_eq!(reasons(Always), (Some(Reason::NotAnIp), Some(Reason::ControlCharacters)));
    assert_eq!(reasons(Never), (None, None));
}

proptest! {
    #[test]
    fn any_address_comes_back_without_its_port(address: std::net::SocketAddr) {
        let client = Client::of_request(address.to_string().as_bytes(), None);
        prop_assert_eq!(client.ip, Some(address.ip().to_canonical()).filter(|ip| !ip.is_unspecified()));
    }

    #[test]
    fn an_unbelieved_context_never_puts_anything_of_its_own_into_the_client(
        ip in prop::option::of(any::<String>()),
        user_agent in prop::option::of(any::<String>()),
        library in prop::option::of("analytics-node|analytics.js|.*"),
        source_address: Vec<u8>,
    ) {
        let event = EventContext {
            ip: ip.as_deref().map(Into::into),
            user_agent: user_agent.as_deref().map(Into::into),
            library: library.as_deref().map(Into::into),
            signed: false,
        };
        let request = Client::of_request(&source_address, Some(BROWSER.as_bytes()));
        let client = Client::of_event(&event, &request, Signed);
        prop_assert!(client.ip.is_none() || client.ip == request.ip);
        prop_assert!(client.user_agent.is_none() || client.user_agent == request.user_agent);
        prop_assert!(!client.untrusted || (client.ip.is_none() && client.user_agent.is_none()));
    }
}
