//! The collector and the vendors: one Envoy that answers directly, so that what is behind the gateway is never slower than it. And
//! the receiver of records.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::authority::Authority;
use crate::receiver::Receiver;
use crate::support::{Envoy, EnvoyOptions, TempDir, wait_until_every, yaml};

/// How long the vendors of the slow listeners take.
pub const SLOW: Duration = Duration::from_secs(2);
/// How long callouts may take to arrive.
const LIMIT: Duration = Duration::from_secs(30);
/// Of one request; the largest payload has half a megabyte.
const MOST_BYTES: u32 = 4 << 20;
/// How often the sink is asked while they do.
const POLL: Duration = Duration::from_millis(20);

/// Requests that have arrived, by who got them, and records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub collector: u64,
    pub flashtalking: u64,
    pub podsights: u64,
    pub records: u64,
}

impl std::ops::Add for Counts {
    type Output = Self;
    fn add(self, more: Self) -> Self {
        Self {
            collector: self.collector + more.collector,
            flashtalking: self.flashtalking + more.flashtalking,
            podsights: self.podsights + more.podsights,
            records: self.records + more.records,
        }
    }
}

impl Counts {
    fn reaches(self, other: Self) -> bool {
        self.collector >= other.collector
            && self.flashtalking >= other.flashtalking
            && self.podsights >= other.podsights
            && self.records >= other.records
    }
}

pub struct Sink {
    envoy: Envoy,
    ports: BTreeMap<String, u16>,
    receiver: Receiver,
    ca: PathBuf,
    _dir: TempDir,
}

/// A vendor, by the name of its cluster in envoy.yaml, and by the host name that the cluster expects in its certificate.
const VENDORS: [(&str, &str); 2] =
    [("flashtalking", "servedby.flashtalking.com"), ("podsights", "collector.podsights.com")];

impl Sink {
    pub fn start(processor: usize) -> Self {
        let dir = TempDir::new();
        let authority = Authority::new().expect("cannot make a certificate");
        let ca = dir.0.join("ca.pem");
        std::fs::write(&ca, authority.pem()).expect("cannot write");
        let mut listeners = vec![listener("collector", "collector", None, false)];
        for (vendor, host) in VENDORS {
            let tls = tls(&authority, host);
            listeners.extend([
                listener(vendor, vendor, Some(&tls), false),
                listener(&format!("slow {vendor}"), vendor, Some(&tls), true),
                listener(&format!("plain {vendor}"), vendor, None, false),
            ]);
        }
        let admin = json!({"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}});
        let config = json!({"admin": admin, "static_resources": {"listeners": listeners}});
        let path = dir.0.join("sink.yaml");
        std::fs::write(&path, yaml(&config)).expect("cannot write");
        let envoy = Envoy::start(&dir.0, &path, &quiet(Some(processor)));
        let listeners = envoy.get("/listeners?format=json").json();
        let port = |listener: &Value| {
            let name = listener["name"].as_str()?.to_owned();
            let port = listener["local_address"]["socket_address"]["port_value"].as_u64()?;
            Some((name, u16::try_from(port).ok()?))
        };
        let mut ports: BTreeMap<String, u16> =
            listeners["listener_statuses"].as_array().into_iter().flatten().filter_map(port).collect();
        let receiver = Receiver::start();
        ports.insert("records".to_owned(), receiver.port());
        Self { envoy, ports, receiver, ca, _dir: dir }
    }

    /// The CA that signed the vendors' certificates.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    pub fn port(&self, listener: &str) -> u16 {
        *self.ports.get(listener).unwrap_or_else(|| panic!("the sink has no listener {listener}"))
    }

    pub fn counts(&self) -> Counts {
        let page = self.envoy.get("/stats?filter=downstream_rq_total").text();
        let count = |name: &str| {
            let prefix = format!("http.{name}.downstream_rq_total: ");
            page.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok()).unwrap_or_default()
        };
        Counts {
            collector: count("collector"),
            flashtalking: count("flashtalking"),
            podsights: count("podsights"),
            records: self.receiver.received(),
        }
    }

    /// Checks the connections that the vendors have accepted so far.
    ///
    /// # Errors
    /// Where there are none, or some that did not agree on HTTP/2 in their TLS handshake.
    pub fn vendors_speak_http2(&self) -> Result<(), String> {
        let page = self.envoy.get("/stats?filter=downstream_cx_http").text();
        for (vendor, _) in VENDORS {
            let count = |version: &str| {
                let prefix = format!("http.{vendor}.downstream_cx_{version}_total: ");
                page.lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok()).unwrap_or(0)
            };
            let (first, second): (u64, u64) = (count("http1"), count("http2"));
            if first > 0 || second == 0 {
                return Err(format!("{vendor}: {first} connections by HTTP/1.1, {second} by HTTP/2"));
            }
        }
        Ok(())
    }

    /// Waits until this much has arrived, and `rest` longer for what should not come.
    pub fn wait_for(&self, expected: Counts, rest: Duration) {
        wait_until_every(POLL, LIMIT, || self.counts().reaches(expected));
        std::thread::sleep(rest);
    }

    /// Compares what has arrived so far.
    ///
    /// # Errors
    /// Where more or less arrived: then the work was not done, and what it cost means nothing.
    pub fn compare(&self, expected: Counts) -> Result<(), String> {
        let arrived = self.counts();
        if arrived == expected { Ok(()) } else { Err(format!("expected {expected:?}, arrived {arrived:?}")) }
    }

    /// [`Sink::wait_for`] and [`Sink::compare`].
    pub fn expect(&self, expected: Counts, rest: Duration) -> Result<(), String> {
        self.wait_for(expected, rest);
        self.compare(expected)
    }
}

/// How Envoy is started where nothing is to be learnt from its log.
pub fn quiet(processor: Option<usize>) -> EnvoyOptions {
    let (name, value) = crate::gateway::PIXEL_KEY;
    EnvoyOptions {
        environment: vec![(name.into(), value.into())],
        concurrency: 1,
        log_level: "warning".into(),
        filter_log_level: "warning".into(),
        processor,
        epoch: None,
        arguments: vec![],
    }
}

/// TLS as the server `host`, with HTTP/2 and HTTP/1.1 by ALPN.
fn tls(authority: &Authority, host: &str) -> Value {
    let (certificate, key) = authority.issue(host).expect("cannot make a certificate");
    let chain = json!({"inline_string": certificate.pem()});
    let private_key = json!({"inline_string": key.serialize_pem()});
    json!({
        "name": "tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{"certificate_chain": chain, "private_key": private_key}],
            },
        },
    })
}

fn listener(name: &str, counted_as: &str, tls: Option<&Value>, slow: bool) -> Value {
    let body = r#"{"success":true}"#;
    let answer = json!({"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}});
    let hosts = json!([{"name": "all", "domains": ["*"], "routes": [answer]}]);
    // Without the buffer Envoy answers before it has read the body and closes the connection for it: every POST would pay
    // for a new connection, which no vendor makes one pay.
    let buffer = "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer";
    let mut filters = vec![
        json!({"name": "buffer", "typed_config": {"@type": buffer, "max_request_bytes": MOST_BYTES}}),
        json!({
            "name": "router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }),
    ];
    if slow {
        let delay = json!({"fixed_delay": format!("{}s", SLOW.as_secs()), "percentage": {"numerator": 100}});
        let fault = "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault";
        filters.insert(0, json!({"name": "fault", "typed_config": {"@type": fault, "delay": delay}}));
    }
    let manager = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let manager = json!({
        "@type": manager, "stat_prefix": counted_as, "http_filters": filters,
        "route_config": {"name": name, "virtual_hosts": hosts},
    });
    let mut chain = json!({"filters": [{"name": "manager", "typed_config": manager}]});
    if let Some(tls) = tls {
        chain["transport_socket"] = tls.clone();
    }
    json!({
        "name": name,
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [chain],
    })
}
