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
        direct: false,
        signed,
        passed_on: false,
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
        direct: false,
        signed: false,
        passed_on: false,
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
fn a_server_library_that_says_that_its_client_is_the_visitor_is_no_server() {
    let direct = |signed| EventContext { direct: true, ..server_event(signed) };
    assert_eq!(Client::of_event(&direct(false), &request(), Signed), request());
    // Only a server can sign.
    assert_eq!(
        Client::of_event(&direct(true), &request(), Never),
        Client { untrusted: true, ..Client::default() }
    );
}

#[test]
fn a_context_ip_that_is_the_clients_own_network_is_sent_instead_of_its_address_believed_or_not() {
    for (address, network) in [("203.0.113.7:1", "203.0.113.0"), ("[2001:db8:1:2::7]:1", "2001:db8:1::")] {
        let request = Client::of_request(address.as_bytes(), None);
        let context = |text: &'static str| EventContext { ip: Some(text.into()), ..EventContext::default() };
        for policy in [Signed, Always, Never] {
            assert_eq!(Client::of_event(&context(network), &request, policy).ip, ip(network), "{policy:?}");
        }
        for other in
            ["203.0.112.0", "203.0.113.8", "203.0.0.0", "2001:db8:2::", "2001:db8:1:2::", "192.0.2.0"]
        {
            assert_eq!(Client::of_event(&context(other), &request, Signed).ip, request.ip, "{other}");
        }
        // The network of a server is no visitor's.
        let server = EventContext { ip: Some(network.into()), ..server_event(false) };
        assert_eq!(Client::of_event(&server, &request, Signed).ip, None);
    }
}

#[test]
fn a_policy_applies_to_whatever_address_would_be_sent() {
    let of = |ip_policy, event: &EventContext<'_>| {
        let request = request().with_ip_policy(ip_policy);
        Client::of_event(event, &request, Signed).ip
    };
    let browser = EventContext::default();
    assert_eq!(of(IpPolicy::Shorten, &browser), ip("203.0.113.0"));
    assert_eq!(of(IpPolicy::Remove, &browser), None);
    assert_eq!(of(IpPolicy::Shorten, &server_event(true)), ip("198.51.100.0"));
    assert_eq!(of(IpPolicy::Remove, &server_event(true)), None);
    let network = EventContext { ip: Some("203.0.113.0".into()), ..EventContext::default() };
    assert_eq!(of(IpPolicy::Shorten, &network), ip("203.0.113.0"));
    assert_eq!(of(IpPolicy::Remove, &network), None);
    let nothing = EventContext { ip: Some("0.0.0.0".into()), ..EventContext::default() };
    assert_eq!(of(IpPolicy::Shorten, &nothing), None);
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
        direct: bool,
        source_address: Vec<u8>,
    ) {
        let event = EventContext {
            ip: ip.as_deref().map(Into::into),
            user_agent: user_agent.as_deref().map(Into::into),
            library: library.as_deref().map(Into::into),
            direct,
            signed: false,
            passed_on: false,
        };
        let request = Client::of_request(&source_address, Some(BROWSER.as_bytes()));
        let client = Client::of_event(&event, &request, Signed);
        prop_assert!([None, request.ip, request.ip.map(network_of)].contains(&client.ip));
        prop_assert!(client.user_agent.is_none() || client.user_agent == request.user_agent);
        prop_assert!(!client.untrusted || (client.ip.is_none() && client.user_agent.is_none()));
    }
}
