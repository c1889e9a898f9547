//! Determines the IP address and User-Agent of an event: those of the request, or those that a server sent on a visitor's
//! behalf in the event's context.

use std::borrow::Cow;
use std::net::IpAddr;
use std::str;

use serde::{Deserialize, Serialize};

use super::address::{IpPolicy, ip_without_port, is_private, network_of, parse_ip};
use crate::left_out::Reason;
use crate::request::has_control;

/// The longest User-Agent that is sent, in bytes. A longer one is left out.
pub const MAX_USER_AGENT: usize = 4096;

/// Libraries that run on servers, as they name themselves in `context.library.name`. An event from one of them came from
/// the customer's server, so the request's IP and User-Agent are not the visitor's.
///
/// From the libraries' sources: segmentio/analytics-{node,next,python,ruby,go,java,php,rust}, Analytics.NET;
/// rudderlabs/rudder-sdk-{node,python,java,ruby,.net}, rudder-php-sdk, analytics-go. Not here, because they run where the
/// visitor is: analytics.js, RudderLabs JavaScript SDK, and the libraries for phones (analytics-kotlin, Analytics-CSharp).
const SERVER_LIBRARIES: [&str; 14] = [
    "@ht-sdks/events-sdk-js-node",
    "@segment/analytics-node",
    "analytics-node",
    "analytics-python",
    "analytics-ruby",
    "analytics-go",
    "analytics-java",
    "analytics-php",
    "analytics-rust",
    "Analytics.NET",
    "RudderAnalytics.NET",
    "rudderanalytics-ruby",
    "rudder-analytics-php",
    "rudder-analytics-python",
];

/// When an event's `context.ip` and `context.userAgent` are trusted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ClientFromContext {
    /// Only if the request's signature was verified.
    #[default]
    Signed,
    /// For every event. Meant for sources whose keys never reach a browser.
    Always,
    /// For no event: the connection's address and the request's header are used.
    Never,
}

/// What an event says about the client that it is about.
#[derive(Debug, Clone, Default)]
pub struct EventContext<'a> {
    /// `context.ip`
    pub ip: Option<Cow<'a, str>>,
    /// `context.userAgent`
    pub user_agent: Option<Cow<'a, str>>,
    /// `context.library.name`
    pub library: Option<Cow<'a, str>>,
    /// `context.direct`: the library's client is the visitor, wherever that library usually runs.
    pub direct: bool,
    /// Whether the event came in a request with a verified signature.
    pub signed: bool,
    /// Whether somebody passes the event on who has it from its client, as on the acknowledged route.
    pub passed_on: bool,
}

impl EventContext<'_> {
    /// Whether a server sent the event: only a server has a signing secret or passes events on, whatever library it uses. A library for servers
    /// that runs where the visitor is says so.
    pub fn is_from_server(&self) -> bool {
        self.signed
            || self.passed_on
            || (!self.direct && self.library.as_deref().is_some_and(is_server_library))
    }
}

/// The client of an event, as it may be sent to vendors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Client<'a> {
    /// The visitor's IP address. `None`: none is known that may be sent.
    pub ip: Option<IpAddr>,
    /// Without control characters, not empty, at most [`MAX_USER_AGENT`] bytes.
    pub user_agent: Option<&'a str>,
    /// The context of a server's event is not trusted: the event has neither IP nor User-Agent. Counted as `client_untrusted`.
    pub untrusted: bool,
    /// The IP is the connection's and is private: a proxy in front is not configured as trusted yet. Counted as
    /// `private_client_ip`.
    pub private_ip: bool,
    /// Why the IP that the event states cannot be used, if it is believed.
    pub unusable_ip: Option<Reason>,
    /// Why the User-Agent of the event or of the request cannot be used.
    pub unusable_user_agent: Option<Reason>,
    /// How much of any address may be sent; `ip` follows it already.
    pub ip_policy: IpPolicy,
}

impl<'a> Client<'a> {
    /// Decides for one event. `request` is the client of the tracking request itself ([`Client::of_request`]).
    ///
    /// A trusted context takes precedence. What it lacks is taken from the request, unless a server sent the event: with the
    /// server's own IP and User-Agent all its visitors would look like one.
    /// `context.ip: 0.0.0.0` means that no IP is sent, trusted or not: forging it gains nothing. So does a `context.ip` that is the
    /// network of the client's own address: it is sent instead of that address. Whatever is sent follows the request's policy.
    pub fn of_event(event: &'a EventContext<'_>, request: &Client<'a>, policy: ClientFromContext) -> Self {
        let believed = match policy {
            ClientFromContext::Signed => event.signed,
            ClientFromContext::Always => true,
            ClientFromContext::Never => false,
        };
        let from_server = event.is_from_server();
        let untrusted = from_server && !believed;
        let ip_policy = request.ip_policy;
        let fallback = if from_server { Client { ip_policy, ..Client::default() } } else { *request };

        let mut client = Client { untrusted, ..fallback };
        let ip = event.ip.as_deref().and_then(parse_ip);
        if believed && ip.is_none() && event.ip.is_some() {
            client.unusable_ip = Some(Reason::NotAnIp);
        }
        if ip.is_some_and(|ip| ip.is_unspecified()) {
            client = Client { ip: None, private_ip: false, ..client };
        } else if believed && ip.is_some() {
            client = Client { ip: ip.and_then(|ip| ip_policy.apply(ip)), private_ip: false, ..client };
        } else if ip.is_some() && ip == client.ip.map(network_of) {
            client = Client { ip, ..client };
        }
        if believed {
            let user_agent = event.user_agent.as_deref().map_or(Ok(None), sendable);
            client.unusable_user_agent = user_agent.err().or(client.unusable_user_agent);
            client.user_agent = user_agent.unwrap_or_default().or(client.user_agent);
        }
        client
    }

    /// The client of a tracking request, from Envoy's `source.address` property (`203.0.113.7:443`, `[2001:db8::1]:443`)
    /// and the `user-agent` header. An address that is not an IP (a Unix domain socket), and `0.0.0.0`, are ignored.
    pub fn of_request(source_address: &[u8], user_agent: Option<&'a [u8]>) -> Self {
        let ip = ip_without_port(source_address).filter(|ip| !ip.is_unspecified());
        let text = |bytes| str::from_utf8(bytes).map_err(|_| Reason::NotText);
        let user_agent = user_agent.map_or(Ok(None), |bytes| text(bytes).and_then(sendable));
        Self {
            ip,
            user_agent: user_agent.unwrap_or_default(),
            untrusted: false,
            private_ip: ip.is_some_and(is_private),
            unusable_ip: None,
            unusable_user_agent: user_agent.err(),
            ip_policy: IpPolicy::Keep,
        }
    }

    /// The client of a tracking request that says how much of an address may be sent.
    #[must_use]
    pub fn with_ip_policy(self, ip_policy: IpPolicy) -> Self {
        let ip = self.ip.and_then(|ip| ip_policy.apply(ip));
        Self { ip, private_ip: self.private_ip && ip.is_some(), ip_policy, ..self }
    }
}

fn is_server_library(name: &str) -> bool {
    SERVER_LIBRARIES.iter().any(|library| library.eq_ignore_ascii_case(name))
}

/// Returns a User-Agent that can be sent in a header, `None` for nothing but white space; one from JSON may contain anything.
fn sendable(user_agent: &str) -> Result<Option<&str>, Reason> {
    match user_agent.trim() {
        "" => Ok(None),
        long if long.len() > MAX_USER_AGENT => Err(Reason::TooLong(MAX_USER_AGENT as u32)),
        text if has_control(text) => Err(Reason::ControlCharacters),
        text => Ok(Some(text)),
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
