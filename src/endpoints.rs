//! Which requests are tracking requests: the paths that existing clients use.

mod deliver;
mod hand_off;
mod settings;

use crate::event::EventType;
use crate::event::envelope::Form;
pub use deliver::{DeliverLimits, DeliverSettings};
pub use hand_off::{AnswerWhen, HandOffLimits, HandOffSettings};
pub use settings::{CaptureLimits, EndpointSettings, RelayWhen, ReplyFrom};

/// A request that carries events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether the path expects one event, a batch, or either.
    pub form: Form,
    /// The type that the path names; the body's own `type` wins.
    pub event_type: Option<EventType>,
    /// Where the request carries its events.
    pub carrier: Carrier,
    /// For servers: signed where sources are configured.
    pub server: bool,
    /// It is answered once what it carries is delivered.
    pub acknowledged: bool,
}

/// Where a request carries its events, which also determines its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The body of a POST.
    Body,
    /// A pixel: one event in the query.
    Query,
}

impl Endpoint {
    const fn single(event_type: EventType) -> Self {
        Self { form: Form::Single, event_type: Some(event_type), ..Self::BATCH }
    }

    const fn pixel(event_type: EventType) -> Self {
        Self { carrier: Carrier::Query, ..Self::single(event_type) }
    }

    const BATCH: Self = Self {
        form: Form::Batch,
        event_type: None,
        carrier: Carrier::Body,
        server: false,
        acknowledged: false,
    };
    const DELIVER: Self = Self { form: Form::Either, acknowledged: true, ..Self::BATCH };
    const SERVER: Self = Self { form: Form::Either, server: true, ..Self::BATCH };
    const UNTYPED: Self = Self { form: Form::Single, ..Self::BATCH };

    /// Whether the endpoint accepts this method. With another one, a CORS preflight for example, the request is not a
    /// tracking request.
    pub fn takes(&self, method: &[u8]) -> bool {
        match self.carrier {
            Carrier::Body => method == b"POST",
            Carrier::Query => method == b"GET",
        }
    }
}

/// Whether a request with these headers asks for another protocol, as WebSocket does. Such a request has no end, and is no tracking
/// request. Over HTTP/2 and HTTP/3, where it is an extended CONNECT, Envoy shows filters the same headers. Envoy removes those of
/// an upgrade to HTTP/2 (h2c), which some clients always offer.
pub fn is_upgrade(headers: &[(String, Vec<u8>)]) -> bool {
    let mut lines = headers.iter().filter(|(name, _)| name == "connection").map(|(_, value)| value);
    let is_upgrade = |token: &[u8]| token.trim_ascii().eq_ignore_ascii_case(b"upgrade");
    headers.iter().any(|(name, _)| name == "upgrade")
        && lines.any(|line| line.split(|byte| *byte == b',').any(is_upgrade))
}

/// The tracking paths below a base path.
#[derive(Clone, Debug)]
pub struct Endpoints {
    base_path: String,
    import: bool,
    deliver: bool,
}

impl Endpoints {
    /// `base_path` is empty or begins with a slash and doesn't end with one.
    pub fn new(base_path: &str) -> Result<Self, String> {
        let legal = base_path.is_empty()
            || (base_path.starts_with('/')
                && !base_path.ends_with('/')
                && !base_path.contains(['?', '#', ' ']));
        if !legal {
            return Err(format!("expected an empty string or a path like /collect, got {base_path:?}"));
        }
        Ok(Self { base_path: base_path.to_owned(), import: true, deliver: false })
    }

    /// Whether `/v1/import` is a tracking request, as it is unless this says otherwise.
    pub fn with_import(self, import: bool) -> Self {
        Self { import, ..self }
    }

    /// Whether `/v1/deliver` is a tracking request, which it is not unless this says so.
    pub fn with_deliver(self, deliver: bool) -> Self {
        Self { deliver, ..self }
    }

    /// The endpoint of a request path (with its query); `None` for every other request. Costs a comparison or two for
    /// those, and no allocation. One slash at the end of the path is ignored; otherwise it is compared exactly.
    pub fn find(&self, path: &[u8]) -> Option<Endpoint> {
        let path = path.strip_prefix(self.base_path.as_bytes())?;
        match path {
            [b'/', b'v', b'1', b'/', name @ ..] => self.of_version_1(name),
            [b'/', b'a', b'p', b'i', b'/', b's', b'/', name @ ..] => jitsu(name),
            [b'/', b'b', b'e', b'a', b'c', b'o', b'n', b'/', name @ ..] => {
                (bare(name) == b"v1/batch").then_some(Endpoint::BATCH)
            }
            [b'/', b'p', b'i', b'x', b'e', b'l', b'/', b'v', b'1', b'/', name @ ..] => match bare(name) {
                b"track" => Some(Endpoint::pixel(EventType::Track)),
                b"page" => Some(Endpoint::pixel(EventType::Page)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Segment's and RudderStack's paths, which Signal shares.
    fn of_version_1(&self, name: &[u8]) -> Option<Endpoint> {
        let name = bare(name);
        if let Some(pixel) = name.strip_prefix(b"pixel/") {
            return named(pixel).map(Endpoint::pixel);
        }
        Some(match name {
            b"batch" | b"b" => Endpoint::BATCH,
            b"import" if self.import => Endpoint::BATCH,
            b"events" => Endpoint::SERVER,
            b"deliver" if self.deliver => Endpoint::DELIVER,
            _ => Endpoint::single(letter(name).or_else(|| named(name))?),
        })
    }
}

/// Jitsu's paths, for browsers and (`s2s/`) for servers. Some of its clients post to `event` and name the type in the body.
fn jitsu(name: &[u8]) -> Option<Endpoint> {
    let name = bare(name);
    let name = name.strip_prefix(b"s2s/").unwrap_or(name);
    if name == b"event" { Some(Endpoint::UNTYPED) } else { named(name).map(Endpoint::single) }
}

/// The path without its query, and without one slash at its end.
fn bare(path: &[u8]) -> &[u8] {
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    path.strip_suffix(b"/").unwrap_or(path)
}

/// The letters that analytics.js and Datafly.js use in paths.
fn letter(name: &[u8]) -> Option<EventType> {
    Some(match name {
        b"t" => EventType::Track,
        b"p" => EventType::Page,
        b"i" => EventType::Identify,
        b"g" => EventType::Group,
        b"a" => EventType::Alias,
        b"s" => EventType::Screen,
        _ => return None,
    })
}

fn named(name: &[u8]) -> Option<EventType> {
    Some(match name {
        b"track" => EventType::Track,
        b"page" => EventType::Page,
        b"identify" => EventType::Identify,
        b"group" => EventType::Group,
        b"alias" => EventType::Alias,
        b"screen" => EventType::Screen,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str) -> Option<Endpoint> {
        Endpoints::new("").unwrap().find(path.as_bytes())
    }

    const TYPES: [(&str, &str, EventType); 6] = [
        ("t", "track", EventType::Track),
        ("p", "page", EventType::Page),
        ("i", "identify", EventType::Identify),
        ("g", "group", EventType::Group),
        ("a", "alias", EventType::Alias),
        ("s", "screen", EventType::Screen),
    ];

    #[test]
    fn a_path_for_one_event_names_its_type_by_letter_or_name() {
        for (letter, name, event_type) in TYPES {
            for path in [
                format!("/v1/{letter}"),
                format!("/v1/{name}"),
                format!("/v1/{name}?writeKey=k"),
                format!("/api/s/{name}"),
                format!("/api/s/s2s/{name}"),
            ] {
                assert_eq!(found(&path), Some(Endpoint::single(event_type)), "{path}");
            }
        }
        assert_eq!(found("/api/s/event").unwrap().event_type, None);
    }

    #[test]
    fn batches_have_four_paths_of_which_import_can_be_switched_off() {
        for path in ["/v1/batch", "/v1/b", "/beacon/v1/batch?writeKey=k", "/v1/import"] {
            assert_eq!(found(path).unwrap().form, Form::Batch, "{path}");
        }
        assert!(EndpointSettings::default().import);
        let without_import = Endpoints::new("").unwrap().with_import(false);
        assert_eq!(without_import.find(b"/v1/import"), None);
    }

    #[test]
    fn one_slash_at_the_end_of_a_path_is_ignored() {
        for path in [
            "/v1/t",
            "/v1/batch",
            "/v1/import",
            "/v1/events",
            "/v1/pixel/track",
            "/pixel/v1/page",
            "/beacon/v1/batch",
            "/api/s/event",
            "/api/s/s2s/track",
        ] {
            let endpoint = found(path);
            assert!(endpoint.is_some(), "{path}");
            for ending in ["/", "/?writeKey=k", "/?x=/"] {
                assert_eq!(found(&format!("{path}{ending}")), endpoint, "{path}{ending}");
            }
            for ending in ["//", "//?x", "/x", "/."] {
                assert_eq!(found(&format!("{path}{ending}")), None, "{path}{ending}");
            }
        }
    }

    #[test]
    fn the_endpoint_for_servers_takes_an_event_or_a_batch() {
        let server = found("/v1/events").unwrap();
        assert!(server.server && server.form == Form::Either && server.event_type.is_none());
        assert!(!found("/v1/batch").unwrap().server);
    }

    #[test]
    fn pixels_are_got_and_everything_else_is_posted() {
        for (_, name, event_type) in TYPES {
            let pixel = found(&format!("/v1/pixel/{name}?wk=k")).unwrap();
            assert_eq!(pixel, Endpoint::pixel(event_type));
            assert!(pixel.takes(b"GET") && !pixel.takes(b"POST"));
        }
        for (name, event_type) in [("track", EventType::Track), ("page", EventType::Page)] {
            let rudderstacks = found(&format!("/pixel/v1/{name}?writeKey=k"));
            assert_eq!(rudderstacks, Some(Endpoint::pixel(event_type)), "{name}");
        }
        let batch = found("/v1/b").unwrap();
        assert!(batch.takes(b"POST") && !batch.takes(b"GET") && !batch.takes(b"OPTIONS"));
    }

    #[test]
    fn an_upgrade_is_asked_for_by_two_headers() {
        let asks = |headers: &[(&str, &str)]| {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
            is_upgrade(&headers)
        };
        assert!(asks(&[("connection", "Upgrade"), ("upgrade", "websocket")]));
        assert!(asks(&[("upgrade", "websocket"), ("connection", "keep-alive, upgrade")]));
        assert!(asks(&[("connection", "x"), ("connection", "upgrade"), ("upgrade", "x")]));
        assert!(!asks(&[("upgrade", "websocket")]));
        assert!(!asks(&[("connection", "upgrade")]));
        assert!(!asks(&[("connection", "upgrades"), ("upgrade", "x")]));
    }

    #[test]
    fn no_other_path_is_an_endpoint() {
        for path in [
            "",
            "/",
            "/v1",
            "/v1/",
            "/v1/tracks",
            "/v1//",
            "//v1/t",
            "//v1/batch",
            "/v1//t",
            "/v1/%74",
            "/v1/t;jsessionid=1",
            "/v2/../v1/t",
            "/v2/t",
            "/v1/T",
            "x/v1/t",
            "/v1/event",
            "/v1/pixel/",
            "/v1/pixel/t",
            "/v1/pixel",
            "/v1/pixel//",
            "/pixel/v1/",
            "/pixel/v1/identify",
            "/pixel/track",
            "/api/s/",
            "/api/s/t",
            "/api/s/s2s",
            "/api/s/s2s/s2s/track",
            "/beacon/v1/t",
            "/batch",
            "/?/v1/t",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn a_base_path_stands_before_them() {
        let endpoints = Endpoints::new("/collect").unwrap();
        for path in ["/v1/t", "/beacon/v1/batch", "/api/s/track", "/v1/pixel/page"] {
            assert!(endpoints.find(format!("/collect{path}").as_bytes()).is_some(), "{path}");
            assert!(endpoints.find(path.as_bytes()).is_none(), "{path}");
        }
        for bad in ["collect", "/collect/", "/a?b", "/"] {
            assert!(Endpoints::new(bad).is_err(), "{bad}");
        }
    }
}
