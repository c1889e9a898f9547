//! A console within the test, and what its gateways send.
#![allow(dead_code, reason = "each test crate uses another part of it")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use conversion_relay_console::clock;
use conversion_relay_console::configuration::{Collection, Document};
use conversion_relay_console::console::Shared;
use conversion_relay_console::options::Options;
use conversion_relay_console::server;
use conversion_relay_console::store::{GatewaySeen, GatewayState, RecordQuery, StoredRecord};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::support::{self, Connection, Request, Response, TempDir, wait_until};

pub const GATEWAY_TOKEN: &str = "token-of-all-gateways";
pub const VIEWER_TOKEN: &str = "token-of-who-looks-on";
pub const ADMIN_TOKEN: &str = "token-of-an-administrator";
pub const RELAY_KEY: &str = "the gateways' secret, 32 bytes or more";
pub const CONSOLE_SECRET: &str = "the console's secret, 32 bytes or more";

/// How long a change may take to reach a gateway that asks twice a second, on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The variables that a console is started with.
pub fn environment() -> [(&'static str, String); 3] {
    let tokens =
        format!("alice:admin:{ADMIN_TOKEN},vic:viewer:{VIEWER_TOKEN},gateways:gateway:{GATEWAY_TOKEN}");
    [("CONSOLE_TOKENS", tokens), ("CONSOLE_SECRET", CONSOLE_SECRET.into()), ("RELAY_KEY", RELAY_KEY.into())]
}

/// The console as a program of its own.
pub struct Program {
    pub process: Child,
    pub address: SocketAddr,
}

impl Program {
    /// Starts it over a database in a folder, and waits until it serves.
    pub fn start(dir: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_conversion-relay-console"))
            .args(["--listen", "127.0.0.1:0", "--database"])
            .arg(dir.join("console.db"))
            .env_clear()
            .envs(environment())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("console ready http://").unwrap().parse().unwrap();
        Self { process, address }
    }

    /// Ends it where it is, by SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// An address that nobody listens on.
pub fn free_address() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap()
}

/// A console. It is gone when it is dropped, like one that is killed.
pub struct Running {
    pub console: Shared,
    pub address: SocketAddr,
    pub dir: TempDir,
    runtime: Option<Runtime>,
}

impl Running {
    pub fn start(options: Options) -> Self {
        let dir = TempDir::new();
        let database = dir.0.join("console.db");
        let address = free_address();
        let listen =
            if options.listen.port() == Options::default().listen.port() { address } else { options.listen };
        let options = Options { listen, database, ..options };
        let variable =
            |name: &str| environment().into_iter().find(|(other, _)| *other == name).map(|(_, value)| value);
        let console = server::open(options, &variable).unwrap();
        let runtime = Runtime::new().unwrap();
        let (ready, is_ready) = mpsc::channel();
        runtime.spawn(server::run(Shared::clone(&console), move |address| ready.send(address).unwrap()));
        let address = is_ready.recv().unwrap();
        Self { console, address, dir, runtime: Some(runtime) }
    }

    /// Changes the configuration.
    pub fn change(&self, edit: impl FnOnce(&mut Document)) {
        let changed = self.console.store.change("alice", |draft| {
            edit(&mut draft.document);
            Ok(((), "Changed".to_owned()))
        });
        changed.unwrap();
    }

    /// Puts an integration in the place of the one with its id, or adds it.
    pub fn put(&self, id: &str, integration: &Value) {
        let mut integration = integration.as_object().unwrap().clone();
        integration.insert("id".to_owned(), json!(id));
        self.change(|document| document.put(Collection::Integrations, id, integration));
    }

    /// Replaces the settings; secrets are those of [`RELAY_KEY`].
    pub fn set(&self, settings: &Value) {
        let mut settings: Map<String, Value> = settings.as_object().unwrap().clone();
        settings.insert("secrets".to_owned(), json!(["${RELAY_KEY}"]));
        self.change(|document| document.set_settings(settings));
    }

    pub fn gateways(&self) -> Vec<GatewaySeen> {
        self.console.store.gateways(clock::now())
    }

    /// Waits until so many gateways have the configuration in force, and no other gateway has another one.
    pub fn wait_for_gateways(&self, count: usize) {
        let all_have_it = wait_until(LIMIT, || {
            let gateways = self.gateways();
            gateways.len() == count && gateways.iter().all(|seen| seen.state == GatewayState::Current)
        });
        assert!(all_have_it, "{:#?}", self.gateways());
    }

    /// The records with this order id, once there are `count` of them.
    pub fn wait_for_records(&self, order: &str, count: usize) -> Vec<StoredRecord> {
        let query = RecordQuery { order: Some(order.to_owned()), limit: 100, ..RecordQuery::default() };
        let mut found = Vec::new();
        let complete = wait_until(LIMIT, || {
            found = self.console.store.records(&query).unwrap();
            found.len() == count
        });
        assert!(complete, "{found:#?}");
        found
    }

    pub fn send(&self, request: &Request) -> Response {
        Connection::open(self.address).unwrap().send(request)
    }

    /// Whether a file of the console's holds the text.
    pub fn holds(&self, text: &str) -> bool {
        holds(&self.dir.0, text)
    }

    /// Ends it, as by a signal that it can't handle.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a file of a folder holds the text.
pub fn holds(folder: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().any(|path| {
        if path.is_dir() {
            return holds(&path, text);
        }
        // One may be renamed meanwhile.
        let bytes = std::fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

/// A request with a token.
pub fn with_token(request: Request, token: &str) -> Request {
    request.header("authorization", format!("Bearer {token}"))
}

/// A poll of an Envoy's, as large as they are.
pub fn poll(name: &str, version: &str) -> Request {
    let extensions: Vec<Value> = (0..400)
        .map(|number| json!({"name": format!("envoy.filters.http.extension_{number}"), "category": "envoy.filters.http",
            "type_urls": [format!("envoy.extensions.filters.http.extension_{number}.v3.Extension"), "another.type.url.of.it"]}))
        .collect();
    let body = json!({
        "version_info": version,
        "node": {"id": name, "cluster": "edge", "user_agent_name": "envoy",
            "user_agent_build_version": {"version": {"major_number": 1, "minor_number": 40}}, "extensions": extensions},
        "resource_names": ["conversion-relay"],
        "type_url": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
    });
    with_token(Request::post("/v3/discovery:extension_configs", body.to_string()), GATEWAY_TOKEN)
}

/// A dead letter with this id, which no gateway opens.
pub fn letter(id: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/conversion-relay", "type": "conversion_relay.delivery.lost",
        "datacontenttype": "application/octet-stream", "integration": "PS", "vendor": "podsights", "event": "Order Completed",
        "reason": "expired", "attempts": 3, "laststatus": "5xx", "data_base64": "AAAA"})
}

pub fn post_letter(id: &str) -> Request {
    with_token(Request::post("/v1/dead-letters", letter(id).to_string()), GATEWAY_TOKEN)
}

/// An Envoy that gets its filter from the console at this address, and adds the gateways' token to whatever it sends there.
pub fn envoy(console: SocketAddr, token_file: &Path) -> support::Options {
    let secret = json!({"resources": [{"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "console_token", "generic_secret": {"secret": {"inline_string": format!("Bearer {GATEWAY_TOKEN}")}}}]});
    std::fs::write(token_file, secret.to_string()).unwrap();
    let token_file = token_file.to_str().unwrap().to_owned();
    let http = "type.googleapis.com/envoy.extensions";
    let injector = json!({
        "name": "envoy.filters.http.credential_injector",
        "typed_config": {
            "@type": format!("{http}.filters.http.credential_injector.v3.CredentialInjector"),
            "overwrite": true,
            "credential": {
                "name": "envoy.http.injected_credentials.generic",
                "typed_config": {
                    "@type": format!("{http}.http.injected_credentials.generic.v3.Generic"),
                    "credential": {"name": "console_token", "sds_config": {"resource_api_version": "V3",
                        "path_config_source": {"path": token_file}}},
                },
            },
        },
    });
    let codec = json!({"name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": format!("{http}.filters.http.upstream_codec.v3.UpstreamCodec")}});
    let protocol = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": format!("{http}.upstreams.http.v3.HttpProtocolOptions"),
        "explicit_http_config": {"http_protocol_options": {}}, "http_filters": [injector, codec]}});
    support::Options::new().cluster("console", console).env("RELAY_KEY", RELAY_KEY).edit_envoy(move |file| {
        let clusters = file.pointer_mut("/static_resources/clusters").and_then(Value::as_array_mut).unwrap();
        let cluster = clusters.iter_mut().find(|cluster| cluster["name"] == "console").unwrap();
        cluster["typed_extension_protocol_options"] = protocol;
    })
}

/// The same, which asks the console for its filter.
pub fn discovering(console: SocketAddr, token_file: &Path) -> support::Options {
    envoy(console, token_file).edit_envoy(|file| {
        let source = file.pointer_mut(CONFIG_SOURCE).unwrap();
        *source = json!({"resource_api_version": "V3", "api_config_source": {"api_type": "REST",
            "transport_api_version": "V3", "cluster_names": ["console"], "refresh_delay": "0.5s", "request_timeout": "1s"}});
    })
}

const CONFIG_SOURCE: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/http_filters/0/config_discovery/config_source";

/// Writes the console's plugin file with the module that the tests load.
pub fn plugin(dir: &Path) -> std::path::PathBuf {
    let module = support::Options::new().module_path();
    let text = include_str!("../../src/fleet/plugin.yaml")
        .replace("/etc/envoy/conversion-relay.wasm", module.to_str().unwrap());
    let path = dir.join("plugin.yaml");
    std::fs::write(&path, text).unwrap();
    path
}
